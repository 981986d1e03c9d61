"""What a simulated LoRaWAN device is: its identity and keys from the scenario, joins and uplinks that follow from time.

What a device sends is a pure function of how often it has sent before and of the time. Its network is part of it: the
answer to a join request. Not simulated: MAC commands, adaptive data rate, confirmed uplinks and their repetitions, and
the limits of a data rate or duty cycle.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import ClassVar, Final, cast

from protocols.lorawan.encode import Acceptance, Asked, Message, data_frame, join_accept, join_request
from protocols.lorawan.keys import V1_1, SessionKeys, js_int_key, session_1_0, session_1_1
from protocols.lorawan.phy import MType
from protocols.model import Address, Key
from simulators.consumption import Consumption
from simulators.meters.model import KeyState

KINDS: Final[dict[str, str]] = {
    "integra_aquastream": "simulators.devices.integra_aquastream:IntegraAquastream",
    "elvaco_cmi4110": "simulators.devices.elvaco_cmi4110:ElvacoCmi4110",
    "axioma_w1": "simulators.devices.axioma_w1:AxiomaW1",
}
"""Kind, as in a scenario, to `module:Class`."""

NET_ID: Final = "000013"
JOIN_ACCEPT_DELAY: Final = timedelta(seconds=5)
"""JOIN_ACCEPT_DELAY1 of region EU868 (LoRaWAN Regional Parameters, 2.4.9)."""

FREQUENCIES_HZ: Final = (868_100_000, 868_300_000, 868_500_000)
"""The channels that every device of region EU868 has."""

CF_LIST_HZ: Final = (867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000)
DEV_ADDR_BASE: Final = 0x26000000
"""The address range of `NET_ID`."""

EU868_RATE_OF_SF12: Final = 12


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """One LoRaWAN device of a scenario.

    `address` is that of the meter it carries, `counter` what that counts. `app_key` and, for LoRaWAN 1.1, `nwk_key`
    are what the device really has. A device with `dev_addr` has a fixed session (ABP) and never joins. It joins anew
    after `rejoin_after` uplinks, never when that is 0. `unheard` uplinks of each session were sent where nobody
    listened, so that its frame counter begins there. `seed` belongs to this device alone.
    """

    name: str
    kind: str
    dev_eui: str
    join_eui: str
    address: Address
    app_key: Key
    nwk_key: Key | None
    key_state: KeyState
    interval_s: float
    jitter: float
    rssi_dbm: int
    counter: Consumption
    spreading_factor: int = 7
    dev_addr: str = ""
    rejoin_after: int = 0
    unheard: int = 0
    status: int = 0
    seed: str = ""

    def random(self, *purpose: object) -> random.Random:
        """Return randomness that depends on the device's seed and the purpose alone."""
        return random.Random("/".join(map(str, (self.seed, *purpose))))

    @property
    def is_1_1(self) -> bool:
        """Whether the device and its network speak LoRaWAN 1.1."""
        return self.nwk_key is not None

    @property
    def snr_db(self) -> float:
        """How far the signal stands above the noise of a quiet band, as gateways report it."""
        return min(10.0, max(-20.0, self.rssi_dbm / 2 + 50.0))


@dataclass(frozen=True, slots=True)
class Sent:
    """What a device sends at once: the PHYPayload, its channel, and the network's answer to a join request."""

    data: bytes
    frequency_hz: int
    answer: bytes | None = None


