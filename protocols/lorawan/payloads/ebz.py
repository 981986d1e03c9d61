"""eBZ DD3 electricity meters: (identifier, length, data) items, most significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, binary_decoder
from protocols.lorawan.payloads.numbers import hexadecimal, server_id, signed_be, unsigned_be

TYPE_MASK, REGISTERS = 0x3F, 3
MORE = 0x80
SERVER_ID = 0x09
UNIT_WH = 0x1E
NAMES: Mapping[int, str] = {0x0C: "total_energy_import", 0x0F: "total_energy_export"}
OTHER_NAME = "total_energy_register_{:02x}"
FIRST_REGISTER = 0x0C
HEADER = 2
"""Unit and scaler stand before the value."""


@binary_decoder
def decode_dd3(draft: Draft) -> None:
    """Registers and the server identification."""
    if draft.byte(0) & TYPE_MASK != REGISTERS:
        raise draft.unsupported(f"message type {draft.byte(0) & TYPE_MASK} is not decoded")
    head = draft.byte(1)
    draft.take(2)
    if head & MORE:
        draft.note("more items follow in the next uplink")
    for _ in range(head & ~MORE):
        _item(draft)
    draft.nothing_behind("the last item")


def _item(draft: Draft) -> None:
    code, length = draft.next_byte(), draft.next_byte()
    at = draft.take(length)
    data = draft.plain[at : at + length]
    if code == SERVER_ID and length == 10:
        draft.add("meter_identification", "identification", server_id(data), "", at, at + length)
    elif code >= FIRST_REGISTER and length > HEADER and data[0] == UNIT_WH:
        name = NAMES.get(code, OTHER_NAME.format(code))
        value = Decimal(unsigned_be(data[HEADER:])).scaleb(signed_be(data[1:2]) - 3)
        draft.add(name, "energy", value, "kWh", at, at + length)
    else:
        draft.add(f"item_{code:02x}", "manufacturer_specific", hexadecimal(data), "", at, at + length)
