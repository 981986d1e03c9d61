"""Telegrams for people: one line, and every byte once."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldtool.export.explain import explain, summary
from fieldtool.export.lines import ALARM_GLYPH, OUTCOME_GLYPHS, RUNG_GLYPHS, reading_text, telegram_line
from fieldtool.tui import signs
from fieldtool.tui.signs import OUTCOME_SIGNS, RUNG_SIGNS
from protocols.decode import decode
from protocols.learned import LearnedDecoder
from protocols.model import Key, KeyLookup, Outcome, Quality, RawFrame, Reading, Status, Telegram
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, START

HOSTILE = "[/x] [@click=app.quit] \x1b]0;owned\x07 \x9b2J \u202e \u2028 \r\n"
_LEAF = re.compile(r"^ +([0-9A-F]{4}) ([ *#])([0-9A-F]{2}(?: [0-9A-F]{2})*)(?:  |$)")


def gas(key: str | None = GAS_KEY) -> Telegram:
    keys = () if key is None else (Key(bytes.fromhex(key), "given"),)
    return decode(RawFrame(bytes.fromhex(GAS_HEX), START, "test", "T1", -71), lambda _: keys)


def leaves(text: str) -> list[tuple[int, str, bytes]]:
    """Offset, mark and bytes of every line of the tree."""
    tree = text[text.index("\nbytes (") :]
    found = [_LEAF.match(line) for line in tree.splitlines()]
    return [(int(m[1], 16), m[2], bytes.fromhex(m[3])) for m in found if m]


def covered(text: str) -> bytes:
    """All bytes of the tree, in order; fails on gaps and overlaps."""
    data = b""
    for offset, _, run in leaves(text):
        assert offset == len(data), f"gap or overlap at {offset:04X}"
        data += run
    return data


def test_a_line() -> None:
    line = telegram_line(gas(), timedelta(hours=1))
    assert line.startswith("09:00:00  ELS 12345678      gas                   -71 dBm  ✓ ok")
    assert "volume 28504.27 m³" in line


@pytest.mark.parametrize(
    ("key", "words"),
    [(None, ("○ no key", "no key is filed for 12345678")), ("00" * 16, ("✗ wrong key", "does not decrypt"))],
    ids=["no key", "wrong key"],
)
def test_a_line_says_what_is_wrong(key: str | None, words: tuple[str, str]) -> None:
    line = telegram_line(gas(key))
    assert all(word in line for word in words)


def test_the_signs_are_those_of_the_screens() -> None:
    assert {outcome: sign.glyph for outcome, sign in OUTCOME_SIGNS.items()} == OUTCOME_GLYPHS
    assert {state: sign.glyph for state, sign in RUNG_SIGNS.items()} == RUNG_GLYPHS
    assert signs.ALARM_GLYPH == ALARM_GLYPH


def test_every_byte_of_a_decrypted_telegram_once_and_in_plain() -> None:
    telegram = gas()
    text = explain(telegram)
    assert covered(text) == telegram.plain
    assert any(mark == "*" for _, mark, _ in leaves(text))
    assert "28504.27 m³" in text
    assert "[EN 13757" in text


def test_every_byte_of_a_closed_telegram_once_and_marked() -> None:
    telegram = gas(None)
    text = explain(telegram)
    assert covered(text) == telegram.data
    assert any(mark == "#" for _, mark, _ in leaves(text))
    assert "next: import the key of 12345678" in text


def test_every_byte_of_all_simulated_telegrams_once(frames: tuple[RawFrame, ...], scenario_keys: KeyLookup) -> None:
    decoder = LearnedDecoder(scenario_keys)
    for frame in frames:
        telegram = decoder.decode(frame)
        assert covered(explain(telegram)) == telegram.plain


@given(st.binary(max_size=300))
def test_every_byte_of_anything_once(data: bytes) -> None:
    telegram = decode(data)
    assert covered(explain(telegram)) == telegram.plain
    assert summary(telegram)
    assert telegram_line(telegram)


def test_hostile_text_steers_nothing() -> None:
    telegram = replace(
        gas(),
        problem=HOSTILE,
        status=Status(0, (HOSTILE,)),
        readings=(Reading(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
        profile=HOSTILE,
    )
    line = telegram_line(telegram)
    assert line.isprintable()
    for text in (explain(telegram), summary(telegram)):
        assert all(part.isprintable() for part in text.split("\n"))
        assert "\x1b" not in text


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        (Reading("energy", Decimal("1E+3"), "kWh", "energy"), "energy 1000 kWh"),
        (Reading("energy", None, "kWh", "energy", quality=Quality.NOT_AVAILABLE), "energy not available"),
        (
            Reading("volume", Decimal("1.50"), "m3", "volume", quality=Quality.ERROR_STATE),
            "volume 1.50 m³ (error state)",
        ),
        (Reading("hca_units", 12, "", "hca_units"), "hca_units 12"),
    ],
)
def test_readings_in_words(reading: Reading, text: str) -> None:
    assert reading_text(reading) == text


def test_outcomes_all_have_a_glyph() -> None:
    assert set(OUTCOME_GLYPHS) == set(Outcome)


def test_a_cut_telegram_says_once_what_to_do() -> None:
    cut = decode(bytes.fromhex(GAS_HEX)[:-1], lambda _: (Key(bytes.fromhex(GAS_KEY), "given"),))
    lines = summary(cut).splitlines()
    assert sum(line.startswith("  next: ") for line in lines) == 1
    assert [line.split()[0] for line in lines[3:]] == ["volume", "datetime"]


def test_a_long_name_stands_apart_from_its_value() -> None:
    telegram = decode(bytes.fromhex("12449315785634123303 7A01000000 01BB56 05"))
    assert "  volume_flow_duration_of_last_lower_limit_exceed 5 h" in summary(telegram).splitlines()


def test_a_summary_shows_the_status_byte_raw_and_by_name() -> None:
    telegram = decode(bytes.fromhex("144493157856341233037A011400000413E8030000"))
    assert "  ▲ power_low, temporary_error  (status 14)" in summary(telegram).splitlines()


@pytest.mark.parametrize(
    ("frame", "lines"),
    [
        (
            "0F4493157856341233036E0100000010",
            [
                "✓ ok  ELS 12345678  gas, version 51  SND-NR",
                "  ! the meter reports an application error: access denied",
            ],
        ),
        ("1040014116", ["✓ ok  no address  SND-NKE"]),
        ("E5", ["✓ ok  no address  ACK"]),
        ("0E4793157856341233038A2A000000", ["✓ ok  ELS 12345678  gas, version 51  ACC-NR"]),
    ],
    ids=["application error", "reset", "acknowledge", "access window"],
)
def test_a_summary_says_what_a_message_without_readings_is(frame: str, lines: list[str]) -> None:
    assert summary(decode(bytes.fromhex(frame))).splitlines() == lines


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("0F4493157856341233036E0100000010", "the meter reports an application error: access denied"),
        ("0E4793157856341233038A2A000000", "ACC-NR, no readings"),
        ("1040014116", "SND-NKE, no readings"),
    ],
    ids=["application error", "access window", "reset"],
)
def test_a_line_says_what_a_message_without_readings_is(frame: str, words: str) -> None:
    assert telegram_line(decode(bytes.fromhex(frame))).endswith(f"✓ ok             {words}")


def test_long_names_of_fields_keep_their_distance() -> None:
    lines = explain(decode(bytes.fromhex("114493157856341233037A050000001F0102"))).splitlines()
    assert lines[-1].split("  ")[-2].split() == ["manufacturer", "data", "manufacturer", "specific"]


def test_a_maker_who_orders_the_address_otherwise_is_shown_by_the_number_on_the_meter() -> None:
    telegram = decode(bytes.fromhex("19442423860775035048A251520015BEB6B2E1ED623A18FC74A5"))
    text = explain(telegram)
    assert text.splitlines()[0] == "✓ ok  HYD 48500375  water, version 134"
    assert "number 48500375, version 134, water, in the maker's own order" in text
    assert telegram_line(telegram).startswith("          HYD 48500375      water  ")
    payload = text[text.index("  application") :]
    assert "EN 13757-3" not in payload
    assert "flags, check bytes, or not known here" in payload
    assert covered(text) == telegram.plain
