"""Payloads of one kind of meter, changed in any way, and what must hold of whatever is read from them.

The same family and seed give the same payloads.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from protocols.lorawan.decoder import decode_lorawan
from protocols.lorawan.encode import Message, data_frame
from protocols.lorawan.facts import LoraReception
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.learned import LorawanSighting
from protocols.lorawan.meters.model import LoraMeter
from protocols.lorawan.meters.registry import shipped_meters
from protocols.lorawan.payload import NO_STATE, PayloadResult, PayloadState, decode_payload
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import Sessions
from protocols.model import Link, Outcome, RawFrame
from tests.protocols.lorawan.lorawan_bench import SESSION_1_0, Filed, assert_tiled

LONGEST = 242
"""FRMPayload at the fastest data rates (LoRaWAN RP002)."""

LONGEST_AT_ALL = 222
"""FRMPayload behind a repeater: what a frame of the tests holds."""

SLOWEST_S = 0.25
"""Processor time, far above what any payload takes."""

AS_FRAME = 16
"""One payload in so many also goes encrypted through the decoder of frames, and through the fast path."""

OTHER_PORT = 0.05
FILED = Filed(sessions=(SESSION_1_0,))


@dataclass(slots=True)
class Read:
    """What came of a family's payloads."""

    payloads: int = 0
    decoded: int = 0
    frames: int = 0
    sightings: int = 0
    slowest_s: float = 0.0
    broken: list[str] = field(default_factory=list)

    def join(self, other: Read) -> None:
        """Count what another process has done."""
        self.payloads += other.payloads
        self.decoded += other.decoded
        self.frames += other.frames
        self.sightings += other.sightings
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.broken += other.broken


def check_result(result: PayloadResult, frame: bytes, start: int, end: int) -> None:
    """Raise where a result breaks a rule: spans that tile the payload, words exactly where it failed."""
    position = start
    for span in (span for layer in result.layers for span in layer.spans(result.plain)):
        assert span.start == position
        position = span.end
    assert position == end or not result.layers
    assert len(result.plain) == len(frame)
    assert (result.problem is None) == (result.outcome is Outcome.OK)
    assert all(start <= record.start <= record.end <= end for record in result.records)
    for reading in result.readings:
        str(reading.value)


def mutated(payload: bytes, dice: random.Random) -> bytes:
    """A meter's payload with some bytes changed, and cut, lengthened, shifted or repeated now and then."""
    changed = bytearray(payload)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed))
        changed[at] = dice.choice((0, 0x7F, 0x80, 0xFF, changed[at] ^ 1 << dice.randrange(8), dice.randrange(256)))
    at = dice.randrange(len(changed))
    match dice.randrange(8):
        case 0:
            del changed[at:]
        case 1:
            changed += dice.randbytes(dice.randint(1, 20))
        case 2:
            changed[at:at] = dice.randbytes(dice.randint(1, 4))
        case 3:
            del changed[at : at + dice.randint(1, 4)]
        case 4:
            changed[at:at] = changed[at : at + dice.randint(1, 16)] * dice.randint(1, 4)
        case _:
            pass
    return bytes(changed[:LONGEST])


class Family:
    """The payloads of one meter, one after the other, and what was read from them."""

    def __init__(self, meter: LoraMeter, seed: int) -> None:
        self._meter = meter
        self._dice = random.Random(f"{seed} {meter.id}")
        self._state: PayloadState = NO_STATE
        self._fcnt = 0
        self._sessions = Sessions()
        self._follower = LorawanFollower(FILED)
        self.read = Read()

    def check(self, count: int) -> Read:
        """Read so many payloads; the first that breaks a rule ends it, and is in `broken`."""
        for _ in range(count):
            payload, fport = self._next()
            try:
                began = time.process_time()
                self._one(payload, fport)
                took_s = time.process_time() - began
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                self._broken(payload, fport, f"{type(error).__name__}: {error}")
                break
            self.read.slowest_s = max(self.read.slowest_s, took_s)
            if took_s > SLOWEST_S and self._again_s(payload, fport) > SLOWEST_S:
                self._broken(payload, fport, f"{took_s:.2f} s")
                break
        return self.read

    def _next(self) -> tuple[bytes, int | None]:
        sample = self._dice.choice(self._meter.tests)
        fport = self._dice.randrange(256) if self._dice.random() < OTHER_PORT else sample.fport
        return mutated(sample.payload, self._dice), fport

    def _one(self, payload: bytes, fport: int | None) -> None:
        self._fcnt += 1
        self.read.payloads += 1
        result = decode_payload(payload, 0, len(payload), fport, self._meter, fcnt=self._fcnt, state=self._state)
        check_result(result, payload, 0, len(payload))
        self._state = result.state
        self.read.decoded += result.outcome is Outcome.OK
        if not self._fcnt % AS_FRAME:
            self._frame(payload[:LONGEST_AT_ALL], fport or 1)

    def _frame(self, payload: bytes, fport: int) -> None:
        """The same in a frame, through the general decoder and the fast path: both read alike."""
        message = Message(MType.UNCONFIRMED_DATA_UP, self._fcnt, fport, payload)
        reception = LoraReception(profile=self._meter.id)
        frame = RawFrame(data_frame(message, SESSION_1_0), link=Link.LORAWAN, lora=reception)
        heard = decode_lorawan(frame, FILED, self._sessions)
        self._sessions = heard.sessions
        assert_tiled(heard.telegram)
        seen = self._follower.sight(frame)
        self.read.frames += 1
        if isinstance(seen, LorawanSighting):
            self.read.sightings += 1
            assert seen.readings == [(reading.value, reading.quality) for reading in heard.telegram.readings]
            assert seen.status == heard.telegram.status
        else:
            assert seen.readings == heard.telegram.readings

    def _again_s(self, payload: bytes, fport: int | None) -> float:
        """Processor time once more: the machine has other things to do."""
        began = time.process_time()
        decode_payload(payload, 0, len(payload), fport, self._meter, fcnt=self._fcnt, state=self._state)
        return time.process_time() - began

    def _broken(self, payload: bytes, fport: int | None, what: str) -> None:
        self.read.broken.append(f"{self._meter.id}, FPort {fport}: {what} in {payload.hex()}")


def check_family(name: str, seed: int, count: int) -> Read:
    """Read so many changed payloads of a kind of meter."""
    return Family(shipped_meters().meters[name], seed).check(count)
