"""A simulated iU891A-XL as a wireless M-Bus gateway: the stick's side of the wire."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Final

from protocols.errors import ProtocolError
from protocols.model import FrameFormat
from protocols.receivers.iu891a.codes import Device, Gateway, Service, Status, response
from protocols.receivers.iu891a.indication import FIRST_FORMAT_B, ReceiveIndication
from protocols.receivers.iu891a.settings import HEARD_MODES, Config, DeviceInfo, FirmwareInfo, LinkMode, Option
from protocols.receivers.slip import Message, SlipStream
from simulators.air import Transmission, good_frame
from simulators.receivers.line_faults import NO_FAULTS, LineFaults
from simulators.receivers.serial_line import SerialLine

INFO: Final = DeviceInfo(0x6E, uid=0x00062DBE)
FIRMWARE: Final = FirmwareInfo(minor=1, major=1, build=16, date="20.11.2023", name="WMBus-Gateway")
CONFIG: Final = Config(LinkMode.OFF, Option.LISTED_METERS_ONLY, bytes(8))
"""Those of a stick that another program was seen to accept; the firmware's name is made up."""

ADDRESS: Final = bytes.fromhex("A225002020340131")
UNSET_CLOCK_S: Final = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())

FORMAT_A_CODE: Final = 0x02
FORMAT_B_CODE: Final = FIRST_FORMAT_B + 1
"""Format codes that real sticks were seen to give."""

DECRYPTION: Final = (0x02, 0x80)
"""Decryption status and mode of a real stick without any key."""

OWN_MODES: Final = (6, 7)
"""Link modes of the maker's own: taken, and nothing is heard in them."""

SETTLE_S: Final = 0.1
"""Nothing is handed over for so long behind the answer to a link mode: clients that probe with one read need it."""

RESTART_S: Final = 1.0
MAX_WAITING: Final = 64


@dataclass(slots=True)
class GatewayCounters:
    """What has happened so far; `stored` counts changes of what outlasts the power."""

    requests: int = 0
    unreadable: int = 0
    stored: int = 0
    heard: int = 0
    wrong_mode: int = 0
    crc_errors: int = 0
    overflowed: int = 0


