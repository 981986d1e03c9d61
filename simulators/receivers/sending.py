"""What a simulated stick sends, and when: at the moment when the meter that it is for listens.

Whether the real stick waits for that moment is not documented; it is known of another maker's (2 ms after the meter's
frame in mode T2, 10 ms in S2, 100 or 1000 ms in C2), and without it no program could meet the windows of mode C2.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from protocols.errors import ProtocolError
from protocols.model import Address, FrameFormat
from protocols.receivers.im871a.settings import LinkMode
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link import MIN_LENGTH
from protocols.wmbus.link_timing import FAST_RESPONSE
from protocols.wmbus.two_way import parse_header
from simulators.air.two_way import Downlink

SENDING: Final[dict[int, tuple[str, FrameFormat]]] = {
    LinkMode.S2: ("S2", FrameFormat.A),
    LinkMode.T2: ("T2", FrameFormat.A),
    LinkMode.C2_A: ("C2", FrameFormat.A),
    LinkMode.C2_B: ("C2", FrameFormat.B),
    LinkMode.S1: ("S1", FrameFormat.A),
    LinkMode.S1_M: ("S1", FrameFormat.A),
    LinkMode.T1: ("T1", FrameFormat.A),
    LinkMode.C1_A: ("C1", FrameFormat.A),
    LinkMode.C1_B: ("C1", FrameFormat.B),
    LinkMode.C1_T1: ("T1", FrameFormat.A),
}
"""Link mode to the signal and frame format that is sent in it; the one-way modes send as a meter would."""

_ANSWERS_AFTER_S: Final[dict[tuple[str, bool], float]] = {
    ("S2", False): 0.010,
    ("S2", True): 0.010,
    ("T2", False): 0.002,
    ("T2", True): 0.002,
    ("C2", False): 1.000,
    ("C2", True): 0.100,
}
"""Mode, and whether the meter asks for a fast response, to when an answer begins after the meter's frame."""

MAX_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A frame to be sent, without CRCs and as coded on the air, and the signal at the time of the request."""

    frame: bytes
    mode: str
    frame_format: FrameFormat
    coded: bytes


class Outbox:
    """What waits to be put on the air, and when the meters around were last heard."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._heard: OrderedDict[Address, tuple[datetime, bool]] = OrderedDict()

    def put(self, frame: bytes, link_mode: int) -> bool:
        """Take a frame from the C field on; False when it is too long for the link mode, or that sends nothing.

        What is too short to be a frame is taken, and nobody ever hears it.
        """
        if link_mode not in SENDING:
            return False
        if len(frame) < MIN_LENGTH:
            return True
        mode, frame_format = SENDING[link_mode]
        whole = bytes((len(frame),)) + frame
        try:
            self._waiting.append(_Waiting(whole, mode, frame_format, with_crcs(whole, frame_format)))
        except ValueError:
            return False
        return True

    def heard(self, frame: bytes, ends: datetime) -> None:
        """Note when a meter's frame, from the C field on, ended."""
        try:
            header = parse_header(bytes((len(frame),)) + frame)
        except ProtocolError:
            return
        self._heard[header.sender] = (ends, bool(header.cc & FAST_RESPONSE))
        self._heard.move_to_end(header.sender)
        while len(self._heard) > MAX_REMEMBERED:
            self._heard.popitem(last=False)

    def downlinks(self, now: datetime, bytes_per_s: float) -> list[Downlink]:
        """Return what was put in since the last call, each with the moment at which it begins.

        `bytes_per_s` is the speed of the line that the request came over.
        """
        waiting, self._waiting = self._waiting, []
        return [self._downlink(one, now + timedelta(seconds=len(one.frame) / bytes_per_s)) for one in waiting]

    def _downlink(self, waiting: _Waiting, arrived: datetime) -> Downlink:
        begins = self._begins(waiting.frame, waiting.mode, arrived)
        return Downlink(begins, waiting.mode, waiting.frame_format, waiting.coded)

    def _begins(self, frame: bytes, mode: str, arrived: datetime) -> datetime:
        try:
            meter = parse_header(frame).meter
        except ProtocolError:
            return arrived
        ended, fast = self._heard.get(meter, (None, False))
        after_s = _ANSWERS_AFTER_S.get((mode, fast))
        return arrived if ended is None or after_s is None else max(arrived, ended + timedelta(seconds=after_s))
