"""Join requests, join accepts, rejoin requests: who asks, whether its key fits, and the session that comes of it."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.application import Opaque
from protocols.crypto import key_check_value
from protocols.lorawan import layers
from protocols.lorawan.cipher import open_join_accept
from protocols.lorawan.decoding import LorawanDecoding
from protocols.lorawan.diagnosis import JOIN_ROLES, Mistake, root_mistake, why_no_key
from protocols.lorawan.facts import MicState
from protocols.lorawan.keys import RootKeys, SessionKeys, js_enc_key, js_int_key, session_1_0, session_1_1
from protocols.lorawan.mic import JOIN_REQUEST_TYPE, join_accept_mic, join_accept_mic_1_1, request_mic
from protocols.lorawan.phy import (
    MHDR_SIZE,
    MIC_SIZE,
    JoinAccept,
    RejoinRequest,
    check_join_accept_size,
    parse_join_accept,
    parse_join_request,
    parse_rejoin_request,
)
from protocols.lorawan.ports import NO_VALUES
from protocols.lorawan.sessions import SAME_TRANSMISSION, Device, PendingJoin, Session
from protocols.model import Key, Outcome, Rung, Security
from protocols.plural import counted

REJOIN_WITH_JOIN_EUI: Final = 1


@dataclass(frozen=True, slots=True)
class _Fit:
    """The key that made a MIC, its role, and the record it is from."""

    role: str
    key: Key
    roots: RootKeys


def decode_join_request(decoding: LorawanDecoding) -> None:
    """Check a join request, and remember it for the accept."""
    request = parse_join_request(decoding.data)
    decoding.say(join_eui=request.join_eui, dev_eui=request.dev_eui, dev_nonce=request.dev_nonce)
    decoding.ladder.passed(Rung.ADDRESS, f"DevEUI {request.dev_eui}, JoinEUI {request.join_eui}")
    filed = decoding.keys.root_keys(request.dev_eui)

    def proves(key: bytes) -> bool:
        return hmac.compare_digest(request_mic(key, request.message), request.mic)

    fit = next((fit for fit in _join_keys(filed) if proves(fit.key.value)), None)
    decoding.layers.append(layers.join_request(request))
    if fit is None:
        tried = [(fit.role, fit.key) for fit in _join_keys(filed)]
        mistake = root_mistake(request.dev_eui, request.join_eui, filed, decoding.keys, proves)
        _refuse(decoding, f"join request of DevEUI {request.dev_eui}", tried, request.dev_eui, mistake)
        return
    _accept(decoding, fit.role, fit.key, f"join request in clear, DevNonce {request.dev_nonce}")
    at = decoding.frame.at
    device = decoding.sessions.device(request.dev_eui).as_of(at)
    if request.dev_nonce in device.dev_nonces:
        _repeated_nonce(decoding, request.dev_nonce, device)
    _unanswered(decoding, request.dev_eui, request.dev_nonce)
    join = PendingJoin(request.dev_eui, request.join_eui, request.dev_nonce, fit.roots, at=at)
    decoding.sessions = decoding.sessions.with_device(
        device.asked(request.dev_nonce, request.join_eui, at)
    ).with_request(join)


def _unanswered(decoding: LorawanDecoding, dev_eui: str, dev_nonce: int) -> None:
    """Note that a device asks again: what a network may have answered was heard neither here nor, perhaps, there."""
    before = next((join for join in decoding.sessions.pending if join.dev_eui == dev_eui), None)
    if before is None or before.answered or before.request_type != JOIN_REQUEST_TYPE:
        return
    if before.dev_nonce != dev_nonce:
        decoding.notes.append(
            f"the device asks again: no join accept was heard to its request with DevNonce {before.dev_nonce}"
        )


def _repeated_nonce(decoding: LorawanDecoding, dev_nonce: int, device: Device) -> None:
    at, before = decoding.frame.at, device.last_request_at
    if at is not None and before is not None and abs(at - before) <= SAME_TRANSMISSION:
        decoding.notes.append(f"the same join request again, DevNonce {dev_nonce}: heard twice")
        return
    decoding.ladder.doubted(
        Rung.PLAUSIBILITY,
        f"DevNonce {dev_nonce} of DevEUI {device.dev_eui} was used before: its network will not answer",
        "restart the device or reset its DevNonces in the network server; otherwise an old request is replayed",
    )


def decode_rejoin_request(decoding: LorawanDecoding) -> None:
    """Check a rejoin request, and remember it for the accept."""
    request = parse_rejoin_request(decoding.data)
    device = decoding.sessions.device(request.dev_eui)
    decoding.say(
        version="1.1",
        dev_eui=request.dev_eui,
        join_eui=request.join_eui,
        net_id=request.net_id,
        rejoin_type=request.type,
        rj_count=request.rj_count,
    )
    decoding.ladder.passed(Rung.ADDRESS, f"DevEUI {request.dev_eui}, rejoin request of type {request.type}")
    decoding.layers.append(layers.rejoin_request(request, len(decoding.data) - MIC_SIZE))
    tried = list(_rejoin_keys(decoding, request))
    for role, key in tried:
        if hmac.compare_digest(request_mic(key.value, request.message), request.mic):
            _accept(decoding, role, key, f"rejoin request in clear, RJcount {request.rj_count}")
            join_eui = request.join_eui or device.join_eui
            for roots in decoding.keys.root_keys(request.dev_eui)[:1]:
                join = PendingJoin(request.dev_eui, join_eui, request.rj_count, roots, request.type, decoding.frame.at)
                decoding.sessions = decoding.sessions.with_request(join)
            return
    _refuse(decoding, f"rejoin request of DevEUI {request.dev_eui}", tried, request.dev_eui, None)


def _rejoin_keys(decoding: LorawanDecoding, request: RejoinRequest) -> Iterator[tuple[str, Key]]:
    """JSIntKey for type 1, the session's SNwkSIntKey for the others (L2 1.1, 6.2.4)."""
    if request.type == REJOIN_WITH_JOIN_EUI:
        for roots in decoding.keys.root_keys(request.dev_eui):
            key = _js_int_key(roots, request.dev_eui)
            if key is not None:
                yield "JSIntKey", key
        return
    sessions: list[SessionKeys] = [session.keys for session in decoding.sessions.of_device(request.dev_eui)]
    sessions.extend(decoding.keys.session_keys(""))
    for keys in sessions:
        if keys.s_nwk_s_int_key is not None:
            yield "SNwkSIntKey", keys.s_nwk_s_int_key


