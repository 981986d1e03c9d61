"""Tables of keys where telegrams are read: told as what they look like, and no key is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.captures.key_rows import IS_KEY_ROW, is_row_of_keys
from protocols.captures.lines import parse_lines
from protocols.captures.model import BadLine, CaptureEntry, NotRecognised
from protocols.captures.paste import recognise
from tests.fieldtool.conftest import GAS_HEX, Run
from tests.keystore.made_up import key_of

KEY = key_of("a").hex().upper()
PAIRS = bytes.fromhex(KEY).hex(" ")
ROWS = {
    "tab": f"63001468\t{KEY}",
    "blank": f"63001468 {KEY}",
    "several blanks": f"  63001468    {KEY}  ",
    "another number of that length": f"13001468\t{KEY}",
    "key first": f"{KEY}\t63001468",
    "key in pairs": f"63001468 {PAIRS}",
    "key in groups": f"63001468 {bytes.fromhex(KEY).hex(' ', 4)}",
    "seven digits": f"6300146\t{KEY}",
    "seven digits and a semicolon": f"6300146;{KEY}",
    "a name and a semicolon": f"KAM63001468;{KEY}",
    "a maker and tabs": f"63001468\tKAM\t{KEY}",
    "quotes": f'"63001468","{KEY}"',
    "two keys": f"63001468\t{KEY}\t{key_of('b').hex()}",
    "a device of LoRaWAN": f"0004A30B001C0001 70B3D57ED0000001 {KEY}",
    "a short key": "63001468;39BC8A10E66D83F8",
    "a short key and a blank": "63001468 39BC8A10E66D83F8",
    "a comment": f"63001468 {KEY} # third floor",
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_keys_is_told_and_not_shown(name: str) -> None:
    (item,) = parse_lines([f"{ROWS[name]}\n"])
    assert isinstance(item, BadLine)
    assert item.problem == IS_KEY_ROW
    with pytest.raises(NotRecognised, match="table of keys") as refused:
        recognise(ROWS[name])
    assert KEY[:8] not in f"{refused.value}{refused.value.seen}".upper()


@pytest.mark.parametrize("between", [" ", "\t", "  "])
@pytest.mark.parametrize("at", [2, 8, 16, 32, 34])
def test_a_telegram_in_parts_stays_one(between: str, at: int) -> None:
    (item,) = parse_lines([f"{GAS_HEX[:at]}{between}{GAS_HEX[at:]}\n"])
    assert isinstance(item, CaptureEntry)
    assert item.frame.data == bytes.fromhex(GAS_HEX)


def test_a_hex_dump_with_offsets_is_no_table() -> None:
    data = bytes.fromhex(GAS_HEX)
    assert not any(is_row_of_keys(f"{at:08x} {data[at : at + 16].hex(' ')}") for at in range(0, len(data), 16))


@given(st.integers(10**7, 10**8 - 1), st.binary(min_size=16, max_size=16), st.sampled_from([" ", "\t", ";", ","]))
def test_no_key_becomes_a_telegram_unless_it_is_a_whole_one(number: int, key: bytes, between: str) -> None:
    (item,) = parse_lines([f"{number}{between}{key.hex()}\n"])
    if isinstance(item, CaptureEntry):
        data = item.frame.data
        assert data[0] + 1 == len(data) or data[0] == 0x68


@pytest.mark.parametrize("between", ["\t", " ", ";"])
@pytest.mark.parametrize("command", ["replay", "decode"])
def test_a_replayed_or_pasted_table_shows_no_key(run: Run, tmp_path: Path, between: str, command: str) -> None:
    keys = {f"6300{number}": key_of(str(number)).hex().upper() for number in range(1468, 1488)}
    text = "".join(f"{number}{between}{key}\r\n" for number, key in keys.items())
    table = tmp_path / "keys.txt"
    table.write_text(text)
    ran = run("replay", table) if command == "replay" else run("decode", stdin=text.encode())
    shown = (ran.out + ran.err).upper()
    assert "TABLE OF KEYS" in shown
    assert not any(key[:12] in shown or bytes.fromhex(key).hex(" ").upper()[:17] in shown for key in keys.values())
    assert ran.code != 0
