"""Payloads that are lists of (tag, value): the tag says what the value is and how long."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.lorawan.payloads.draft import Draft, Field
from protocols.lorawan.payloads.numbers import Number

Entry = tuple[Field, ...]
"""The fields behind a tag, laid at the byte behind it."""


def read_tagged(draft: Draft, entries: Mapping[int, Entry], tag: Number, end_left: int = 0) -> None:
    """Read tags and their values until `end_left` bytes are left; raises at a tag that is not in the table."""
    while draft.left > end_left:
        at = draft.position
        code = draft.number(tag)
        rows = entries.get(code) if isinstance(code, int) else None
        if rows is None:
            digits = draft.plain[at : at + tag.size].hex().upper()
            raise draft.unsupported(f"entry {digits} is not known of this device", at - draft.start)
        draft.next_fields(rows)
