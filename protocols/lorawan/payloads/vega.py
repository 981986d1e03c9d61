"""Vega Absolute SGVE water meter, least significant byte first."""

from __future__ import annotations

from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder, sequence
from protocols.lorawan.payloads.numbers import ABOVE_100, ALL_ONES_32, I8, U8, U32LE, UNIX_LE

MESSAGE = sequence(
    Field(0, U8, "frame_type", "code"),
    Field(0, U8, "battery_level", "battery_level", "%", empty=ABOVE_100),
    Field(0, I8, "device_temperature", "temperature", "C"),
    Field(0, U8, "magnet", "code"),
    Field(0, U8, "lock", "code"),
    Field(0, UNIX_LE, "meter_datetime", "datetime"),
    Field(0, U8, "leak", "code"),
    Field(0, U8, "burst", "code"),
    Field(0, U32LE, "total_volume", "volume", "m3", Decimal("0.0001"), empty=ALL_ONES_32),
)
FLAGS = ((3, "magnetic_tamper"), (9, "leak"), (10, "burst"))


@binary_decoder
def decode_sgve(draft: Draft) -> None:
    """One message of fifteen bytes; its alarm bytes are flags."""
    draft.require(MESSAGE[-1].end, "message")
    draft.fields(row for row in MESSAGE if row.quantity != "code")
    for offset, name in FLAGS:
        draft.flag(name, when=draft.byte(offset) != 0)
