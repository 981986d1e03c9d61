"""The host side of a WiMOD LoRa module: wake it, identify it, make it a sniffer of one channel, and then packets."""

from __future__ import annotations

from enum import Enum
from typing import Final

from protocols.errors import ProtocolError
from protocols.model import Link
from protocols.receivers.damage_run import DamageRun
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.iu891a.codes import MODULES as GATEWAYS
from protocols.receivers.lora_channel import Channel
from protocols.receivers.open_request import LINE_END, OpenRequest
from protocols.receivers.slip import WAKE_UP, Message, SlipStream
from protocols.receivers.wimod.codes import STATUS_TEXTS, Device, Endpoint, Radio, RadioMode, Status, response
from protocols.receivers.wimod.payloads import DeviceInfo, FirmwareInfo, RadioConfig, RawPacket

TITLE: Final = "IMST WiMOD"
NOT_STORED: Final = b"\0"
"""In front of a configuration that is forgotten when the module is switched off."""


class Step(Enum):
    """Where the session is; the value is what it waits for."""

    NEW = "to be started"
    PING = "an answer to ping"
    DEVICE = "device information"
    FIRMWARE = "firmware information"
    CONFIG = "confirmation of the channel"
    VERIFY = "the configuration with the new channel"
    SNIFFER = "confirmation of sniffer mode"
    LISTENING = "packets"
    FAILED = "nothing any more"


_REQUESTS: Final[dict[Step, Device]] = {
    Step.PING: Device.PING,
    Step.DEVICE: Device.DEVICE_INFO,
    Step.FIRMWARE: Device.FIRMWARE_INFO,
    Step.CONFIG: Device.SET_RADIO_CONFIG,
    Step.VERIFY: Device.GET_RADIO_CONFIG,
    Step.SNIFFER: Device.SET_RADIO_MODE,
}


