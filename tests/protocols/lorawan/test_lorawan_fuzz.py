"""Any bytes at all: no exception, every byte in one span, and an end in bounded time."""

from __future__ import annotations

import time

from protocols.lorawan.counter import ALL_HALVES
from protocols.lorawan.decoding import Hints
from protocols.lorawan.encode import Message, data_frame
from protocols.lorawan.phy import MType
from tests.protocols.lorawan.lorawan_bench import (
    DEV_EUI,
    JOIN_EUI,
    SESSION_1_0,
    SESSION_1_1,
    assert_tiled,
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


def test_no_hint_stops_the_decoder() -> None:
    hints = Hints(fcnt=0xFFFFFFFF, conf_fcnt=0xFFFFFFFF, dev_eui=DEV_EUI, join_eui=JOIN_EUI, dev_nonce=0xFFFF)
    for data in (*seeds(), uplink(1)):
        assert_tiled(hear(data, FILED, hints=hints).telegram)
