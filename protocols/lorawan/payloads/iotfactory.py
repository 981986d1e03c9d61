"""IoT Factory M-Bus gateway: its own state, then frames of one M-Bus record each, least significant byte first."""

from __future__ import annotations

from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import DIGITS4_LE, U16LE, UNIX_LE, Number, unsigned_le
from protocols.mbus.header import header_end, interpret
from protocols.mbus.records import make_record
from protocols.mbus.values import data_end
from protocols.media import medium_name
from protocols.model import Quality

DEVICE_FRAME, MBUS_FRAME = 0x000, 0x016
SERIAL_FLAG, SIZE_FLAG = 0x01, 0x10
SERIAL = Field(0, Number(4, lambda data: str(unsigned_le(data))), "fabrication_number", "fabrication_number")
FULL_PERCENT = 100
NO_DATA = b"\x00\x00"


@binary_decoder
def decode_gateway(draft: Draft) -> None:
    """Battery of the gateway and the records of the meters at its bus."""
    at = draft.take(1)
    state = draft.plain[at]
    if not state & 1:
        level = Decimal(state >> 1)
        if level > FULL_PERCENT:
            draft.add("battery_level", "battery_level", None, "%", at, at + 1, Quality.NOT_AVAILABLE)
        else:
            draft.add("battery_level", "battery_level", level, "%", at, at + 1)
    else:
        draft.flag("external_power")
    options = draft.next_byte()
    if options & SERIAL_FLAG:
        draft.next_field(SERIAL)
    if options & SIZE_FLAG:
        draft.take(2)
    number = 0
    while draft.left:
        first = draft.take(2)
        word = unsigned_le(draft.plain[first : first + 2])
        number += 1
        if word & 0x0FFF == DEVICE_FRAME:
            draft.next_field(Field(0, UNIX_LE, "device_datetime", "datetime"))
            draft.take(2)
            draft.next_field(Field(0, U16LE, "firmware_version", "firmware_version"))
        elif word & 0x0FFF == MBUS_FRAME:
            _mbus(draft, number)
        else:
            raise draft.unsupported(f"frame type {word & 0x0FFF:03X} is not decoded", first - draft.start)


def _mbus(draft: Draft, number: int) -> None:
    draft.next_field(Field(0, UNIX_LE, "reading_datetime", "datetime", storage=number))
    draft.take(1)
    draft.next_field(Field(0, DIGITS4_LE, "meter_number", "identification", storage=number))
    at = draft.take(2)
    draft.add("medium", "code", medium_name(draft.plain[at]), "", at, at + 1, storage=number)
    draft.flag("meter_error", when=draft.plain[at + 1] != 0)
    first = draft.position
    if draft.plain[first : first + 2] == NO_DATA:
        # The meter has not answered: an empty record, padded.
        draft.take(min(3, draft.left))
        return
    data_start = header_end(draft.plain, first, draft.end)
    header = interpret(draft.plain[first:data_start])
    end = data_end(header, draft.plain, data_start, draft.end)
    draft.position = end
    draft.record(make_record(number, header, draft.plain[data_start:end], first, data_start))
