"""What a LoRaWAN payload holds, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.lorawan.bridges import PayloadState
from protocols.mbus.spans import application_spans
from protocols.model import (
    Address,
    Layer,
    Outcome,
    Reading,
    Record,
    Security,
    Span,
    Status,
    Telegram,
    VerdictStep,
)

NO_STATE: Final = PayloadState()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A meter that a payload may be of, and what speaks for it."""

    meter: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PayloadLayer:
    """The payload as an application layer: its items tile `start:end`."""

    start: int
    end: int
    records: tuple[Record, ...]
    name: str = "application"

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """Leaves of the items, and the bytes between them."""
        return application_spans(self.records, self.start, self.end, plain, None)


@dataclass(frozen=True, slots=True)
class PayloadResult:
    """What a payload holds.

    `plain` is the frame with what a carried message's key opened put in its place; spans of `records` are offsets in
    it, and `layers` tile the payload. `profile` is the meter's id, or that of the carried message's profile. `address`,
    `security` and `verdict` come from a carried message, and `telegrams` are all that were carried. `state` is to be
    handed in with the device's next payload.
    """

    start: int
    end: int
    plain: bytes
    records: tuple[Record, ...] = ()
    readings: tuple[Reading, ...] = ()
    status: Status | None = None
    profile: str | None = None
    outcome: Outcome = Outcome.OK
    problem: str | None = None
    next: str | None = None
    notes: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    address: Address | None = None
    security: Security | None = None
    verdict: tuple[VerdictStep, ...] = ()
    telegrams: tuple[Telegram, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    state: PayloadState = NO_STATE

    @property
    def ok(self) -> bool:
        """True when everything in the payload was read and can be believed."""
        return self.outcome is Outcome.OK

    @property
    def flags(self) -> tuple[str, ...]:
        """Alarms by name."""
        return () if self.status is None else self.status.flags
