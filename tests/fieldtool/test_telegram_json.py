"""The JSON contract: shape, exact numbers, text that steers nothing."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldtool.export.telegram_json import telegram_json, value_json
from protocols.decode import decode
from protocols.learned import LearnedDecoder
from protocols.model import Key, KeyLookup, Outcome, Quality, RawFrame, Reading, Telegram, Value
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY

NUMBERS = [
    (Decimal("12.345"), "12.345"),
    (Decimal("6.400"), "6.400"),
    (Decimal("1E+3"), "1000"),
    (Decimal("1E-9"), "0.000000001"),
    (Decimal("-0.5"), "-0.5"),
    (Decimal("0.1") * 3, "0.3"),
    (2**53 + 1, "9007199254740993"),
    (-(2**64), "-18446744073709551616"),
    (0, "0"),
    (None, "null"),
    (Decimal("NaN"), "null"),
    (Decimal("Infinity"), "null"),
    (date(2026, 11, 20), '"2026-11-20"'),
    (datetime(2026, 11, 20, 8, 15), '"2026-11-20T08:15:00"'),  # noqa: DTZ001 - a meter's clock has no zone
    (time(8, 15), '"08:15:00"'),
    ("a\x1b]0;b\u202e", '"a\\u001b]0;b\\u202e"'),
]


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_values_digit_by_digit(value: Value, text: str) -> None:
    assert value_json(value) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=9))
def test_decimals_read_back_exactly(value: Decimal) -> None:
    text = value_json(value)
    assert "E" not in text.upper()
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == value


def test_the_contract_of_a_published_telegram() -> None:
    frame = RawFrame(bytes.fromhex(GAS_HEX), datetime(2026, 11, 20, 8, 15, 30, 123456, UTC), "im871a", "T1", -71)
    keys = (Key(bytes.fromhex(GAS_KEY), "given"),)
    shown = json.loads(telegram_json(decode(frame, lambda _: keys), '"case 1"'), parse_float=Decimal)
    assert list(shown)[:16] == [
        "id", "ok", "outcome", "problem", "verdict", "received", "meter", "link_address", "message", "security",
        "status", "profile", "readings", "notes", "findings", "hex",
    ]  # fmt: skip
    assert shown["id"] == "case 1"
    assert shown["ok"] is True
    assert shown["outcome"] == "ok"
    assert shown["received"] == {"at": "2026-11-20T08:15:30.123Z", "source": "im871a", "mode": "T1", "rssi_dbm": -71}
    assert shown["meter"] == {
        "manufacturer": "ELS", "number": "12345678", "version": 0x33, "medium_code": 3, "medium": "gas",
    }  # fmt: skip
    assert shown["link_address"] is None
    assert shown["security"]["mode"] == 5
    assert shown["security"]["access_number"] == 0x2A
    assert len(shown["security"]["key_check_value"]) == 6
    assert shown["status"] == {"raw": 0, "flags": []}
    volume = shown["readings"][0]
    assert volume["value"] == Decimal("28504.27")
    assert (volume["unit"], volume["quantity"], volume["function"]) == ("m3", "volume", "instantaneous")
    assert (volume["storage"], volume["tariff"], volume["subunit"], volume["source"]) == (0, 0, 0, "0C14")
    assert volume["quality"] == "good"
    assert shown["readings"][1]["value"] == "2008-05-31T23:50:00"
    assert shown["hex"] == GAS_HEX
    assert [step["rung"] for step in shown["verdict"]] == [
        "frame", "address", "key", "decryption", "records", "plausibility",
    ]  # fmt: skip


def test_null_values_carry_their_quality() -> None:
    telegram = decode(b"")
    reading = Reading("total_volume", None, "m3", "volume", quality=Quality.NOT_AVAILABLE)
    shown = json.loads(telegram_json(_with(telegram, reading)))
    assert shown["readings"][0]["value"] is None
    assert shown["readings"][0]["quality"] == "not_available"
    assert "id" not in shown


def test_hostile_text_is_escaped_and_the_line_stays_one_line() -> None:
    reading = Reading("x", "a\nb\x1b[2J\u202e[/x]", "", "text")
    line = telegram_json(_with(decode(b""), reading))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["readings"][0]["value"] == "a\nb\x1b[2J\u202e[/x]"


def test_every_simulated_telegram_is_valid_json(frames: tuple[RawFrame, ...], scenario_keys: KeyLookup) -> None:
    decoder = LearnedDecoder(scenario_keys)
    outcomes = set()
    for frame in frames:
        telegram = decoder.decode(frame)
        shown = json.loads(telegram_json(telegram), parse_float=Decimal, parse_int=Decimal)
        outcomes.add(telegram.outcome)
        assert shown["hex"] == frame.data.hex().upper()
        for written, reading in zip(shown["readings"], telegram.readings, strict=True):
            if isinstance(reading.value, Decimal | int):
                assert written["value"] == reading.value
    assert outcomes == {Outcome.OK, Outcome.NO_KEY, Outcome.WRONG_KEY}


def _with(telegram: Telegram, reading: Reading) -> Telegram:
    return Telegram(
        frame=telegram.frame,
        data=telegram.data,
        plain=telegram.plain,
        outcome=telegram.outcome,
        problem=telegram.problem,
        verdict=telegram.verdict,
        readings=(reading,),
    )
