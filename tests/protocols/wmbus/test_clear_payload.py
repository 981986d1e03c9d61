"""Payloads under reserved security modes: records in the clear are read, bytes that only look like records are not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from protocols.decode import decode
from protocols.model import Outcome

HEADER = bytes.fromhex("449315785634123303") + bytes.fromhex("7A750030")
VOLUME = bytes.fromhex("0C1427048502")
RESERVED = [6, 11, 14, 16, 31]


def under(mode: int, payload: bytes) -> bytes:
    body = HEADER + bytes((mode,)) + payload
    return bytes((len(body),)) + body


@pytest.mark.parametrize("mode", RESERVED)
@pytest.mark.parametrize(
    "payload",
    [
        "15A5E4D643B0C50F02234AB50030973A89D908473BACE1C3FF160B95D4F48C9DF885B2DC3E5FC73CD1EB441F68CEC054",
        "18ACF48CD0ACAB0DE9F8F2E0E30772F3F99BA03310607229143BE6AB4F1AB89BFE06A5543D9384D1C3BA49E4A39CF78F",
    ],
    ids=["a DIF 0F takes the rest", "records that make no sense"],
)
def test_random_bytes_are_no_values(mode: int, payload: str) -> None:
    telegram = decode(under(mode, bytes.fromhex(payload)))
    assert (telegram.outcome, telegram.readings) == (Outcome.UNSUPPORTED, ())
    assert telegram.problem == f"security mode {mode} (reserved) cannot be decrypted"


@pytest.mark.parametrize("mode", RESERVED)
@pytest.mark.parametrize("before", ["", "2F2F"])
def test_records_that_make_sense_are_read(mode: int, before: str) -> None:
    telegram = decode(under(mode, bytes.fromhex(before) + VOLUME))
    assert (telegram.ok, [reading.value for reading in telegram.readings]) == (True, [Decimal("28504.27")])


def test_what_stands_behind_check_bytes_may_be_of_the_makers_own() -> None:
    telegram = decode(under(11, b"\x2f\x2f" + VOLUME + bytes.fromhex("0F 010203")))
    assert (telegram.ok, len(telegram.readings)) == (True, 1)


MANY = VOLUME * 4 + bytes.fromhex("426C 9F2C")


@pytest.mark.parametrize(
    ("behind", "readings"),
    [("0F 010203", 5), ("426C FFFF", 6), ("01A9FF01 05", 6)],
    ids=["bytes of the maker's own", "no due date", "a value that the maker qualifies"],
)
def test_behind_many_values_that_make_sense_a_few_may_be_odd(behind: str, readings: int) -> None:
    telegram = decode(under(16, MANY + bytes.fromhex(behind)))
    assert (telegram.outcome, len(telegram.readings)) == (Outcome.OK, readings)
    few = decode(under(16, VOLUME + bytes.fromhex(behind)))
    assert (few.outcome, few.readings) == (Outcome.UNSUPPORTED, ())
