"""Telegrams that a plan read, as JSON: the very line that `telegram_json` would write, from a template.

A template is `telegram_json` of the plan's own telegram with marks in place of what differs, so the two cannot drift
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Final, cast

from fieldtool.export.telegram_json import (
    findings_json,
    received_json,
    status_json,
    step_json,
    telegram_json,
    value_json,
)
from protocols.decode import plausibility
from protocols.learned import Sighting, readings_of, status_of
from protocols.mbus.layouts import PlainNumber, Slot
from protocols.model import (
    Finding,
    FindingKind,
    Quality,
    RawFrame,
    Rung,
    RungState,
    Status,
    Telegram,
    VerdictStep,
)
from protocols.plans import MeterPlan, Plan
from protocols.plausibility.findings import judged_step, with_findings
from protocols.profiles.apply import PlannedReading

TEMPLATES: Final = 500
"""Templates kept, one a plan."""

METERS: Final = 20_000
"""Meters whose own part of the line is kept, about 1 kB each."""

VALUES: Final = 128
"""Distinct data kept a reading that is no plain number: dates above all."""

NUMBERS: Final = 100_000
"""Plain numbers kept for all readings together, some 20 MB: due-date values, temperatures, totals that stand still."""

NUMBERS_A_READING: Final = 1024

MEMO_LIMIT: Final = 4096
"""Statuses of a plan, and ways of reception, kept."""

_MARK_TEXT: Final = "mark-6b1d0e94"
_MARK_NUMBER: Final = 6_170_014_494_611_317
_MARK_BYTES: Final = bytes.fromhex("6b1d0e94c2a7f35881d46e907b2f1ca3")
_MARK_FRAME: Final = RawFrame(_MARK_BYTES, source=_MARK_TEXT)
_MARK_STEP: Final = VerdictStep(Rung.PLAUSIBILITY, RungState.PASSED, _MARK_TEXT)
_MARK_FINDINGS: Final = (Finding(FindingKind.JUMP, _MARK_TEXT),)
_MARK_STATUS: Final = Status(_MARK_NUMBER, (_MARK_TEXT,))
_MARK_METER: Final = {
    name: f"mark-{name}-6b1d0e94"
    for name in ("address_detail", "key_detail", "key_check_value", "number", "link_number")
}
"""What stands in a template for what is the meter's own."""

_GOOD: Final = Quality.GOOD
_NULL: Final = "null"
_NOT_GOOD: Final = "\0"
"""Stands for a value of which more must be said than its text."""


class _Values(dict[bytes, str]):
    """A reading's value as JSON, by the data of its record."""

    def __init__(self, slot: Slot, planned: PlannedReading) -> None:
        super().__init__()
        self._read = slot.read
        self._result = planned.result if planned.changes else None

    def __missing__(self, data: bytes) -> str:
        text = self._text(data)
        if len(self) >= VALUES:
            self.clear()
        self[data] = text
        return text

    def _text(self, data: bytes) -> str:
        value, quality = self._read(data)
        if self._result is not None:
            value, quality = self._result((value, quality), data)
        if quality is not _GOOD:
            return _NOT_GOOD
        return value_json(value)


@dataclass(slots=True)
class _Room:
    """How many more numbers may be kept."""

    left: int = NUMBERS


class _Numbers(_Values):
    """A plain number as JSON, written down without the value between."""

    def __init__(self, slot: Slot, planned: PlannedReading, plain: PlainNumber, room: _Room) -> None:
        super().__init__(slot, planned)
        self._decimals, self._limit = plain.decimals, plain.limit
        self._room = room

    def __missing__(self, data: bytes) -> str:
        text = self._plain_text(data) or self._text(data)
        # When there is no more room, a number is written anew each time, which takes little longer than to let one go.
        if len(self) < NUMBERS_A_READING and self._room.left:
            self._room.left -= 1
            self[data] = text
        return text

    def _plain_text(self, data: bytes) -> str:
        """The number digit by digit; empty where the data mean something special."""
        if self._limit is None:
            digits = data[::-1].hex()
            if not digits.isdecimal():
                return ""
            digits = digits.lstrip("0") or "0"
        else:
            number = int.from_bytes(data, "little")
            if number >= self._limit:
                return ""
            digits = str(number)
        decimals = self._decimals
        if not decimals:
            return digits
        digits = digits.rjust(decimals + 1, "0")
        return f"{digits[:-decimals]}.{digits[-decimals:]}"


