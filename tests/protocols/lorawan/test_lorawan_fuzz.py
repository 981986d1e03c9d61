"""Any bytes at all: no exception, every byte in one span, and an end in bounded time.

`make fuzz` sets FIELDTOOL_FUZZ_FRAMES to a million.
"""

from __future__ import annotations

import os
import random
import time

from protocols.lorawan.counter import ALL_HALVES
from protocols.lorawan.decoder import decode_lorawan
from protocols.lorawan.decoding import Hints
from protocols.lorawan.encode import Acceptance, Message, data_frame, join_accept, proprietary, rejoin_request
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import Sessions
from protocols.model import Link, RawFrame
from tests.protocols.lorawan.lorawan_bench import (
    APP_KEY,
    DEV_ADDR,
    DEV_EUI,
    JOIN_EUI,
    NET_ID,
    NWK_KEY,
    ROOT_1_0,
    ROOT_1_1,
    SESSION_1_0,
    SESSION_1_1,
    Filed,
    assert_tiled,
    hear,
    joining_1_0,
    joining_1_1,
    uplink,
)

FRAMES = int(os.environ.get("FIELDTOOL_FUZZ_FRAMES", "4000"))
SEED = int(os.environ.get("FIELDTOOL_FUZZ_SEED", "13757"))
LONGEST_S = 1.0
FILED = Filed((ROOT_1_0, ROOT_1_1), (SESSION_1_0, SESSION_1_1))


def seeds() -> list[bytes]:
    both = (*joining_1_0(1)[:2], *joining_1_1(2)[:2])
    data = [
        data_frame(Message(mtype, 5, fport, payload, fopts, flags), keys)
        for keys in (SESSION_1_0, SESSION_1_1)
        for mtype in (MType.UNCONFIRMED_DATA_UP, MType.CONFIRMED_DATA_DOWN)
        for fport, payload, fopts, flags in (
            (2, bytes(20), b"", ("adr",)),
            (0, b"\x02\x03\x07", b"", ()),
            (None, b"", b"\x02", ("ack",)),
        )
    ]
    rejoins = [rejoin_request(NWK_KEY, kind, JOIN_EUI if kind == 1 else NET_ID, DEV_EUI, 1) for kind in (0, 1, 2)]
    accept = join_accept(APP_KEY, Acceptance("000001", NET_ID, DEV_ADDR, channel_masks=(1, 2)))
    return [*both, *data, *rejoins, accept, proprietary(b"x")]


def mutated(draw: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        kind = draw.randrange(4)
        at = draw.randrange(len(out) + 1)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << draw.randrange(8)
        elif kind == 1:
            out[at:at] = draw.randbytes(draw.randint(1, 8))
        elif kind == 2:
            del out[at : at + draw.randint(1, 8)]
        else:
            out[at : at + 1] = draw.randbytes(1)
    return bytes(out)


def test_mutated_frames() -> None:
    draw = random.Random(SEED)
    sources = seeds()
    sessions = Sessions()
    for number in range(FRAMES):
        data = mutated(draw, draw.choice(sources)) if number % 8 else draw.randbytes(draw.randrange(64))
        link = Link.LORAWAN_PAYLOAD if number % 64 == 1 else Link.LORAWAN
        heard = decode_lorawan(RawFrame(data, link=link), FILED, sessions)
        sessions = heard.sessions
        assert_tiled(heard.telegram)


def test_no_frame_makes_a_counter_search_long() -> None:
    longest = data_frame(Message(MType.UNCONFIRMED_DATA_UP, 1, 1, bytes(242)), SESSION_1_0)
    ack = data_frame(Message(MType.CONFIRMED_DATA_DOWN, 1, 1, bytes(230), flags=("ack",)), SESSION_1_1)
    for frame in (longest, ack):
        wrong = frame[:-1] + bytes((frame[-1] ^ 1,))
        began = time.perf_counter()
        heard = hear(wrong, FILED, halves=ALL_HALVES)
        took_s = time.perf_counter() - began
        assert not heard.telegram.ok
        assert took_s < LONGEST_S


def test_no_hint_stops_the_decoder() -> None:
    hints = Hints(fcnt=0xFFFFFFFF, conf_fcnt=0xFFFFFFFF, dev_eui=DEV_EUI, join_eui=JOIN_EUI, dev_nonce=0xFFFF)
    for data in (*seeds(), uplink(1)):
        assert_tiled(hear(data, FILED, hints=hints).telegram)
