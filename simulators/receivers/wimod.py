"""A simulated IMST iM880B with LR-Base firmware, as a sniffer of one channel.

It hears LoRaWAN's packets, which is not proved of the real module. Not simulated: transmitting, datagrams of other
modules, operating modes, the clock, encryption in the module, and statistics: requests for them are unsupported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from protocols.errors import ProtocolError
from protocols.receivers.lora_channel import Channel
from protocols.receivers.slip import Message, SlipStream
from protocols.receivers.wimod.codes import ATTACH_QUALITY, Device, Endpoint, Radio, RadioMode, Status, response
from protocols.receivers.wimod.payloads import DeviceInfo, FirmwareInfo, RadioConfig, RawPacket
from simulators.air import Transmission
from simulators.receivers.serial_line import SerialLine

INFO: Final = DeviceInfo(0x98, address=0x1234, group=0x10, uid=0x00880B01)
FIRMWARE: Final = FirmwareInfo(minor=14, major=1, build=28, name="WiMOD_LR_Base")
LATENCY_S: Final = 0.004
LOWEST_HZ, HIGHEST_HZ = 863_000_000, 870_000_000
SPREADING_FACTORS: Final = range(7, 13)


@dataclass(slots=True)
class ModuleCounters:
    """What the module has done so far."""

    requests: int = 0
    unreadable: int = 0
    heard: int = 0
    crc_errors: int = 0


class WimodModule:
    """Answers requests of device management, and in sniffer mode hands over what comes in on its channel."""

    KIND: ClassVar[str] = "wimod"
    BAUD: ClassVar[int] = 115200

    def __init__(
        self, *, seed: int = 0, info: DeviceInfo = INFO, firmware: FirmwareInfo = FIRMWARE, sniffs_when_set: bool = True
    ) -> None:
        self.info = info
        self.firmware = firmware
        self.config = RadioConfig()
        self.counters = ModuleCounters()
        self._sniffs_when_set = sniffs_when_set
        self._stored = self.config
        self._stream = SlipStream()
        self._line = SerialLine(self.BAUD)
        self._answers: dict[int, Callable[[bytes], bytes]] = {
            Device.PING: lambda _: b"",
            Device.DEVICE_INFO: lambda _: self.info.payload(),
            Device.FIRMWARE_INFO: lambda _: self.firmware.payload(),
            Device.SET_RADIO_CONFIG: self._set_config,
            Device.GET_RADIO_CONFIG: lambda _: self.config.payload(),
            Device.SET_RADIO_MODE: self._set_mode,
        }

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""
        for piece in self._stream.feed(data):
            if not isinstance(piece, Message):
                self.counters.unreadable += 1
            elif piece.endpoint == Endpoint.DEVICE_MANAGEMENT:
                self.counters.requests += 1
                self._say(Endpoint.DEVICE_MANAGEMENT, response(piece.code), self._answer(piece), now_s + LATENCY_S)

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air, if the radio listens to its channel just now."""
        lora = transmission.lora
        if lora is None or transmission.downlink or self.config.mode != RadioMode.SNIFFER:
            return
        if lora.frequency_hz is None or lora.spreading_factor is None or lora.bandwidth_hz != 125_000:
            return
        if not self.config.hears(Channel(lora.frequency_hz, lora.spreading_factor)):
            return
        if transmission.damaged:
            self.counters.crc_errors += 1
            return
        self.counters.heard += 1
        packet = RawPacket(transmission.coded)
        if self.config.options & ATTACH_QUALITY:
            packet = RawPacket(transmission.coded, transmission.rssi_dbm, round(lora.snr_db or 0.0))
        self._say(Endpoint.RADIO_LINK, Radio.RAW_RECEIVED, packet.payload(), now_s)

    def due(self, now_s: float) -> list[bytes]:
        """Return the messages whose last bit is out by now."""
        return self._line.due(now_s)

    def power_cycle(self) -> None:
        """Start anew from the stored configuration."""
        self.config = self._stored
        self._line.clear()
        self._stream = SlipStream()

    @property
    def next_due_s(self) -> float | None:
        """When the next message is out."""
        return self._line.next_due_s

    def _answer(self, request: Message) -> bytes:
        answer = self._answers.get(request.code)
        if answer is None:
            return bytes((Status.UNSUPPORTED,))
        try:
            return bytes((Status.OK,)) + answer(request.payload)
        except (ProtocolError, ValueError, IndexError):
            return bytes((Status.WRONG_PARAMETER,))

    def _set_config(self, payload: bytes) -> bytes:
        stored, wanted = payload[0], RadioConfig.from_payload(payload[1:])
        if not LOWEST_HZ <= wanted.frequency_hz <= HIGHEST_HZ or wanted.spreading_factor not in SPREADING_FACTORS:
            raise ValueError("a channel that the module cannot hear")
        self.config = wanted if self._sniffs_when_set else replace(wanted, mode=self.config.mode)
        if stored:
            self._stored = self.config
        return b""

    def _set_mode(self, payload: bytes) -> bytes:
        self.config = replace(self.config, mode=RadioMode(payload[0]))
        return b""

    def _say(self, endpoint: int, code: int, payload: bytes, at_s: float) -> None:
        self._line.say(Message(endpoint, code, payload).to_bytes(), at_s)