class EndDevice(ABC):
    """A device at work; `send` only counts."""

    CURVE: ClassVar[str] = "household"
    MEDIA: ClassVar[frozenset[int]] = frozenset()
    """Device types that the meter of this kind can be."""
    MANUFACTURERS: ClassVar[tuple[str, ...]] = ()
    """Manufacturers whose meters this kind carries; empty when any will do."""
    PROFILE: ClassVar[str]
    """The meter profile, as a network server's `model_id` may name it."""

    def __init__(self, device: SimulatedDevice) -> None:
        self.device = device
        self.sent = 0
        self._channels = device.random("channels")

    def send(self, now: datetime) -> Sent:
        """Return the next transmission."""
        channel = self._channels.randrange(len(FREQUENCIES_HZ))
        sent = self.transmission(self.sent, channel, now)
        self.sent += 1
        return sent

    def transmission(self, sequence: int, channel: int, now: datetime) -> Sent:
        """Return the transmission that is number `sequence` (from 0) of the device, on a channel by its index."""
        device = self.device
        if device.dev_addr:
            return Sent(self._uplink(self.session(0), sequence, channel, now), FREQUENCIES_HZ[channel])
        joins, place = (
            divmod(sequence, device.rejoin_after + 1) if device.rejoin_after else (int(sequence > 0), sequence)
        )
        if place == 0:
            return Sent(self.request(joins), FREQUENCIES_HZ[channel], self.accept(joins))
        joined = joins if device.rejoin_after else 0
        return Sent(self._uplink(self.session(joined), place - 1, channel, now), FREQUENCIES_HZ[channel])

    def request(self, joins: int) -> bytes:
        """Return the join request of a device that joined `joins` times before."""
        device = self.device
        return join_request(device.nwk_key or device.app_key, device.join_eui, device.dev_eui, self._dev_nonce(joins))

    def accept(self, joins: int) -> bytes:
        """Return what the network answers to that request."""
        device = self.device
        granted = Acceptance(
            self._join_nonce(joins),
            NET_ID,
            self._dev_addr(joins),
            frequencies_hz=CF_LIST_HZ,
            opt_neg=device.is_1_1,
        )
        if device.nwk_key is None:
            return join_accept(device.app_key, granted)
        asked = Asked(device.join_eui, self._dev_nonce(joins))
        return join_accept(device.nwk_key, granted, js_int_key(device.nwk_key, device.dev_eui), asked)

    def session(self, joins: int) -> SessionKeys:
        """Return the keys of the session that this join, or the fixed address, gives."""
        device = self.device
        dev_nonce, join_nonce, dev_addr = self._dev_nonce(joins), self._join_nonce(joins), self._dev_addr(joins)
        if device.nwk_key is None:
            return session_1_0(device.app_key, join_nonce, NET_ID, dev_nonce, dev_addr, device.dev_eui)
        return session_1_1(
            device.nwk_key, device.app_key, join_nonce, device.join_eui, dev_nonce, dev_addr, device.dev_eui
        )

    @abstractmethod
    def payload(self, sequence: int, now: datetime) -> tuple[int, bytes]:
        """Return FPort and FRMPayload of the uplink that is number `sequence` of its session, in clear."""

    def _uplink(self, keys: SessionKeys, sequence: int, channel: int, now: datetime) -> bytes:
        fport, payload = self.payload(sequence, now)
        rate = EU868_RATE_OF_SF12 - self.device.spreading_factor if keys.version == V1_1 else 0
        message = Message(
            MType.UNCONFIRMED_DATA_UP,
            self.device.unheard + sequence,
            fport,
            payload,
            data_rate=rate,
            channel=channel,
        )
        return data_frame(message, keys)

    def _dev_nonce(self, joins: int) -> int:
        return (joins + 1) & 0xFFFF

    def _join_nonce(self, joins: int) -> str:
        return f"{joins + 1:06x}"

    def _dev_addr(self, joins: int) -> str:
        if self.device.dev_addr:
            return self.device.dev_addr
        return f"{DEV_ADDR_BASE | self.device.random('address', joins).getrandbits(24):08x}"


def device_class(kind: str) -> type[EndDevice]:
    """Return the class of a kind; `KeyError` when there is none."""
    module_name, _, class_name = KINDS[kind].partition(":")
    return cast(type[EndDevice], getattr(import_module(module_name), class_name))


def build_device(device: SimulatedDevice) -> EndDevice:
    """Return the device at work."""
    return device_class(device.kind)(device)
