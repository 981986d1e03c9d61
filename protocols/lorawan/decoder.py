"""The way of one LoRaWAN frame, by message type. `decode_lorawan` never raises and always terminates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.application import Opaque
from protocols.errors import BadField, ProtocolError, Truncated, Unsupported
from protocols.lorawan import layers
from protocols.lorawan.counter import USUAL_HALVES
from protocols.lorawan.data import decode_data
from protocols.lorawan.decoding import NO_HINTS, Hints, LorawanDecoding
from protocols.lorawan.facts import LorawanFacts
from protocols.lorawan.join import decode_join_accept, decode_join_request, decode_rejoin_request
from protocols.lorawan.keys import LorawanKeys, NoKeys
from protocols.lorawan.payloading import read_payload
from protocols.lorawan.phy import DATA, MAX_PHY, MIC_SIZE, MType, message_type
from protocols.lorawan.sessions import Sessions
from protocols.model import Address, Key, KeyLookup, Link, Outcome, Quality, RawFrame, Rung, Security, Telegram
from protocols.plural import counted

NO_KEYS: Final = NoKeys()
NO_SESSIONS: Final = Sessions()

_FAILURES: Final[tuple[tuple[type[ProtocolError], Outcome, str], ...]] = (
    (Unsupported, Outcome.UNSUPPORTED, "keep the frame; what it needs is named above"),
    (Truncated, Outcome.DAMAGED, "receive it again, or check how it was captured"),
    (BadField, Outcome.DAMAGED, "check whether this is a LoRaWAN frame at all"),
)


@dataclass(frozen=True, slots=True)
class Heard:
    """A decoded frame, and the sessions with what it taught."""

    telegram: Telegram
    sessions: Sessions


def no_mbus_keys(address: Address) -> Sequence[Key]:
    """The look-up of someone who has no keys for meters behind a LoRaWAN device."""
    return ()


def decode_lorawan(
    frame: RawFrame,
    keys: LorawanKeys = NO_KEYS,
    sessions: Sessions = NO_SESSIONS,
    *,
    mbus_keys: KeyLookup = no_mbus_keys,
    hints: Hints = NO_HINTS,
    halves: int = USUAL_HALVES,
) -> Heard:
    """Decode one PHYPayload, or one payload that a network server decrypted, whatever it holds.

    `keys` is asked for root keys by DevEUI and for session keys by DevAddr; `sessions` is what was heard before, and
    comes back with what this frame adds. `mbus_keys` are for meters whose telegrams the payload carries. `halves`
    bounds how many upper halves of the frame counter are searched for a device that was not heard before.
    """
    decoding = LorawanDecoding(frame, keys, sessions, mbus_keys, hints, halves, plain=frame.data)
    try:
        if frame.link is Link.LORAWAN_PAYLOAD:
            _decode_payload(decoding)
        else:
            _decode_frame(decoding)
    except ProtocolError as problem:
        _fail(decoding, problem)
    facts = decoding.facts
    _cover_rest(decoding, facts)
    return Heard(_telegram(decoding, facts), decoding.sessions)


def _decode_frame(decoding: LorawanDecoding) -> None:
    data = decoding.data
    if len(data) > MAX_PHY:
        raise BadField(f"{len(data)} bytes are more than a LoRa packet has", layer="phy", offset=MAX_PHY)
    mtype = message_type(data)
    decoding.say(mtype=mtype.text)
    decoding.layers.append(layers.mhdr())
    if len(data) < MIC_SIZE + 1:
        raise Truncated(f"{len(data)} bytes are too few for any message", layer="phy", offset=len(data))
    _READERS[mtype](decoding)
    decoding.ladder.passed(Rung.FRAME, f"{mtype.text} of {len(data)} bytes")


def _decode_payload(decoding: LorawanDecoding) -> None:
    reception = decoding.reception
    decoding.say(
        dev_eui=reception.dev_eui,
        dev_addr=reception.dev_addr,
        fcnt=reception.fcnt,
        fport=reception.fport,
        plaintext=decoding.data,
    )
    decoding.ladder.passed(
        Rung.FRAME, f"payload of {counted(len(decoding.data), 'byte')}, decrypted by a network server"
    )
    decoding.ladder.passed(Rung.ADDRESS, f"DevEUI {reception.dev_eui}" if reception.dev_eui else "no address given")
    decoding.ladder.passed(Rung.KEY, "no key needed")
    decoding.ladder.passed(Rung.DECRYPTION, "the payload came decrypted")
    decoding.security = Security(None, "none", already_decrypted=True)
    read_payload(decoding, 0, len(decoding.data), reception.fport, None)


def _proprietary(decoding: LorawanDecoding) -> None:
    raise Unsupported("proprietary frame: what it holds is between its maker and its network", layer="phy", offset=1)


_READERS: Final[dict[MType, Callable[[LorawanDecoding], None]]] = {
    MType.JOIN_REQUEST: decode_join_request,
    MType.JOIN_ACCEPT: decode_join_accept,
    MType.REJOIN_REQUEST: decode_rejoin_request,
    MType.PROPRIETARY: _proprietary,
    **dict.fromkeys(DATA, decode_data),
}


def _fail(decoding: LorawanDecoding, problem: ProtocolError) -> None:
    rung = Rung.FRAME if problem.layer == "phy" else Rung.RECORDS
    for kind, outcome, next_step in _FAILURES:
        if isinstance(problem, kind):
            decoding.ladder.failed(rung, outcome, str(problem), next_step)
            return
    decoding.ladder.failed(rung, Outcome.DAMAGED, str(problem), "receive it again")


def _cover_rest(decoding: LorawanDecoding, facts: LorawanFacts) -> None:
    """Make the layers cover every byte, the MIC last."""
    size = len(decoding.data)
    position = decoding.position
    if decoding.ladder.failed_at(Rung.FRAME) or decoding.frame.link is Link.LORAWAN_PAYLOAD:
        if position < size:
            decoding.layers.append(Opaque(layers.UNKNOWN, position, size, "not decoded"))
        return
    mic_start = size - MIC_SIZE
    if position < mic_start:
        decoding.layers.append(Opaque(layers.UNKNOWN, position, mic_start, "not decoded"))
    decoding.layers.append(layers.mic(mic_start, size, facts.mic))


def _telegram(decoding: LorawanDecoding, facts: LorawanFacts) -> Telegram:
    ladder = decoding.ladder
    if ladder.outcome is Outcome.OK:
        ladder.passed(Rung.PLAUSIBILITY, _plausibility(decoding))
    return Telegram(
        frame=decoding.frame,
        data=decoding.data,
        plain=decoding.plain,
        outcome=ladder.outcome,
        problem=ladder.problem,
        verdict=ladder.steps,
        layers=tuple(decoding.layers),
        meter=decoding.meter,
        message=facts.mtype or None,
        security=decoding.security,
        status=decoding.status,
        records=decoding.records,
        readings=decoding.readings,
        profile=decoding.profile,
        notes=tuple(decoding.notes),
        lorawan=facts,
    )


def _plausibility(decoding: LorawanDecoding) -> str:
    if not decoding.readings:
        return "nothing to check"
    bad = sum(reading.quality is not Quality.GOOD for reading in decoding.readings)
    return f"{bad} of {len(decoding.readings)} values marked not good by the meter" if bad else "all values valid"
