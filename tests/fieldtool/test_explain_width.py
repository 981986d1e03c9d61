"""`decode --explain` on a terminal: as wide as the terminal is, nothing left out; piped, one line a field as ever."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fieldtool.cli import output
from fieldtool.export.explain import explain
from protocols.decode import decode
from protocols.model import Key, RawFrame, Telegram
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run

LONGEST = 120


def gas(*, key: str = GAS_KEY) -> Telegram:
    return decode(RawFrame(bytes.fromhex(GAS_HEX)), lambda _: [Key(bytes.fromhex(key))])


def telegrams() -> list[Telegram]:
    wrong = gas(key="00" * 16)
    noted = replace(gas(), notes=("a note with many words in it " * 6, "x" * 150))
    return [gas(), wrong, noted, decode(RawFrame(bytes(range(200))), lambda _: [])]


_ROW = re.compile(r"^ +[0-9A-F]{4} [ *#](?=[0-9A-F]{2})", re.MULTILINE)
"""The address of a row of bytes and their mark: rows that are shorter are more."""


def said(text: str) -> list[str]:
    """What a text says, in an order that does not depend on where its lines end."""
    return sorted(re.sub(r"\s", "", _ROW.sub("", text)))


@pytest.mark.parametrize("width", [40, 60, 80, 99, 100, LONGEST])
@pytest.mark.parametrize("index", range(4))
def test_no_line_is_longer_than_the_terminal_and_nothing_is_lost(index: int, width: int) -> None:
    telegram = telegrams()[index]
    laid_out = explain(telegram, width)
    assert [line for line in laid_out.splitlines() if len(line) > width] == []
    assert said(laid_out) == said(explain(telegram))


def test_without_a_terminal_each_field_is_one_line() -> None:
    lines = explain(gas()).splitlines()
    assert any(
        "security mode 5 (AES-128-CBC), 2 encrypted blocks, synchronous  [EN 13757-7, 7.5.5]" in one for one in lines
    )
    assert explain(gas(), 300).splitlines() == lines


def test_a_field_goes_on_below_its_text() -> None:
    lines = explain(gas(), 80).splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("    000D "))
    column = lines[first].index("security mode 5")
    assert lines[first + 1][:column].strip() == ""
    assert lines[first + 1][column] != " "


def test_the_command_lays_out_for_a_terminal_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    piped = run("decode", "--explain", "--key", GAS_KEY, GAS_HEX).out
    assert max(map(len, piped.splitlines())) > LONGEST
    monkeypatch.setattr(output, "width", lambda: 80)
    assert max(map(len, run("decode", "--explain", "--key", GAS_KEY, GAS_HEX).out.splitlines())) <= 80
