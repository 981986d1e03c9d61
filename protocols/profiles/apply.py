"""From records to readings: names of a profile where there is one, generic names for all the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from protocols.mbus.values import bcd, real
from protocols.model import Quality, Reading, Record, Status
from protocols.profiles.model import CodeRule, NumberCoding, Profile, ReadingRule, Selector, StatusRule
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
"""Bits of the transport layer's status byte by their standard names (EN 13757-7, 7.5.6)."""
_REAL_LENGTH = 4
_VARIABLE_LENGTH = 0x0D
"""The DIF's data field whose data begin with a length byte (EN 13757-3, Table 4)."""


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What a telegram's records say."""

    readings: tuple[Reading, ...]
    status: Status | None
    profile: str | None


def interpret(records: Sequence[Record], status: Status | None, profile: Profile | None) -> Interpretation:
    """Name every record; the profile's readings come first, in its order, then the others as transmitted."""
    if profile is None:
        return Interpretation(tuple(_reading(record, generic_name(record)) for record in records), status, None)
    named = _named(records, profile)
    first = [reading for _, reading in sorted(named.values(), key=_file_order)]
    coded = [reading for rule in profile.codes for reading in _coded(rule, records)]
    rest = [_reading(record, generic_name(record)) for record in records if record.index not in named]
    return Interpretation((*first, *coded, *rest), _status(profile, records, status), profile.name)


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


def _named(records: Sequence[Record], profile: Profile) -> dict[int, tuple[tuple[int, int], Reading]]:
    """Readings by record, each with its order: place of its rule in the file, then number within its range."""
    index = profile.reading_index
    seen: dict[tuple[int, int], int] = {}
    named: dict[int, tuple[tuple[int, int], Reading]] = {}
    for record in records:
        place = (record.quantity, record.function, record.modifiers)
        for order, rule in (*index.by_header.get(record.source, ()), *index.by_place.get(place, ())):
            if rule.selector.header is None and not _in_place(rule.selector, record):
                continue
            step = _step(rule, record)
            key = (order, step)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] == rule.selector.occurrence:
                named[record.index] = (key, _apply(rule, record, step))
                break
    return named


def _file_order(item: tuple[tuple[int, int], Reading]) -> tuple[int, int]:
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


def _apply(rule: ReadingRule, record: Record, step: int) -> Reading:
    name = rule.name.replace("{n}", str(rule.n_first + rule.n_step * step)) if "{n}" in rule.name else rule.name
    reading = _reading(record, name)
    if record.data in rule.invalid:
        reading = replace(reading, value=None, quality=Quality.INVALID)
    elif rule.scale is not None:
        number = _number(record.data, rule.coding)
        value = None if number is None else number * rule.scale
        reading = replace(reading, value=value, quality=Quality.GOOD if value is not None else Quality.INVALID)
    elif rule.coding is NumberCoding.TEXT:
        reading = replace(reading, value=_text(record), quality=Quality.GOOD)
    if rule.unit is not None or rule.means is not None:
        unit = reading.unit if rule.unit is None else rule.unit
        reading = replace(reading, unit=unit, quantity=rule.means or reading.quantity)
    return reading


def _number(data: bytes, coding: NumberCoding) -> int | Decimal | None:
    if coding is NumberCoding.BCD:
        return bcd(data)
    if coding is NumberCoding.REAL:
        return real(data) if len(data) == _REAL_LENGTH else None
    return int.from_bytes(data, "little", signed=coding is NumberCoding.SIGNED)


def _text(record: Record) -> str:
    content = record.data[1:] if record.header[0] & 0x0F == _VARIABLE_LENGTH else record.data
    return text_from_bytes(content[::-1])


def _reading(record: Record, name: str) -> Reading:
    return Reading(
        name,
        record.value,
        record.unit,
        record.quantity,
        record.function,
        record.storage,
        record.tariff,
        record.subunit,
        record.source,
        record.quality,
        record.index,
    )


def _word(selector: Selector, records: Sequence[Record]) -> tuple[Record, int] | None:
    """The first selected record with its bytes as an unsigned number."""
    for record in records:
        if selects(selector, record):
            return record, int.from_bytes(record.data, "little")
    return None


def _coded(rule: CodeRule, records: Sequence[Record]) -> list[Reading]:
    found = _word(rule.selector, records)
    if found is None:
        return []
    record, word = found
    code = _field(word, rule.mask)
    value = rule.values.get(code, f"code {code}")
    return [Reading(rule.name, value, "", "code", source=record.source, record=record.index)]


def _field(word: int, mask: int) -> int:
    """The bits of `word` under `mask`, shifted down."""
    return (word & mask) >> ((mask & -mask).bit_length() - 1)


def _status(profile: Profile, records: Sequence[Record], status: Status | None) -> Status | None:
    flags = [] if status is None else [_transport_name(profile, flag) for flag in status.flags]
    words = [found for rule in profile.statuses if (found := _flags(rule, records)) is not None]
    if status is None and not words:
        return None
    names = dict.fromkeys((*flags, *(flag for word in words for flag in word)))
    return Status(None if status is None else status.raw, tuple(names))


def _transport_name(profile: Profile, flag: str) -> str:
    bit = _TRANSPORT_BITS.get(flag)
    if profile.transport_bits is None or bit is None:
        return flag
    return profile.transport_bits.get(bit, flag)


def _flags(rule: StatusRule, records: Sequence[Record]) -> list[str] | None:
    """Names of the set bits or of the number in the mask, None when the telegram does not carry the word."""
    found = _word(rule.selector, records)
    if found is None:
        return None
    if rule.values is not None:
        code = _field(found[1], rule.mask)
        return [rule.values.get(code, f"code_{code}")] if code or code in rule.values else []
    word = found[1] & rule.mask
    return [rule.bits.get(bit, f"bit_{bit}") for bit in range(word.bit_length()) if word >> bit & 1]