def _join_keys(filed: Sequence[RootKeys]) -> Iterator[_Fit]:
    for roots in filed:
        for role, key in (("NwkKey", roots.nwk_key), ("AppKey", roots.app_key)):
            if key is not None:
                yield _Fit(role, key, roots)


def _js_int_key(roots: RootKeys, dev_eui: str | None, root: Key | None = None) -> Key | None:
    if roots.js_int_key is not None:
        return roots.js_int_key
    nwk_key = root or roots.nwk_key
    return None if nwk_key is None or not dev_eui else js_int_key(nwk_key, dev_eui)


def decode_join_accept(decoding: LorawanDecoding) -> None:
    """Find the request that an accept answers, and follow it into the session."""
    check_join_accept_size(decoding.data)
    waiting = list(_waiting(decoding))
    unchecked = False
    tried: list[tuple[str, Key]] = []
    for join in waiting:
        for role, key in _accept_keys(join, plain=decoding.hints.plaintext_input):
            tried.append((role, key))
            plain = decoding.data if decoding.hints.plaintext_input else open_join_accept(key.value, decoding.data)
            accept = parse_join_accept(plain)
            state = _accept_state(join, role, key, accept, plain[0])
            unchecked = unchecked or state is MicState.NOT_CHECKED
            if state is MicState.VERIFIED:
                _follow(decoding, join, role, key, accept, plain)
                return
    if decoding.hints.plaintext_input:
        _show_accept(decoding, parse_join_accept(decoding.data), decoding.data)
    else:
        _leave_encrypted(decoding)
    waits = len(decoding.sessions.pending)
    if not decoding.keys.root_keys("") or (unchecked and not waits):
        heard = "no join request that fits a filed key was heard before it"
        if waits:
            heard = f"answers none of those heard that fit a filed key ({counted(waits, 'join request')})"
        decoding.ladder.failed(
            Rung.KEY,
            Outcome.NO_KEY,
            f"join accept: {heard}, and it does not say whom it answers",
            "compare the key that is filed for the device's DevEUI, or import it, then listen from its join request on",
        )
        return
    _refuse(decoding, "join accept", tried, None, None)


