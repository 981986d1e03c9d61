"""Telegrams that a plan read, as JSON: the very line that `telegram_json` would write, from a template.

A template is `telegram_json` of the plan's own telegram with marks in place of what differs, so the two cannot drift
apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, cast

from fieldtool.export.telegram_json import received_json, status_json, telegram_json, value_json
from protocols.decode import plausibility
from protocols.learned import Plan, Sighting
from protocols.model import Quality, RawFrame, Rung, Status, Telegram

MEMO_LIMIT: Final = 4096
"""Templates, statuses and receptions kept."""

_MARK_TEXT: Final = "mark-6b1d0e94"
_MARK_NUMBER: Final = 6_170_014_494_611_317
_MARK_BYTES: Final = bytes.fromhex("6b1d0e94c2a7f35881d46e907b2f1ca3")
_MARK_FRAME: Final = RawFrame(_MARK_BYTES, source=_MARK_TEXT)
_MARK_STATUS: Final = Status(_MARK_NUMBER, (_MARK_TEXT,))
_GOOD: Final = Quality.GOOD


@dataclass(frozen=True, slots=True)
class _Template:
    """A line as a %-format: plausibility, reception, access number, status, readings, hex.

    `good` takes the values alone, `any_quality` value and quality of each reading in turn. A template without status
    byte and flag words has no place for a status.
    """

    plan: Plan
    good: str
    any_quality: str
    words: tuple[int, ...]
    has_access_number: bool
    has_status: bool


class SightingWriter:
    """Writes lines of JSON; remembers the template of each plan. Belongs to one thread."""

    def __init__(self) -> None:
        self._templates: dict[int, _Template] = {}
        self._statuses: dict[tuple[int, int | None, tuple[bytes, ...]], str] = {}
        self._receptions: dict[tuple[str, str | None, int | None], str] = {}

    def line(self, seen: Telegram | Sighting) -> str:
        """Return one line without its end, for a telegram that was decoded in full or by a plan."""
        if isinstance(seen, Telegram):
            return telegram_json(seen)
        template = self._templates.get(id(seen.plan)) or self._learn(seen.plan)
        results = seen.readings
        head = [
            _ALL_VALID if results else _NOTHING,
            self._reception(seen.frame),
        ]
        if template.has_access_number:
            head.append(str(seen.access_number))
        if template.has_status:
            head.append(self._status(template, seen))
        tail = seen.frame.data.hex().upper()
        texts = []
        for value, quality in results:
            if quality is not _GOOD:
                head[0] = plausibility([quality for _, quality in results])
                both = [text for value, quality in results for text in (value_json(value), quality.value)]
                return template.any_quality % (*head, *both, tail)
            text = str(value) if type(value) is Decimal else value_json(value)
            texts.append(text if "E" not in text else value_json(value))
        return template.good % (*head, *texts, tail)

    def _learn(self, plan: Plan) -> _Template:
        if len(self._templates) >= MEMO_LIMIT:
            self._templates.clear()
            self._statuses.clear()
        template = self._templates[id(plan)] = _template(plan)
        return template

    def _reception(self, frame: RawFrame) -> str:
        if frame.at is not None:
            return received_json(frame)
        key = (frame.source, frame.mode, frame.rssi_dbm)
        text = self._receptions.get(key)
        if text is None:
            if len(self._receptions) >= MEMO_LIMIT:
                self._receptions.clear()
            text = self._receptions[key] = received_json(frame)
        return text

    def _status(self, template: _Template, seen: Sighting) -> str:
        key = (id(seen.plan), seen.status_raw, tuple([seen.record_data(position) for position in template.words]))
        text = self._statuses.get(key)
        if text is None:
            if len(self._statuses) >= MEMO_LIMIT:
                self._statuses.clear()
            text = self._statuses[key] = status_json(seen.status)
        return text


_ALL_VALID: Final = plausibility([_GOOD])
_NOTHING: Final = plausibility([])


def _template(plan: Plan) -> _Template:
    telegram = plan.template
    security = telegram.security
    has_access_number = security is not None and security.access_number is not None
    if security is not None and has_access_number:
        security = replace(security, access_number=_MARK_NUMBER)
    marked = replace(
        telegram,
        frame=_MARK_FRAME,
        security=security,
        status=None if telegram.status is None else _MARK_STATUS,
        verdict=tuple(
            replace(step, detail=_MARK_TEXT) if step.rung is Rung.PLAUSIBILITY else step for step in telegram.verdict
        ),
        # A quality is written as it prints; the mark is only ever printed.
        readings=tuple(
            replace(reading, value=_MARK_TEXT, quality=cast(Quality, _MARK_TEXT)) for reading in telegram.readings
        ),
    )
    marks = [_MARK_TEXT, received_json(_MARK_FRAME)]
    if has_access_number:
        marks.append(str(_MARK_NUMBER))
    if telegram.status is not None:
        marks.append(status_json(_MARK_STATUS))
    reading_marks = [f'"{_MARK_TEXT}"', _MARK_TEXT] * len(telegram.readings)
    pieces = _cut(telegram_json(marked), [*marks, *reading_marks, _MARK_BYTES.hex().upper()])
    first = len(marks)
    good = "%s".join(pieces[: first + 1])
    for number in range(len(telegram.readings)):
        value_at = first + 2 * number + 1
        good += "%s" + pieces[value_at] + _GOOD.value + pieces[value_at + 1]
    good += "%s" + pieces[-1]
    return _Template(
        plan,
        good,
        "%s".join(pieces),
        tuple(position for _, position in plan.recipe.words),
        has_access_number,
        telegram.status is not None,
    )


def _cut(text: str, marks: Sequence[str]) -> list[str]:
    """Cut a line at its marks, which come in this order; what lies between is made safe for a %-format."""
    pieces = []
    for mark in marks:
        piece, _, text = text.partition(mark)
        pieces.append(piece.replace("%", "%%"))
    return [*pieces, text.replace("%", "%%")]
