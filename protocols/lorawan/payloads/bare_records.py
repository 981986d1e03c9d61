"""DIF/VIF records without a header: Sontex meters; a CI field 78 may stand before them (EN 13757-3)."""

from __future__ import annotations

from protocols.lorawan.payloads.draft import Draft, binary_decoder
from protocols.mbus.records import parse_records

NO_HEADER = 0x78


@binary_decoder
def decode_records(draft: Draft) -> None:
    """Read all records."""
    # DIF 78 would be a selection in an error state, which no meter sends.
    if draft.byte(0) == NO_HEADER:
        draft.take(1)
    parsed = parse_records(draft.plain, draft.position, draft.end)
    draft.records(parsed)
    if not parsed.records:
        raise draft.bad("no records")