def _waiting(decoding: LorawanDecoding) -> Iterator[PendingJoin]:
    yield from decoding.sessions.pending
    hints = decoding.hints
    for roots in decoding.keys.root_keys(""):
        yield PendingJoin(
            hints.dev_eui or roots.dev_eui,
            hints.join_eui,
            -1 if hints.dev_nonce is None else hints.dev_nonce,
            roots,
            hints.request_type,
        )


def _accept_keys(join: PendingJoin, *, plain: bool) -> Iterator[tuple[str, Key]]:
    """The keys that may encrypt an accept: a root key, or JSEncKey after a rejoin request (L2 1.1, 6.2.3).

    One that came in plain can be checked with JSIntKey alone.
    """
    roots = join.roots
    if plain and roots.js_int_key is not None:
        yield "JSIntKey", roots.js_int_key
    if join.request_type == JOIN_REQUEST_TYPE:
        for fit in _join_keys((roots,)):
            yield fit.role, fit.key
    if roots.js_enc_key is not None:
        yield "JSEncKey", roots.js_enc_key
    elif join.request_type != JOIN_REQUEST_TYPE and roots.nwk_key is not None and join.dev_eui:
        yield "JSEncKey", js_enc_key(roots.nwk_key, join.dev_eui)


def _accept_state(join: PendingJoin, role: str, key: Key, accept: JoinAccept, mhdr: int) -> MicState:
    if not accept.opt_neg:
        computed = join_accept_mic(key.value, mhdr, accept.body)
    else:
        int_key = _js_int_key(join.roots, join.dev_eui, key if role in JOIN_ROLES else None)
        if int_key is None or join.join_eui is None or join.dev_nonce < 0:
            return MicState.NOT_CHECKED
        computed = join_accept_mic_1_1(
            int_key.value, join.request_type, join.join_eui, join.dev_nonce, mhdr, accept.body
        )
    return MicState.VERIFIED if hmac.compare_digest(computed, accept.mic) else MicState.FAILED


def _show_accept(decoding: LorawanDecoding, accept: JoinAccept, plain: bytes) -> None:
    decoding.replace_plain(0, plain)
    decoding.say(
        version="1.1" if accept.opt_neg else "1.0",
        dev_addr=accept.dev_addr,
        join_nonce=accept.join_nonce,
        net_id=accept.net_id,
        rx_delay_s=accept.rx_delay_s,
        frequencies_hz=accept.frequencies_hz,
        channel_masks=accept.channel_masks,
    )
    decoding.layers.append(layers.join_accept(accept))


def _follow(
    decoding: LorawanDecoding, join: PendingJoin, role: str, key: Key, accept: JoinAccept, plain: bytes
) -> None:
    _show_accept(decoding, accept, plain)
    who = f"DevEUI {join.dev_eui}" if join.dev_eui else "a device whose request was not heard"
    decoding.ladder.passed(Rung.ADDRESS, f"{who}: DevAddr {accept.dev_addr}, NetID {accept.net_id}")
    _accept(decoding, role, key, "join accept")
    decoding.say(dev_eui=join.dev_eui or None, join_eui=join.join_eui)
    decoding.sessions = decoding.sessions.with_answer(join)
    if join.dev_nonce < 0:
        decoding.notes.append("the join request was not heard: without its DevNonce there are no session keys")
        return
    decoding.say(dev_nonce=join.dev_nonce)
    keys = _session_keys(join, role, key, accept)
    if keys is None:
        decoding.notes.append("no root key is filed: the session keys cannot be derived")
        return
    if role == "AppKey" and accept.opt_neg:
        both = join.roots.nwk_key is not None
        decoding.ladder.doubted(
            Rung.PLAUSIBILITY,
            "a 1.1 network answered: the key filed as AppKey is the device's NwkKey",
            f"swap AppKey and NwkKey of DevEUI {join.dev_eui}"
            if both
            else f"file it as NwkKey of DevEUI {join.dev_eui}, and its AppKey beside it",
        )
    if keys.app_s_key is None:
        decoding.notes.append("no AppKey is filed: the session's payloads stay encrypted")
    decoding.sessions = decoding.sessions.with_join(Session(keys, joined=True, heard_at=decoding.frame.at))


