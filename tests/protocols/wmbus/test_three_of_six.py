"""The 3-out-of-6 code against published examples, and what it says of damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import BadField, Truncated
from protocols.wmbus.three_of_six import MAX_SIZE, SYMBOLS, decode, encode

# The example of a public mode T decoder's test: the chips behind the last symbol are not given.
PUBLISHED = bytes.fromhex("2F44685027")
PUBLISHED_CHIPS = "3A971C6AC656393"


def chip_text(chips: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in chips)


def test_the_published_example() -> None:
    assert encode(PUBLISHED).hex().upper().startswith(PUBLISHED_CHIPS)
    assert decode(bytes.fromhex(PUBLISHED_CHIPS + "4")) == PUBLISHED


def test_every_symbol_has_three_ones_and_is_used_once() -> None:
    assert len(set(SYMBOLS)) == 16
    assert {symbol.bit_count() for symbol in SYMBOLS} == {3}
    assert max(SYMBOLS) < 64


@given(st.binary(max_size=300))
def test_what_is_coded_is_decoded(data: bytes) -> None:
    chips = encode(data)
    assert decode(chips, len(data)) == data
    postamble = chip_text(chips)[12 * len(data) :]
    assert 2 <= len(postamble) < 10
    assert "00" not in postamble
    assert "11" not in postamble


def test_without_a_size_the_postamble_is_left_out() -> None:
    for size in range(40):
        data = bytes(range(size))
        assert decode(encode(data)) == data


@pytest.mark.parametrize("symbol", range(10))
def test_a_symbol_that_is_none_is_named_with_its_place(symbol: int) -> None:
    text = list(chip_text(encode(PUBLISHED)))
    text[6 * symbol : 6 * symbol + 6] = "111000"
    chips = int("".join(text), 2).to_bytes(len(text) // 8, "big")
    with pytest.raises(BadField, match=rf"symbol {symbol + 1}, at chip {6 * symbol}, is 111000") as caught:
        decode(chips, len(PUBLISHED))
    assert caught.value.offset == 6 * symbol // 8
    assert caught.value.layer == "3-of-6"


def test_one_wrong_chip_is_always_noticed() -> None:
    text = chip_text(encode(PUBLISHED))
    for position in range(12 * len(PUBLISHED)):
        flipped = int(text, 2) ^ 1 << (len(text) - 1 - position)
        with pytest.raises(BadField):
            decode(flipped.to_bytes(len(text) // 8, "big"), len(PUBLISHED))


def test_too_few_chips() -> None:
    with pytest.raises(Truncated, match="64 chips hold 5 bytes of 6"):
        decode(encode(PUBLISHED), 6)
    assert decode(b"") == b""


def test_lengths_are_limited() -> None:
    with pytest.raises(ValueError, match="more than any frame"):
        encode(bytes(MAX_SIZE + 1))
    with pytest.raises(ValueError, match="more than any frame"):
        decode(bytes(2 * MAX_SIZE))


def test_the_vectors_of_the_corpora(conformance_dir: Path) -> None:
    vectors = json.loads((conformance_dir / "oms-vectors.json").read_text(encoding="utf-8"))
    coded = [(v["hex"], v["expected"]["decoded"]) for v in vectors if v["link"].startswith("3of6 chips")]
    assert coded
    for chips, data in coded:
        assert decode(bytes.fromhex(chips)).hex().upper() == data
        assert chip_text(encode(bytes.fromhex(data))).startswith(chip_text(bytes.fromhex(chips))[: 6 * len(data)])
