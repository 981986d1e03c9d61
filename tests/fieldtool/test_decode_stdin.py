"""What `decode` makes of standard input that is no list of telegrams."""

from __future__ import annotations

import pytest

from fieldtool.cli.bad_lines import SHOWN
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1"


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "there was no telegram in what was read"),
        (b"# a comment\n\n", "there was no telegram in what was read"),
        (PNG, "standard input is no text"),
        (bytes(100), "standard input is no text"),
        (GAS_HEX.encode("utf-16"), "standard input is UTF-16 text"),
    ],
)
def test_what_holds_no_telegram_is_refused_in_two_lines(run: Run, stdin: bytes, said: str) -> None:
    ran = run("decode", stdin=stdin)
    assert (ran.code, ran.out) == (2, "")
    first, hint = ran.err.splitlines()
    assert first.startswith(f"fieldtool: {said}")
    assert hint.strip()


def test_of_many_bad_lines_only_the_first_are_told(run: Run) -> None:
    ran = run("decode", "--key", GAS_KEY, stdin=b"once upon a time\n" * 2_000 + f"{GAS_HEX}\n".encode())
    assert ran.code == 1
    assert "✓ ok" in ran.out
    said = ran.err.splitlines()
    assert said[SHOWN] == "further lines without a telegram are only counted"
    assert said[SHOWN + 1 :] == ["2000 lines held no telegram"]


def test_crlf_and_an_umlaut_do_no_harm(run: Run) -> None:
    stdin = f"\ufeff# Zähler\r\n{GAS_HEX}\r\n\r\n".encode()
    ran = run("decode", "--key", GAS_KEY, stdin=stdin)
    assert (ran.code, ran.err) == (0, "")
