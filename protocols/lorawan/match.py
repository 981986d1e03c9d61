"""Which session a data message belongs to: the one whose keys make its MIC, with the 32-bit counter that fits."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from protocols.lorawan import counter
from protocols.lorawan.counter import Effort
from protocols.lorawan.decoding import Hints
from protocols.lorawan.facts import CounterSource, LoraReception, MicState
from protocols.lorawan.fctrl import ACK
from protocols.lorawan.keys import V1_1
from protocols.lorawan.mic import DOWN, HALF, MIC_SIZE, UP, block_0, block_1, data_mic
from protocols.lorawan.phy import DataFrame
from protocols.lorawan.sessions import Session

DATA_RATES: Final = range(16)
CHANNELS: Final = range(16)
"""What is tried where the receiver does not know them: EU868 and its kin have no more channels."""


@dataclass(frozen=True, slots=True)
class Match:
    """A session that fits, with the counter, how that was found, and what of the MIC was proved."""

    session: Session
    fcnt: int
    source: CounterSource
    mic: MicState


@dataclass(frozen=True, slots=True)
class Question:
    """A data message with what is known beside it: everything that decides whether a key fits.

    `effort` is what its searches may still cost, whatever the number of sessions that they go through.
    """

    frame: DataFrame
    hints: Hints
    reception: LoraReception
    halves: int
    effort: Effort = field(default_factory=Effort)

    @property
    def direction(self) -> int:
        """0 up, 1 down."""
        return UP if self.frame.uplink else DOWN

    @property
    def acknowledges(self) -> bool:
        """Whether the MIC of 1.1 covers the counter of an acknowledged message."""
        return bool(self.frame.fctrl & ACK)

    def conf_fcnt(self, session: Session) -> int | None:
        """ConfFCnt: 0 without acknowledgement, None when it is not known."""
        if not self.acknowledges:
            return 0
        known = self.hints.conf_fcnt
        if known is None:
            known = session.confirmed_down if self.frame.uplink else session.confirmed_up
        return None if known is None else known & 0xFFFF

    def b0(self, fcnt: int, conf_fcnt: int = 0) -> bytes:
        """B0 of the message with a 32-bit counter."""
        return block_0(self.direction, self.frame.dev_addr_wire, fcnt, len(self.frame.message), conf_fcnt)


def find_session(question: Question, candidates: Sequence[Session]) -> Match | None:
    """Return the first session that fits: all with their likely counters first, then each with all others."""
    for ask in (_near, _far):
        for session in candidates:
            match = ask(question, session)
            if match is not None:
                return match
    return None


def without_network_key(question: Question, candidates: Sequence[Session]) -> Match | None:
    """Return a session that can decrypt but not check, with the counter that is most likely."""
    frame = question.frame
    for session in candidates:
        keys = session.keys
        if keys.app_s_key is None or keys.f_nwk_s_int_key is not None or keys.s_nwk_s_int_key is not None:
            continue
        if question.hints.fcnt is not None:
            return Match(session, question.hints.fcnt, CounterSource.GIVEN, MicState.NOT_CHECKED)
        last = session.last(uplink=frame.uplink, fport=frame.fport)
        source = CounterSource.ASSUMED if last is None else CounterSource.SESSION
        return Match(session, counter.likely(frame.fcnt, last)[0], source, MicState.NOT_CHECKED)
    return None


def _near(question: Question, session: Session) -> Match | None:
    hint = question.hints.fcnt
    frame = question.frame
    last = session.last(uplink=frame.uplink, fport=frame.fport)
    for fcnt in (hint,) if hint is not None else counter.likely(frame.fcnt, last):
        state = _check(question, session, fcnt)
        if state is not None:
            source = CounterSource.SEARCH if last is None else CounterSource.SESSION
            return Match(session, fcnt, source if hint is None else CounterSource.GIVEN, state)
    return None


def _far(question: Question, session: Session) -> Match | None:
    if question.hints.fcnt is not None:
        return None
    for fcnt in _searched(question, session):
        state = _check(question, session, fcnt)
        if state is MicState.VERIFIED:
            return Match(session, fcnt, CounterSource.SEARCH, state)
    return None


def _searched(question: Question, session: Session) -> Iterator[int]:
    """Counters that are worth a full check."""
    frame = question.frame
    keys = session.keys
    mic, key = frame.mic, keys.f_nwk_s_int_key
    conf_fcnt = 0
    if keys.version == V1_1:
        if frame.uplink:
            mic = frame.mic[HALF:]
        else:
            key, conf_fcnt = keys.s_nwk_s_int_key, question.conf_fcnt(session) or 0
    if key is None:
        return
    b0 = question.b0(frame.fcnt, conf_fcnt)
    yield from counter.search(key.value, b0, frame.message, frame.fcnt, mic, question.halves, question.effort)


def _check(question: Question, session: Session, fcnt: int) -> MicState | None:
    """What the MIC proves under one counter; None when it does not fit."""
    frame, keys = question.frame, session.keys
    if keys.version != V1_1:
        key = keys.f_nwk_s_int_key
        fits = key is not None and counter.fits(key.value, question.b0(fcnt), frame.message, frame.mic)
        return MicState.VERIFIED if fits else None
    if frame.uplink:
        return _check_uplink_1_1(question, session, fcnt)
    conf_fcnt, key = question.conf_fcnt(session), keys.s_nwk_s_int_key
    if key is None:
        return None
    if conf_fcnt is None:
        found = counter.search_acknowledged(key.value, question.b0(fcnt), frame.message, frame.mic, question.effort)
        return MicState.VERIFIED if found else None
    fits = counter.fits(key.value, question.b0(fcnt, conf_fcnt), frame.message, frame.mic)
    return MicState.VERIFIED if fits else None


def _check_uplink_1_1(question: Question, session: Session, fcnt: int) -> MicState | None:
    """Half of the MIC by each of two keys; the second covers what only some receivers know."""
    frame, keys = question.frame, session.keys
    f_key, s_key = keys.f_nwk_s_int_key, keys.s_nwk_s_int_key
    if f_key is not None:
        half = data_mic(f_key.value, question.b0(fcnt), frame.message)[:HALF]
        if not hmac.compare_digest(half, frame.mic[HALF:MIC_SIZE]):
            return None
    conf_fcnt = question.conf_fcnt(session)
    if s_key is None or conf_fcnt is None:
        return MicState.HALF_VERIFIED if f_key is not None else None
    rate, channel = question.reception.data_rate, question.reception.channel
    if f_key is None and (rate is None or channel is None):
        return None
    b1 = block_1(frame.dev_addr_wire, fcnt, len(frame.message), conf_fcnt, rate or 0, channel or 0)
    rates = DATA_RATES if rate is None else range(rate, rate + 1)
    channels = CHANNELS if channel is None else range(channel, channel + 1)
    if not counter.search_radio(s_key.value, b1, frame.message, frame.mic[:HALF], rates, channels, question.effort):
        return None
    return MicState.VERIFIED if f_key is not None else MicState.HALF_VERIFIED
