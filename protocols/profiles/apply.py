"""From records to readings: names of a profile where there is one, generic names for all the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.model import Address, Function, Quality, Reading, Record, Status
from protocols.profiles.registry import ProfileRegistry
from protocols.profiles.schema import CodeRule, Profile, Selector, StatusRule

_TRANSPORT_BIT_NAME = "manufacturer_bit_"


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What a telegram's records say."""

    readings: tuple[Reading, ...]
    status: Status | None
    profile: str | None


def interpret(
    records: Sequence[Record], meter: Address | None, status: Status | None, registry: ProfileRegistry
) -> Interpretation:
    """Name every record; profile readings come first, in the profile's order, then the others as transmitted."""
    profile = registry.find(meter) if meter is not None else None
    if profile is None:
        return Interpretation(tuple(_reading(record, generic_name(record)) for record in records), status, None)
    named: dict[int, str] = {}
    for rule in profile.readings:
        for record in records:
            if record.index not in named and selects(rule.selector, record):
                named[record.index] = rule.name
                break
    first = [_reading(records[index], name) for index, name in named.items()]
    coded = [reading for rule in profile.codes for reading in _coded(rule, records)]
    rest = [_reading(record, generic_name(record)) for record in records if record.index not in named]
    return Interpretation((*first, *coded, *rest), _status(profile, records, status), profile.name)


def generic_name(record: Record) -> str:
    """The quantity, with its modifiers behind it."""
    return "_".join((record.quantity, *record.modifiers))


def selects(selector: Selector, record: Record) -> bool:
    """Whether a record is the one a selector means."""
    if selector.header is not None:
        return record.source == selector.header
    return (
        record.quantity == selector.quantity
        and record.function is selector.function
        and record.storage in selector.storages
        and record.tariff == selector.tariff
        and record.subunit == selector.subunit
        and record.modifiers == selector.modifiers
    )


def _reading(record: Record, name: str) -> Reading:
    return Reading(
        name=name,
        value=record.value,
        unit=record.unit,
        quantity=record.quantity,
        function=record.function,
        storage=record.storage,
        tariff=record.tariff,
        subunit=record.subunit,
        source=record.source,
        quality=record.quality,
        record=record.index,
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
    code = (word & rule.mask) >> ((rule.mask & -rule.mask).bit_length() - 1)
    return [
        Reading(
            name=rule.name,
            value=rule.values.get(code, f"code {code}"),
            unit="",
            quantity="code",
            function=Function.INSTANTANEOUS,
            source=record.source,
            quality=Quality.GOOD,
            record=record.index,
        )
    ]


def _status(profile: Profile, records: Sequence[Record], status: Status | None) -> Status | None:
    flags = [] if status is None else [_transport_name(profile, flag) for flag in status.flags]
    words = [flag for rule in profile.statuses for flag in _flags(rule, records)]
    if status is None and not any(_word(rule.selector, records) for rule in profile.statuses):
        return None
    return Status(None if status is None else status.raw, tuple(dict.fromkeys((*flags, *words))))


def _transport_name(profile: Profile, flag: str) -> str:
    if profile.transport_bits is None or not flag.startswith(_TRANSPORT_BIT_NAME):
        return flag
    return profile.transport_bits.get(int(flag.removeprefix(_TRANSPORT_BIT_NAME)), flag)


def _flags(rule: StatusRule, records: Sequence[Record]) -> list[str]:
    found = _word(rule.selector, records)
    if found is None:
        return []
    word = found[1] & rule.mask
    return [rule.bits.get(bit, f"bit_{bit}") for bit in range(word.bit_length()) if word >> bit & 1]
