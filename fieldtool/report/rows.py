"""One row a meter: of the list, with what was heard of it, and of those heard that are on no list."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from fieldtool.pipeline.main_reading import alarms, main_reading
from fieldtool.report.expected import ExpectedMeter
from fieldtool.report.heard import HeardMeter
from fieldtool.report.reception import NOT_KNOWN, Reception
from keystore.matching import RADIO_NUMBER, ManufacturerFit, manufacturer_fit
from protocols.model import FindingKind, Outcome, Quality, Reading, Telegram
from protocols.plausibility.findings import NEXT

NOT_HEARD: Final = "not_heard"
NO_VALUE: Final = "no_value"
"""Telegrams were decoded, and there is no value in them that counts."""

STALE: Final = timedelta(days=1)
"""Meters send their main reading at least once a day."""

_BY_OWN, _AS_ADAPTER, _BY_ADAPTER = range(3)
"""How a meter of the list was found, the best first: under its number; as the radio adapter that the list names in
place of the meter; by its radio adapter's number."""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """How it stands with one meter; `state` is an outcome, `NO_VALUE` or `NOT_HEARD`; `listed` is None without a list.

    `reading` and `due` (the value of the due date, if the meter sends one) are those of the newest telegram that was
    read, heard at `read_at`; `problem` says why the newest was not. `rssi_dbm` is the best that was heard. `not_read`
    counts telegrams by outcome, `findings` by what is not plausible, of all telegrams. `has_old_key` says that the key
    that fits is superseded. Texts are as they were sent or filed: whoever shows them makes them safe.
    """

    number: str
    manufacturer: str
    label: str
    medium: str
    state: str
    listed: bool | None
    problem: str = ""
    telegrams: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    read_at: datetime | None = None
    rssi_dbm: int | None = None
    reading: Reading | None = None
    due: Reading | None = None
    alarms: tuple[str, ...] = ()
    findings: tuple[tuple[FindingKind, int], ...] = ()
    not_read: tuple[tuple[Outcome, int], ...] = ()
    security: str = ""
    key_check_value: str = ""
    has_old_key: bool = False
    profile: str = ""
    installation_request: str = ""
    reception: Reception = NOT_KNOWN
    done: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether it was heard and read."""
        return self.state == Outcome.OK

    @property
    def is_stale(self) -> bool:
        """Whether the meter was heard on, long after the value that is shown of it."""
        return self.read_at is not None and self.last_at is not None and self.last_at - self.read_at >= STALE

    @property
    def has_warnings(self) -> bool:
        """Whether somebody should look at it although it was read: alarms, doubts, an old key or an old value."""
        return bool(self.alarms or self.findings or self.has_old_key or self.is_stale)


@dataclass(frozen=True, slots=True)
class Sums:
    """How many meters are on the list, by state, how many of those in order have warnings, and how many are on none."""

    listed: int
    by_state: Counter[str]
    with_warnings: int
    unlisted: int


def report_rows(expected: Sequence[ExpectedMeter] | None, heard: Iterable[HeardMeter]) -> list[ReportRow]:
    """Return the rows, those of the list that are not in order first; without a list all that was heard.

    Of those on no list of which only damaged telegrams were heard the number may be wrong: they are the last.
    """
    heard = list(heard)
    by_name: defaultdict[str, list[HeardMeter]] = defaultdict(list)
    for meter in heard:
        for name in meter.names | meter.adapters:
            by_name[name].append(meter)
    rows: list[ReportRow] = []
    met: set[int] = set()
    for one in expected or ():
        like = [meter for name in one.names | one.adapters for meter in by_name.get(name, ())]
        found = _best(like, one)
        if found is None:
            rows.append(_not_heard(one, like))
        else:
            met.add(id(found))
            rows.append(_row(found, one, listed=True))
    listed = None if expected is None else False
    rows += [_row(meter, None, listed=listed) for meter in heard if id(meter) not in met]
    return sorted(
        rows,
        key=lambda row: (row.listed is False, may_not_exist(row), row.is_ok, row.state, row.manufacturer, row.number),
    )


def may_not_exist(row: ReportRow) -> bool:
    """Whether a meter that is on no list was only heard in damaged telegrams, so that its number may be wrong."""
    return row.listed is False and row.state == Outcome.DAMAGED


def sums(rows: Iterable[ReportRow]) -> Sums:
    """Count the rows."""
    rows = list(rows)
    listed = [row for row in rows if row.listed is not False]
    return Sums(
        len(listed),
        Counter(row.state for row in listed),
        sum(row.is_ok and row.has_warnings for row in listed),
        len(rows) - len(listed),
    )


