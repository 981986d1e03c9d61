"""Telegrams that a plan read, as JSON: the very line that `telegram_json` would write, from a template.

A template is `telegram_json` of the plan's own telegram with marks in place of what differs, so the two cannot drift
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import Final, TypeAlias, cast

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
from protocols.mbus.layouts import Layout, PlainNumber, Slot
from protocols.mbus.values import Result
from protocols.meter_plans import MeterPlan
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
from protocols.plans import Body, Plan
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
_MARK_COUNTER: Final = 6_170_014_494_611_318
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
_BYTES: Final = tuple(map(str, range(256)))
"""Access numbers as text."""
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
    """A line in pieces, and between them room for what is the meter's own, what was received, and the readings.

    `good` has room for the values alone, `any_quality` for value and quality of each reading in turn. `pick` takes the
    data of each reading from the data of all records, None where data alone do not decide a value; `values` and `words`
    are empty then. `words` are the records that are flag words.
    """

    plan: Plan
    good: list[str]
    any_quality: list[str]
    pick: Callable[[tuple[bytes, ...]], Sequence[bytes]] | None
    values: tuple[_Values, ...]
    all_valid: str
    all_valid_step: str
    words: tuple[int, ...]
    statuses: dict[tuple[int | None, tuple[bytes, ...]], str] = field(default_factory=dict)


MeterLine: TypeAlias = tuple[_Template, str, str, str, str, str]
"""What the lines of one meter have in common, for `SightingWriter` alone: little, so that caches hold thousands."""

LinePieces: TypeAlias = tuple[list[str], list[str]]
"""A line in pieces: what all of the kind have, and what goes between, with room for what was received."""

_RECEIVED: Final = 3
_DIGITS: Final = -1
"""Places of the reception and of the frame's digits between the pieces."""


class SightingWriter:
    """Writes lines of JSON; remembers the template of each plan. Belongs to one thread.

    `findings` are what was noticed in the telegram that is written.
    """

    def __init__(self) -> None:
        self._room = _Room()
        self._templates: dict[int, _Template] = {}
        self._meters: dict[MeterPlan, MeterLine] = {}

    def line(self, seen: Telegram | Sighting, findings: Sequence[Finding] = ()) -> str:
        """Return one line without its end, for a telegram that was decoded in full or by a plan."""
        if isinstance(seen, Telegram):
            return telegram_json(with_findings(seen, findings))
        return self.matched(seen.plan, seen.data, seen.body, received_json(seen.frame), seen.frame.data, findings)

    def matched(
        self,
        meter_plan: MeterPlan,
        data: bytes,
        body: Body,
        received: str,
        raw: bytes,
        findings: Sequence[Finding] = (),
    ) -> str:
        """Return the line of a telegram that a plan fits, `raw` as received and `data` without CRCs."""
        known = self._meters.get(meter_plan)
        if known is None:
            if len(self._meters) >= METERS:
                self._meters.clear()
            known = self._meters[meter_plan] = self.of_meter(meter_plan)
        return line_of(self.pieces(known, data, body, findings), received, raw.hex().upper())

    def of_meter(self, meter_plan: MeterPlan) -> MeterLine:
        """What the lines of a meter have in common, for a caller who keeps it."""
        return self._template(meter_plan.plan), *_own(meter_plan)

    def pieces(self, of_meter: MeterLine, data: bytes, body: Body, findings: Sequence[Finding]) -> LinePieces:
        """What `matched` puts together, given what the lines of the meter have in common; `line_of` does the rest."""
        template, address, key_detail, number, link_number, key_check_value = of_meter
        plan = template.plan
        if template.pick is None:
            texts = _texts(readings_of(plan, body))
            status = status_json(status_of(plan, data, body))
        else:
            cut = plan.layout.cut(body)
            texts = [values[one] for values, one in zip(template.values, template.pick(cut), strict=True)]
            status_at = plan.status_at
            key = (None if status_at is None else data[status_at], tuple([cut[place] for place in template.words]))
            status = template.statuses.get(key) or self._status(template, key, data, body)
        access_at = plan.access_at
        access = _NULL if access_at is None else _BYTES[data[access_at]]
        counter = _NULL if plan.message is None else str(plan.message.counter_of(data))
        before = (number, link_number, key_check_value, access, counter, key_check_value, status)
        noticed = findings_json(findings) if findings else _NO_FINDINGS
        if _NOT_GOOD in texts:
            results = readings_of(plan, body)
            plausible = _judged(plausibility([quality for _, quality in results]), findings)
            both = [text for value, quality in results for text in (value_json(value), quality.value)]
            return template.any_quality, [address, key_detail, plausible, "", *before, *both, noticed, ""]
        plausible = _judged(template.all_valid, findings) if findings else template.all_valid_step
        return template.good, [address, key_detail, plausible, "", *before, *texts, noticed, ""]

    def _status(self, template: _Template, key: tuple[int | None, tuple[bytes, ...]], data: bytes, body: Body) -> str:
        if len(template.statuses) >= MEMO_LIMIT:
            template.statuses.clear()
        status = status_of(template.plan, data, body)
        text = template.statuses[key] = status_json(status)
        return text

    def _template(self, plan: Plan) -> _Template:
        template = self._templates.get(id(plan))
        if template is None:
            if len(self._templates) >= TEMPLATES:
                self._room = _Room()
                self._templates.clear()
                self._meters.clear()
            template = self._templates[id(plan)] = _template(plan, self._room)
        return template


