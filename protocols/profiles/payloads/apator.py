"""Apator's own payloads: radio overlays of water meters (AT-WMBUS, NA-1) and the E-ITN heat cost allocator."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from protocols.errors import ProtocolError, Truncated, Unsupported
from protocols.model import Quality
from protocols.profiles.payloads.layout import (
    Coding,
    Field,
    Read,
    calendar_date,
    counted,
    date_16,
    is_unset,
    read_field,
    read_fields,
)
from protocols.profiles.payloads.model import Item, Payload, behind_fillers, flag_names, flag_words

LAYER = "records"
_LITRES = Decimal("0.001")
_MILLILITRES = Decimal("0.000001")
_NO_TEMPERATURE = frozenset((0xFFFF,))

MARKER = 0x0F
"""First byte of an AT-WMBUS-16-2 payload; others were seen on old meters, whose header is not known."""

REGISTERS_FROM = 8
PADDING = 0xFF
CHECKSUM_SIZES = (2, 4)
"""Bytes that may stand behind the last register where there is no padding."""

TOTAL_REGISTER, DAYS_REGISTER = 0x10, 0x43
_HISTORY_REGISTERS = range(0x71, 0x7D)

REGISTER_SIZES: dict[int, int] = {
    **dict.fromkeys((0xA2, 0xA5, 0xA9, 0xAF), 1),
    **dict.fromkeys((0x11, 0x41, 0x43, 0xA7, 0xA8, 0xAA, 0xAB, 0xAC, 0xAD, 0xB4), 2),
    **dict.fromkeys((0x01, 0x44, 0xA6, *range(0xB6, 0xC8), 0xD0, 0xD3), 3),
    **dict.fromkeys((0x00, 0x10, 0x42, 0xA0, 0xA1, 0xA4, 0xF0), 4),
    **dict.fromkeys((0xB0,), 5),
    **dict.fromkeys((0x40, 0x8B, 0x8C), 6),
    **dict.fromkeys((0x8E, 0xA3), 7),
    **dict.fromkeys((0xB1, 0xB3), 8),
    **dict.fromkeys((0x8A,), 9),
    **dict.fromkeys((*range(0x80, 0x85), 0x86, 0x87), 10),
    **dict.fromkeys((0x85, 0x88, 0x8F), 11),
    **dict.fromkeys((0xB2, 0xB5), 16),
    **{register: 1 + 4 * (register - 0x6F) for register in _HISTORY_REGISTERS},
}
"""Data bytes behind a register's number. Registers 71 to 7C hold a period code and 2 to 13 stored values."""


def decode_at_wmbus_16_2(plain: bytes, start: int, end: int) -> Payload:
    """Total, days in operation, stored volumes and the meter's date, from a list of registers."""
    start = behind_fillers(plain, start, end)
    items: list[Item] = []
    if plain[start : start + 1] == bytes((MARKER,)) and end >= start + REGISTERS_FROM:
        items.append(_meter_date(plain, start + 2))
    position = start + REGISTERS_FROM
    stopped: ProtocolError | None = None
    while position < end and plain[position] != PADDING and end - position > CHECKSUM_SIZES[0]:
        size = REGISTER_SIZES.get(plain[position])
        if size is None or position + 1 + size > end:
            stopped = _stopped(plain[position], position, end, known=size is not None)
            break
        items += _register(plain, position, size)
        position += 1 + size
    if any(item.name == "total_volume" for item in items):
        # The registers behind the total may be of a newer generation: what is known is read.
        return Payload(tuple(items), notes=() if stopped is None else (str(stopped),))
    missing = Truncated("register list without the total volume", layer=LAYER, offset=end)
    return Payload(tuple(items), problem=stopped or missing)


def _meter_date(plain: bytes, at: int) -> Item:
    """Day, month and year in the low bits of three bytes; what the upper bits say is not known."""
    value, quality = calendar_date(2000 + (plain[at + 2] & 0x1F), plain[at + 1] & 0x0F, plain[at] & 0x1F)
    return Item("meter_date", "date", value, "", at, at + 3, quality)


