"""From a decrypted FRMPayload to readings: which meter sends it, and its payload decoder."""

from __future__ import annotations

from protocols.application import Opaque
from protocols.lorawan.decoding import LorawanDecoding
from protocols.lorawan.sessions import Session
from protocols.model import Outcome, Rung


def read_payload(decoding: LorawanDecoding, start: int, end: int, fport: int | None, session: Session | None) -> None:
    """Read `plain[start:end]` by the meter's profile, or say what it may be."""
    decoding.layers.append(Opaque("application", start, end, "payload of a device that is not known"))
    decoding.ladder.failed(
        Rung.RECORDS,
        Outcome.UNSUPPORTED,
        f"{end - start} bytes on FPort {fport} of a device whose payloads are not known",
        "file the meter's profile with its keys",
    )
