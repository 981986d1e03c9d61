"""What is known of one family of LoRaWAN meters, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from protocols.profiles.model import Profile


class Encoding(StrEnum):
    """How a meter fills its payload."""

    BINARY = "binary"
    RECORDS = "records"
    TYPED_RECORDS = "typed_records"
    TRANSPORT = "transport"
    TELEGRAM = "telegram"
    WIRED_PARTS = "wired_parts"
    TELEGRAM_PARTS = "telegram_parts"
    TELEGRAM_SEGMENTS = "telegram_segments"


DECODED = frozenset({Encoding.BINARY, Encoding.RECORDS, Encoding.TYPED_RECORDS})
"""Encodings that a decoder of `protocols.lorawan.payloads` reads; the others are M-Bus messages as they stand."""


class Confidence(StrEnum):
    """How well a meter's layout is known: by its maker and verified frames, by one source, or by one doubtful frame."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Never(StrEnum):
    """What a meter does not send although the standard knows it: a payload that has it is something else."""

    INTEGER_8 = "integer_8"
    TEXT = "text"
    ABSOLUTE_PROFILE = "absolute_profile"


@dataclass(frozen=True, slots=True)
class Ports:
    """A range of FPorts and what is sent on them."""

    first: int
    last: int
    info: str

    def __contains__(self, fport: object) -> bool:
        return isinstance(fport, int) and self.first <= fport <= self.last


@dataclass(frozen=True, slots=True)
class Signature:
    """Marks of a family's payloads: bytes at an offset, lengths, ports; empty ones do not count.

    One of `patterns` has to stand at `offset`.
    """

    offset: int = 0
    patterns: tuple[bytes, ...] = ()
    sizes: frozenset[int] = frozenset()
    fports: frozenset[int] = frozenset()

    def evidence(self, payload: bytes, fport: int | None) -> tuple[str, ...]:
        """The marks found, in words; empty when one of them is missing."""
        found: list[str] = []
        if self.fports:
            if fport not in self.fports:
                return ()
            found.append(f"FPort {fport}")
        if self.sizes:
            if len(payload) not in self.sizes:
                return ()
            found.append(f"{len(payload)} bytes")
        if self.patterns:
            pattern = next((p for p in self.patterns if payload[self.offset :].startswith(p)), None)
            if pattern is None:
                return ()
            found.append(f"{pattern.hex().upper()} at byte {self.offset}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class MeterTest:
    """A payload with what it must decode to; values as text, exactly as printed."""

    source: str
    payload: bytes
    fport: int | None
    received_at: datetime | None
    expect: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LoraMeter:
    """One family of meters that speak LoRaWAN.

    `decoder` names the function that reads a binary payload. `rules` name DIF/VIF records and flag bits; without
    rules of its own the family takes those of `profile`, a wireless M-Bus profile. `vendor_id` is the LoRa Alliance's,
    as it stands in QR labels; `dev_euis` are beginnings of DevEUIs, in lower-case hex. A clock further than
    `clock_tolerance_years` from reception makes a payload suspect. `short_header_ci` is a CI field of the maker's own
    that stands for a short header.
    """

    id: str
    title: str
    vendor: str
    media: tuple[str, ...]
    confidence: Confidence
    encoding: Encoding
    lorawan: str = ""
    byte_order: str = ""
    decoder: str | None = None
    ports: tuple[Ports, ...] = ()
    signatures: tuple[Signature, ...] = ()
    dev_euis: tuple[str, ...] = ()
    vendor_id: int | None = None
    profile: str | None = None
    rules: Profile | None = None
    never: frozenset[Never] = frozenset()
    clock_tolerance_years: int | None = None
    short_header_ci: int | None = None
    notes: tuple[str, ...] = ()
    tests: tuple[MeterTest, ...] = ()

    def sends_on(self, fport: int | None) -> bool:
        """Whether a port is one of the family's; True where either is not known."""
        return fport is None or not self.ports or any(fport in ports for ports in self.ports)