def _session_keys(join: PendingJoin, role: str, key: Key, accept: JoinAccept) -> SessionKeys | None:
    """Derive the session; None without the root keys. What the accept proves of a key counts, not how it is filed."""
    roots = join.roots
    nwk_key = key if role in JOIN_ROLES else roots.nwk_key
    if nwk_key is None:
        return None
    nonce, dev_addr = accept.join_nonce, accept.dev_addr
    if not accept.opt_neg:
        return session_1_0(nwk_key, nonce, accept.net_id, join.dev_nonce, dev_addr, join.dev_eui, roots.profile)
    app_key = roots.nwk_key if role == "AppKey" else roots.app_key
    join_eui = join.join_eui or ""
    return session_1_1(nwk_key, app_key, nonce, join_eui, join.dev_nonce, dev_addr, join.dev_eui, roots.profile)


def _accept(decoding: LorawanDecoding, role: str, key: Key, what: str) -> None:
    check_value = key_check_value(key.value)
    label = f" ({key.label})" if key.label else ""
    decoding.ladder.passed(Rung.KEY, f"{role} {check_value}{label}")
    decoding.ladder.passed(Rung.DECRYPTION, f"{what}, MIC fits")
    decoding.ladder.passed(Rung.RECORDS, NO_VALUES)
    decoding.say(mic=MicState.VERIFIED)
    decoding.security = Security(None, "LoRaWAN join", check_value, authenticated=True, tried=(check_value,))


def _refuse(
    decoding: LorawanDecoding,
    what: str,
    tried: Sequence[tuple[str, Key]],
    dev_eui: str | None,
    mistake: Mistake | None,
) -> None:
    """Say why nothing fits: the mistake where one is proved, else that there is no key, or a wrong one."""
    decoding.security = Security(None, "LoRaWAN join", tried=tuple(key_check_value(key.value) for _, key in tried))
    if tried:
        decoding.say(mic=MicState.FAILED)
    whose = f"DevEUI {dev_eui}" if dev_eui else "the device"
    if mistake is not None:
        decoding.ladder.failed(Rung.KEY, Outcome.WRONG_KEY, mistake.detail, mistake.next)
    elif not tried and dev_eui and (why := why_no_key(decoding.keys, dev_eui)) is not None:
        decoding.ladder.failed(Rung.KEY, Outcome.NO_KEY, f"{what}: {why.detail}", why.next)
    elif not tried:
        decoding.ladder.failed(
            Rung.KEY,
            Outcome.NO_KEY,
            f"{what}: no key is filed to check it, or to follow its join",
            f"import the root key (AppKey; NwkKey and AppKey for LoRaWAN 1.1) of {whose}",
        )
    else:
        names = ", ".join(f"{role} {key_check_value(key.value)}" for role, key in tried)
        decoding.ladder.passed(Rung.KEY, f"tried {names}")
        decoding.ladder.failed(
            Rung.DECRYPTION,
            Outcome.WRONG_KEY,
            f"{what}: the MIC does not fit {names}",
            f"compare the key check value with the supplier's, or import the root key of {whose} again",
        )


def _leave_encrypted(decoding: LorawanDecoding) -> None:
    end = len(decoding.data) - MIC_SIZE
    decoding.layers.append(
        Opaque(layers.ENCRYPTED, MHDR_SIZE, end, "encrypted join accept: JoinNonce, NetID, DevAddr, settings")
    )