def line_of(pieces: LinePieces, received: str, digits: str) -> str:
    """Put a line together; `received` is the reception as JSON, `digits` those of the frame as received."""
    of_kind, own = pieces
    own[_RECEIVED], own[_DIGITS] = received, digits
    line = of_kind[:]
    line[1::2] = own
    return "".join(line)


def _texts(results: Sequence[Result]) -> list[str]:
    """Values as JSON."""
    return [value_json(value) if quality is _GOOD else _NOT_GOOD for value, quality in results]


def _own(meter_plan: MeterPlan) -> tuple[str, str, str, str, str]:
    """What is the meter's own, as JSON; empty where the lines of its kind have none."""
    link_address, keyed = meter_plan.link_address, meter_plan.key is not None
    return (
        encode_basestring_ascii(meter_plan.address_detail),
        encode_basestring_ascii(meter_plan.key_detail) if keyed else "",
        encode_basestring_ascii(meter_plan.meter.number),
        "" if link_address is None else encode_basestring_ascii(link_address.number),
        encode_basestring_ascii(meter_plan.key_check_value) if keyed else "",
    )


def _judged(detail: str, findings: Sequence[Finding]) -> str:
    """The rung "plausibility" as JSON."""
    return step_json(judged_step(VerdictStep(Rung.PLAUSIBILITY, RungState.PASSED, detail), findings))


_NO_FINDINGS: Final = findings_json(())
_MARKS: Final = (
    f'"{_MARK_METER["address_detail"]}"',
    f'"{_MARK_METER["key_detail"]}"',
    step_json(_MARK_STEP),
    received_json(_MARK_FRAME),
    f'"{_MARK_METER["number"]}"',
    f'"{_MARK_METER["link_number"]}"',
    f'"{_MARK_METER["key_check_value"]}"',
    str(_MARK_NUMBER),
    str(_MARK_COUNTER),
    f'"{_MARK_METER["key_check_value"]}"',
    status_json(_MARK_STATUS),
)
"""What stands in a marked line for what is the meter's own or the telegram's, in this order."""


def _marked(plan: Plan) -> Telegram:
    """The plan's telegram with marks in place of what differs from one meter, and one telegram, to the next."""
    telegram, security = plan.template, plan.template.security
    details = {Rung.ADDRESS: _MARK_METER["address_detail"]}
    if security is not None:
        security = replace(security, access_number=_MARK_NUMBER, message_counter=_MARK_COUNTER)
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


def _template(plan: Plan, room: _Room) -> _Template:
    readings = len(plan.template.readings)
    reading_marks = [f'"{_MARK_TEXT}"', _MARK_TEXT] * readings
    marks = [*_MARKS, *reading_marks, findings_json(_MARK_FINDINGS), _MARK_BYTES.hex().upper()]
    pieces = _cut(telegram_json(_marked(plan)), marks)
    good = pieces[: len(_MARKS) + 1]
    for before, behind in zip(pieces[len(good) : -2 : 2], pieces[len(good) + 1 : -2 : 2], strict=True):
        good.append(before + _GOOD.value + behind)
    all_valid = plausibility([_GOOD] * readings)
    layout, planned = plan.layout, plan.recipe.readings
    by_data = isinstance(layout, Layout)
    return _Template(
        plan,
        _with_room([*good, *pieces[-2:]]),
        _with_room(pieces),
        _picker(plan.order) if by_data else None,
        tuple(_values(layout.slots[one.position], one, room) for one in planned) if isinstance(layout, Layout) else (),
        all_valid,
        _judged(all_valid, ()),
        tuple(position for _, position in plan.recipe.words) if by_data else (),
    )


def _with_room(pieces: Sequence[str]) -> list[str]:
    """Pieces of a line at the even places of a list, nothing at the odd ones between them."""
    return [text for piece in pieces for text in (piece, "")][:-1]


def _picker(order: tuple[int, ...]) -> Callable[[tuple[bytes, ...]], Sequence[bytes]]:
    if len(order) < 2:
        return lambda cut: [cut[place] for place in order]
    return cast(Callable[[tuple[bytes, ...]], Sequence[bytes]], itemgetter(*order))


def _cut(text: str, marks: Sequence[str]) -> list[str]:
    """Cut a line at its marks, which come in this order; one that is missing cuts off nothing."""
    pieces = []
    for mark in marks:
        piece, found, rest = text.partition(mark)
        pieces.append(piece if found else "")
        text = rest if found else text
    return [*pieces, text]
