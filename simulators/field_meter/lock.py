"""The lock: a meter that hands out challenges, judges the answers, obeys or refuses, and writes down both.

Sans-IO but for the state file: time and randomness are handed in. The wire format is the simulator's own and no
vendor's: docs/field-link.md. Not simulated: protection against somebody who opens the case.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from keystore.certificates.certificate import FieldCertificate
from keystore.certificates.levels import Capability, level_table
from protocols.actions.commands import parse_command
from protocols.actions.event_log import EventKind
from protocols.actions.list_marks import HIGHEST_NUMBER
from protocols.actions.messages import (
    CHALLENGE_LENGTH,
    LONGEST_DETAIL,
    NO_COUNTER,
    NO_MAC,
    NO_SESSION,
    SESSION_LENGTH,
    Challenge,
    Hello,
    KeyProof,
    Proof,
    Result,
    WhichKey,
    key_proof,
    parse_message,
    session_bytes,
    signed_bytes,
)
from protocols.actions.results import ResultCode
from protocols.errors import ProtocolError
from protocols.model import Address
from protocols.text import safe_text
from simulators.errors import SimulatorError
from simulators.field_meter.gate import Admitted, Gate
from simulators.field_meter.meter import FieldMeter
from simulators.field_meter.obey import Obeyed, Refused, obey
from simulators.field_meter.read_out import telegrams
from simulators.field_meter.state import MeterState
from simulators.field_meter.state_file import StateFile

LIFETIME_S: Final = 30
MOST_FAILURES: Final = 5
LOCKED_S: Final = 60
REMEMBERED_SESSIONS: Final = 64
_RANDOM_PART: Final = SESSION_LENGTH // 2
_FAILURES: Final = frozenset({ResultCode.BAD_SIGNATURE, ResultCode.UNTRUSTED, ResultCode.REVOKED})
"""What counts towards the lock-out: attempts that no honest tool makes."""

_UNNAMED: Final = "an action"

AFTER_RECEIVED: Final = "received"
AFTER_APPLIED: Final = "applied"


class CableCut(SimulatorError):
    """A fault that a test asked for: the connection is gone before the meter could answer."""


@dataclass(slots=True)
class Faults:
    """What goes wrong for a test; `cut_after` and each of `lost_answers` happen once.

    `cut_after` is `received` (before anything was done) or `applied` (done and stored, not answered).
    `wrong_identity` is what the meter says that it is, in its challenges.
    """

    cut_after: str = ""
    lost_answers: int = 0
    wrong_identity: Address | None = None


@dataclass(frozen=True, slots=True)
class _Session:
    challenge: Challenge
    tool_nonce: bytes
    until: float

    @property
    def tie(self) -> bytes:
        """What ties the answer to it."""
        return session_bytes(self.tool_nonce, self.challenge)


class MeterLock:
    """One meter at work: messages in, messages out; read-outs for whoever asks.

    `state` is what it holds now; with `state_file` every change is stored before it is answered.
    """

    def __init__(
        self,
        meter: FieldMeter,
        state: MeterState,
        anchors: Sequence[FieldCertificate],
        random_bytes: Callable[[int], bytes],
        *,
        state_file: StateFile | None = None,
        lifetime_s: int = LIFETIME_S,
    ) -> None:
        self.meter = meter
        self.state = state
        self.faults = Faults()
        self.anchors = tuple(anchors)
        self._random_bytes = random_bytes
        self._state_file = state_file
        self._lifetime_s = lifetime_s
        self._session: _Session | None = None
        self._used: deque[bytes] = deque(maxlen=REMEMBERED_SESSIONS)
        self._access_number = 0

    def receive(self, message: bytes, now: datetime) -> bytes:
        """Return the answer to a message, at `now` (aware UTC).

        Raises `CableCut` where a fault says so, and nothing else, whatever the message is.
        """
        self.tick(now)
        try:
            parsed = parse_message(message)
        except ProtocolError as error:
            if message[:1] == bytes((Proof.TYPE,)):
                self._note_refusal(_UNNAMED, Refused(ResultCode.BAD_MESSAGE), "", now)
            return self._result(NO_SESSION, ResultCode.BAD_MESSAGE, str(error)).to_bytes()
        match parsed:
            case Hello():
                return self._hello(parsed, now).to_bytes()
            case Proof():
                answer = self._proof(parsed, now).to_bytes()
                self._cut(AFTER_APPLIED)
                return answer
            case WhichKey():
                return self._which_key(parsed).to_bytes()
            case _:
                detail = "this message is the meter's own"
                return self._result(NO_SESSION, ResultCode.BAD_MESSAGE, detail).to_bytes()

    def read_out(self, now: datetime) -> tuple[bytes, ...]:
        """Return the telegrams of a read-out, CI field first; needs no session."""
        self.tick(now)
        parts = telegrams(self.meter, self.state, now, self._access_number)
        self._access_number = (self._access_number + len(parts)) & 0xFF
        return parts

    def tick(self, now: datetime) -> None:
        """Let time pass: the test mode ends by itself, the clock is remembered."""
        seen = max(self.state.latest_seen, int(self.state.meter_clock(now).timestamp()))
        self.state = replace(self.state, latest_seen=seen)
        if self.state.test_byte and now.timestamp() >= self.state.test_until:
            ended = replace(self.state, test_byte=0, test_until=0)
            self._remember(ended.logged(now, EventKind.TEST_MODE_ENDED, "test mode ended by itself"))

    def raise_alarm(self, bits: int, now: datetime) -> None:
        """Set error flags, as what the meter watches would."""
        state = replace(self.state, alarms=self.state.alarms | bits)
        self._remember(state.logged(now, EventKind.ALARM, f"error flags {bits:04X} set"))

    def take_lists(self, lists: Sequence[bytes], issuers: Sequence[FieldCertificate], now: datetime) -> None:
        """Take revocation lists as at the factory; raises `Refused` for one that goes back or is not trusted."""
        gate = self._gate()
        for one in lists:
            gate.take_list(one, issuers)
        self._keep(replace(self.state, lists=gate.lists))

    def power_cycle(self) -> None:
        """Forget what is not stored: sessions are cut, challenges are no good any more."""
        self._session = None

    def _gate(self) -> Gate:
        # The clock that certificates are judged by never goes back, whatever it is set to.
        at = datetime.fromtimestamp(self.state.latest_seen, UTC)
        return Gate(self.meter, self.anchors, at, self.state.lists)

    def _hello(self, hello: Hello, now: datetime) -> Challenge | Result:
        self._session = None
        if now.timestamp() < self.state.locked_until:
            return self._locked(NO_SESSION, now)
        left = self.state.reconfigurations_left
        challenge = Challenge(
            self._new_session_id(),
            self._random_bytes(CHALLENGE_LENGTH),
            self.faults.wrong_identity or self.meter.address,
            meter_time=int(self.state.meter_clock(now).timestamp()),
            lifetime_s=self._lifetime_s,
            reconfigurations_left=NO_COUNTER if left is None else left,
            lists=self._gate().marks,
        )
        # What is signed names the meter that this is, whatever a fault lets it say.
        own = replace(challenge, meter=self.meter.address)
        self._session = _Session(own, hello.tool_nonce, now.timestamp() + self._lifetime_s)
        return challenge

    def _proof(self, proof: Proof, now: datetime) -> Result:
        if self.faults.cut_after == AFTER_RECEIVED:
            self._session = None
            self._cut(AFTER_RECEIVED)
        name, serial, tie = _name_of(proof.command), "", b""
        gate = self._gate()
        try:
            session = self._open_session(proof.session_id, now)
            tie = session.tie
            certificates = gate.certificates(proof.certificates)
            serial = certificates[0].serial_text
            refusal = self._take_offered(gate, proof, certificates, now)
            signed = signed_bytes(session.tool_nonce, session.challenge, proof.command)
            admitted = gate.admit(proof, certificates, signed)
            if refusal is not None:
                raise refusal
            obeyed = self._obey(admitted, now)
            self._store(obeyed.state.logged(now, EventKind.GRANTED, f"{name} done, certificate {serial}"))
        except Refused as refused:
            self._note_refusal(name, refused, serial, now)
            return self._result(proof.session_id, refused.code, refused.detail, tie=tie)
        return self._result(proof.session_id, ResultCode.DONE, reply=obeyed.reply, tie=tie)

    def _open_session(self, session_id: bytes, now: datetime) -> _Session:
        """Return the session of a proof and close it: a challenge is good for one proof; raises `Refused`."""
        if now.timestamp() < self.state.locked_until:
            raise Refused(ResultCode.LOCKED, self._locked_words(now))
        session, self._session = self._session, None
        if session is not None and session.challenge.session_id == session_id:
            self._used.append(session_id)
            if not session.until - self._lifetime_s <= now.timestamp() <= session.until:
                raise Refused(ResultCode.NO_SESSION, f"expired after {self._lifetime_s} s")
            return session
        if session_id in self._used:
            raise Refused(ResultCode.REPLAY)
        if session_id != self._session_id(session_id[:_RANDOM_PART]):
            raise Refused(ResultCode.NOT_THIS_METER)
        raise Refused(ResultCode.NO_SESSION)

    def _take_offered(
        self, gate: Gate, proof: Proof, certificates: Sequence[FieldCertificate], now: datetime
    ) -> Refused | None:
        """Take the lists of a proof; they hold by their own signature, whatever becomes of the command."""
        try:
            for one in proof.lists:
                taken = gate.take_list(one, certificates[1:])
                if taken is not None:
                    state = replace(self.state, lists=gate.lists)
                    number = min(taken.number, HIGHEST_NUMBER)
                    self._store(state.logged(now, EventKind.LIST_TAKEN, f"revocation list {number} taken"))
        except Refused as refused:
            refused.is_harmless = True
            return refused
        return None

    def _obey(self, admitted: Admitted, now: datetime) -> Obeyed:
        counted = level_table().actions[admitted.command.action].needs is Capability.COMMISSION
        left = self.state.reconfigurations_left
        if counted and left == 0:
            raise Refused(ResultCode.NO_RECONFIGURATIONS)
        obeyed = obey(self.state, admitted.command, now)
        state = replace(obeyed.state, failures=0)
        if counted and left is not None:
            state = replace(state, reconfigurations_left=left - 1)
        return replace(obeyed, state=state)

    def _store(self, state: MeterState) -> None:
        """Keep a new state; raises `Refused` when it cannot be stored, and then the old one holds."""
        try:
            self._keep(state)
        except SimulatorError as error:
            raise Refused(ResultCode.BUSY, str(error)) from None

    def _keep(self, state: MeterState) -> None:
        if self._state_file is not None:
            self._state_file.save(state)
        self.state = state

    def _remember(self, state: MeterState) -> None:
        """Keep a state that no command made: where it cannot be stored, it holds until the power fails."""
        try:
            self._keep(state)
        except SimulatorError:
            self.state = state

    def _note_refusal(self, name: str, refused: Refused, serial: str, now: datetime) -> None:
        failures = self.state.failures + (refused.code in _FAILURES and not refused.is_harmless)
        whose = f", certificate {serial}" if serial else ""
        words = f"{name} refused: {refused.code.name.lower().replace('_', ' ')}{whose}"
        state = replace(self.state, failures=failures).logged(now, EventKind.REFUSED, words)
        if failures >= MOST_FAILURES:
            state = replace(state, failures=0, locked_until=int(now.timestamp()) + LOCKED_S)
            state = state.logged(now, EventKind.LOCKED, f"locked for {LOCKED_S} s after {failures} failures")
        self._remember(state)

    def _which_key(self, asked: WhichKey) -> KeyProof:
        # A proof that is still under way must not make the answer untrue.
        self._session = None
        key, version = self.state.key, self.state.key_version
        proof = NO_MAC if key is None else key_proof(key, asked.nonce, self.meter.address, version)
        return KeyProof(asked.nonce, version, proof)

    def _locked(self, session_id: bytes, now: datetime) -> Result:
        return self._result(session_id, ResultCode.LOCKED, self._locked_words(now))

    def _locked_words(self, now: datetime) -> str:
        return f"for {max(1, int(self.state.locked_until - now.timestamp()))} s more"

    def _result(
        self, session_id: bytes, code: ResultCode, detail: str = "", reply: bytes = b"", tie: bytes = b""
    ) -> Result:
        left = self.state.reconfigurations_left
        result = Result(session_id, code, _short(detail), NO_COUNTER if left is None else left, reply)
        return result.sealed(self.state.key, tie)

    def _cut(self, point: str) -> None:
        if self.faults.cut_after == point:
            self.faults.cut_after = ""
            self.power_cycle()
            raise CableCut(f"the cable was pulled after the proof was {point}")

    def _new_session_id(self) -> bytes:
        return self._session_id(self._random_bytes(_RANDOM_PART))

    def _session_id(self, random_part: bytes) -> bytes:
        """Return random bytes and what ties them to this meter, to tell its own sessions from those of others."""
        tie = hashlib.sha256(self.meter.address.to_wire() + random_part).digest()
        return random_part + tie[: SESSION_LENGTH - _RANDOM_PART]


def _name_of(command: bytes) -> str:
    """Return the action's name for the log, whoever asks for it."""
    try:
        return parse_command(command).action
    except ProtocolError:
        return _UNNAMED


def _short(detail: str) -> str:
    """Return at most 80 bytes of UTF-8 that are safe to show."""
    text = safe_text(detail)
    while len(text.encode()) > LONGEST_DETAIL:
        text = text[:-1]
    return text
