"""Redz LKM-LW meter reader: lists of values on port 3, most significant byte first."""

from __future__ import annotations

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U32BE, raw_bytes

DEVICE = Field(0, U32BE, "identification", "identification")
VALUE_PORT = 3
OTHER_PORTS = {1: "device status", 2: "list of OBIS codes"}


@binary_decoder
def decode_lkm(draft: Draft) -> None:
    """Values by their place in the list of OBIS codes that the device sends on port 2."""
    if draft.fport in OTHER_PORTS:
        draft.contents(OTHER_PORTS[draft.fport], 0, draft.size)
        if draft.size:
            draft.fields((Field(0, raw_bytes(draft.size), "raw_data", "manufacturer_specific"),))
        return
    if draft.known_port() != VALUE_PORT:
        raise draft.unsupported(f"messages on port {draft.fport} of this reader are not decoded")
    draft.next_field(DEVICE)
    at = draft.position
    kinds, first, count = draft.next_byte(), draft.next_byte(), draft.next_byte()
    draft.add("meter_index", "count", kinds & 0x0F, "", at, at + 1)
    if draft.left != 4 * count:
        raise draft.bad(f"{count} values are announced, {draft.left} bytes are there", at - draft.start)
    for place in range(first, first + count):
        draft.next_field(Field(0, U32BE, f"register_{place}", "count"))
