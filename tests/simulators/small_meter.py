"""A small meter without a lock, as the application behind a simulated radio."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from protocols.model import Address
from protocols.wmbus.two_way import CI_RECORDS

METER = Address.of("SIM", "10002345", 1, 7)
OTHER = Address.of("SIM", "10009999", 1, 7)
KEY = bytes(range(16))
RECORDS = bytes.fromhex("0C1378563412")


@dataclass
class SmallMeter:
    """An application that remembers what it was told, padding included; its answers count."""

    address: Address = METER
    key: bytes | None = KEY
    status: int = 0
    transmits: bool = True
    installing: bool = False
    interval_s: float = 16.0
    takes: bool | None = True
    told: list[bytes] = field(default_factory=list)
    asked: int = 0
    accesses: int = 0
    confirmed: int = 0

    def records(self, now: datetime) -> bytes:
        return RECORDS

    def begin_access(self, now: datetime) -> None:
        self.accesses += 1

    def command(self, application: bytes, now: datetime) -> bool | None:
        self.told.append(application)
        return self.takes

    def response(self, now: datetime) -> tuple[int, bytes]:
        self.asked += 1
        return CI_RECORDS, RECORDS + bytes((0x02, 0xFD, 0x08, self.asked, 0))

    def confirm_installation(self, now: datetime) -> None:
        self.confirmed += 1
        self.installing = False
