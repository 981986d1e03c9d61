"""Elvaco CMi4110 in a Landis+Gyr heat meter: the message type, then M-Bus records."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final

from protocols.mbus.encode import encode_records
from simulators.consumption import temperature
from simulators.devices.model import EndDevice
from simulators.meters.kamstrup_heat import KWH_PER_M3_K
from simulators.meters.model import scaled

FPORT: Final = 2
STANDARD: Final = b"\x00"
FLOW_C: Final = Decimal(68)
RETURN_C: Final = Decimal(44)


class ElvacoCmi4110(EndDevice):
    """The standard message: energy, volume, power, flow, temperatures, meter number, error flags.

    Not simulated: the other message types, and settings by downlink.
    """

    CURVE: ClassVar[str] = "heating"
    MEDIA: ClassVar[frozenset[int]] = frozenset({0x04, 0x0C, 0x0D})
    PROFILE: ClassVar[str] = "elvaco-cmi4110"

    def payload(self, sequence: int, now: datetime) -> tuple[int, bytes]:
        device = self.device
        counter, per_m3 = device.counter, KWH_PER_M3_K * (FLOW_C - RETURN_C)
        items = (
            (bytes.fromhex("0C06"), scaled(counter.at(now), 0)),
            (bytes.fromhex("0C14"), scaled(counter.at(now) / per_m3, -2)),
            (bytes.fromhex("0B2D"), scaled(counter.per_hour(now), -1)),
            (bytes.fromhex("0B3B"), scaled(counter.per_hour(now) / per_m3, -3)),
            (bytes.fromhex("0A5A"), scaled(temperature(device.seed + "/flow", now, FLOW_C, Decimal(4)), -1)),
            (bytes.fromhex("0A5E"), scaled(temperature(device.seed + "/return", now, RETURN_C, Decimal(2)), -1)),
            (bytes.fromhex("0C78"), device.address.number),
            (bytes.fromhex("02FD17"), device.status),
        )
        return FPORT, STANDARD + encode_records(items)
