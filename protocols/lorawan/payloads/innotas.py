"""Innotas Modularis water meter attachment: the port decides the layout, most significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U8, U16BE, U32BE, Number

LITRES = Decimal("0.001")

MONTH = Number(1, lambda data: data[0] if 1 <= data[0] <= 12 else None)

READING = Field(0, U32BE, "total_volume", "volume", "m3")
ERRORS: Mapping[int, str] = {
    0: "measurement_error",
    1: "tamper",
    2: "battery_low",
    3: "checksum_error",
    4: "radio_error",
    5: "reset",
}
INTERVALS = ("normal", "1 day", "7 days", "14 days")

PORTS: Mapping[int, tuple[Field, ...]] = {
    1: (READING,),
    2: (READING, Field(4, U32BE, "due_date_volume", "volume", "m3"), Field(10, MONTH, "due_date_month", "month")),
    3: (
        READING,
        Field(4, U16BE, "maximum_volume_flow", "volume_flow", "m3/h", LITRES),
        Field(6, U8, "standstill_share", "share", "%", Decimal("0.5")),
        Field(7, U16BE, "maximum_day", "day"),
        Field(9, U16BE, "minimum_volume_flow", "volume_flow", "m3/h", LITRES),
    ),
    4: (
        READING,
        *(
            Field(2 + 2 * hour, U16BE, f"hour_{hour}_volume_flow", "volume_flow", "m3/h", LITRES, storage=hour)
            for hour in range(1, 5)
        ),
    ),
    9: tuple(Field(4 * step, U32BE, f"uplink_count_sf{7 + step}", "count") for step in range(6)),
}
UNIT_NOTE = "the maker counts in m3; compare the reading with the register once"


@binary_decoder
def decode_modularis(draft: Draft) -> None:
    """Read the message of a port; without a port, the only one of that length."""
    port = draft.fport if draft.fport is not None else _port_of(draft)
    rows = PORTS.get(port)
    if rows is None:
        raise draft.unsupported(f"messages on port {port} of this meter are not decoded")
    draft.fields(rows)
    if rows[0] is READING:
        draft.note(UNIT_NOTE)
    if port == 2:
        draft.flag_bits(draft.byte(8), ERRORS)
        status = draft.byte(9)
        draft.flag("leak", when=bool(status & 0x80))
        interval = "2 minutes" if status & 0x04 else INTERVALS[status & 3]
        draft.text("sending_interval", interval, 9)


def _port_of(draft: Draft) -> int:
    ports = [port for port, rows in PORTS.items() if rows[-1].end == draft.size]
    if len(ports) != 1:
        raise draft.unsupported(f"without the port nothing says which message of {draft.size} bytes this is")
    return ports[0]
