"""Counted things in words: `1 key`, `12 keys`."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, which takes an `s` for any number but one; `plural` where it takes more."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"
