"""BMeters' own payloads: HYDRODIGIT and RFM-TX1 of water meters, HYDROCLIMA of heat cost allocators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from protocols.errors import Truncated
from protocols.mbus.values import bcd
from protocols.model import Function, Quality
from protocols.profiles.payloads.layout import NO_SIGNED_16, Coding, Field, Read, read_field, read_fields
from protocols.profiles.payloads.model import Item, Payload, bit_names, flag_names, flag_words

LAYER = "records"

_LITRES = Decimal("0.001")
_TEN_LITRES = Decimal("0.01")
_HUNDREDTHS = Decimal("0.01")

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
NO_MONTH_FROM = 10_000_000
"""Month ends from this number on, FFFFFF as a rule, were not reached yet."""

_MONTH_ENDS = tuple(
    Field(f"month_end_{month}_volume", "volume", 3 * number, 3, "m3", _TEN_LITRES, empty_from=NO_MONTH_FROM)
    for number, month in enumerate(MONTHS)
)
"""Volumes at the ends of January to December, each of its latest."""

_BATTERY = Field("battery_voltage", "voltage", 0, 1, "V")
_TAMPER = Field("tamper_type", "flags", 0, 1)
_HYDRODIGIT: tuple[tuple[int, Field], ...] = (
    (0x01, _BATTERY),
    (0x02, _TAMPER),
    (0x02, Field("tamper_date", "date", 0, 3, coding=Coding.DATE_BCD)),
    (0x80, Field("leak_date", "date", 0, 3, coding=Coding.DATE_BCD)),
    (0x04, Field("total_volume_backward", "volume", 0, 4, "m3", _LITRES)),
    *((0x10, replace(field, offset=0)) for field in _MONTH_ENDS),
)
"""In the order of the bytes: what follows when a bit of the contents byte is set."""

_CONTENTS: tuple[tuple[int, str], ...] = (
    (0x01, "battery_voltage"),
    (0x02, "tamper_date"),
    (0x80, "leak_date"),
    (0x04, "backflow"),
    (0x10, "monthly_data"),
)
_BATTERY_CENTIVOLTS = (370, 190, 210, 220, 230, 240, 250, 265, 280, 290, 305, 320, 335, 350, 370, 370)
"""By the low nibble of the battery byte."""

_TAMPERS: tuple[tuple[int, str], ...] = ((0x80, "magnetic_tamper"), (0x40, "sensor_tamper"), (0x20, "removal"))


def decode_hydrodigit(plain: bytes, start: int, end: int) -> Payload:
    """Battery voltage, tampering and its date, date of a leak, backward volume, month ends, as the first byte says."""
    if start >= end:
        return Payload(problem=Truncated("HYDRODIGIT block without its contents byte", layer=LAYER, offset=end))
    items = [Item("contents", "flags", flag_words(plain[start], _CONTENTS), "", start, start + 1)]
    flags: tuple[str, ...] = ()
    at = start + 1
    for bit, field in _HYDRODIGIT:
        if not plain[start] & bit:
            continue
        if at + field.size > end:
            message = f"HYDRODIGIT block ends before its {field.name.replace('_', ' ')}"
            return Payload(tuple(items), flags, Truncated(message, layer=LAYER, offset=end))
        item = read_field(field, plain, at)
        if field is _BATTERY:
            item = replace(item, value=_BATTERY_CENTIVOLTS[plain[at] & 0x0F] * _HUNDREDTHS)
        elif field is _TAMPER:
            item = replace(item, value=flag_words(plain[at], _TAMPERS))
            flags = flag_names(plain[at], _TAMPERS)
        items.append(item)
        at += field.size
    return Payload(tuple(items), flags)


RFM_TX1_CONFIGURATION = b"\x06\x10"
"""The only configuration word, as transmitted, whose payload is known."""

RFM_TX1_CLOCK, RFM_TX1_MONTHS = 13, 19
"""Places in the payload."""


_RFM_TX1_TOTAL = Field("total_volume", "volume", 2, 4, "m3", _LITRES, Coding.BCD)


def decode_rfm_tx1(plain: bytes, start: int, end: int) -> Payload:
    """Total, clock and month ends; the digits of the total were put right by the security layer."""
    if plain[start - 2 : start] != RFM_TX1_CONFIGURATION:
        return Payload(foreign=True)
    payload = read_fields((_RFM_TX1_TOTAL,), plain, start, end, "RFM-TX1 payload")
    clock, months = start + RFM_TX1_CLOCK, start + RFM_TX1_MONTHS
    if end < months:
        problem = payload.problem or Truncated("RFM-TX1 payload ends before its clock", layer=LAYER, offset=end)
        return Payload(payload.items, problem=problem)
    at, quality = _clock(plain[clock:months])
    items = (*payload.items, Item("meter_datetime", "datetime", at, "", clock, months, quality))
    month_ends = read_fields(_MONTH_ENDS, plain, months, end, "RFM-TX1 payload")
    return Payload((*items, *month_ends.items), problem=month_ends.problem)


def _clock(data: bytes) -> Read:
    """Second, minute, hour, day, month, year since 2000 in BCD."""
    if not any(data):
        return None, Quality.NOT_AVAILABLE
    numbers = [number for place in range(6) if (number := bcd(data[place : place + 1])) is not None]
    if len(numbers) < len(data):
        return None, Quality.INVALID
    second, minute, hour, day, month, two_digits = numbers
    try:
        return datetime(2000 + two_digits, month, day, hour, minute, second), Quality.GOOD  # noqa: DTZ001
    except ValueError:
        return None, Quality.INVALID


_HCA_RECORD = b"\x03\x6e"
"""The count in a record: sent by all HYDROCLIMA but the oldest (RKN9)."""

_AVERAGE_ROOM = "average_room_temperature"
_MAXIMUM_ROOM = "maximum_room_temperature"
_PREVIOUS_ROOM = "previous_period_average_room_temperature"
_PREVIOUS_RADIATOR = "previous_period_average_radiator_temperature"


def _temperature(name: str, offset: int, storage: int = 0) -> Field:
    quantity = "flow_temperature" if "radiator" in name else "external_temperature"
    function = Function.MAXIMUM if name.startswith("maximum_") else Function.INSTANTANEOUS
    return Field(
        name, quantity, offset, 2, "C", _HUNDREDTHS, Coding.SIGNED, NO_SIGNED_16, function=function, storage=storage
    )


_STATUS_WORD = Field("info_code", "info_code", 1, 2)
_HYDROCLIMA: Mapping[int, tuple[Field, ...]] = {
    0x10: (
        _STATUS_WORD,
        _temperature(_AVERAGE_ROOM, 7),
        _temperature(_MAXIMUM_ROOM, 9),
        Field("measurement_count", "count", 13, 2, empty=frozenset((0xFFFF,))),
        _temperature(_PREVIOUS_ROOM, 15, storage=1),
        _temperature(_PREVIOUS_RADIATOR, 17, storage=1),
        Field("total_hca_units", "hca_units", 21, 3, scale=Decimal(1)),
    ),
    0x11: (
        _STATUS_WORD,
        _temperature("average_radiator_temperature", 9),
        _temperature(_AVERAGE_ROOM, 11),
        _temperature(_MAXIMUM_ROOM, 13),
        _temperature(_PREVIOUS_RADIATOR, 17, storage=1),
        _temperature(_PREVIOUS_ROOM, 19, storage=1),
        *(
            Field(
                f"history_{n}_hca_units",
                "hca_units",
                19 + 2 * n,
                2,
                "",
                Decimal(1),
                Coding.SIGNED,
                NO_SIGNED_16,
                storage=n,
            )
            for n in range(1, 5)
        ),
        *(_temperature(f"history_{n}_average_room_temperature", 27 + 2 * n, storage=n) for n in range(1, 4)),
        Field("total_hca_units", "hca_units", 44, 3, "", Decimal(1), Coding.SIGNED, frozenset((-1, -0x800000))),
    ),
}
"""By the first byte. Clock and dates in between are packed in a way that is not known for certain."""

_RKN9: tuple[Field, ...] = tuple(
    Field(f"history_{n}_hca_units", "hca_units", 2 * (n - 1), 2, "", Decimal("0.1"), storage=n) for n in range(1, 13)
)


def decode_hydroclima(plain: bytes, start: int, end: int) -> Payload:
    """Temperatures and earlier counts; the bits of the status word have no published names."""
    if _HCA_RECORD not in plain[: max(start - 1, 0)]:
        return read_fields(_RKN9, plain, start, end, "RKN9 block")
    fields = _HYDROCLIMA.get(plain[start]) if start < end else None
    if fields is None:
        return Payload(notes=("HYDROCLIMA block of an unknown kind",))
    payload = read_fields(fields, plain, start, end, "HYDROCLIMA block")
    word = next((item.value for item in payload.items if item.name == _STATUS_WORD.name), 0)
    bits = word if isinstance(word, int) else 0
    return Payload(payload.items, bit_names(bits, {}), payload.problem)