def _values(slot: Slot, planned: PlannedReading, room: _Room) -> _Values:
    if slot.plain is None or planned.changes:
        return _Values(slot, planned)
    return _Numbers(slot, planned, slot.plain, room)


@dataclass(frozen=True, slots=True)
class _Template:
    """A line as a %-format of the meter's own parts, what was received, and the readings.

    `head`, `address` and `security` are %-formats of what is the meter's own, up to the plausibility, the access number
    and the status. `good` takes the values alone, `any_quality` value and quality of each reading in turn. `pick` takes
    the data of each reading from the data of all records. `words` are the records that are flag words.
    """

    plan: Plan
    head: str
    address: str
    security: str
    good: str
    any_quality: str
    pick: Callable[[tuple[bytes, ...]], Sequence[bytes]]
    values: tuple[_Values, ...]
    all_valid: str
    all_valid_step: str
    words: tuple[int, ...]
    statuses: dict[tuple[int | None, tuple[bytes, ...]], str] = field(default_factory=dict)


class SightingWriter:
    """Writes lines of JSON; remembers the template of each plan. Belongs to one thread.

    `findings` are what was noticed in the telegram that is written.
    """

    def __init__(self) -> None:
        self._room = _Room()
        self._templates: dict[int, _Template] = {}
        self._meters: dict[MeterPlan, tuple[_Template, str, str, str]] = {}

    def line(self, seen: Telegram | Sighting, findings: Sequence[Finding] = ()) -> str:
        """Return one line without its end, for a telegram that was decoded in full or by a plan."""
        if isinstance(seen, Telegram):
            return telegram_json(with_findings(seen, findings))
        return self.matched(seen.plan, seen.data, seen.plain, received_json(seen.frame), seen.frame.data, findings)

    def matched(
        self,
        meter_plan: MeterPlan,
        data: bytes,
        plain: bytes,
        received: str,
        raw: bytes,
        findings: Sequence[Finding] = (),
    ) -> str:
        """Return the line of a telegram that a plan fits, `raw` as received and `data` without CRCs."""
        known = self._meters.get(meter_plan)
        if known is None:
            known = self._learn(meter_plan)
        template, head, address, security = known
        plan = template.plan
        cut = plan.layout.cut(plain)
        texts = [values[one] for values, one in zip(template.values, template.pick(cut), strict=True)]
        status_at, access_at = plan.status_at, plan.access_at
        key = (None if status_at is None else data[status_at], tuple([cut[place] for place in template.words]))
        status = template.statuses.get(key)
        if status is None:
            status = self._status(template, key, data, plain)
        access = _NULL if access_at is None else data[access_at]
        parts = (received, address, access, security, status)
        noticed = findings_json(findings) if findings else _NO_FINDINGS
        if _NOT_GOOD in texts:
            results = readings_of(plan, plain)
            plausible = _judged(plausibility([quality for _, quality in results]), findings)
            both = [text for value, quality in results for text in (value_json(value), quality.value)]
            return template.any_quality % (head, plausible, *parts, *both, noticed, raw.hex().upper())
        plausible = _judged(template.all_valid, findings) if findings else template.all_valid_step
        return template.good % (head, plausible, *parts, *texts, noticed, raw.hex().upper())

    def _status(self, template: _Template, key: tuple[int | None, tuple[bytes, ...]], data: bytes, plain: bytes) -> str:
        if len(template.statuses) >= MEMO_LIMIT:
            template.statuses.clear()
        status = status_of(template.plan, data, plain)
        text = template.statuses[key] = status_json(status)
        return text

    def _learn(self, meter_plan: MeterPlan) -> tuple[_Template, str, str, str]:
        plan = meter_plan.plan
        template = self._templates.get(id(plan))
        if template is None:
            if len(self._templates) >= TEMPLATES:
                self._room = _Room()
                self._templates.clear()
                self._meters.clear()
            template = self._templates[id(plan)] = _template(plan, self._room)
        if len(self._meters) >= METERS:
            self._meters.clear()
        own = _own(meter_plan)
        known = self._meters[meter_plan] = (
            template,
            template.head % own,
            template.address % own,
            template.security % own,
        )
        return known


