"""A simulated iM871A-USB: the stick's side of the wire."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from protocols.errors import ProtocolError
from protocols.receivers.im871a import management as mgmt
from protocols.receivers.im871a import radio
from protocols.receivers.im871a.envelope import Envelope, EnvelopeStream, StreamEvent
from protocols.receivers.im871a.message import STATUS_FAILED, STATUS_OK, Message
from protocols.receivers.im871a.messages import OtherMessage, parse_message
from protocols.receivers.im871a.settings import HEARD_MODES, Config, DeviceInfo, DeviceType, LinkMode, rssi_raw
from simulators.air import Transmission, good_frame
from simulators.air.two_way import Downlink
from simulators.receivers.cut_crcs import cut_crcs
from simulators.receivers.sending import Outbox
from simulators.receivers.serial_line import BITS_A_BYTE

FACTORY_INFO: Final = DeviceInfo(DeviceType.IM871A, mode=0, firmware=0x14, hci_version=0x17, uid=0x00102030)
FACTORY_CONFIG: Final = Config(
    device_mode=0,
    link_mode=LinkMode.T1,
    c_field=0x46,
    manufacturer_code=0x25A2,
    device_id=0x00101517,
    version=1,
    device_type=0x31,
    radio_channel=0x0B,
    power_level=7,
    data_rate=0,
    rx_window_ms=50,
    auto_power_saving=0,
    attach_rssi=0,
    attach_timestamp=0,
    led_control=0,
    rtc_control=0,
)

STALE_S: Final = 0.5
"""A request that stood still for so long is never finished: what comes next is another one."""

MAX_WAITING: Final = 64
"""Telegrams that wait for the line; the oldest is dropped when there are more."""


@dataclass(slots=True)
class StickCounters:
    """What has happened so far."""

    requests: int = 0
    unreadable: int = 0
    heard: int = 0
    wrong_mode: int = 0
    crc_errors: int = 0
    overflowed: int = 0
    sent: int = 0


class Im871aStick:
    """Answers every request of the WiMOD HCI and hands over what it hears in its link mode.

    Responses come 5 to 20 ms after the request, in the time that 57600 baud take. Telegrams wait until the host has
    set a link mode and for a while after every request, as clients that probe with a single read need it. Frames
    whose CRC fails are dropped, as in the real stick, unless `hand_over_damaged`.

    What it is told to send goes on the air in its link mode; only a two-way mode reaches a meter. Where it has just
    heard the meter that a frame is for, it begins the answer when that meter's window is open, or at once when the
    request came too late for that; see `simulators/receivers/sending.py`.

    Not simulated: decryption in the stick (loading a key fails), a difference between link modes C1 format A and B in
    what is heard, sleeping, the tests of endpoints 3 and 4 (no response), and the layouts of system status and
    firmware information, which are not public.
    """

    KIND: ClassVar[str] = "im871a"
    BAUD: ClassVar[int] = 57600

    def __init__(
        self,
        *,
        seed: int = 0,
        info: DeviceInfo = FACTORY_INFO,
        latency_s: tuple[float, float] = (0.005, 0.020),
        hold_off_s: float = 0.4,
        settle_s: float = 0.1,
        hand_over_damaged: bool = False,
    ) -> None:
        self.info = info
        self.config = FACTORY_CONFIG
        self.counters = StickCounters()
        self.sent: list[bytes] = []
        self._outbox = Outbox()
        self._stored = FACTORY_CONFIG
        self._rng = random.Random(f"{seed}/im871a")
        self._latency_s = latency_s
        self._hold_off_s = hold_off_s
        self._settle_s = settle_s
        self._hand_over_damaged = hand_over_damaged
        self._operation_mode = 0
        self._clock_s = (0, 0.0)
        self._stream = EnvelopeStream(require_fcs=False)
        self._responses: deque[tuple[float, bytes]] = deque()
        self._telegrams: deque[Transmission] = deque()
        self._quiet_until_s: float | None = None
        self._line_free_s = 0.0
        self._received_s = 0.0

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""
        while self._stream.pending and now_s - self._received_s >= STALE_S:
            self._obey(self._stream.resync(), now_s)
        self._received_s = now_s
        self._obey(self._stream.feed(data), now_s)

    def _obey(self, pieces: Iterable[StreamEvent], now_s: float) -> None:
        for piece in pieces:
            if not isinstance(piece, Envelope):
                self.counters.unreadable += 1
                continue
            try:
                request = parse_message(piece)
            except ProtocolError:
                self.counters.unreadable += 1
                continue
            self.counters.requests += 1
            response = self._answer(request, now_s)
            if isinstance(response, radio.SendMessageResponse | radio.SendDataResponse):
                self._respond(response, now_s, hold_off=False)
            elif response is not None:
                self._respond(response, now_s)

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air, if the link mode hears it and a host has set one."""
        if transmission.mode not in HEARD_MODES.get(self.config.link_mode or 0, frozenset()):
            self.counters.wrong_mode += 1
            return
        if self._quiet_until_s is None:
            return
        if len(self._telegrams) >= MAX_WAITING:
            self._telegrams.popleft()
            self.counters.overflowed += 1
        self.counters.heard += 1
        self._telegrams.append(transmission)
        self._outbox.heard(self._without_crcs(transmission), transmission.at)

    def downlinks(self, now: datetime) -> list[Downlink]:
        """Return what the host has told it to send since it was last asked, `now` being the air's time."""
        return self._outbox.downlinks(now, self.BAUD / BITS_A_BYTE)

    def power_cycle(self) -> None:
        """Start anew from the stored configuration."""
        self._restart()
        self._responses.clear()
        self._stream = EnvelopeStream(require_fcs=False)

    def due(self, now_s: float) -> list[bytes]:
        """Return what is to be written by now; each piece is a whole frame at the time of its last bit."""
        pieces = []
        while (piece := self._next_piece(now_s)) is not None:
            pieces.append(piece)
        return pieces

    @property
    def next_due_s(self) -> float | None:
        """When `due` will have something, None when nothing waits."""
        if self._responses:
            due_s, data = self._responses[0]
            return self._end_on_line(due_s, data)
        if self._telegrams and self._quiet_until_s is not None:
            return max(self._quiet_until_s, self._line_free_s)
        return None

    def _next_piece(self, now_s: float) -> bytes | None:
        if self._responses:
            due_s, data = self._responses[0]
            if (ends_s := self._end_on_line(due_s, data)) > now_s:
                return None
            self._responses.popleft()
            self._line_free_s = ends_s
            return data
        while self._telegrams and self._quiet_until_s is not None and now_s >= self._quiet_until_s:
            if self._line_free_s > now_s:
                return None
            data = self._indication(self._telegrams.popleft(), now_s)
            if data:
                self._line_free_s = now_s + self._line_time_s(data)
                return data
        return None

    def _end_on_line(self, due_s: float, data: bytes) -> float:
        return max(due_s, self._line_free_s) + self._line_time_s(data)

    def _line_time_s(self, data: bytes) -> float:
        return len(data) * BITS_A_BYTE / self.BAUD

    def _respond(self, response: Message, now_s: float, *, hold_off: bool = True) -> None:
        due_s = now_s + self._rng.uniform(*self._latency_s)
        self._responses.append((due_s, response.to_bytes()))
        settles = isinstance(response, mgmt.SetConfigResponse)
        if self._quiet_until_s is not None and hold_off and not settles:
            self._quiet_until_s = max(self._quiet_until_s, now_s + self._hold_off_s)

    def _indication(self, transmission: Transmission, now_s: float) -> bytes:
        data = self._without_crcs(transmission)
        if not data:
            self.counters.crc_errors += 1
            return b""
        self.counters.sent += 1
        level = rssi_raw(transmission.rssi_dbm) if self.config.attach_rssi else None
        clock_s = self._clock(now_s) if self.config.attach_timestamp else None
        return radio.ReceiveIndication(data, level, clock_s).to_bytes()

    def _without_crcs(self, transmission: Transmission) -> bytes:
        """The frame from the C field on, empty when its CRCs say that it is damaged."""
        frame = good_frame(transmission)
        if frame is None:
            frame = cut_crcs(transmission) if self._hand_over_damaged else b""
        return frame[1:]

    def _clock(self, now_s: float) -> int:
        """The module's clock; 0 while it is off."""
        if not self.config.rtc_control:
            return 0
        set_to, set_at_s = self._clock_s
        return (set_to + int(now_s - set_at_s)) % (1 << 32)

    def _answer(self, request: Message | OtherMessage, now_s: float) -> Message | None:
        match request:
            case mgmt.SetConfigRequest():
                return self._set_config(request, now_s)
            case mgmt.ResetRequest():
                self._restart()
                return mgmt.ResetResponse()
            case mgmt.FactoryResetRequest():
                self._stored = FACTORY_CONFIG
                self._restart()
                return mgmt.FactoryResetResponse(STATUS_OK)
            case mgmt.SetOperationModeRequest(value=mode):
                self._operation_mode = mode
                return mgmt.SetOperationModeResponse(STATUS_OK)
            case mgmt.SetRtcRequest(seconds=seconds):
                self._clock_s = (seconds, now_s)
                self.config = self.config.merged(Config(rtc_control=1))
                return mgmt.SetRtcResponse(STATUS_OK)
            case mgmt.GetRtcRequest():
                return mgmt.GetRtcResponse(self._clock(now_s))
            case radio.SendMessageRequest(data=data):
                return radio.SendMessageResponse(self._put_out(data, data))
            case radio.SendDataRequest(data=data):
                return radio.SendDataResponse(self._put_out(data, self._own_header() + data))
        return self._plain_answer(request)

    def _plain_answer(self, request: Message | OtherMessage) -> Message | None:
        """Answers that change nothing."""
        match request:
            case mgmt.PingRequest():
                return mgmt.PingResponse()
            case mgmt.DeviceInfoRequest():
                return mgmt.DeviceInfoResponse(self.info)
            case mgmt.GetConfigRequest():
                return mgmt.GetConfigResponse(self.config)
            case mgmt.GetOperationModeRequest():
                return mgmt.GetOperationModeResponse(self._operation_mode)
            case mgmt.SystemStatusRequest():
                return mgmt.SystemStatusResponse()
            case mgmt.FirmwareInfoRequest():
                return mgmt.FirmwareInfoResponse()
            case mgmt.EnterLowPowerRequest():
                return mgmt.EnterLowPowerResponse(STATUS_OK)
            case mgmt.SetAesEncryptionKeyRequest():
                return mgmt.SetAesEncryptionKeyResponse(STATUS_FAILED)
            case mgmt.EnableAesEncryptionRequest():
                return mgmt.EnableAesEncryptionResponse(STATUS_FAILED)
            case mgmt.SetAesDecryptionKeyRequest():
                return mgmt.SetAesDecryptionKeyResponse(STATUS_FAILED)
        return None

    def _put_out(self, data: bytes, frame: bytes) -> int:
        """Keep what is to be sent, from the C field on; return the status of the response."""
        self.sent.append(data)
        return STATUS_OK if self._outbox.put(frame, self.config.link_mode or 0) else STATUS_FAILED

    def _own_header(self) -> bytes:
        """C field and address as configured."""
        config = self.config
        fields = (
            (config.c_field, 1),
            (config.manufacturer_code, 2),
            (config.device_id, 4),
            (config.version, 1),
            (config.device_type, 1),
        )
        return b"".join((value or 0).to_bytes(size, "little") for value, size in fields)

    def _set_config(self, request: mgmt.SetConfigRequest, now_s: float) -> Message:
        self.config = self.config.merged(request.config)
        if request.store:
            self._stored = self._stored.merged(request.config)
        if request.config.link_mode is not None:
            self._quiet_until_s = now_s + self._latency_s[1] + self._settle_s
        return mgmt.SetConfigResponse(STATUS_OK)

    def _restart(self) -> None:
        """Forget everything that is not stored; the host has to set a link mode again."""
        self.config = self._stored
        self._operation_mode = 0
        self._quiet_until_s = None
        self._telegrams.clear()
