"""Talkpool OY1320 M-Bus reader: only the reading is certain."""

from __future__ import annotations

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U16BE

READING = Field(4, U16BE, "register_1", "count")


@binary_decoder
def decode_oy1320(draft: Draft) -> None:
    """The reading at bytes 4 and 5, without a unit."""
    draft.fields((READING,))
    draft.note("only the reading of this module is known, and not its unit: compare it with the meter")
