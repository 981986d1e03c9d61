"""Moments as the documents of the store and of the certificate desk write them: ISO 8601, in UTC, with an offset."""

from __future__ import annotations

from datetime import UTC, datetime


def time_text(moment: datetime, timespec: str = "auto") -> str:
    """Return an aware moment as text in UTC; `timespec` as in `datetime.isoformat`."""
    return moment.astimezone(UTC).isoformat(timespec=timespec)


def time_of(text: str) -> datetime:
    """Read such a text; `ValueError` for another one, and for a time without offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without offset")
    return moment
