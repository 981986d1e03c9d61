"""From records to readings: names of a profile where there is one, generic names for all the rest.

Which record becomes which reading depends on the records' headers alone, and is worked out once as a `Recipe`; what
the readings and flags then say depends on the data. Telegrams of one layout share their recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from protocols.mbus.values import Result, bcd, integer, real
from protocols.model import Function, Quality, Reading, Record, Status
from protocols.profiles.model import TEXTS, CodeRule, NumberCoding, Profile, ReadingRule, Selector, StatusRule
from protocols.text import text_from_bytes

_TRANSPORT_BITS: dict[str, int] = {
    "application_busy": 0,
    "application_error": 1,
    "power_low": 2,
    "permanent_error": 3,
    "temporary_error": 4,
    "manufacturer_bit_5": 5,
    "manufacturer_bit_6": 6,
    "manufacturer_bit_7": 7,
}
"""Bits of the transport layer's status byte by their standard names (EN 13757-7, 7)."""

_LOW_BITS = frozenset({0, 1})
_ALARM = "alarm"
_BOTH_LOW_BITS = ("application_busy", "application_error")
"""What the standard calls an alarm when both are set."""

WORDS = frozenset({"info_code", "error_flags", "warning_flags", "information_flags", "alarm_flags"})
"""Quantities that are words of bits: numbers without a sign, also where the record's header would give them one."""

_CONFORM = "standard_conform"
"""The modifier of data that say of themselves that they conform to the standard (VIFE 1D)."""

RECIPES: Final = 500
"""Recipes that are remembered: one for each layout of records, under each profile."""

all_but_data: Final = attrgetter(
    "header", "name", "quantity", "unit", "function", "storage", "tariff", "subunit", "modifiers", "index"
)
"""What a record says of itself, and a recipe depends on: everything but where it lies and what its data say."""

_recipes: Final[dict[tuple[Any, ...], Recipe]] = {}

_REAL_LENGTH = 4
_VARIABLE_LENGTH = "D"
"""The DIF's data field, second digit of the header, whose data begin with a length byte (EN 13757-3, Table 4)."""


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What a telegram's records say."""

    readings: tuple[Reading, ...]
    status: Status | None
    profile: str | None


