"""Simulated programs for SDR sticks: they write a line for each telegram that they decode, and take nothing.

Not simulated: the radio before them, their options, and what they write to standard error.
"""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from protocols.media import manufacturer_letters
from protocols.model import FrameFormat
from simulators.air import Transmission, good_frame
from simulators.receivers.cut_crcs import cut_crcs

PRINTED_TWICE: Final = 0.3
"""Share of the telegrams that both demodulators of rtl_wmbus decode."""

SECOND_AFTER: Final = timedelta(milliseconds=2)
MAX_WAITING: Final = 1000
STRENGTH_AT_0_DBM: Final = 140
"""rtl_wmbus writes magnitudes without a unit; a stronger signal has a larger one."""

_SIGNALS: Final = {"S1": "S1", "S2": "S1", "T1": "T1", "T2": "T1", "C1": "C1", "C2": "C1"}
"""Mode of a meter, to what its telegrams look like on the air."""


@dataclass(slots=True)
class ProgramCounters:
    """What has happened so far."""

    heard: int = 0
    wrong_mode: int = 0
    crc_errors: int = 0
    written: int = 0


class _Program:
    """A program that writes lines."""

    KIND: ClassVar[str]
    BAUD: ClassVar[int] = 115200
    """Means nothing here: a program is on no serial port."""
    HEARD: ClassVar[tuple[str, ...]]

    def __init__(self, *, seed: int = 0) -> None:
        self.counters = ProgramCounters()
        self._rng = random.Random(f"{seed}/{self.KIND}")
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)

    def receive(self, data: bytes, now_s: float) -> None:
        """Nothing that comes back is read."""

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air."""
        signal = _SIGNALS.get(transmission.mode)
        if signal not in self.HEARD:
            self.counters.wrong_mode += 1
            return
        self.counters.heard += 1
        frame = good_frame(transmission)
        good = frame is not None
        data = cut_crcs(transmission) if frame is None else frame
        self.counters.crc_errors += not good
        for line in self._lines(transmission, signal, data, good):
            self.counters.written += 1
            self._waiting.append(f"{line}\n".encode())

    def due(self, now_s: float) -> list[bytes]:
        """Return the lines that are to be written by now, in order."""
        lines = list(self._waiting)
        self._waiting.clear()
        return lines

    def power_cycle(self) -> None:
        """Begin anew."""
        self._waiting.clear()

    @property
    def next_due_s(self) -> float | None:
        """When `due` will have something."""
        return 0.0 if self._waiting else None

    def _lines(self, transmission: Transmission, signal: str, data: bytes, good: bool) -> list[str]:
        raise NotImplementedError


class RtlWmbus(_Program):
    """rtl_wmbus: telegrams with a wrong CRC are written too and say so; some telegrams are written twice."""

    KIND = "rtlwmbus"
    HEARD = ("T1", "C1", "S1")

    def _lines(self, transmission: Transmission, signal: str, data: bytes, good: bool) -> list[str]:
        twice = self._rng.random() < PRINTED_TWICE
        strength = max(1, STRENGTH_AT_0_DBM + transmission.rssi_dbm)
        times = [transmission.at, transmission.at + SECOND_AFTER][: 1 + twice]
        symbols_good = good or signal != "T1"
        return [
            f"{signal};{good:d};{symbols_good:d};{at.astimezone():%Y-%m-%d %H:%M:%S.%f};{strength};{strength - 8};"
            f"{data[7:3:-1].hex().upper()};0x{data.hex()}"
            for at in times
        ]


class Rtl433(_Program):
    """rtl_433 with `-R 104 -F json`: modes T and C; what has a wrong CRC is not written."""

    KIND = "rtl433"
    HEARD = ("T1", "C1")

    def _lines(self, transmission: Transmission, signal: str, data: bytes, good: bool) -> list[str]:
        if not good:
            return []
        number = data[7:3:-1].hex()
        on_air = transmission.coded[:1] if transmission.frame_format is FrameFormat.B else data[:1]
        event = {
            "time": f"{transmission.at.astimezone():%Y-%m-%d %H:%M:%S}",
            "model": "Wireless-MBus",
            "mode": signal[0],
            "M": manufacturer_letters(int.from_bytes(data[2:4], "little")),
            "id": int(number) if number.isdecimal() else int(number, 16),
            "version": data[8],
            "type": data[9],
            "C": data[1],
            "data": (on_air + data[1:]).hex(),
            "mic": "CRC",
        }
        return [json.dumps(event)]
