"""A simulated LoRaWAN network server that publishes by MQTT: it knows its devices, follows their joins, decrypts.

It hears everything that is on the air, joins included, and has the right keys, whatever a scenario's key file has.
Not simulated: answering devices (the devices of a scenario bring their network's answers along), several gateways.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.keys import RootKeys, SessionKeys
from protocols.model import Link, RawFrame
from simulators.air import Transmission
from simulators.devices.model import SimulatedDevice, build_device, device_class
from simulators.mqtt.packets import Message
from simulators.receivers.uplink_json import ChirpStack, Dialect, ThingsStack, Uplink, encode_event

MAX_WAITING: Final = 1000


@dataclass(slots=True)
class ServerCounters:
    """What the server has done so far."""

    heard: int = 0
    published: int = 0
    not_its_own: int = 0
    crc_errors: int = 0


class DeviceRegistry:
    """The keys of a scenario's devices, as the server has them."""

    def __init__(self, devices: Sequence[SimulatedDevice]) -> None:
        self.devices = {device.dev_eui: device for device in devices}

    def root_keys(self, dev_eui: str) -> Sequence[RootKeys]:
        """The root keys of a device that joins."""
        device = self.devices.get(dev_eui)
        if device is None or device.dev_addr:
            return ()
        return (RootKeys(dev_eui, app_key=device.app_key, nwk_key=device.nwk_key),)

    def session_keys(self, dev_addr: str) -> Sequence[SessionKeys]:
        """The keys of devices with a fixed session."""
        return tuple(
            build_device(device).session(0)
            for device in self.devices.values()
            if device.dev_addr and device.dev_addr == dev_addr
        )


class NetworkServer:
    """Each piece of `due` is one PUBLISH at quality of service 0, for the broker that it stands at."""

    KIND: ClassVar[str] = "mqtt"
    BAUD: ClassVar[int] = 115200
    """Means nothing here: a broker has no serial port."""
    DIALECT: ClassVar[Dialect] = ThingsStack()

    def __init__(self, *, seed: int = 0, devices: Sequence[SimulatedDevice] = ()) -> None:
        self.counters = ServerCounters()
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self.register(devices)

    def register(self, devices: Sequence[SimulatedDevice]) -> None:
        """Take devices into service; sessions begin with their next join."""
        self._registry = DeviceRegistry(devices)
        self._follower = LorawanFollower(self._registry)

    def receive(self, data: bytes, now_s: float) -> None:
        """A network server is told nothing by its broker."""

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a LoRa transmission off the air; frames of foreign devices are passed over."""
        if transmission.lora is None:
            return
        self.counters.heard += 1
        if transmission.damaged:
            self.counters.crc_errors += 1
            return
        uplink = self._uplink(transmission)
        if uplink is None:
            self.counters.not_its_own += 1
            return
        self.counters.published += 1
        message = Message(self.DIALECT.topic(uplink), encode_event(self.DIALECT.event(uplink)))
        self._waiting.append(message.packet().to_bytes())

    def due(self, now_s: float) -> list[bytes]:
        """Return what is to be published by now, in order."""
        pieces = list(self._waiting)
        self._waiting.clear()
        return pieces

    def power_cycle(self) -> None:
        """Begin anew; the devices stay registered."""
        self._waiting.clear()
        self.register(tuple(self._registry.devices.values()))

    @property
    def next_due_s(self) -> float | None:
        """When `due` will have something."""
        return 0.0 if self._waiting else None

    def _uplink(self, transmission: Transmission) -> Uplink | None:
        lora = transmission.lora
        frame = RawFrame(transmission.coded, transmission.at, link=Link.LORAWAN, lora=lora)
        telegram = self._follower.decode(frame)
        facts = telegram.lorawan
        # A request alone is no event: the accept behind it is.
        if facts is None or lora is None or not facts.mic_ok or facts.dev_addr is None:
            return None
        device = self._device(facts.dev_eui, facts.dev_addr)
        joined = facts.join_nonce is not None
        if device is None or (not joined and not facts.plaintext):
            return None
        return Uplink(
            device.name,
            device.dev_eui,
            device.join_eui,
            facts.dev_addr,
            transmission.at,
            transmission.rssi_dbm,
            lora,
            payload=facts.plaintext or b"",
            fport=facts.fport or 0,
            fcnt=facts.fcnt or 0,
            joined=joined,
            model=device_class(device.kind).PROFILE,
        )

    def _device(self, dev_eui: str | None, dev_addr: str) -> SimulatedDevice | None:
        if dev_eui:
            return self._registry.devices.get(dev_eui)
        return next((one for one in self._registry.devices.values() if one.dev_addr == dev_addr), None)


class ChirpStackServer(NetworkServer):
    """The same, as ChirpStack v4 publishes."""

    KIND: ClassVar[str] = "mqtt-chirpstack"
    DIALECT: ClassVar[Dialect] = ChirpStack()