@dataclass(frozen=True, slots=True)
class PlannedReading:
    """A reading without its value: everything that the headers decide.

    `reading` is the blank, `position` the record that it is read from, `rule` what changes the record's own value.
    """

    reading: Reading
    position: int
    rule: ReadingRule | CodeRule | None = None

    @property
    def changes(self) -> bool:
        """Whether the rule makes something else of the record's value."""
        rule = self.rule
        if rule is None:
            return False
        if isinstance(rule, CodeRule) or rule.means in WORDS:
            return True
        return bool(rule.invalid) or rule.scale is not None or rule.coding in TEXTS

    def result(self, result: Result, data: bytes) -> Result:
        """Value and quality, given those of the record and its data."""
        if isinstance(self.rule, CodeRule):
            return _code(self.rule, data), Quality.GOOD
        if self.rule is None:
            return result
        if data in self.rule.invalid:
            return None, Quality.INVALID
        quality = Quality.ERROR_STATE if self.reading.function is Function.ERROR else Quality.GOOD
        if self.rule.scale is not None:
            number = _number(data, self.rule.coding)
            return (number * self.rule.scale, quality) if number is not None else (None, Quality.INVALID)
        if self.rule.coding in TEXTS:
            return _text(self.reading.source, data, self.rule.coding), quality
        value, quality = result
        if self.rule.means in WORDS and isinstance(value, int) and value < 0:
            return integer(data, signed=False), quality
        return result

    def filled(self, result: Result, data: bytes) -> Reading:
        """The reading with its value."""
        value, quality = self.result(result, data)
        blank = self.reading
        return Reading(
            blank.name,
            value,
            blank.unit,
            blank.quantity,
            blank.function,
            blank.storage,
            blank.tariff,
            blank.subunit,
            blank.source,
            quality,
            blank.record,
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the records of one layout become readings and flags; `words` are the flag words by position."""

    profile: Profile | None
    readings: tuple[PlannedReading, ...]
    words: tuple[tuple[StatusRule, int], ...]

    def status(self, status: Status | None, data: Sequence[bytes]) -> Status | None:
        """The status byte's flags in the profile's words, with those of the flag words behind them."""
        if self.profile is None:
            return status
        if status is None and not self.words:
            return None
        names = [] if status is None else _transport_names(self.profile, status.flags)
        for rule, position in self.words:
            names += _flags(rule, data[position])
        return Status(None if status is None else status.raw, tuple(dict.fromkeys(names)))


def interpret(records: Sequence[Record], status: Status | None, profile: Profile | None) -> Interpretation:
    """Name every record; the profile's readings come first, in its order, then the others as transmitted."""
    recipe = _known_recipe(records, profile)
    readings = []
    for planned in recipe.readings:
        record = records[planned.position]
        readings.append(planned.filled((record.value, record.quality), record.data))
    data = [record.data for record in records]
    return Interpretation(tuple(readings), recipe.status(status, data), None if profile is None else profile.name)


def _known_recipe(records: Sequence[Record], profile: Profile | None) -> Recipe:
    """The same as `recipe_of`, worked out once for all telegrams whose records say the same of themselves."""
    # A recipe holds its profile, so that no other one can have the same identity meanwhile.
    key = (id(profile), *map(all_but_data, records))
    recipe = _recipes.get(key)
    if recipe is None:
        if len(_recipes) >= RECIPES:
            _recipes.clear()
        recipe = _recipes[key] = recipe_of(records, profile)
    return recipe


def recipe_of(records: Sequence[Record], profile: Profile | None) -> Recipe:
    """Work out which record becomes which reading; records count by their place in `records`."""
    if profile is None:
        return Recipe(None, tuple(_generic(record, place) for place, record in enumerate(records)), ())
    named = _named(records, profile)
    in_file = (*named.values(), *_also(records, profile))
    first = [planned for _, planned in sorted(in_file, key=_file_order)]
    coded = [planned for rule in profile.codes for planned in _coded(rule, records)]
    rest = [_generic(record, place) for place, record in enumerate(records) if place not in named]
    words = ((rule, _word_position(rule.selector, records)) for rule in profile.statuses)
    found = tuple((rule, place) for rule, place in words if place is not None)
    return Recipe(profile, (*first, *coded, *rest), found)


def generic_name(record: Record) -> str:
    """The name a payload decoder gave, else the quantity with its modifiers behind it."""
    return record.name or "_".join((record.quantity, *record.modifiers))


def selects(selector: Selector, record: Record) -> bool:
    """Whether a record is one that a selector means, its occurrence aside."""
    if selector.header is not None:
        return record.source == selector.header
    return (
        record.quantity == selector.quantity
        and record.function is selector.function
        and record.modifiers == selector.modifiers
        and _in_place(selector, record)
    )


def _in_place(selector: Selector, record: Record) -> bool:
    return (
        record.storage in selector.storages
        and record.tariff in selector.tariffs
        and record.subunit in selector.subunits
    )


_Ordered = tuple[tuple[int, int], PlannedReading]
"""A reading with its order: place of its rule in the file, then number within its range."""


def _named(records: Sequence[Record], profile: Profile) -> dict[int, _Ordered]:
    """Readings by position."""
    index = profile.reading_index
    seen: dict[tuple[int, int], int] = {}
    named: dict[int, _Ordered] = {}
    for position, record in enumerate(records):
        if record.name:
            # A payload decoder knows best what its items are; the file says where they stand.
            if record.name in index.by_name:
                named[position] = ((index.by_name[record.name], 0), _generic(record, position))
            continue
        place = (record.quantity, record.function, record.modifiers)
        # Every rule counts its records, also those that another rule of its kind names.
        for rules in (index.by_header.get(record.source, ()), index.by_place.get(place, ())):
            for order, rule in rules:
                if rule.selector.header is None and not _in_place(rule.selector, record):
                    continue
                step = _step(rule, record)
                key = (order, step)
                seen[key] = seen.get(key, 0) + 1
                if seen[key] == rule.selector.occurrence and position not in named:
                    named[position] = (key, _planned(rule, record, position, step))
            if position in named:
                break
    return named


def _also(records: Sequence[Record], profile: Profile) -> list[_Ordered]:
    """Readings beside those that name the records; items of a payload can have them, too."""
    seen: dict[tuple[int, int], int] = {}
    found = []
    for order, rule in profile.reading_index.also:
        for position, record in enumerate(records):
            if not selects(rule.selector, record):
                continue
            step = _step(rule, record)
            seen[order, step] = seen.get((order, step), 0) + 1
            if seen[order, step] == rule.selector.occurrence:
                found.append(((order, step), _planned(rule, record, position, step)))
    return found


def _file_order(item: _Ordered) -> tuple[int, int]:
    return item[0]


def _step(rule: ReadingRule, record: Record) -> int:
    """How far into the rule's range the record lies."""
    selector = rule.selector
    places = (
        (selector.storages, record.storage),
        (selector.tariffs, record.tariff),
        (selector.subunits, record.subunit),
    )
    return next((numbers.index(number) for numbers, number in places if isinstance(numbers, range)), 0)


def _planned(rule: ReadingRule, record: Record, position: int, step: int) -> PlannedReading:
    name = rule.name.replace("{n}", str(rule.n_first + rule.n_step * step)) if "{n}" in rule.name else rule.name
    unit = record.unit if rule.unit is None else rule.unit
    return PlannedReading(_blank(record, name, unit, rule.means or record.quantity), position, rule)


def _generic(record: Record, position: int) -> PlannedReading:
    return PlannedReading(_blank(record, generic_name(record), record.unit, record.quantity), position)


def _blank(record: Record, name: str, unit: str, quantity: str) -> Reading:
    return Reading(
        name,
        None,
        unit,
        quantity,
        record.function,
        record.storage,
        record.tariff,
        record.subunit,
        record.source,
        record=record.index,
    )


def _position(selector: Selector, records: Sequence[Record]) -> int | None:
    """Where the first selected record stands."""
    return next((place for place, record in enumerate(records) if selects(selector, record)), None)


def _word_position(selector: Selector, records: Sequence[Record]) -> int | None:
    """The same for a flag word, which may or may not be marked as conforming to the standard: that changes no bit."""
    exact = _position(selector, records)
    if exact is not None or selector.header is not None:
        return exact
    bare = _without_mark(selector.modifiers)
    alike = (
        place
        for place, record in enumerate(records)
        if (record.quantity, record.function) == (selector.quantity, selector.function)
        and _without_mark(record.modifiers) == bare
        and _in_place(selector, record)
    )
    return next(alike, None)


def _without_mark(modifiers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(modifier for modifier in modifiers if modifier != _CONFORM)


def _coded(rule: CodeRule, records: Sequence[Record]) -> list[PlannedReading]:
    position = _position(rule.selector, records)
    if position is None:
        return []
    record = records[position]
    return [
        PlannedReading(Reading(rule.name, None, "", "code", source=record.source, record=record.index), position, rule)
    ]


def _code(rule: CodeRule, data: bytes) -> str:
    code = _field(int.from_bytes(data, "little"), rule.mask)
    return rule.values.get(code, f"code {code}")


def _field(word: int, mask: int) -> int:
    """The bits of `word` under `mask`, shifted down."""
    return (word & mask) >> ((mask & -mask).bit_length() - 1)


def _number(data: bytes, coding: NumberCoding) -> int | Decimal | None:
    if coding is NumberCoding.BCD:
        return bcd(data)
    if coding is NumberCoding.REAL:
        return real(data) if len(data) == _REAL_LENGTH else None
    return integer(data, signed=coding is NumberCoding.SIGNED)


def _text(source: str, data: bytes, coding: NumberCoding) -> str:
    content = data[1:] if source[1:2] == _VARIABLE_LENGTH else data
    return text_from_bytes(content if coding is NumberCoding.TEXT_IN_ORDER else content[::-1])


def _transport_names(profile: Profile, flags: Sequence[str]) -> list[str]:
    """The status byte's flags in the maker's words; an alarm is both low bits, which a maker may use one by one."""
    named = profile.transport_bits
    if named is None:
        return list(flags)
    if not _LOW_BITS.isdisjoint(named):
        flags = [one for flag in flags for one in (_BOTH_LOW_BITS if flag == _ALARM else (flag,))]
    return [named.get(_TRANSPORT_BITS.get(flag, -1), flag) for flag in flags]


def _flags(rule: StatusRule, data: bytes) -> list[str]:
    """Names of the bits that are set in a flag word, or of the number in its mask."""
    word = int.from_bytes(data, "little")
    if rule.values is not None:
        code = _field(word, rule.mask)
        return [rule.values.get(code, f"code_{code}")] if code or code in rule.values else []
    word &= rule.mask
    return [rule.bits.get(bit, f"bit_{bit}") for bit in range(word.bit_length()) if word >> bit & 1]
