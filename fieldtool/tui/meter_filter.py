"""The filter of the reception list: words, `field:word` and `field<number`, all of which must hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from fieldtool.pipeline.reception import MeterRow
from fieldtool.tui.signs import OUTCOME_SIGNS
from keystore.matching import NUMBER_DIGITS, squeezed

FILTER_EXAMPLES = "kam   medium:heat   -outcome:ok   rssi>-80   telegrams<3   alarm:low"

_TERM = re.compile(r"(?P<not>-?)(?:(?P<field>[a-z_]+)(?P<sign>[:<>]))?(?P<word>.+)", re.IGNORECASE)
_BYTES = re.compile(r"(?<!\S)[0-9a-f]{2}(?: [0-9a-f]{2}){3,}(?!\S)", re.IGNORECASE)
"""A hex dump's bytes, four or more, that stand apart."""

_EUI = re.compile(r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){3,}", re.IGNORECASE)
"""A DevEUI as it is printed on devices."""

_LABEL = re.compile(r"[0-9][a-z]{3}[0-9]{10}", re.IGNORECASE)
"""Medium, maker, block, number, as on labels (DIN 43863-5): `8 KAM00 6300 1468`."""

_LONG_NUMBER = re.compile(r"[0-9]?([a-z]{3})[0-9]{0,2}([0-9]{8})|00([0-9]{8})")
"""The same, parts of it, or a number filled up to ten digits."""


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


def _long_number(row: MeterRow) -> tuple[str, ...]:
    """Maker and number, the address as the link layer sends it, and as the secondary address of wired M-Bus."""
    if row.address is None:
        return ()
    maker, number, wire = row.address.manufacturer.lower(), row.address.number, row.address.to_wire().hex()
    return f"{maker}{number}", f"{maker}{row.number}", wire, f"{number}{wire[:4]}{wire[12:]}"


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


def _label(row: MeterRow) -> tuple[str, ...]:
    return (row.label,) if row.label else ()


def _message(row: MeterRow) -> tuple[str, ...]:
    return (row.last.message,) if row.last.message else ()


def _asked(row: MeterRow) -> tuple[str, ...]:
    return ("no" if row.asked_at is None else "yes",)


def _filed(row: MeterRow) -> tuple[str, ...]:
    return ("no" if row.label is None else "yes",)


_WORD_FIELDS: dict[str, Callable[[MeterRow], tuple[str, ...]]] = {
    "number": _number,
    "maker": _maker,
    "medium": _medium,
    "outcome": _outcome,
    "alarm": _alarm,
    "profile": _profile,
    "mode": _mode,
    "key": _key,
    "label": _label,
    "message": _message,
}
_YES_NO_FIELDS: dict[str, Callable[[MeterRow], tuple[str, ...]]] = {"filed": _filed, "asked": _asked}
"""Only looked into when they are named."""

_NAMED_FIELDS = _WORD_FIELDS | _YES_NO_FIELDS


_NUMBER_FIELDS: dict[str, Callable[[MeterRow], int | None]] = {
    "rssi": lambda row: row.rssi_dbm,
    "telegrams": lambda row: row.telegrams,
}


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: a word in a field or in any of them, or a number below or above a limit.

    `spelling` is what the word is without separators when it may be a meter's number, else empty.
    """

    word: str
    field: str | None = None
    sign: str = ":"
    limit: int = 0
    negated: bool = False
    spelling: str = ""

    def holds(self, row: MeterRow) -> bool:
        """Whether a row fulfils the condition."""
        return self._found(row) != self.negated

    def _found(self, row: MeterRow) -> bool:
        if self.sign != ":" and self.field is not None:
            number = _NUMBER_FIELDS[self.field](row)
            return number is not None and (number < self.limit if self.sign == "<" else number > self.limit)
        fields = _WORD_FIELDS.values() if self.field is None else (_NAMED_FIELDS[self.field],)
        if any(self.word in text.lower() for field in fields for text in field(row)):
            return True
        return bool(self.spelling) and _number in fields and self._is_number(row)

    def _is_number(self, row: MeterRow) -> bool:
        texts = (*_number(row), *(_long_number(row) if len(self.spelling) > NUMBER_DIGITS else ()))
        return any(self.spelling in text.lower() for text in texts)


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
    joined = _BYTES.sub(lambda found: found[0].replace(" ", ""), text)
    without_blanks = "".join(text.split())
    parts = [without_blanks] if _LABEL.fullmatch(without_blanks) else joined.split()
    return MeterFilter(text.strip(), tuple(_term(part) for part in parts))


def _term(part: str) -> Term:
    match = _TERM.fullmatch(part)
    if match is None or part.endswith((":", "<", ">")):
        raise BadFilter(f"nothing to look for after {part!r}")
    negated, field, sign, word = bool(match["not"]), match["field"], match["sign"], match["word"].lower()
    if field is not None and _EUI.fullmatch(part.removeprefix("-")):
        field, word = None, part.removeprefix("-").lower()
    if field is None:
        return Term(word, negated=negated, spelling=_number_spelling(word))
    field = field.lower()
    if sign == ":":
        _known(field, tuple(_NAMED_FIELDS), "words")
        return Term(word, field, negated=negated, spelling=_number_spelling(word))
    _known(field, tuple(_NUMBER_FIELDS), "numbers")
    try:
        return Term(word, field, sign, int(word), negated)
    except ValueError:
        raise BadFilter(f"{word!r} is not a whole number") from None


def _number_spelling(word: str) -> str:
    """The digits that a word stands for, with the maker's letters where they stand before them."""
    plain = squeezed(word)
    if not any(char.isdigit() for char in plain):
        return ""
    long = _LONG_NUMBER.fullmatch(plain)
    return "".join(part for part in long.groups() if part) if long else plain


def _known(field: str, names: Sequence[str], kind: str) -> None:
    if field not in names:
        near = get_close_matches(field, names, 1)
        known = f"did you mean {near[0]!r}?" if near else f"{kind} are in: {', '.join(names)}"
        raise BadFilter(f"no field {field!r}: {known}")
