"""Moments in documents: written in UTC, read with any offset, refused without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from keystore.time_text import time_of, time_text

BERLIN = timezone(timedelta(hours=1))


def test_a_moment_is_written_in_utc_and_is_the_same_when_read() -> None:
    moment = datetime(2026, 11, 20, 9, 30, 15, 250, tzinfo=BERLIN)
    assert time_text(moment) == "2026-11-20T08:30:15.000250+00:00"
    assert time_text(moment, "seconds") == "2026-11-20T08:30:15+00:00"
    assert time_of(time_text(moment)) == moment
    assert time_of("2026-11-20T09:30:00+01:00") == datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-20T08:30:00", "2026-11-20", "", "now", "2026-13-01T00:00:00Z"),
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    ],
)
def test_what_is_no_moment_or_has_no_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        time_of(text)
