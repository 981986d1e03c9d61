"""Fuzz the LoRaWAN decoder: `make fuzz-lorawan`, or

    python -m tests.protocols.lorawan.lorawan_fuzz [--frames N] [--per-family N] [--jobs N] [--seed N]

Mutated and made-up PHYPayloads, a million by default, with keys and sessions at hand, through the general decoder and
the fast path; with `--per-family`, so many changed payloads of every kind of meter in their place. Exit: 0 nothing
broke, 1 something broke a rule; it is printed in hex. The same seed gives the same frames and payloads.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.pool import Pool

from protocols.lorawan.decoder import decode_lorawan
from protocols.lorawan.encode import Acceptance, Message, data_frame, join_accept, proprietary, rejoin_request
from protocols.lorawan.facts import LoraReception
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.learned import LorawanSighting
from protocols.lorawan.meters.registry import shipped_meters
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import Sessions
from protocols.model import Link, Outcome, RawFrame
from tests.protocols.lorawan.family_fuzz import Read, check_family
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
    joining_1_0,
    joining_1_1,
)

FRAMES = 1_000_000
PIECE = 20_000
"""Frames that one process checks at a time, with a seed and sessions of their own."""

SEED = 13757
SLOWEST_S = 0.25
LONGEST_PAYLOAD = 222
FILED = Filed((ROOT_1_0, ROOT_1_1), (SESSION_1_0, SESSION_1_1))


class Broken(Exception):
    """A frame that broke a rule."""


@dataclass(slots=True)
class Findings:
    """What came of the frames."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    sightings: int = 0
    slowest_s: float = 0.0

    def join(self, other: Findings) -> None:
        self.outcomes += other.outcomes
        self.sightings += other.sightings
        self.slowest_s = max(self.slowest_s, other.slowest_s)


def seeds() -> list[bytes]:
    """Frames of every kind, with keys that are filed."""
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
    """Change, add and remove bytes in one to four places."""
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


class Frames:
    """Makes frames: changed ones, noise, and good uplinks of any kind of meter with changed payloads."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._seeds = seeds()
        self._tests = [(meter.id, test) for meter in shipped_meters().meters.values() for test in meter.tests]
        self._fcnt = 0
        self._choose()

    def _choose(self) -> None:
        """Take up another meter with a payload of its own tests."""
        self._meter, test = self._draw.choice(self._tests)
        self._payload, self._fport = test.payload, test.fport or 2

    def next(self) -> RawFrame:
        """One more."""
        draw = self._draw
        kind = draw.randrange(8)
        if kind < 4:
            return RawFrame(mutated(draw, draw.choice(self._seeds)), link=Link.LORAWAN)
        if kind == 4:
            return RawFrame(draw.randbytes(draw.randrange(300)), link=Link.LORAWAN)
        lora = LoraReception(profile=self._meter, fport=self._fport)
        if kind == 5:
            payload = mutated(draw, self._payload)
            return RawFrame(payload, link=Link.LORAWAN_PAYLOAD, lora=lora)
        if draw.random() < 0.05:
            self._choose()
            lora = LoraReception(profile=self._meter, fport=self._fport)
        self._fcnt += 1
        at = draw.randrange(len(self._payload))
        payload = self._payload[:at] + draw.randbytes(1) + self._payload[at + 1 :]
        message = Message(MType.UNCONFIRMED_DATA_UP, self._fcnt, self._fport, payload[:LONGEST_PAYLOAD])
        data = data_frame(message, SESSION_1_0)
        return RawFrame(data, link=Link.LORAWAN, lora=lora)


def _again_s(frame: RawFrame, sessions: Sessions) -> float:
    """The processor time of decoding a frame, the best of three: the first time may have been the collector's."""
    took_s = []
    for _ in range(3):
        began = time.process_time()
        decode_lorawan(frame, FILED, sessions)
        took_s.append(time.process_time() - began)
    return min(took_s)


def check_frames(seed: int, count: int) -> Findings:
    """Decode so many frames one after the other; raises `Broken`."""
    frames, found, sessions = Frames(seed), Findings(), Sessions()
    follower = LorawanFollower(FILED)
    for _ in range(count):
        frame = frames.next()
        began = time.process_time()
        try:
            heard = decode_lorawan(frame, FILED, sessions)
            sessions = heard.sessions
            assert_tiled(heard.telegram)
            seen = follower.sight(frame)
        except Exception as error:
            raise Broken(f"{type(error).__name__}: {error} in {frame.data.hex()}") from error
        took_s = time.process_time() - began
        found.slowest_s = max(found.slowest_s, took_s)
        found.outcomes[heard.telegram.outcome] += 1
        if isinstance(seen, LorawanSighting):
            found.sightings += 1
            readings = [(reading.value, reading.quality) for reading in heard.telegram.readings]
            if readings != seen.readings or seen.status != heard.telegram.status:
                raise Broken(f"the fast path reads otherwise: {frame.data.hex()} of {frame.lora}")
        if took_s > SLOWEST_S and _again_s(frame, sessions) > SLOWEST_S:
            raise Broken(f"{took_s:.2f} s for {frame.data.hex()}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Check all frames, or all families, in several processes, and print what they came to."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"how many (default: {FRAMES})")
    parser.add_argument(
        "--per-family", type=int, metavar="N", help="payloads of each kind of meter, in place of frames"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the first {PIECE} frames (default: {SEED})")
    asked = parser.parse_args(argv)
    with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
        if asked.per_family is not None:
            return _families(pool, asked.per_family, asked.seed)
        return _frames(pool, asked.frames, asked.seed)


def _frames(pool: Pool, count: int, seed: int) -> int:
    pieces = [(seed + number, min(PIECE, count - first)) for number, first in enumerate(range(0, count, PIECE))]
    found = Findings()
    try:
        for piece in pool.starmap(check_frames, pieces, chunksize=1):
            found.join(piece)
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1
    outcomes = ", ".join(f"{found.outcomes[outcome]} {outcome}" for outcome in Outcome if found.outcomes[outcome])
    print(f"{found.outcomes.total()} frames, nothing broke: {outcomes}")
    print(f"{found.sightings} of them by the fast path; slowest {found.slowest_s * 1000:.1f} ms of processor time")
    return 0


def _families(pool: Pool, count: int, seed: int) -> int:
    """Every family in pieces; a family's line is printed when all of its pieces are done."""
    names = list(shipped_meters().meters)
    pieces = [(seed + number, min(PIECE, count - first)) for number, first in enumerate(range(0, count, PIECE))]
    whole = Read()
    results = pool.imap(_family, [(name, *piece) for name in names for piece in pieces], chunksize=1)
    for name in names:
        read = Read()
        for _ in pieces:
            read.join(next(results))
        print(
            f"{name}: {read.payloads} payloads, {read.decoded} decoded, {read.frames} as frames, "
            f"{read.sightings} by the fast path, slowest {read.slowest_s * 1000:.1f} ms",
            flush=True,
        )
        for broken in read.broken:
            print(broken, file=sys.stderr, flush=True)
        whole.join(read)
    ended = "nothing broke" if not whole.broken else f"{len(whole.broken)} broke a rule"
    print(f"{whole.payloads} payloads of {len(names)} families, {ended}; slowest {whole.slowest_s * 1000:.1f} ms")
    return 1 if whole.broken else 0


def _family(piece: tuple[str, int, int]) -> Read:
    return check_family(*piece)


if __name__ == "__main__":
    sys.exit(main())
