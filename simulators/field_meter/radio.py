"""A simulated meter's radio: it sends by itself, listens a moment after each telegram, and answers a gateway.

After the first valid frame of a gateway it repeats its last answer every two seconds (frequent access cycle) until the
next frame, SND-NKE, or a time-out. A repeated request is answered again and not executed twice.

Not simulated: the credits by which a battery meter limits how often it answers, alarms (REQ-UD1 is acknowledged, as by
a meter without any), security modes other than 5, and clock drift.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from protocols.errors import ProtocolError
from protocols.model import Address, FrameFormat
from protocols.wmbus.control import control_name
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link_timing import (
    ACCESSIBLE,
    BIDIRECTIONAL,
    FAST_RESPONSE,
    SYNCHRONOUS,
    UPLINK_MODES,
    response_window,
)
from protocols.wmbus.two_way import (
    ACK,
    CI_RECORDS,
    NACK,
    RSP_UD,
    SND_IR,
    SND_NR,
    TwoWayHeader,
    meter_frame,
    parse_header,
    parse_two_way,
)
from simulators.air import good_frame
from simulators.air.two_way import Downlink, Uplink, time_on_air

SEND_DATA: Final = frozenset({"SND-UD", "SND-UD2"})
FRAME_FORMATS: Final[dict[str, FrameFormat]] = {"S2": FrameFormat.A, "T2": FrameFormat.A, "C2": FrameFormat.B}


class RadioApplication(Protocol):
    """What is behind the radio; every call is made by the thread of the air, with the air's time."""

    @property
    def address(self) -> Address:
        """The meter's address."""

    @property
    def key(self) -> bytes | None:
        """The key of its telegrams, None when it does not encrypt."""

    @property
    def status(self) -> int:
        """The status byte of its telegrams."""

    @property
    def transmits(self) -> bool:
        """Whether the radio is switched on."""

    @property
    def installing(self) -> bool:
        """Whether it asks to be installed (SND-IR) instead of sending its data (SND-NR)."""

    @property
    def interval_s(self) -> float:
        """How often it sends by itself."""

    def records(self, now: datetime) -> bytes:
        """Return the records of a telegram that it sends by itself."""

    def begin_access(self, now: datetime) -> None:
        """Take note that a gateway begins anew."""

    def command(self, application: bytes, now: datetime) -> bool | None:
        """Take the data of a SND-UD; whether it can do anything with them, None when it has lost its power."""

    def response(self, now: datetime) -> tuple[int, bytes]:
        """Return CI field and data for the next REQ-UD2: the next part of an answer, or of a read-out."""

    def confirm_installation(self, now: datetime) -> None:
        """Take a CNF-IR."""


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """How the meter sends.

    `mode` is S2, T2 or C2, `fast` asks for an answer after 100 ms instead of 1000 (mode C2). While it asks to be
    installed it sends every `installation_interval_s`. It listens after every `window_every`th telegram. In an access
    it repeats its answer every `repeat_s`, for `timeout_s`.
    """

    mode: str = "C2"
    fast: bool = True
    installation_interval_s: float = 8.0
    jitter: float = 0.03
    window_every: int = 1
    rssi_dbm: int = -65
    repeat_s: float = 2.0
    timeout_s: float = 30.0

    @property
    def cc(self) -> int:
        """Communication control field of a frame with a window behind it."""
        return BIDIRECTIONAL | (FAST_RESPONSE if self.fast else 0)


@dataclass(slots=True)
class RadioCounters:
    """What has happened so far; `unheard` are frames that were sent while the meter did not listen."""

    sent: int = 0
    heard: int = 0
    unheard: int = 0
    damaged: int = 0
    repeated: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _Access:
    """An access that is going on: what was asked, what is answered, under which key, until when."""

    request: bytes
    answer: bytes
    key: bytes | None = field(repr=False)
    until: datetime


