"""Date and time of day as captures write them, with and without a zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

TIME = re.compile(
    r"(?<![0-9A-Za-z])(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?(?![0-9A-Za-z])",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class WrittenTime:
    """A time as it stands in a text: in UTC when it is `zoned`, else as if the text's clock were UTC."""

    at: datetime
    zoned: bool


def time_in(text: str) -> WrittenTime | None:
    """Return the first date with time in `text`; None when there is none, or it is no time that exists."""
    found = TIME.search(text)
    if found is None:
        return None
    try:
        return WrittenTime(utc_of(found), found.group(4) is not None)
    except ValueError:
        return None


def utc_of(found: re.Match[str]) -> datetime:
    """Return the time of a match of `TIME`, UTC where it names no zone; `ValueError` when there is no such time."""
    day, clock, fraction, zone = found.groups()
    micros = (fraction or "")[:6].ljust(6, "0")
    offset = "+00:00" if zone in (None, "Z") else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{micros}{offset}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no such time: {day} {clock}") from error