def _own(meter_plan: MeterPlan) -> dict[str, str]:
    """What is the meter's own, as JSON."""
    meter, link_address = meter_plan.meter, meter_plan.link_address
    texts = {
        "address_detail": meter_plan.address_detail,
        "key_detail": meter_plan.key_detail,
        "key_check_value": meter_plan.key_check_value,
        "number": meter.number,
        "link_number": "" if link_address is None else link_address.number,
    }
    return {name: value_json(text) for name, text in texts.items()}


def _judged(detail: str, findings: Sequence[Finding]) -> str:
    """The rung "plausibility" as JSON."""
    return step_json(judged_step(VerdictStep(Rung.PLAUSIBILITY, RungState.PASSED, detail), findings))


_NO_FINDINGS: Final = findings_json(())
_MARKS: Final = (step_json(_MARK_STEP), received_json(_MARK_FRAME), str(_MARK_NUMBER), status_json(_MARK_STATUS))
"""What stands in a marked line for plausibility, reception, access number and status, in this order."""


def _marked(plan: Plan) -> Telegram:
    """The plan's telegram with marks in place of what differs from one meter, and one telegram, to the next."""
    telegram, security = plan.template, plan.template.security
    details = {Rung.ADDRESS: _MARK_METER["address_detail"]}
    if security is not None:
        security = replace(security, access_number=_MARK_NUMBER)
        if plan.needs_key:
            details[Rung.KEY] = _MARK_METER["key_detail"]
            check_value = _MARK_METER["key_check_value"]
            security = replace(security, key_check_value=check_value, tried=(check_value,))
    meter, link_address = telegram.meter, telegram.link_address
    return replace(
        telegram,
        frame=_MARK_FRAME,
        verdict=tuple(
            _MARK_STEP if step.rung is Rung.PLAUSIBILITY else replace(step, detail=details.get(step.rung, step.detail))
            for step in telegram.verdict
        ),
        findings=_MARK_FINDINGS,
        meter=None if meter is None else replace(meter, number=_MARK_METER["number"]),
        link_address=None if link_address is None else replace(link_address, number=_MARK_METER["link_number"]),
        security=security,
        status=_MARK_STATUS,
        # A quality is written as it prints; the mark is only ever printed.
        readings=tuple(
            replace(reading, value=_MARK_TEXT, quality=cast(Quality, _MARK_TEXT)) for reading in telegram.readings
        ),
    )


def _for_any_meter(piece: str) -> str:
    """Make a %-format of a piece of a marked line."""
    piece = piece.replace("%", "%%")
    for name, mark in _MARK_METER.items():
        piece = piece.replace(f'"{mark}"', f"%({name})s")
    return piece


def _template(plan: Plan, room: _Room) -> _Template:
    readings = len(plan.template.readings)
    reading_marks = [f'"{_MARK_TEXT}"', _MARK_TEXT] * readings
    marks = [*_MARKS, *reading_marks, findings_json(_MARK_FINDINGS), _MARK_BYTES.hex().upper()]
    marked = _cut(telegram_json(_marked(plan)), marks)
    head_own, _, address_own, security_own = (_for_any_meter(piece) for piece in marked[: len(_MARKS)])
    pieces = [piece.replace("%", "%%") for piece in marked]
    head = f"%s%s{pieces[1]}%s%s%s%s%s"
    first = len(_MARKS)
    good = head + pieces[first]
    for number in range(readings):
        value_at = first + 2 * number + 1
        good += "%s" + pieces[value_at] + _GOOD.value + pieces[value_at + 1]
    good += f"%s{pieces[-2]}"
    all_valid = plausibility([_GOOD] * readings)
    slots, planned = plan.layout.slots, plan.recipe.readings
    return _Template(
        plan,
        head_own,
        address_own,
        security_own,
        f"{good}%s{pieces[-1]}",
        head + "%s".join(pieces[first:]),
        _picker(plan.order),
        tuple(_values(slots[one.position], one, room) for one in planned),
        all_valid,
        _judged(all_valid, ()),
        tuple(position for _, position in plan.recipe.words),
    )


def _picker(order: tuple[int, ...]) -> Callable[[tuple[bytes, ...]], Sequence[bytes]]:
    if len(order) < 2:
        return lambda cut: [cut[place] for place in order]
    return cast(Callable[[tuple[bytes, ...]], Sequence[bytes]], itemgetter(*order))


def _cut(text: str, marks: Sequence[str]) -> list[str]:
    """Cut a line at its marks, which come in this order."""
    pieces = []
    for mark in marks:
        piece, _, text = text.partition(mark)
        pieces.append(piece)
    return [*pieces, text]
