"""The filter of the reception list: words, `field:word` and `field<number`, all of which must hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from fieldtool.pipeline.reception import MeterRow
from fieldtool.tui.signs import OUTCOME_SIGNS

FILTER_EXAMPLES = "kam   medium:heat   -outcome:ok   rssi>-80   telegrams<3   alarm:low"

_TERM = re.compile(r"(?P<not>-?)(?:(?P<field>[a-z_]+)(?P<sign>[:<>]))?(?P<word>.+)", re.IGNORECASE)


class BadFilter(ValueError):
    """A filter text that cannot be understood; the message says which part and why."""


def _number(row: MeterRow) -> tuple[str, ...]:
    """The number as printed, as the address has it, and byte by byte as in hex dumps; DevEUI or DevAddr too."""
    if row.sender is None:
        return ("no address",)
    device = (row.sender,) if isinstance(row.sender, str) else ()
    printed = (row.number,) if row.number else ()
    number = (row.address.number, row.address.number_wire.hex()) if row.address else ()
    return (*device, *printed, *number)


def _maker(row: MeterRow) -> tuple[str, ...]:
    return (row.address.manufacturer,) if row.address else ()


def _medium(row: MeterRow) -> tuple[str, ...]:
    return (row.medium,) if row.medium else ()


def _outcome(row: MeterRow) -> tuple[str, ...]:
    return row.outcome.value, OUTCOME_SIGNS[row.outcome].word


def _alarm(row: MeterRow) -> tuple[str, ...]:
    return (*row.alarms, *(alarm.replace("_", " ") for alarm in row.alarms))


def _profile(row: MeterRow) -> tuple[str, ...]:
    return (row.profile,) if row.profile else ()


def _mode(row: MeterRow) -> tuple[str, ...]:
    return (row.mode,) if row.mode else ()


def _key(row: MeterRow) -> tuple[str, ...]:
    return (row.key_check_value,) if row.key_check_value else ()


_WORD_FIELDS: dict[str, Callable[[MeterRow], tuple[str, ...]]] = {
    "number": _number,
    "maker": _maker,
    "medium": _medium,
    "outcome": _outcome,
    "alarm": _alarm,
    "profile": _profile,
    "mode": _mode,
    "key": _key,
}

_NUMBER_FIELDS: dict[str, Callable[[MeterRow], int | None]] = {
    "rssi": lambda row: row.rssi_dbm,
    "telegrams": lambda row: row.telegrams,
}


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: a word in a field or in any of them, or a number below or above a limit."""

    word: str
    field: str | None = None
    sign: str = ":"
    limit: int = 0
    negated: bool = False

    def holds(self, row: MeterRow) -> bool:
        """Whether a row fulfils the condition."""
        return self._found(row) != self.negated

    def _found(self, row: MeterRow) -> bool:
        if self.sign != ":" and self.field is not None:
            number = _NUMBER_FIELDS[self.field](row)
            return number is not None and (number < self.limit if self.sign == "<" else number > self.limit)
        fields = _WORD_FIELDS.values() if self.field is None else (_WORD_FIELDS[self.field],)
        return any(self.word in text.lower() for field in fields for text in field(row))


@dataclass(frozen=True, slots=True)
class MeterFilter:
    """A filter as it was typed, and its conditions; without conditions every row passes."""

    text: str = ""
    terms: tuple[Term, ...] = ()

    def passes(self, row: MeterRow) -> bool:
        """Whether a row is shown."""
        return all(term.holds(row) for term in self.terms)


def parse_filter(text: str) -> MeterFilter:
    """Read a filter; `BadFilter` says in one line what is wrong with it."""
    return MeterFilter(text.strip(), tuple(_term(part) for part in text.split()))


def _term(part: str) -> Term:
    match = _TERM.fullmatch(part)
    if match is None or part.endswith((":", "<", ">")):
        raise BadFilter(f"nothing to look for after {part!r}")
    negated, field, sign, word = bool(match["not"]), match["field"], match["sign"], match["word"].lower()
    if field is None:
        return Term(word, negated=negated)
    field = field.lower()
    if sign == ":":
        _known(field, tuple(_WORD_FIELDS), "words")
        return Term(word, field, negated=negated)
    _known(field, tuple(_NUMBER_FIELDS), "numbers")
    try:
        return Term(word, field, sign, int(word), negated)
    except ValueError:
        raise BadFilter(f"{word!r} is not a whole number") from None


def _known(field: str, names: Sequence[str], kind: str) -> None:
    if field not in names:
        near = get_close_matches(field, names, 1)
        known = f"did you mean {near[0]!r}?" if near else f"{kind} are in: {', '.join(names)}"
        raise BadFilter(f"no field {field!r}: {known}")