def _stopped(register: int, position: int, end: int, *, known: bool) -> ProtocolError | None:
    if end - position in CHECKSUM_SIZES:
        return None
    if known:
        return Truncated(f"payload ends inside register {register:02X}", layer=LAYER, offset=end)
    message = f"register {register:02X} is not known, nor where the next one begins"
    return Unsupported(message, layer=LAYER, offset=position)


def _register(plain: bytes, position: int, size: int) -> list[Item]:
    register, data = plain[position], position + 1
    if register == TOTAL_REGISTER:
        return [_litres("total_volume", plain, data)]
    if register == DAYS_REGISTER:
        return [read_field(Field("operating_time", "operating_time", 0, 2, "d", Decimal(1)), plain, data)]
    if register in _HISTORY_REGISTERS:
        count = (size - 1) // 4
        return [_litres(f"history_{n}_volume", plain, data + 4 * n - 3, storage=n) for n in range(1, count + 1)]
    return []


def _litres(name: str, plain: bytes, at: int, storage: int = 0) -> Item:
    return read_field(Field(name, "volume", 0, 4, "m3", _LITRES, storage=storage), plain, at)


def decode_at_wmbus_08(plain: bytes, start: int, end: int) -> Payload:
    """The total, counted in thirds of a litre; what stands behind it is not known."""
    return _thirds(plain, start, end, _LITRES)


def decode_at_wmbus_17_2(plain: bytes, start: int, end: int) -> Payload:
    """The total, counted in thirds of a cubic metre.

    That scale is how the telegrams known so far were read; no second source confirms it.
    """
    return _thirds(plain, start, end, Decimal(1))


def _thirds(plain: bytes, start: int, end: int, unit: Decimal) -> Payload:
    """A third has no exact decimal: one that is left over is given to the millilitre."""
    if end < start + 4:
        return Payload(problem=Truncated("payload ends before its total volume", layer=LAYER, offset=end))
    volume, quality = counted(plain[start : start + 4], unit)
    if isinstance(volume, Decimal):
        whole = volume % (3 * unit) == 0
        volume = (volume / 3).quantize(_LITRES if whole else _MILLILITRES)
    return Payload((Item("total_volume", "volume", volume, "m3", start, start + 4, quality),))


E_ITN_MARKER = 0xA0
CI_WITH_PREFIX = 0xB6
_SEASON_HIGH_BYTE = 0xA0

_E_ITN: tuple[Field, ...] = (
    Field("previous_period_hca_units", "hca_units", 3, 2, scale=Decimal(1), storage=1),
    Field("seal_broken_date", "date", 5, 2, coding=Coding.DATE_16),
    Field("hca_units", "hca_units", 7, 2, scale=Decimal(1)),
    Field("current_period_date", "date", 9, 2, coding=Coding.DATE_16),
    Field(
        "previous_period_average_room_temperature",
        "external_temperature",
        11,
        2,
        "C",
        coding=Coding.FIXED_8_8,
        empty=_NO_TEMPERATURE,
        storage=1,
    ),
    Field(
        "average_room_temperature",
        "external_temperature",
        13,
        2,
        "C",
        coding=Coding.FIXED_8_8,
        empty=_NO_TEMPERATURE,
    ),
)
_SEAL = slice(5, 7)


def decode_e_itn(plain: bytes, start: int, end: int) -> Payload:
    """Units of this period and the last, room temperatures, dates; a broken seal is a flag.

    Behind CI B6 a count and as many bytes of unknown meaning stand before the record, which begins behind an A0.
    """
    if plain[start - 1 : start] == bytes((CI_WITH_PREFIX,)) and start < end:
        start += 1 + (plain[start] & 0x0F)
    if plain[start:end].startswith(bytes((E_ITN_MARKER,))):
        start += 1
    payload = read_fields(_E_ITN, plain, start, end, "E-ITN record")
    items = payload.items
    if start < end:
        # One byte of the season's start is sent. The upper one is taken as the constant A0, and with it the year.
        season, quality = date_16(bytes((plain[start], _SEASON_HIGH_BYTE)))
        items = (Item("season_start_date", "date", season, "", start, start + 1, quality), *items)
    seal = plain[start:end][_SEAL]
    return replace(payload, items=items, flags=("seal_broken",) if any(seal) else ())