class HostSession:
    """One session with a module: `start`, then `receive` and `tick` until `Failed`.

    `mode` is a channel, as `868.1/sf7`; `ValueError` for those with inverted signal, which no field can ask for.
    """

    def __init__(self, mode: str) -> None:
        self._channel = Channel.of(mode)
        if self._channel.inverted:
            raise ValueError(f"unknown mode {mode!r}; known: FREQUENCY/sfN; a WiMOD cannot listen to inverted signals")
        self._mode = mode
        self._stream = SlipStream()
        self._step = Step.NEW
        self._request = OpenRequest()
        self._device: DeviceInfo | None = None
        self._firmware: FirmwareInfo | None = None
        self._ready = False
        self._damage_run = DamageRun()

    def start(self) -> bytes:
        """Return what wakes the module, and the probe."""
        return self._ask(Step.PING).data

    def receive(self, data: bytes) -> list[HostEvent]:
        """Take bytes from the port and return what they mean."""
        events: list[HostEvent] = []
        for piece in self._stream.feed(data):
            if self._step is Step.FAILED:
                break
            events.extend(self._damage(piece) if isinstance(piece, Damaged) else self._take(piece))
        return events

    def tick(self, now_s: float) -> list[HostEvent]:
        """Repeat or give up a request that was not answered in time."""
        return self._request.tick(now_s, self._no_answer)

    def _no_answer(self) -> list[HostEvent]:
        reason = f"no answer within {self._request.patience.total_s:g} s: {self._step.value}"
        hint = "check that this is the port of a WiMOD with LR-Base firmware, at 115200 baud, then plug it in anew"
        ends_line = [Send(LINE_END)] if self._step is Step.PING else []
        return [*ends_line, self._fail(reason, hint)]

    def _take(self, message: Message) -> list[HostEvent]:
        self._damage_run.end()
        try:
            if message.endpoint == Endpoint.RADIO_LINK:
                return self._hear(message)
            if message.endpoint == Endpoint.DEVICE_MANAGEMENT:
                return self._managed(message)
        except ProtocolError as error:
            return self._damage(Damaged(str(error), message.to_bytes()))
        return []

    def _hear(self, message: Message) -> list[HostEvent]:
        # A module that confirmed the channel listens already while it is asked whether it took it.
        if self._step not in (Step.VERIFY, Step.SNIFFER, Step.LISTENING):
            return []
        if message.code == Radio.DATAGRAM_RECEIVED:
            return self._damage(Damaged("a datagram of another WiMOD, which is no LoRaWAN frame", message.to_bytes()))
        if message.code != Radio.RAW_RECEIVED:
            return []
        packet = RawPacket.from_payload(message.payload)
        snr_db = None if packet.snr_db is None else float(packet.snr_db)
        return [Frame(packet.data, packet.rssi_dbm, link=Link.LORAWAN, lora=self._channel.reception(snr_db))]

    def _managed(self, message: Message) -> list[HostEvent]:
        if message.code == Device.POWER_UP and self._step not in (Step.NEW, Step.PING):
            # A module that was reset has forgotten its channel.
            return [self._ask(Step.CONFIG)]
        request = _REQUESTS.get(self._step)
        if request is None or message.code != response(request) or not message.payload:
            return []
        status, payload = message.payload[0], message.payload[1:]
        if status != Status.OK:
            return [self._refused(status)]
        return self._answered(payload)

    def _answered(self, payload: bytes) -> list[HostEvent]:
        match self._step:
            case Step.PING:
                return [self._ask(Step.DEVICE)]
            case Step.DEVICE:
                return [self._on_device(DeviceInfo.from_payload(payload))]
            case Step.FIRMWARE:
                self._firmware = FirmwareInfo.from_payload(payload)
                return [self._ask(Step.CONFIG)]
            case Step.CONFIG:
                return [self._ask(Step.VERIFY)]
            case Step.VERIFY:
                return self._verified(RadioConfig.from_payload(payload))
            case _:
                return self._began()

    def _on_device(self, device: DeviceInfo) -> HostEvent:
        if device.module_type in GATEWAYS:
            reason = f"this is an {GATEWAYS[device.module_type]}, a wireless M-Bus gateway, which hears no LoRaWAN"
            return self._fail(reason, "it is reached as iu891a://")
        self._device = device
        return self._ask(Step.FIRMWARE)

    def _verified(self, config: RadioConfig) -> list[HostEvent]:
        if not config.hears(self._channel):
            reason = f"the module stays at {config.frequency_hz / 1e6:g} MHz, SF{config.spreading_factor}"
            return [self._fail(reason, "it may be one for another band; else unplug it, plug it in again, and retry")]
        return self._began() if config.mode == RadioMode.SNIFFER else [self._ask(Step.SNIFFER)]

    def _began(self) -> list[HostEvent]:
        self._step = Step.LISTENING
        self._request.close()
        if self._ready or self._device is None or self._firmware is None:
            return []
        self._ready = True
        return [Ready(ReceiverInfo(self._device.model, self._device.serial, self._firmware.text, self._mode))]

    def _ask(self, step: Step) -> Send:
        self._step = step
        payload = b""
        if step is Step.CONFIG:
            payload = NOT_STORED + RadioConfig.sniffing(self._channel).payload()
        elif step is Step.SNIFFER:
            payload = bytes((RadioMode.SNIFFER,))
        request = Message(Endpoint.DEVICE_MANAGEMENT, _REQUESTS[step], payload).to_bytes()
        return self._request.ask(WAKE_UP + request if step is Step.PING else request)

    def _damage(self, event: Damaged) -> list[HostEvent]:
        # Before the module listens, whatever is left in its line is of no interest.
        if self._step is not Step.LISTENING:
            return []
        reason = self._damage_run.add(event)
        if not reason:
            return [event]
        hint = "close and reopen the port; check the baud rate and that no other program reads from it"
        return [event, self._fail(reason, hint)]

    def _refused(self, status: int) -> Failed:
        said = STATUS_TEXTS.get(status, f"status {status}")
        firmware = f" (firmware {self._firmware.text})" if self._firmware else ""
        return self._fail(
            f"the module refuses to give {self._step.value}: {said}{firmware}",
            "it needs LR-Base firmware; with LoRaWAN firmware it is a device itself and hands over no packets",
        )

    def _fail(self, reason: str, hint: str) -> Failed:
        self._step = Step.FAILED
        self._request.close()
        return Failed(reason, hint, identified=self._device is not None)
