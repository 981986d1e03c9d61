"""Moments as the documents of the store and of the certificate desk write them: ISO 8601, in UTC, with an offset."""

from __future__ import annotations

from datetime import UTC, datetime


def time_text(moment: datetime, timespec: str = "auto") -> str:
    """Return an aware moment as text in UTC; `timespec` as in `datetime.isoformat`."""
    return moment.astimezone(UTC).isoformat(timespec=timespec)


def time_of(text: str) -> datetime:
    """Read such a text; `ValueError` for another one, for a time without offset, and for one that UTC does not have."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without offset")
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time outside of the years 1 to 9999") from None
    return moment
