"""Which meters a payload of an unknown device may be of, and what speaks for each."""

from __future__ import annotations

from datetime import datetime

from protocols.lorawan.carried import decode_carried, decode_headed, looks_like_telegram
from protocols.lorawan.meters.model import DECODED, Confidence, Encoding, LoraMeter
from protocols.lorawan.meters.registry import shipped_meters
from protocols.lorawan.payload import no_keys
from protocols.lorawan.payloads import binary_payload_decoder
from protocols.lorawan.refusal import refused
from protocols.model import Outcome, Record
from protocols.plural import counted

FIRST_YEAR, LAST_YEAR = 2015, 2050
MOST = 5
"""Longest list: more candidates than this say nothing."""

Found = tuple[str, tuple[str, ...]]


def suggest(plain: bytes, start: int, end: int, fport: int | None) -> list[Found]:
    """The meters that the payload `plain[start:end]` fits, best first, each with its evidence in words.

    A meter is suggested when a signature of its file is there and the payload decodes as a whole by it; its ports
    speak for it, and a clock of these years. One profile that fits proves nothing: others may fit as well.
    """
    payload = plain[start:end]
    scored = [
        (score, meter.id, evidence)
        for meter in shipped_meters().meters.values()
        if meter.confidence is not Confidence.LOW
        for score, evidence in (_evidence(meter, payload, fport),)
        if evidence
    ]
    scored.sort(key=lambda item: (-item[0], item[1]))
    return [(name, evidence) for _, name, evidence in scored[:MOST]]


def _evidence(meter: LoraMeter, payload: bytes, fport: int | None) -> tuple[int, tuple[str, ...]]:
    if not payload or not meter.sends_on(fport):
        return 0, ()
    marks = next((found for mark in meter.signatures if (found := mark.evidence(payload, fport))), ())
    if not marks:
        return 0, ()
    decoded = _decoded(meter, payload, fport)
    if decoded is None:
        return 0, ()
    words = list(marks)
    score = len(marks) + len(decoded)
    if fport is not None and meter.ports and not any(word.startswith("FPort") for word in words):
        words.insert(0, f"FPort {fport}")
        score += 1
    words.extend(decoded)
    return score + (meter.confidence is Confidence.HIGH), tuple(words)


def _decoded(meter: LoraMeter, payload: bytes, fport: int | None) -> tuple[str, ...] | None:
    """What a trial says in words, None when it fails."""
    if meter.encoding in DECODED:
        found = binary_payload_decoder(meter.decoder or "")(payload, 0, len(payload), fport)
        records = tuple(entry for entry in found.entries if isinstance(entry, Record))
        if found.problem is not None or not found.entries or refused(meter, records):
            return None
        clocks = [entry.value for entry in found.entries if isinstance(entry.value, datetime)]
        if any(not FIRST_YEAR <= clock.year <= LAST_YEAR for clock in clocks):
            return None
        words = [f"decodes as a whole: {_count(len(found.entries))}"]
        words += [f"clock {clocks[0]:%Y-%m-%d}"] if clocks else []
        return tuple(words)
    if meter.encoding is Encoding.TRANSPORT:
        telegram = decode_headed(payload, None, no_keys, None)
    elif meter.encoding is Encoding.TELEGRAM and looks_like_telegram(payload):
        telegram = decode_carried(payload, no_keys, None)
    else:
        return ("looks like a part of a message",) if meter.encoding is not Encoding.TELEGRAM else None
    if telegram.outcome in (Outcome.NO_KEY, Outcome.WRONG_KEY):
        return ("header fits, encrypted",)
    if not telegram.ok or not telegram.records or refused(meter, telegram.records):
        return None
    return (f"decodes as a whole: {_count(len(telegram.records))}",)


def _count(values: int) -> str:
    return counted(values, "value")