class Iu891aStick:
    """Answers device management and the gateway's configuration, and hands over what it hears in its link mode.

    Frames whose CRC fails are dropped. `restarts_at_first_set` makes the first configuration after power-up restart
    it without an answer, as was told of real ones; `faults` is what goes wrong on its line, and may be changed at any
    time.

    Not simulated: sending, the list of meters with their keys (these requests are unsupported), scan packets (in scan
    mode it hands over nothing), and sleep. Whether a real one drops damaged frames is not documented.
    """

    KIND: ClassVar[str] = "iu891a"
    BAUD: ClassVar[int] = 115200

    def __init__(
        self,
        *,
        seed: int = 0,
        info: DeviceInfo = INFO,
        firmware: FirmwareInfo | None = FIRMWARE,
        config: Config = CONFIG,
        latency_s: tuple[float, float] = (0.005, 0.020),
        restarts_at_first_set: bool = False,
        faults: LineFaults = NO_FAULTS,
    ) -> None:
        self.info = info
        self.config = config
        self.faults = faults
        self.counters = GatewayCounters()
        self.scans = False
        self._firmware = firmware
        self._works = config
        self._stored = config
        self._operation_mode = 0
        self._restarts_at_set = restarts_at_first_set
        self._rng = random.Random(f"{seed}/iu891a")
        self._latency_s = latency_s
        self._stream = SlipStream()
        self._line = SerialLine(self.BAUD)
        self._clock = (UNSET_CLOCK_S, 0.0)
        self._deaf_until_s = 0.0
        self._quiet_until_s = 0.0
        self._answers: dict[tuple[int, int], Callable[[bytes, float], bytes]] = {
            (Service.DEVICE_MANAGEMENT, Device.PING): lambda *_: b"",
            (Service.DEVICE_MANAGEMENT, Device.DEVICE_INFO): lambda *_: self.info.to_body(),
            (Service.DEVICE_MANAGEMENT, Device.RESTART): lambda *_: b"",
            (Service.DEVICE_MANAGEMENT, Device.SET_OPERATION_MODE): self._set_operation_mode,
            (Service.DEVICE_MANAGEMENT, Device.GET_OPERATION_MODE): lambda *_: bytes((self._operation_mode,)),
            (Service.DEVICE_MANAGEMENT, Device.SET_TIME): self._set_time,
            (Service.DEVICE_MANAGEMENT, Device.GET_TIME): lambda _, now_s: self._time_s(now_s).to_bytes(4, "little"),
            (Service.GATEWAY, Gateway.GET_CONFIG): lambda *_: self.config.to_body(),
            (Service.GATEWAY, Gateway.SET_CONFIG): self._set_config,
            (Service.GATEWAY, Gateway.GET_DEFAULT_CONFIG): lambda *_: self._stored.to_body(),
            (Service.GATEWAY, Gateway.SET_DEFAULT_CONFIG): self._set_default_config,
            (Service.GATEWAY, Gateway.RESET_DEFAULT_CONFIG): lambda *_: self._store(self._works),
            (Service.GATEWAY, Gateway.SCAN_MODE): self._set_scan_mode,
            (Service.GATEWAY, Gateway.ADDRESS): lambda *_: ADDRESS,
        }
        if firmware is not None:
            self._answers[Service.DEVICE_MANAGEMENT, Device.FIRMWARE_INFO] = lambda *_: firmware.to_body()

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""
        if now_s < self._deaf_until_s:
            return
        for piece in self._stream.feed(data):
            if not isinstance(piece, Message):
                self.counters.unreadable += 1
                continue
            self.counters.requests += 1
            self._obey(piece, now_s)

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air, if the link mode hears it and the options let it be handed over."""
        if transmission.mode not in HEARD_MODES.get(self.config.link_mode, frozenset()):
            self.counters.wrong_mode += 1
            return
        if now_s < self._quiet_until_s or self.scans or not self._hands_over():
            return
        frame = good_frame(transmission)
        if frame is None:
            self.counters.crc_errors += 1
            return
        if self._line.waiting >= MAX_WAITING:
            self.counters.overflowed += 1
            return
        self.counters.heard += 1
        code = FORMAT_B_CODE if transmission.frame_format is FrameFormat.B else FORMAT_A_CODE
        rssi_dbm = min(max(transmission.rssi_dbm, -128), 127)
        indication = ReceiveIndication(frame, self._time_s(now_s), code, rssi_dbm, *DECRYPTION)
        self._say(Message(Service.GATEWAY, Gateway.RECEIVED, indication.to_body()), now_s)

    def due(self, now_s: float) -> list[bytes]:
        """Return the pieces of messages whose last bit is out by now."""
        return self._line.due(now_s)

    def power_cycle(self) -> None:
        """Start anew from the stored configuration, with a clock that is not set."""
        self._restart()
        self._clock = (UNSET_CLOCK_S, 0.0)
        self._line.clear()

    @property
    def next_due_s(self) -> float | None:
        """When the next piece is out."""
        return self._line.next_due_s

    def _hands_over(self) -> bool:
        # No meter is in the list, so that with the bit for listed ones nothing is handed over.
        return bool(self.config.options & Option.INDICATE_RECEIVED) and not (
            self.config.options & Option.LISTED_METERS_ONLY
        )

    def _obey(self, request: Message, now_s: float) -> None:
        place = (request.endpoint, request.code)
        if place == (Service.GATEWAY, Gateway.SET_CONFIG) and self._restarts_at_set:
            self._restarts_at_set = False
            self._restart()
            self._deaf_until_s = now_s + RESTART_S
            return
        answer = self._answers.get(place)
        if answer is None:
            payload = bytes((Status.UNSUPPORTED,))
        else:
            try:
                payload = bytes((Status.OK,)) + answer(request.payload, now_s)
            except (ProtocolError, ValueError, IndexError):
                payload = bytes((Status.WRONG_PARAMETER,))
        code = response(request.code) & 0xFF
        self._say(Message(request.endpoint, code, payload), now_s + self._rng.uniform(*self._latency_s))
        if place == (Service.DEVICE_MANAGEMENT, Device.RESTART):
            self._restart()

    def _set_config(self, body: bytes, now_s: float) -> bytes:
        self.config = self._allowed(body)
        self._quiet_until_s = now_s + self._latency_s[1] + self.faults.slow_s + SETTLE_S
        return b""

    def _set_default_config(self, body: bytes, _: float) -> bytes:
        return self._store(self._allowed(body))

    def _allowed(self, body: bytes) -> Config:
        config = Config.from_body(body)
        if len(body) != Config.SIZE or config.link_mode not in {*LinkMode, *OWN_MODES}:
            raise ValueError("a configuration that it cannot take")
        return config

    def _store(self, config: Config) -> bytes:
        self.counters.stored += 1
        self._stored = config
        return b""

    def _set_scan_mode(self, body: bytes, _: float) -> bytes:
        self.scans = bool(body[0])
        return b""

    def _set_operation_mode(self, body: bytes, _: float) -> bytes:
        self._operation_mode = body[0]
        return b""

    def _set_time(self, body: bytes, now_s: float) -> bytes:
        if len(body) != 4:
            raise ValueError("a time of another length")
        self._clock = (int.from_bytes(body, "little"), now_s)
        return b""

    def _time_s(self, now_s: float) -> int:
        set_to, set_at_s = self._clock
        return (set_to + int(now_s - set_at_s)) % (1 << 32)

    def _restart(self) -> None:
        self.config = replace(self._stored)
        self.scans = False
        self._operation_mode = 0
        self._stream = SlipStream()

    def _say(self, message: Message, at_s: float) -> None:
        whole = message.to_bytes()
        # The CRC is what may go wrong, not the mark of the end, without which two messages were lost.
        self.faults.write(whole[:-1], self._line, at_s, self._rng, end=whole[-1:])