def _not_heard(expected: ExpectedMeter, like: Sequence[HeardMeter]) -> ReportRow:
    """The row of a meter that was not heard; `like` are others that have its number."""
    makers = sorted({maker for meter in like if expected.names & meter.names for maker in meter.manufacturers})
    return ReportRow(
        number=expected.number,
        manufacturer=expected.manufacturer or "",
        label=expected.label,
        medium="",
        state=NOT_HEARD,
        listed=True,
        problem=f"this number is heard from {', '.join(makers)}: wrong maker on the list?" if makers else "",
        done=expected.done,
    )


def _best(found: Sequence[HeardMeter], expected: ExpectedMeter) -> HeardMeter | None:
    """Return the one that is the meter most likely; None where all are others.

    Two makers may give the same number, and a radio adapter sends for several meters.
    """
    fits = [
        (way, _fit(expected.manufacturer, meter), meter)
        for meter in found
        if (way := _way(expected, meter)) is not None
    ]
    best = min(
        (fit for fit in fits if fit[1] is not ManufacturerFit.OTHER),
        key=lambda fit: (fit[0], fit[1], -fit[2].telegrams),
        default=None,
    )
    return None if best is None else best[2]


def _way(expected: ExpectedMeter, meter: HeardMeter) -> int | None:
    """How the list and what was heard go together; None where they do not."""
    if expected.names & meter.names:
        return _BY_OWN
    if expected.names & meter.adapters:
        return _AS_ADAPTER
    if expected.adapters & meter.names:
        return _BY_ADAPTER
    # An adapter that names another meter sends for that one: only a serial that is no number on the air may be it.
    if expected.adapters & meter.adapters and not RADIO_NUMBER.fullmatch(expected.number):
        return _BY_ADAPTER
    return None


def _fit(manufacturer: str | None, meter: HeardMeter) -> ManufacturerFit:
    fits = (manufacturer_fit(manufacturer, heard) for heard in meter.manufacturers)
    return min(fits, default=ManufacturerFit.UNKNOWN)


def _row(meter: HeardMeter, expected: ExpectedMeter | None, *, listed: bool | None) -> ReportRow:
    newest, read = meter.newest, meter.read
    address = newest.identity or newest.meter
    heard_as = newest.printed_number or (address.number if address is not None else "")
    if newest.lorawan is not None and newest.lorawan.device is not None:
        heard_as = newest.lorawan.device
    reading = None if read is None else main_reading(read)
    security = newest.security
    check_value = "" if security is None else security.key_check_value or ""
    state, problem = _state(newest, reading)
    return ReportRow(
        number=heard_as if expected is None else expected.number,
        manufacturer=address.manufacturer if address is not None else "",
        label="" if expected is None else expected.label,
        medium=newest.medium or (newest.lorawan.medium if newest.lorawan is not None else None) or "",
        state=state,
        listed=listed,
        problem=problem,
        telegrams=meter.telegrams,
        first_at=meter.first_at,
        last_at=meter.last_at,
        read_at=None if read is None or reading is None else read.frame.at,
        rssi_dbm=meter.best_rssi_dbm,
        reading=reading,
        due=None if read is None or reading is None else _due(read, reading),
        alarms=_flags(newest),
        findings=_doubts(meter),
        not_read=meter.not_read,
        security="" if security is None else security.name,
        key_check_value=check_value,
        has_old_key=expected is not None and check_value in expected.old_keys,
        profile=newest.profile or "",
        installation_request=meter.installation_request,
        reception=meter.reception,
        done=() if expected is None else expected.done,
    )


def _state(newest: Telegram, reading: Reading | None) -> tuple[str, str]:
    """State and problem: a meter is in order when its newest telegram was read and there is a value of it."""
    if newest.outcome is not Outcome.OK:
        return str(newest.outcome), newest.problem or ""
    if reading is not None and main_reading(newest) is not None:
        return str(Outcome.OK), newest.problem or ""
    if not newest.readings:
        return NO_VALUE, newest.notes[0] if newest.notes else f"{newest.message or 'a message'} without readings"
    qualities = Counter(one.quality.replace("_", " ") for one in newest.readings if one.quality is not Quality.GOOD)
    return NO_VALUE, f"no valid value: {', '.join(qualities) or 'the meter left them empty'}"


def _flags(newest: Telegram) -> tuple[str, ...]:
    """What the newest telegram raises; what is not plausible is counted over all telegrams."""
    return alarms(replace(newest, findings=()))


def _doubts(meter: HeardMeter) -> tuple[tuple[FindingKind, int], ...]:
    """How often what was found that is a reason for doubt."""
    return tuple((kind, count) for kind, count in meter.findings if kind in NEXT)


def _due(telegram: Telegram, reading: Reading) -> Reading | None:
    """Return the value of the due date that belongs to a reading."""
    same = (r for r in telegram.readings if r.name.startswith("due_date_") and r.quantity == reading.quantity)
    return next((r for r in same if r.value is not None), None)