NA_1_SIZE = 18
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - a meter's own local time

_NA_1_FRAME: tuple[tuple[int, str], ...] = (
    (0x01, "summer_time"),
    (0x02, "historical_indication"),
    (0x04, "max_speed_exceeded"),
    (0x08, "device_access_error"),
    (0x10, "two_way_communication_blocked"),
    (0x20, "installation_frame"),
    (0x40, "wrong_temperature"),
    (0x80, "service_event"),
)
_NA_1_FRAME_ALARMS = 0xDC
"""Bits of the frame status that are conditions of the meter; the others say what kind of frame it is."""

_BATTERY_BIT = 0x01

_NA_1_ALARMS: tuple[tuple[int, str], ...] = (
    (0x80, "minimum_flow"),
    (0x40, "maximum_flow"),
    (0x20, "reverse_flow"),
    (0x10, "measurement_unchanged"),
    (0x08, "leak"),
    (0x04, "device_disconnected"),
    (0x02, "magnetic_tamper"),
    (_BATTERY_BIT, "battery_low"),
)
_NA_1_PAST_ALARMS = (*_NA_1_ALARMS[:-1], (_BATTERY_BIT, "battery_end_of_life"))
"""What the same bits say of the time of the stored volume: the last one that the battery's lifetime is used up."""


def decode_na_1(plain: bytes, start: int, end: int) -> Payload:
    """Total, clock, the last stored volume with its age, alarms now and at that time.

    The total counts in steps of 1 to 1000 litres; the stored volume is sent as the difference to it.
    """
    if end < start + NA_1_SIZE:
        return Payload(problem=Truncated("NA-1 payload has fewer than 18 bytes", layer=LAYER, offset=end))
    body = start + 2
    raw = int.from_bytes(plain[body + 1 : body + 5], "little")
    step = 10 ** (raw >> 4 & 3) * _LITRES
    total = ((raw >> 8) * 16 + (raw & 0x0F)) * step
    clock = _EPOCH + timedelta(seconds=int.from_bytes(plain[body + 5 : body + 9], "little"))
    items = (
        Item("frame_status", "flags", flag_words(plain[start + 1], _NA_1_FRAME), "", start + 1, start + 2),
        Item("total_volume", "volume", total, "m3", body + 1, body + 5),
        Item("meter_datetime", "datetime", clock, "", body + 5, body + 9),
        *_na_1_stored(plain, body, total, step, clock),
        Item("info_code", "info_code", plain[body + 14], "", body + 14, body + 15),
        Item(
            "history_1_status",
            "flags",
            flag_words(plain[body + 15], _NA_1_PAST_ALARMS),
            "",
            body + 15,
            body + 16,
            storage=1,
        ),
    )
    frame_alarms = flag_names(plain[start + 1] & _NA_1_FRAME_ALARMS, _NA_1_FRAME)
    return Payload(items, (*frame_alarms, *flag_names(plain[body + 14], _NA_1_ALARMS)))


_NA_1_STORED = slice(9, 14)
"""Age, and the difference to the total, of the stored volume."""


def _na_1_stored(plain: bytes, body: int, total: Decimal, step: Decimal, clock: datetime) -> tuple[Item, ...]:
    """The stored volume, when it was stored, how long ago that is."""
    data = plain[body:][_NA_1_STORED]
    age_low, meta = data[:2]
    hours = (meta >> 2) * 256 + age_low
    delta = (int.from_bytes(data[2:], "little") << 2 | meta & 3) * step
    age: Read = (Decimal(hours), Quality.GOOD)
    moment: Read = (clock - timedelta(hours=hours), Quality.GOOD)
    volume: Read = (total - delta, Quality.GOOD) if delta <= total else (None, Quality.INVALID)
    if is_unset(data):
        age = moment = volume = None, Quality.NOT_AVAILABLE
    return (
        Item("history_1_age", "duration", age[0], "h", body + 9, body + 10, age[1], storage=1),
        Item("history_1_datetime", "datetime", moment[0], "", body + 9, body + 11, moment[1], storage=1),
        Item("history_1_volume", "volume", volume[0], "m3", body + 10, body + 14, volume[1], storage=1),
    )
