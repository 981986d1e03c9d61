"""Payloads that are lists of (tag, value): the tag says what the value is and how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from protocols.lorawan.payloads.draft import Draft, Field
from protocols.lorawan.payloads.numbers import Number

Entry = tuple[Field, ...]
"""The fields behind a tag, laid at the byte behind it."""


Numbered = Callable[[int], Entry]
"""The fields behind a tag that comes once for each stored row, by the row's number from 1 on."""

NONE_NUMBERED: Mapping[int, Numbered] = MappingProxyType({})


def read_tagged(
    draft: Draft,
    entries: Mapping[int, Entry],
    tag: Number,
    end_left: int = 0,
    numbered: Mapping[int, Numbered] = NONE_NUMBERED,
) -> None:
    """Read tags and their values until `end_left` bytes are left; raises at a tag that is in neither table."""
    stored = 0
    while draft.left > end_left:
        at = draft.position
        code = draft.number(tag)
        rows = entries.get(code) if isinstance(code, int) else None
        if isinstance(code, int) and code in numbered:
            stored += 1
            rows = numbered[code](stored)
        if rows is None:
            digits = draft.plain[at : at + tag.size].hex().upper()
            raise draft.unsupported(f"entry {digits} is not known of this device", at - draft.start)
        draft.next_fields(rows)
