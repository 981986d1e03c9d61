"""Diehl real data that end too early: what is missing is told, and what stands before it is read where it is sure."""

from __future__ import annotations

import random

import pytest

from protocols.decode import decode
from protocols.model import FrameFormat, Key, Outcome, Rung, RungState, Telegram, VerdictStep
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.security.diehl import PUBLIC_KEYS, descramble
from tests.protocols.wmbus.test_public_keys import OWN_KEY, real_data

HEADERS = {"CI 71": "71000000", "CI 7A": "7A120000"}
MISSING = "the check byte cannot be compared: it covers {} that {} missing"


def in_clear(header: str) -> bytes:
    frame = real_data(header, 1, PUBLIC_KEYS[0])
    return frame[:15] + descramble(frame, PUBLIC_KEYS[0])


def shortened(frame: bytes) -> bytes:
    """The same with an L field that fits, as of a gateway that cuts long telegrams off."""
    return bytes((len(frame) - 1,)) + frame[1:]


def rung(telegram: Telegram, wanted: Rung) -> VerdictStep:
    return next(step for step in telegram.verdict if step.rung is wanted)


def values(telegram: Telegram) -> list[str]:
    return [str(reading.value) for reading in telegram.readings]


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize(
    ("missing", "words", "key"),
    [
        (1, ("1 byte", "is"), None),
        (3, ("3 bytes", "are"), None),
        (5, ("5 bytes", "are"), None),
        (1, ("1 byte", "is"), PUBLIC_KEYS[1]),
        (5, ("5 bytes", "are"), PUBLIC_KEYS[0]),
        (3, ("3 bytes", "are"), OWN_KEY),
        (5, ("5 bytes", "are"), OWN_KEY),
    ],
    ids=["clear-1", "clear-3", "clear-5", "public-1", "public-5", "own-3", "own-5"],
)
def test_a_frame_that_is_cut_shows_what_came(
    header: str, missing: int, words: tuple[str, str], key: bytes | None
) -> None:
    whole = in_clear(header) if key is None else real_data(header, 1, key)
    telegram = decode(whole[:-missing], lambda _: (Key(OWN_KEY, "filed"),))
    assert telegram.outcome is Outcome.DAMAGED
    assert (telegram.problem or "").startswith(f"frame is cut: {missing} of 32 bytes are missing")
    assert values(telegram) == ["2651", "123.415"]
    step = rung(telegram, Rung.DECRYPTION)
    assert step.state is RungState.FAILED
    assert step.detail.endswith(MISSING.format(*words))
    assert (telegram.security is not None and telegram.security.key_check_value is None) is (key is None)
    assert "no key needed" in rung(telegram, Rung.KEY).detail or key is not None
    assert telegram.spans[-1].end == len(whole) - missing


def test_a_block_that_came_damaged_is_not_called_missing() -> None:
    coded = bytearray(with_crcs(real_data("71000000", 1, PUBLIC_KEYS[0]), FrameFormat.A))
    coded[-3] ^= 0x01
    telegram = decode(bytes(coded))
    assert telegram.problem == "format A CRC of block 3 of 3 does not fit"
    assert rung(telegram, Rung.DECRYPTION).detail.endswith("it covers 6 bytes that are missing or damaged")


@pytest.mark.parametrize("missing", [8, 12, 16])
def test_too_few_records_prove_nothing(missing: int) -> None:
    telegram = decode(in_clear("71000000")[:-missing])
    assert telegram.outcome is Outcome.DAMAGED
    assert values(telegram) == []
    step = rung(telegram, Rung.DECRYPTION)
    assert step.detail.endswith(MISSING.format(f"{missing} bytes", "are"))
    assert "receive it again" in (step.next or "")


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("missing", [1, 2])
def test_a_payload_in_the_clear_that_is_cut_inside_a_record(header: str, missing: int) -> None:
    telegram = decode(shortened(in_clear(header)[:-missing]))
    assert telegram.outcome is Outcome.DAMAGED
    left = "1 is left" if missing == 1 else "0 are left"
    assert telegram.problem == (
        f"Diehl real data: the payload is not scrambled, but cut off: record 02FD17 announces 2 bytes of data, {left}"
    )
    assert values(telegram) == ["2651", "123.415"]


def test_what_is_not_surely_cut_off_stays_closed() -> None:
    # Between two records nothing tells a cut from another damage.
    assert decode(shortened(in_clear("71000000")[:-5])).outcome is Outcome.WRONG_KEY
    altered = bytearray(in_clear("71000000"))
    altered[18] ^= 0x01
    assert decode(bytes(altered)).outcome is Outcome.WRONG_KEY


@pytest.mark.parametrize("missing", [0, 4])
def test_under_an_unknown_key_no_values_are_shown(missing: int) -> None:
    source = random.Random(7)
    head = bytes.fromhex("242320040000000071000000")
    for size in (12, 24, 48):
        for _ in range(400):
            frame = b"\x44" + head + source.randbytes(1 + size)
            telegram = decode(bytes((len(frame) + missing,)) + frame)
            step = rung(telegram, Rung.DECRYPTION)
            # A sum that fits by chance lets whole records through, here and there, whether the frame is cut or not.
            assert step.state is not RungState.FAILED or telegram.readings == ()
            assert "cut off" not in step.detail
