"""Arad Sonata, Octave and other Arad radio modules: messages told by their first byte, most significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import I8, U16BE, U32BE, UNIX_BE, unsigned_be
from protocols.model import Quality

MESSAGES: Mapping[int, str] = {0x9D: "standard", 0x9B: "alarm", 0x06: "data log", 0x80: "drive-by log"}
DEVICES: Mapping[int, str] = {
    0x52: "XTR",
    0x54: "Glatt",
    0x56: "Sonata 1",
    0x57: "Sonata 2",
    0x59: "OMS Sonata",
    0x5A: "OMS XTR",
    0x5C: "Interpreter",
}
ALARMS: Mapping[int, str] = {
    0: "tamper",
    1: "cut_wire",
    2: "reverse_flow",
    3: "leak",
    4: "radio_error",
    5: "battery_low",
    6: "field_programmed",
    7: "permanent_error",
    8: "low_temperature",
    9: "tilt",
    10: "maximum_flow",
    11: "burst",
    12: "dry",
    13: "battery_low_meter",
    14: "communication_error",
    15: "smart",
}
EXTENDED_ALARMS: Mapping[int, str] = {
    1: "watchdog_reset",
    2: "power_reset",
    3: "hardware_error",
    4: "box_open",
    5: "charging",
    6: "power_monitor",
    7: "pressure_low",
    8: "pressure_high",
}
GONE: Mapping[int, tuple[Quality, str]] = {
    0: (Quality.NOT_AVAILABLE, "empty"),
    1: (Quality.OVERFLOW, "overflow"),
    2: (Quality.INVALID, "read error"),
    3: (Quality.INVALID, "digit error"),
}
"""What the lowest values of a volume say, counted from 8000 or 80000000."""
TOP_32 = 1 << 31

UNIT_MASK, UNIT_ONE = 0x0F, 7
"""value = number x 10^((unit & 0F) - 7) litres."""

BATTERY = Decimal("0.001")


@binary_decoder
def decode_arad(draft: Draft) -> None:
    """Read one message."""
    kind = draft.byte(0)
    if kind not in MESSAGES:
        raise draft.unsupported(f"message type {kind:02X} is not known of this meter")
    draft.contents(MESSAGES[kind], 0)
    if kind == 0x06:
        _data_log(draft)
    elif kind == 0x80:
        _drive_by(draft)
    else:
        _standard(draft)


def _standard(draft: Draft) -> None:
    draft.require(11, "message")
    _device(draft, 1)
    _alarms(draft, 2)
    draft.flag_bits(unsigned_be(draft.bytes(4, 2)), EXTENDED_ALARMS)
    _volume(draft, 6, 10)


def _data_log(draft: Draft) -> None:
    _device(draft, 3)
    _volume(draft, 4, 8)
    draft.fields(
        (
            Field(9, U16BE, "actuality_duration", "actuality_duration", "min"),
            Field(11, U16BE, "interval_duration", "duration", "min"),
        )
    )
    _alarms(draft, 13)
    draft.fields((Field(15, U16BE, "battery_voltage", "voltage", "V", BATTERY),))
    scale = _scale(draft.byte(17))
    for number, offset in enumerate(range(18, draft.size, 2), start=1):
        _increment(draft, f"interval_{number}_volume", offset, 2, scale, number)


def _drive_by(draft: Draft) -> None:
    draft.require(50, "drive-by log")
    _device(draft, 1)
    draft.text("firmware_version", f"{draft.byte(2)}.{draft.byte(3)}", 2, 2, quantity="firmware_version")
    draft.fields(
        (
            Field(4, I8, "rf_level", "rf_level", "dBm"),
            Field(5, UNIX_BE, "meter_datetime", "datetime"),
        )
    )
    _volume(draft, 9, 13)
    _alarms(draft, 14)
    draft.fields((Field(16, U16BE, "battery_voltage", "voltage", "V", BATTERY),))
    scale = _scale(draft.byte(13))
    for number in range(1, 7):
        _increment(draft, f"hour_{number}_volume", 16 + 2 * number, 2, scale, number)
    for number in range(1, 6):
        _increment(draft, f"week_{number}_volume", 26 + 4 * number, 4, scale, number)


def _device(draft: Draft, offset: int) -> None:
    code = draft.byte(offset)
    draft.text("model_version", DEVICES.get(code, f"{code:02X}"), offset, quantity="model_version")


def _alarms(draft: Draft, offset: int) -> None:
    draft.flag_bits(unsigned_be(draft.bytes(offset, 2)), ALARMS)


def _scale(unit: int) -> Decimal:
    """Cubic metres of one step."""
    return Decimal(1).scaleb((unit & UNIT_MASK) - UNIT_ONE - 3)


def _volume(draft: Draft, offset: int, unit_offset: int) -> None:
    scale = _scale(draft.byte(unit_offset))
    code = unsigned_be(draft.bytes(offset, 4)) - TOP_32
    if code in GONE:
        _gone(draft, "total_volume", offset, 4, code)
    else:
        draft.fields((Field(offset, U32BE, "total_volume", "volume", "m3", scale),))


def _increment(draft: Draft, name: str, offset: int, size: int, scale: Decimal, storage: int) -> None:
    number = unsigned_be(draft.bytes(offset, size))
    at = draft.start + offset
    top = 1 << 8 * size - 1
    if number >= top:
        _gone(draft, name, offset, size, number - top, storage)
    else:
        draft.add(name, "volume", number * scale, "m3", at, at + size, storage=storage)


def _gone(draft: Draft, name: str, offset: int, size: int, code: int, storage: int = 0) -> None:
    """Add a volume that its meter could not give; `code` is what stands below the top bit."""
    at = draft.start + offset
    quality, words = GONE.get(code, (Quality.INVALID, f"code {draft.bytes(offset, size).hex().upper()}"))
    if quality is not Quality.NOT_AVAILABLE:
        draft.note(f"{name.replace('_', ' ')}: {words}")
    draft.add(name, "volume", None, "m3", at, at + size, quality, storage)
