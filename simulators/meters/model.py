"""What a simulated meter is: its identity from the scenario, and telegrams that follow from sequence and time alone."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from importlib import import_module
from typing import ClassVar, Final, TypeAlias, cast

from protocols.model import Address, FrameFormat, Key, Value
from simulators.consumption import Consumption

SYNCHRONOUS_CC: Final = 0x20
"""Communication control field of a meter that only sends, at the times that its access number tells."""

Item: TypeAlias = tuple[bytes, Value]
"""A record to be sent: header and value, scaled to the unit of the header."""

KINDS: Final[dict[str, str]] = {
    "kamstrup_water": "simulators.meters.kamstrup_water:KamstrupWater",
    "kamstrup_heat": "simulators.meters.kamstrup_heat:KamstrupHeat",
    "oms_heat": "simulators.meters.oms_heat:OmsHeat",
    "integra_water": "simulators.meters.integra_water:IntegraWater",
    "oms_gas": "simulators.meters.oms_gas:OmsGas",
    "heat_cost_allocator": "simulators.meters.heat_cost_allocator:HeatCostAllocator",
    "radio_adapter": "simulators.meters.radio_adapter:RadioAdapter",
}
"""Kind, as in a scenario, to `module:Class`."""


class KeyState(StrEnum):
    """What the portal's export says of a meter's key."""

    FILED = "filed"
    MISSING = "missing"
    WRONG = "wrong"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SimulatedMeter:
    """One meter of a scenario.

    `address` is the meter's own; `adapter` is that of the radio adapter in front of it, if any. `key` is what the
    meter really encrypts with, None for a meter that does not. `interval_s` is the time between telegrams, `jitter`
    the share by which it varies. `counter` is what it counts, in the unit of its main reading. `seed` belongs
    to this meter alone.
    """

    name: str
    kind: str
    address: Address
    key: Key | None
    key_state: KeyState
    mode: str
    frame_format: FrameFormat
    interval_s: float
    jitter: float
    rssi_dbm: int
    counter: Consumption
    status: int = 0
    adapter: Address | None = None
    seed: str = ""

    @property
    def sender(self) -> Address:
        """The address on the link layer."""
        return self.adapter or self.address

    def random(self, *purpose: object) -> random.Random:
        """Return randomness that depends on the meter's seed and the purpose alone."""
        return random.Random("/".join(map(str, (self.seed, *purpose))))

    @property
    def exported_key(self) -> bytes | None:
        """The key as the portal's export has it: the right one, a wrong one, or none."""
        if self.key is None or self.key_state in (KeyState.MISSING, KeyState.NONE):
            return None
        if self.key_state is KeyState.WRONG:
            return bytes(byte ^ 0xFF for byte in self.key.value)
        return self.key.value


class Meter(ABC):
    """A meter at work.

    What it sends is a pure function of how often it has sent before and of the time; `telegram` only counts.
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset()
    """Device types that this kind can be."""
    CURVE: ClassVar[str] = "household"
    NEEDS_KEY: ClassVar[bool] = True
    NEEDS_ADAPTER: ClassVar[bool] = False
    MODES: ClassVar[tuple[str, ...]] = ("T1", "C1")
    MANUFACTURERS: ClassVar[tuple[str, ...]] = ()
    """Manufacturers whose meters this kind imitates; empty when any will do."""

    def __init__(self, meter: SimulatedMeter) -> None:
        self.meter = meter
        self.sent = 0
        self._first_access_number = meter.random("access number").randrange(256)

    def telegram(self, now: datetime) -> bytes:
        """Return the next frame, without CRCs."""
        frame = self.frame(self.sent, now)
        self.sent += 1
        return frame

    @abstractmethod
    def frame(self, sequence: int, now: datetime) -> bytes:
        """Return the frame that is number `sequence` (from 0) and sent at `now`, without CRCs."""

    @abstractmethod
    def items(self, now: datetime) -> Sequence[Item]:
        """Return the records of this moment, in the order in which they are sent."""

    def access_number(self, sequence: int) -> int:
        """Return the access number of a frame."""
        return (self._first_access_number + sequence) % 256

    @property
    def key(self) -> bytes:
        """The key's bytes; `ValueError` when the meter has none."""
        if self.meter.key is None:
            raise ValueError(f"meter {self.meter.name} has no key")
        return self.meter.key.value


def meter_class(kind: str) -> type[Meter]:
    """Return the class of a kind; `KeyError` when there is none."""
    module_name, _, class_name = KINDS[kind].partition(":")
    return cast(type[Meter], getattr(import_module(module_name), class_name))


def build_meter(meter: SimulatedMeter) -> Meter:
    """Return the meter at work."""
    return meter_class(meter.kind)(meter)


def scaled(value: Decimal, exponent: int) -> Decimal:
    """Round down to a register's resolution: 10 to the power of `exponent`."""
    return (value // Decimal(1).scaleb(exponent)).scaleb(exponent)


def meter_time(now: datetime) -> datetime:
    """Return the meter's own clock: naive, to the minute; the simulated meters all live in UTC."""
    return now.replace(tzinfo=None, second=0, microsecond=0)


def meter_date(now: datetime) -> date:
    """Return the meter's own date."""
    return now.date()
