"""Days that are left of a certificate: the same number in every line and object, a day that has begun counting."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fieldtool.export.certificate_text import certificate_facts, certificate_line, standing_facts, standing_line
from keystore.certificates.standing import standing_of
from tests.keystore.certificates.desks import DAY, START, enrolled, make_desk, trusting


@pytest.mark.parametrize(
    ("after", "days", "text"),
    [
        (timedelta(seconds=5), 365, "365 days"),
        (DAY, 364, "364 days"),
        (363 * DAY + timedelta(hours=1), 2, "2 days"),
        (364 * DAY + timedelta(hours=1), 1, "1 day"),
    ],
)
def test_days_left_are_the_same_everywhere(after: timedelta, days: int, text: str) -> None:
    desk, at = make_desk(), START + after
    wallet = replace(enrolled(desk, trusting(desk)), latest_seen=at)
    (credential,) = wallet.credentials
    standing = standing_of(wallet, at)
    assert standing_line(standing) == f"level Installer, certificate anna, {text} left"
    assert standing_facts(standing)["days_left"] == days
    assert certificate_facts(credential, wallet, at)["days_left"] == days
    assert f"  {text}  " in certificate_line(credential, wallet, at)
