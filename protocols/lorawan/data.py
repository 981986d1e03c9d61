"""Data messages: session, counter, decryption, MAC commands, and what is remembered of them for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from protocols.application import Opaque
from protocols.crypto import key_check_value
from protocols.lorawan import layers
from protocols.lorawan.cipher import FOPTS_NETWORK_COUNTER, crypt_fopts, crypt_payload, fopts_use
from protocols.lorawan.counter import MAX_MICS
from protocols.lorawan.decoding import LorawanDecoding
from protocols.lorawan.diagnosis import session_mistake, why_no_key
from protocols.lorawan.facts import CounterSource, MicState
from protocols.lorawan.fctrl import flags
from protocols.lorawan.keys import V1_0, V1_1
from protocols.lorawan.mac_commands import MacCommands, parse_mac_commands
from protocols.lorawan.match import Match, Question, find_session, without_network_key
from protocols.lorawan.missed_join import BOTH_WAYS, maybe_rejoined, missed_accept, missed_join
from protocols.lorawan.payloading import read_payload
from protocols.lorawan.phy import CONFIRMED, FPORT_MAC, MHDR_SIZE, DataFrame, parse_data
from protocols.lorawan.sessions import Session
from protocols.model import Key, Outcome, Rung, Security

FHDR_END: Final = 8

_SOURCES: Final = {
    CounterSource.GIVEN: "given",
    CounterSource.SESSION: "continues from the session's last",
    CounterSource.SEARCH: "found by search",
    CounterSource.ASSUMED: "upper half assumed to be 0",
}
_NAMES: Final = {version: f"LoRaWAN {version} AES-128" for version in (V1_0, V1_1)}
_PROVED: Final = {
    MicState.VERIFIED: "MIC fits",
    MicState.HALF_VERIFIED: "half of the MIC fits, the other half cannot be checked: wait for a second frame",
    MicState.NOT_CHECKED: "decrypted, not authenticated: no network key is filed",
}


def decode_data(decoding: LorawanDecoding) -> None:
    """Walk a data message from FHDR on."""
    frame = parse_data(decoding.data)
    decoding.layers.append(layers.fhdr(frame))
    decoding.say(
        dev_addr=frame.dev_addr,
        fcnt=frame.fcnt,
        fport=frame.fport,
        flags=flags(frame.fctrl, uplink=frame.uplink),
    )
    decoding.ladder.passed(Rung.ADDRESS, f"DevAddr {frame.dev_addr}")
    candidates = _candidates(decoding, frame.dev_addr)
    question = Question(frame, decoding.hints, decoding.reception, decoding.halves)
    match = find_session(question, candidates) or without_network_key(question, candidates)
    if match is None:
        _refuse(decoding, question, candidates)
        return
    _accept(decoding, frame, match)
    _remember(decoding, frame, match)
    _open(decoding, frame, match)


def _candidates(decoding: LorawanDecoding, dev_addr: str) -> tuple[Session, ...]:
    """Sessions heard before, then those filed for the address."""
    heard = tuple(session.as_of(decoding.frame.at) for session in decoding.sessions.at(dev_addr))
    known = [session.keys for session in heard]
    filed = [
        keys if keys.dev_addr == dev_addr else replace(keys, dev_addr=dev_addr)
        for keys in decoding.keys.session_keys(dev_addr)
    ]
    return (*heard, *(Session(keys) for keys in filed if keys not in known))


def _accept(decoding: LorawanDecoding, frame: DataFrame, match: Match) -> None:
    keys = match.session.keys
    dev_eui = keys.dev_eui or None
    decoding.say(
        version=keys.version,
        dev_eui=dev_eui,
        fcnt=match.fcnt,
        fcnt_source=match.source,
        mic=match.mic,
    )
    key = keys.app_s_key if frame.fport else keys.nwk_s_enc_key
    network = keys.f_nwk_s_int_key or keys.s_nwk_s_int_key
    shown = key or network
    check_value = None if shown is None else key_check_value(shown.value)
    decoding.security = Security(
        mode=None,
        name=_NAMES[keys.version],
        key_check_value=check_value,
        authenticated=match.mic is MicState.VERIFIED,
        message_counter=match.fcnt,
        tried=() if check_value is None else (check_value,),
    )
    ladder = decoding.ladder
    if dev_eui is not None:
        ladder.passed(Rung.ADDRESS, f"DevAddr {frame.dev_addr} of DevEUI {dev_eui}")
    if match.mic is MicState.NOT_CHECKED:
        ladder.passed(Rung.KEY, "no network key to check the frame with")
    elif network is not None:
        ladder.passed(Rung.KEY, f"{keys.network_role} {key_check_value(network.value)}{_label(network)}")
    ladder.passed(Rung.DECRYPTION, f"{_PROVED[match.mic]}; counter {match.fcnt}, {_SOURCES[match.source]}")
    if match.mic is MicState.NOT_CHECKED:
        decoding.notes.append(_PROVED[match.mic])


def _remember(decoding: LorawanDecoding, frame: DataFrame, match: Match) -> None:
    """Go on with the session, and say what its counter tells."""
    session, fcnt = match.session, match.fcnt
    if match.mic is MicState.NOT_CHECKED:
        return
    last = session.last(uplink=frame.uplink, fport=frame.fport)
    if last is not None and fcnt == last:
        same = not frame.uplink or session.last_up == frame.mic
        decoding.notes.append(f"frame counter {fcnt} again: " + ("a repetition" if same else "another frame"))
    if last is not None and (fcnt < last or (fcnt == last and frame.uplink and session.last_up != frame.mic)):
        decoding.ladder.doubted(
            Rung.PLAUSIBILITY,
            f"frame counter {fcnt} does not continue from {last}: the device was reset, or an old frame is replayed",
            "if the device was not reset or reactivated, distrust this frame; else reset its counters in the network",
        )
    session = session.heard(
        uplink=frame.uplink,
        fport=frame.fport,
        fcnt=fcnt,
        confirmed=frame.mtype in CONFIRMED,
        mic=frame.mic,
        at=decoding.frame.at,
    )
    decoding.sessions = decoding.sessions.with_session(session)
    if session.joined and frame.uplink and match.session.fcnt_up is None:
        decoding.sessions = decoding.sessions.in_use(session)


def _open(decoding: LorawanDecoding, frame: DataFrame, match: Match) -> None:
    """Decrypt FOpts and FRMPayload, and read them."""
    if frame.fopts:
        _fopts(decoding, frame, match)
    if frame.fport is None:
        decoding.ladder.passed(Rung.RECORDS, "no payload")
        return
    decoding.layers.append(layers.fport(frame.payload_start - 1))
    if not frame.payload:
        decoding.say(plaintext=b"")
        decoding.ladder.passed(Rung.RECORDS, "an empty payload")
        return
    keys = match.session.keys
    key = keys.app_s_key if frame.fport else keys.nwk_s_enc_key
    if key is None:
        _no_payload_key(decoding, frame)
        return
    direction = 0 if frame.uplink else 1
    plaintext = crypt_payload(key.value, direction, frame.dev_addr_wire, match.fcnt, frame.payload)
    decoding.replace_plain(frame.payload_start, plaintext)
    decoding.say(plaintext=plaintext)
    if frame.fport == FPORT_MAC:
        found = parse_mac_commands(plaintext, uplink=frame.uplink)
        _commands(decoding, layers.APPLICATION, frame.payload_start, frame.mic_start, found)
        return
    read_payload(decoding, frame.payload_start, frame.mic_start, frame.fport, match.session, uplink=frame.uplink)


def _fopts(decoding: LorawanDecoding, frame: DataFrame, match: Match) -> None:
    keys, end = match.session.keys, FHDR_END + len(frame.fopts)
    found = parse_mac_commands(frame.fopts, uplink=frame.uplink)
    if keys.version == V1_1:
        if keys.nwk_s_enc_key is None:
            decoding.layers.append(Opaque(layers.ENCRYPTED, FHDR_END, end, "encrypted FOpts: no NwkSEncKey"))
            decoding.notes.append("MAC commands stay encrypted: no NwkSEncKey is filed")
            return
        direction = 0 if frame.uplink else 1
        use = fopts_use(direction, frame.fport)
        opened = _opened_fopts(keys.nwk_s_enc_key, frame, match.fcnt, use)
        deciphered = parse_mac_commands(opened, uplink=frame.uplink)
        if deciphered.problem and use != FOPTS_NETWORK_COUNTER:
            # Devices built before the erratum count all FOpts alike.
            older = _opened_fopts(keys.nwk_s_enc_key, frame, match.fcnt, FOPTS_NETWORK_COUNTER)
            if parse_mac_commands(older, uplink=frame.uplink).problem is None:
                opened, deciphered = older, parse_mac_commands(older, uplink=frame.uplink)
        decoding.replace_plain(FHDR_END, opened)
        found = deciphered
    _commands(decoding, "fopts", FHDR_END, end, found)


def _opened_fopts(key: Key, frame: DataFrame, fcnt: int, use: int) -> bytes:
    return crypt_fopts(key.value, 0 if frame.uplink else 1, frame.dev_addr_wire, fcnt, frame.fopts, use)


def _commands(decoding: LorawanDecoding, name: str, start: int, end: int, found: MacCommands) -> None:
    decoding.layers.append(layers.commands(name, start, end, found.commands))
    # FOpts and FPort 0 never hold commands both, so nothing is written over.
    decoding.say(mac_commands=found.commands)
    if found.problem is not None:
        decoding.notes.append(found.problem)
    if name == layers.APPLICATION:
        names = ", ".join(command.name for command in found.commands)
        decoding.ladder.passed(Rung.RECORDS, f"MAC commands: {names or 'none that is known'}")


def _no_payload_key(decoding: LorawanDecoding, frame: DataFrame) -> None:
    role = "AppSKey" if frame.fport else "NwkSEncKey"
    decoding.layers.append(
        Opaque(layers.ENCRYPTED, frame.payload_start, frame.mic_start, f"encrypted payload, needs the {role}")
    )
    decoding.ladder.failed(
        Rung.DECRYPTION,
        Outcome.NO_KEY,
        f"MIC fits, but no {role} is filed for DevAddr {frame.dev_addr}",
        f"import the {role} of this session, or the AppKey of the device, and listen while it joins",
    )


def _refuse(decoding: LorawanDecoding, question: Question, candidates: Sequence[Session]) -> None:
    """Say why no session fits: the mistake where one is proved, else no key or a wrong one."""
    frame = question.frame
    tried = tuple(dict.fromkeys(key_check_value(key.value) for session in candidates for _, key in session.keys.all))
    decoding.security = Security(None, "LoRaWAN AES-128", tried=tried)
    if candidates:
        decoding.say(mic=MicState.FAILED)
    if question.hints.fcnt is not None:
        decoding.say(fcnt=question.hints.fcnt, fcnt_source=CounterSource.GIVEN)
    _cover_encrypted(decoding, frame)
    mistake = session_mistake(question, candidates, decoding.keys)
    at = decoding.frame.at
    if mistake is not None:
        decoding.ladder.failed(Rung.KEY, Outcome.WRONG_KEY, mistake.detail, mistake.next)
    elif not candidates and (why := why_no_key(decoding.keys, frame.dev_addr)) is not None:
        decoding.ladder.failed(Rung.KEY, Outcome.NO_KEY, why.detail, why.next)
    elif not candidates:
        missed = missed_accept(decoding.sessions, frame, at) or missed_join(frame)
        decoding.ladder.failed(Rung.KEY, Outcome.NO_KEY, missed.detail, missed.next)
    elif (rejoined := maybe_rejoined(decoding.sessions, candidates, frame, at)) is not None:
        decoding.ladder.passed(Rung.KEY, f"tried keys {', '.join(tried)}")
        decoding.ladder.failed(
            Rung.DECRYPTION,
            Outcome.WRONG_KEY,
            f"the MIC fits no session known for DevAddr {frame.dev_addr}; {rejoined}",
            BOTH_WAYS,
        )
    else:
        decoding.ladder.passed(Rung.KEY, f"tried keys {', '.join(tried)}")
        decoding.ladder.failed(
            Rung.DECRYPTION,
            Outcome.WRONG_KEY,
            f"the MIC fits no session filed for DevAddr {frame.dev_addr}, {_searched(question)}",
            "the address may belong to somebody else's device; else compare the key check values, "
            "or let the device join again while you listen",
        )


def _searched(question: Question) -> str:
    if question.hints.fcnt is not None:
        return f"with the counter given, {question.hints.fcnt}"
    ended = f"; the search ended after {MAX_MICS} tries" if question.effort.spent else ""
    return f"with none of {question.halves} upper halves of the counter{ended}"


def _cover_encrypted(decoding: LorawanDecoding, frame: DataFrame) -> None:
    """Show what is not decrypted; whether FOpts are in the clear depends on the LoRaWAN version, which is not known."""
    if frame.fopts:
        end = FHDR_END + len(frame.fopts)
        decoding.layers.append(Opaque("fopts", FHDR_END, end, "MAC commands, in the clear in LoRaWAN 1.0 only"))
    if frame.fport is not None:
        decoding.layers.append(layers.fport(frame.payload_start - MHDR_SIZE))
        decoding.layers.append(
            Opaque(layers.ENCRYPTED, frame.payload_start, frame.mic_start, "encrypted payload (FRMPayload)")
        )


def _label(key: Key) -> str:
    return f" ({key.label})" if key.label else ""
