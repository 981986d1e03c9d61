"""What FPorts say of a payload before any meter's profile does: packages of LoRaWAN, relays, reserved numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.lorawan.meters.model import LoraMeter
from protocols.model import Outcome
from protocols.plural import counted

RELAY: Final = 226
TEST: Final = 224
FIRST_RESERVED: Final = 225
PACKAGES: Final[dict[int, str]] = {
    200: "multicast set-up",
    201: "fragmented data",
    202: "clock synchronisation",
}
"""Ports of the application packages (TS003, TS004, TS005): a custom, so a meter may use the number for its own."""

PORTS: Final[dict[int, str]] = {0: "MAC commands", **PACKAGES, TEST: "LoRaWAN test protocol", RELAY: "relay"}
"""Ports with a meaning of their own (L2 1.1, 4.3.2; TS003, TS004, TS005, TS009, TS011)."""

NO_VALUES: Final = "no meter values in it"
KEEP: Final = "keep the frame"


@dataclass(frozen=True, slots=True)
class NoReading:
    """Why a payload is not read by a meter's profile: `outcome` is OK where nothing is missing."""

    words: str
    outcome: Outcome = Outcome.OK


def no_reading(size: int, fport: int | None, meter: LoraMeter | None, *, uplink: bool) -> NoReading | None:
    """Say why a payload of `size` bytes holds no readings of `meter`; None when it may hold some."""
    where = f"{counted(size, 'byte')}{{}} on FPort {fport}"
    if fport == RELAY:
        words = f"a relay forwards {where.format(' of another device')}: they are not followed"
        return NoReading(words, Outcome.UNSUPPORTED)
    if fport is not None and fport >= FIRST_RESERVED:
        return NoReading(f"{where.format('')}, which is reserved", Outcome.UNSUPPORTED)
    if fport == TEST or (fport in PACKAGES and not _claims(meter, fport)):
        return NoReading(f"{PORTS[fport]}, {where.format('')}: {NO_VALUES}")
    return None if uplink else NoReading(f"{where.format(' to the device')}: {NO_VALUES}")


def _claims(meter: LoraMeter | None, fport: int) -> bool:
    return meter is not None and bool(meter.ports) and meter.sends_on(fport)