class RadioMeter:
    """A meter on the air, from `starts` on; a `Station`."""

    def __init__(
        self, application: RadioApplication, starts: datetime, settings: RadioSettings | None = None, *, seed: int = 0
    ) -> None:
        self.application = application
        self.settings = settings or RadioSettings()
        self.counters = RadioCounters()
        self._rng = random.Random(f"{seed}/{application.address}/radio")
        self._acc = self._rng.randrange(256)
        self._access: _Access | None = None
        self._last: _Access | None = None
        self._window: tuple[datetime, datetime] | None = None
        self._periodic = 0
        self._next = starts + timedelta(seconds=self._interval_s * self._rng.random())

    @property
    def name(self) -> str:
        """The meter's address in words."""
        return str(self.application.address)

    @property
    def next_at(self) -> datetime | None:
        """When it sends next."""
        return self._next

    @property
    def in_access(self) -> bool:
        """Whether a gateway has its attention."""
        return self._access is not None

    def send(self, at: datetime) -> Uplink | None:
        """Send the answer of an access, or the next telegram."""
        access = self._access
        if access is not None and at <= access.until:
            self._next = at + timedelta(seconds=self.settings.repeat_s)
            frame, listens = access.answer, True
            if self._next > access.until:
                self._next = at + timedelta(seconds=self._interval_s)
        else:
            self._access = None
            swing = self._rng.uniform(-self.settings.jitter, self.settings.jitter)
            self._next = at + timedelta(seconds=self._interval_s * (1 + swing))
            if not self.application.transmits:
                self._window = None
                return None
            frame, listens = self._telegram(at)
        mode, frame_format = self.settings.mode, FRAME_FORMATS[self.settings.mode]
        uplink = Uplink(frame, UPLINK_MODES[mode], frame_format, self.settings.rssi_dbm)
        self._window = self._opened(at, uplink) if listens else None
        self.counters.sent += 1
        return uplink

    def hear(self, downlink: Downlink) -> None:
        """Take a frame, if it began while the receiver was on and is for this meter."""
        window = self._window
        if window is None or downlink.mode != self.settings.mode or not window[0] <= downlink.at <= window[1]:
            self.counters.unheard += 1
            return
        frame = good_frame(downlink)
        if frame is None:
            self.counters.damaged += 1
            return
        try:
            header = parse_header(frame)
        except ProtocolError:
            self.counters.damaged += 1
            return
        if header.meter != self.application.address or header.sender == self.application.address:
            return
        self.counters.heard += 1
        self._window = None
        self._obey(frame, header, downlink.ends)

    @property
    def _interval_s(self) -> float:
        application = self.application
        return self.settings.installation_interval_s if application.installing else application.interval_s

    def _telegram(self, at: datetime) -> tuple[bytes, bool]:
        """The next telegram that nobody asked for, and whether a window follows it."""
        application = self.application
        listens = self._periodic % self.settings.window_every == 0
        self._periodic += 1
        acc = self._next_acc()
        frame = meter_frame(
            SND_IR if application.installing else SND_NR,
            application.address,
            acc,
            cc=SYNCHRONOUS | (self.settings.cc if listens else ACCESSIBLE),
            link_acc=acc,
            status=application.status,
            application=application.records(at),
            key=application.key,
        )
        return frame, listens

    def _opened(self, at: datetime, uplink: Uplink) -> tuple[datetime, datetime]:
        """When an answer to this frame may begin."""
        ends = at + time_on_air(uplink.mode, len(with_crcs(uplink.frame, uplink.frame_format)))
        window = response_window(self.settings.mode, self.settings.cc)
        return ends + timedelta(seconds=window.opens_s), ends + timedelta(seconds=window.closes_s)

    def _obey(self, frame: bytes, header: TwoWayHeader, ends: datetime) -> None:
        name = control_name(header.control)
        if name == "SND-NKE":
            self._leave(ends)
            self._last = None
        elif name == "CNF-IR":
            self.application.confirm_installation(ends)
            self._leave(ends)
        elif self._last is not None and frame == self._last.request:
            self.counters.repeated += 1
            self._answer(self._last.request, self._last.answer, self._last.key, ends)
        else:
            if self._access is None:
                self.application.begin_access(ends)
            key = self.application.key if self._access is None else self._access.key
            answer = self._answered(name, frame, header, key, ends)
            if answer is not None:
                self._answer(frame, answer, key, ends)

    def _answered(
        self, name: str, frame: bytes, header: TwoWayHeader, key: bytes | None, now: datetime
    ) -> bytes | None:
        """The frame that answers a request; None for what a meter does not answer."""
        acc = header.transport.access_number or 0
        if name in SEND_DATA:
            taken = self._commanded(frame, key, now)
            if taken is None:
                self._leave(now)
                return None
            self.counters.refused += not taken
            return self._built(ACK if taken else NACK, acc)
        if name == "REQ-UD1":
            return self._built(ACK, acc)
        if name == "REQ-UD2":
            ci, data = self.application.response(now)
            return self._built(RSP_UD, acc, ci, data, key)
        return None

    def _commanded(self, frame: bytes, key: bytes | None, now: datetime) -> bool | None:
        try:
            message = parse_two_way(frame, () if key is None else (key,))
        except ProtocolError:
            return False
        # What is not encrypted is not taken by a meter that has a key.
        return (message.key is not None or key is None) and self.application.command(message.application, now)

    def _built(
        self, control: int, acc: int, ci: int = CI_RECORDS, application: bytes = b"", key: bytes | None = None
    ) -> bytes:
        return meter_frame(
            control,
            self.application.address,
            acc,
            cc=self.settings.cc,
            link_acc=self._next_acc(),
            status=self.application.status,
            application=application,
            key=key,
            ci=ci,
        )

    def _answer(self, request: bytes, answer: bytes, key: bytes | None, ends: datetime) -> None:
        self._access = _Access(request, answer, key, ends + timedelta(seconds=self.settings.timeout_s))
        self._last = self._access
        self._next = ends + timedelta(seconds=response_window(self.settings.mode, self.settings.cc).middle_s)

    def _leave(self, now: datetime) -> None:
        self._access = None
        self._next = now + timedelta(seconds=self._interval_s)

    def _next_acc(self) -> int:
        self._acc = (self._acc + 1) % 256
        return self._acc
