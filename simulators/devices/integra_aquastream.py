"""INTEGRA aquastream with LoRaWAN: a whole OMS telegram in each uplink, without encryption of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final

from protocols.mbus.encode import encode_records
from protocols.model import Address
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import SYNCHRONOUS, TransportHeader, link_frame, transport_clear
from protocols.wmbus.two_way import SND_NR
from simulators.devices.model import EndDevice
from simulators.meters.model import scaled

FPORT: Final = 1
BATTERY_DAYS: Final = 16 * 365
BACKWARD_SHARE: Final = Decimal("0.002")
MODULE_VERSION: Final = 0x05
MODULE_TYPE: Final = 0x0E


class IntegraAquastream(EndDevice):
    """Volume forward and backward, error flags, battery life; `status` is the error flags.

    Not simulated: the choice of what is sent, and alarms at once.
    """

    MEDIA: ClassVar[frozenset[int]] = frozenset({0x06, 0x07})
    MANUFACTURERS: ClassVar[tuple[str, ...]] = ("IMT",)
    PROFILE: ClassVar[str] = "integra-aquastream"

    def payload(self, sequence: int, now: datetime) -> tuple[int, bytes]:
        device = self.device
        volume = device.counter.at(now)
        used = (now - device.counter.since) // timedelta(days=1)
        items = (
            (bytes.fromhex("0413"), scaled(volume, -3)),
            (bytes.fromhex("841013"), scaled(volume * BACKWARD_SHARE, -3)),
            (bytes.fromhex("02FD17"), device.status),
            (bytes.fromhex("02FD74"), max(0, BATTERY_DAYS - used)),
        )
        header = TransportHeader(sequence % 256, address=device.address, configuration=SYNCHRONOUS)
        number = f"{device.random('module').randrange(10**8):08}"
        module = Address(device.address.manufacturer_code, number, MODULE_VERSION, MODULE_TYPE)
        return FPORT, link_frame(SND_NR, module, transport_clear(Content.RECORDS, encode_records(items), header))
