"""Quandify CubicMeter 1.1: status reports on port 1 and answers on port 6, least significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import ALL_ONES_32, U8, U32LE, unsigned_le

REPORT_SIZE = 28
ANSWER_PORT = 6
NOT_SENSING = 0x8000
REVERSE = 384
LEAKS: Mapping[int, str] = {3: "leak", 4: "burst"}
"""Byte 22: what runs through without pause."""

HALF, BELOW_ZERO = Decimal("0.5"), Decimal(-20)

REPORT = (
    Field(6, U32LE, "total_volume", "volume", "m3", Decimal("0.001"), empty=ALL_ONES_32),
    Field(23, U8, "battery_voltage", "voltage", "V", Decimal("0.008"), Decimal("1.8")),
    Field(24, U8, "battery_voltage_recovered", "voltage", "V", Decimal("0.008"), Decimal("1.8")),
    Field(25, U8, "minimum_flow_temperature", "flow_temperature", "C", HALF, BELOW_ZERO),
    Field(26, U8, "maximum_flow_temperature", "flow_temperature", "C", HALF, BELOW_ZERO),
    Field(27, U8, "external_temperature", "external_temperature", "C", HALF, BELOW_ZERO),
)


@binary_decoder
def decode_cubicmeter(draft: Draft) -> None:
    """Volume, battery and temperatures; of answers the port that they are for."""
    if draft.fport == ANSWER_PORT:
        draft.contents(f"answer to a command on port {draft.byte(0)}", 0)
        return
    draft.require(REPORT_SIZE, "status report")
    draft.fields(REPORT)
    error = unsigned_le(draft.bytes(4, 2))
    draft.flag("measurement_error", when=bool(error & NOT_SENSING))
    code = error & ~NOT_SENSING
    if code:
        draft.flag("reverse_flow" if code == REVERSE else f"code_{code}")
    leak = draft.byte(22)
    if leak in LEAKS:
        draft.flag(LEAKS[leak])
