"""Any bytes at all: no exception, every byte in one span, and an end in bounded time."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from protocols.crypto import BLOCK, aes_cmac, aes_cmac_of_each
from protocols.lorawan.counter import ALL_HALVES, LOW, MAX_MICS
from protocols.lorawan.decoding import Hints
from protocols.lorawan.encode import Message, data_frame
from protocols.lorawan.keys import SessionKeys
from protocols.lorawan.phy import MType
from protocols.model import Key, Outcome
from tests.protocols.lorawan.lorawan_bench import (
    DEV_EUI,
    JOIN_EUI,
    SESSION_1_0,
    SESSION_1_1,
    Filed,
    assert_tiled,
    detail,
    hear,
    uplink,
)
from tests.protocols.lorawan.lorawan_fuzz import FILED, SEED, check_frames, seeds

FRAMES = 4000
LONGEST_S = 1.0


def test_mutated_frames() -> None:
    found = check_frames(SEED, FRAMES)
    assert found.outcomes.total() == FRAMES
    assert len(found.outcomes) >= 4
    assert found.sightings


def test_no_frame_makes_a_counter_search_long() -> None:
    longest = data_frame(Message(MType.UNCONFIRMED_DATA_UP, 1, 1, bytes(242)), SESSION_1_0)
    ack = data_frame(Message(MType.CONFIRMED_DATA_DOWN, 1, 1, bytes(230), flags=("ack",)), SESSION_1_1)
    for frame in (longest, ack):
        wrong = frame[:-1] + bytes((frame[-1] ^ 1,))
        began = time.process_time()
        heard = hear(wrong, FILED, halves=ALL_HALVES)
        assert not heard.telegram.ok
        assert time.process_time() - began < LONGEST_S


class Counted:
    """How many MICs were computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mics = 0
        for module in ("counter", "mic"):
            monkeypatch.setattr(f"protocols.lorawan.{module}.aes_cmac", self._one)
        monkeypatch.setattr("protocols.lorawan.counter.aes_cmac_of_each", self._each)

    def _one(self, key: bytes, message: bytes) -> bytes:
        self.mics += 1
        return aes_cmac(key, message)

    def _each(self, key: bytes, first_blocks: bytes, rest: bytes) -> bytes:
        self.mics += len(first_blocks) // BLOCK
        return aes_cmac_of_each(key, first_blocks, rest)


NEAR = 8
"""MICs a session with the counters that are likely: at most four, and the checks of what a search finds."""

DIAGNOSIS = 64 * 32 + 64 * 2
MANY = 300


def _many(keys: SessionKeys) -> Filed:
    """So many devices with one address, as a small network with many meters has them."""
    each = (bytes((number >> 8, number & 0xFF)) for number in range(MANY))
    made = [Key(b"k" * 14 + number) for number in each]
    if keys.version == "1.0":
        return Filed(sessions=tuple(SessionKeys.of_1_0(keys.dev_addr, key, key) for key in made))
    return Filed(sessions=tuple(replace(keys, f_nwk_s_int_key=key, s_nwk_s_int_key=key) for key in made))


@pytest.mark.parametrize("halves", [64, ALL_HALVES])
@pytest.mark.parametrize("keys", [SESSION_1_0, SESSION_1_1], ids=["1.0", "1.1"])
@pytest.mark.parametrize("mtype", [MType.UNCONFIRMED_DATA_UP, MType.CONFIRMED_DATA_DOWN], ids=["up", "down"])
def test_a_hostile_frame_costs_a_bounded_number_of_mics(
    monkeypatch: pytest.MonkeyPatch, halves: int, keys: SessionKeys, mtype: MType
) -> None:
    # The acknowledgement of a message that was not heard may be for any of 65,536.
    frame = data_frame(Message(mtype, 7, 1, b"x", flags=("ack",)), keys)
    counted = Counted(monkeypatch)
    heard = hear(frame, _many(keys), halves=halves)
    assert heard.telegram.outcome is Outcome.WRONG_KEY
    assert counted.mics <= MAX_MICS + MANY * NEAR + DIAGNOSIS
    assert ("the search ended" in detail(heard.telegram, "decryption")) == (counted.mics > MAX_MICS)


def test_the_search_still_reaches_the_last_session_and_the_last_counter() -> None:
    last = (ALL_HALVES - 1) * LOW | 5
    strangers = _many(SESSION_1_0).sessions[:7]
    heard = hear(uplink(last), Filed(sessions=(*strangers, SESSION_1_0)), halves=ALL_HALVES)
    assert heard.telegram.lorawan is not None
    assert heard.telegram.lorawan.fcnt == last


def test_no_hint_stops_the_decoder() -> None:
    hints = Hints(fcnt=0xFFFFFFFF, conf_fcnt=0xFFFFFFFF, dev_eui=DEV_EUI, join_eui=JOIN_EUI, dev_nonce=0xFFFF)
    for data in (*seeds(), uplink(1)):
        assert_tiled(hear(data, FILED, hints=hints).telegram)
