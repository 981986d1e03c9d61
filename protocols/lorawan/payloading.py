"""From a decrypted FRMPayload into the telegram: the meter that sends it, its readings, and what later ones need."""

from __future__ import annotations

from dataclasses import replace

from protocols.application import Opaque
from protocols.lorawan.bridges import PayloadState
from protocols.lorawan.decoding import LorawanDecoding
from protocols.lorawan.layers import APPLICATION
from protocols.lorawan.meters.model import Encoding, LoraMeter
from protocols.lorawan.meters.registry import find_meter
from protocols.lorawan.payload import NO_STATE, PayloadResult, decode_payload
from protocols.lorawan.ports import KEEP, NoReading, no_reading
from protocols.lorawan.sessions import Session
from protocols.model import Outcome, Rung
from protocols.plural import counted
from protocols.text import safe_text

UNREADABLE = "the payload cannot be read"


def read_payload(
    decoding: LorawanDecoding,
    start: int,
    end: int,
    fport: int | None,
    session: Session | None,
    *,
    uplink: bool = True,
) -> None:
    """Read `plain[start:end]` by the meter's profile, or say what it may be; what is sent to it is no reading."""
    profile = _filed_profile(decoding, session)
    meter = find_meter(decoding.dev_eui, profile)
    other = no_reading(end - start, fport, meter, uplink=uplink)
    if other is not None:
        _pass_over(decoding, start, end, other)
        return
    before = _state(decoding, session)
    given = _with_filed_address(decoding, meter, before)
    result = decode_payload(
        decoding.plain,
        start,
        end,
        fport,
        meter,
        received_at=decoding.frame.at,
        keys=decoding.mbus_keys,
        fcnt=decoding.said.get("fcnt"),
        state=given,
    )
    if profile and meter is None and result.problem is not None:
        result = replace(result, problem=f"{result.problem}, and no meter is called {safe_text(profile)}")
    proved = result.ok and result.security is not None and result.security.authenticated
    if before.address is None and result.state.address == given.address and not proved:
        # What was only filed is no knowledge until it has opened a message.
        result = replace(result, state=replace(result.state, address=None))
    if result.state != before:
        _keep(decoding, session, result.state)
    _take(decoding, result, meter)


def _pass_over(decoding: LorawanDecoding, start: int, end: int, other: NoReading) -> None:
    decoding.layers.append(Opaque(APPLICATION, start, end, other.words))
    if other.outcome is Outcome.OK:
        decoding.ladder.passed(Rung.RECORDS, other.words)
    else:
        decoding.ladder.failed(Rung.RECORDS, other.outcome, other.words, KEEP)


def _filed_profile(decoding: LorawanDecoding, session: Session | None) -> str | None:
    """The profile that the receiver names, else the one filed with the keys of the session or of the device."""
    if decoding.reception.profile or session is not None:
        return decoding.reception.profile or (None if session is None else session.keys.profile)
    # A network server hands over payloads without a session; the device's own keys may be filed all the same.
    device, reception = decoding.dev_eui, decoding.reception
    roots = decoding.keys.root_keys(device) if device else ()
    sessions = decoding.keys.session_keys(reception.dev_addr) if reception.dev_addr else ()
    ours = [keys.profile for keys in sessions if keys.dev_eui == (device or keys.dev_eui)]
    return next((profile for profile in (*(keys.profile for keys in roots), *ours) if profile), None)


def _state(decoding: LorawanDecoding, session: Session | None) -> PayloadState:
    """What the device's payloads before taught: by DevEUI where that is known, for it outlives sessions."""
    if decoding.dev_eui:
        return decoding.sessions.device(decoding.dev_eui).payload_state
    return NO_STATE if session is None else session.payload_state


def _with_filed_address(decoding: LorawanDecoding, meter: LoraMeter | None, state: PayloadState) -> PayloadState:
    """Short headers name no meter: until a long one does, it is the one whose address is filed with the device."""
    if state.address is not None or not decoding.dev_eui or meter is None or meter.encoding is not Encoding.TRANSPORT:
        return state
    filed = (roots.meter for roots in decoding.keys.root_keys(decoding.dev_eui))
    return replace(state, address=next((address for address in filed if address is not None), None))


def _keep(decoding: LorawanDecoding, session: Session | None, state: PayloadState) -> None:
    sessions = decoding.sessions
    if decoding.dev_eui:
        device = sessions.device(decoding.dev_eui)
        decoding.sessions = sessions.with_device(replace(device, payload_state=state))
    elif session is not None:
        now = next(known for known in sessions.at(session.keys.dev_addr) if known.keys == session.keys)
        decoding.sessions = sessions.with_session(replace(now, payload_state=state))


def _take(decoding: LorawanDecoding, result: PayloadResult, meter: LoraMeter | None) -> None:
    """Put what the payload holds into the telegram."""
    decoding.plain = result.plain
    decoding.layers.extend(result.layers)
    decoding.meter = result.address
    decoding.status = result.status
    decoding.records = result.records
    decoding.readings = result.readings
    decoding.profile = result.profile
    decoding.notes.extend(result.notes)
    decoding.say(
        medium=", ".join(meter.media) if meter is not None else None,
        suggestions=tuple((each.meter, "; ".join(each.evidence)) for each in result.suggestions),
    )
    title = "payload" if meter is None else meter.title
    if result.outcome is Outcome.OK:
        count = len(result.records)
        decoding.ladder.passed(Rung.RECORDS, f"{title}: {counted(count, 'record')}")
    else:
        problem, next_step = result.problem or UNREADABLE, result.next or KEEP
        decoding.ladder.failed(Rung.RECORDS, result.outcome, problem, next_step)
