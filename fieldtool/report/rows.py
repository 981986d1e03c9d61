"""One row a meter: of the list, with what was heard of it, and of those heard that are on no list."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fieldtool.pipeline.main_reading import alarms, main_reading
from fieldtool.report.expected import ExpectedMeter
from fieldtool.report.heard import HeardMeter
from keystore.matching import ManufacturerFit, manufacturer_fit
from protocols.model import Outcome, Reading, Telegram

NOT_HEARD: Final = "not_heard"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """How it stands with one meter; `state` is an outcome or `NOT_HEARD`, `listed` is None where there is no list.

    `reading` and `due` (the value of the due date, if the meter sends one) are those of the newest telegram that was
    read, heard at `read_at`; `problem` says why the newest was not. `rssi_dbm` is the best that was heard. Texts are as
    they were sent or filed: whoever shows them makes them safe.
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
    security: str = ""
    key_check_value: str = ""
    profile: str = ""
    done: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether it was heard and read."""
        return self.state == Outcome.OK


@dataclass(frozen=True, slots=True)
class Sums:
    """How many meters are on the list, by state, how many of those in order raise alarms, and how many are on none."""

    listed: int
    by_state: Counter[str]
    with_alarms: int
    unlisted: int


def report_rows(expected: Sequence[ExpectedMeter] | None, heard: Iterable[HeardMeter]) -> list[ReportRow]:
    """Return the rows, those of the list that are not in order first; without a list all that was heard."""
    heard = list(heard)
    by_name: defaultdict[str, list[HeardMeter]] = defaultdict(list)
    for meter in heard:
        for name in meter.names:
            by_name[name].append(meter)
    rows: list[ReportRow] = []
    met: set[int] = set()
    for one in expected or ():
        found = _best([meter for name in one.names | one.adapters for meter in by_name.get(name, ())], one.manufacturer)
        if found is None:
            rows.append(ReportRow(one.number, one.manufacturer or "", one.label, "", NOT_HEARD, True, done=one.done))
        else:
            met.add(id(found))
            rows.append(_row(found, one, listed=True))
    listed = None if expected is None else False
    rows += [_row(meter, None, listed=listed) for meter in heard if id(meter) not in met]
    return sorted(rows, key=lambda row: (row.listed is False, row.is_ok, row.state, row.manufacturer, row.number))


def sums(rows: Iterable[ReportRow]) -> Sums:
    """Count the rows."""
    rows = list(rows)
    listed = [row for row in rows if row.listed is not False]
    return Sums(
        len(listed),
        Counter(row.state for row in listed),
        sum(row.is_ok and bool(row.alarms) for row in listed),
        len(rows) - len(listed),
    )


def _best(found: Sequence[HeardMeter], manufacturer: str | None) -> HeardMeter | None:
    """Return the one whose maker fits best; two makers may give the same number, so another maker's is none."""
    fits = [(_fit(manufacturer, meter), meter) for meter in found]
    best = min(fits, key=lambda fit: (fit[0], -fit[1].telegrams), default=None)
    return None if best is None or best[0] is ManufacturerFit.OTHER else best[1]


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
    return ReportRow(
        number=heard_as if expected is None else expected.number,
        manufacturer=address.manufacturer if address is not None else "",
        label="" if expected is None else expected.label,
        medium=newest.medium or (newest.lorawan.medium if newest.lorawan is not None else None) or "",
        state=str(newest.outcome),
        listed=listed,
        problem=newest.problem or "",
        telegrams=meter.telegrams,
        first_at=meter.first_at,
        last_at=meter.last_at,
        read_at=None if read is None else read.frame.at,
        rssi_dbm=meter.best_rssi_dbm,
        reading=reading,
        due=None if read is None or reading is None else _due(read, reading),
        alarms=alarms(newest),
        security="" if security is None else security.name,
        key_check_value="" if security is None else security.key_check_value or "",
        profile=newest.profile or "",
        done=() if expected is None else expected.done,
    )


def _due(telegram: Telegram, reading: Reading) -> Reading | None:
    """Return the value of the due date that belongs to a reading."""
    same = (r for r in telegram.readings if r.name.startswith("due_date_") and r.quantity == reading.quantity)
    return next((r for r in same if r.value is not None), None)
