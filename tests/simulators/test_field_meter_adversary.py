"""An adversary who owns the line: whatever it makes of recorded sessions, nothing happens that nobody signed for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keystore.certificates.levels import level_table
from protocols.actions.commands import Command, build_command
from protocols.actions.messages import Challenge, Proof
from protocols.actions.results import ResultCode
from simulators.field_meter.state import MeterState
from tests.keystore.certificates.desks import DAY, START, make_desk
from tests.simulators.field_meters import NOW, Technician, greet, hire, make_lock, send

DESK = make_desk()
PEOPLE = {
    "installer": hire(DESK, "installer"),
    "commissioner": hire(DESK, "commissioner"),
    "service": hire(DESK, "service"),
    "revoked": hire(DESK, "service", tag="berta"),
    "expired": hire(DESK, "service", tag="carla", at=START - 91 * DAY),
    "stranger": hire(make_desk(99), "service"),
}
DESK.revoke("berta", START)
LIST = DESK.revocation_list(START)
COMMANDS = (
    build_command("customer-number", number="C-1"),
    build_command("customer-number", number="C-2"),
    build_command("pulse-value", litres=10),
    build_command("reset-alarms"),
    build_command("start-radio"),
)
LIFETIME = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A proof that somebody made for a challenge, as the adversary saw it go by."""

    who: str
    challenge: Challenge
    command: Command
    proof: Proof


def settled(state: MeterState) -> MeterState:
    """The state without what the lock writes down of its own."""
    return replace(state, events=(), failures=0, locked_until=0, latest_seen=0, lists=(), reconfigurations_left=None)


class Adversary(RuleBasedStateMachine):
    """Opens sessions, lets people sign, and mixes what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.locks = (make_lock(DESK), make_lock(DESK, number="10002346", seed=2))
        for lock in self.locks:
            lock.take_lists([LIST], [DESK.issuer.certificate], NOW)
        self.now = NOW
        self.open: dict[int, tuple[Challenge, object]] = {}
        self.challenges: list[Challenge] = []
        self.recorded: list[Recorded] = []
        self.states = [settled(lock.state) for lock in self.locks]

    @rule(meter=st.integers(0, 1))
    def greet(self, meter: int) -> None:
        if self.now.timestamp() < self.locks[meter].state.locked_until:
            return
        challenge = greet(self.locks[meter], self.now)
        self.open[meter] = challenge, self.now + LIFETIME
        self.challenges.append(challenge)

    @precondition(lambda self: self.challenges)
    @rule(data=st.data(), who=st.sampled_from(sorted(PEOPLE)), command=st.sampled_from(COMMANDS))
    def sign(self, data: st.DataObject, who: str, command: Command) -> None:
        challenge = data.draw(st.sampled_from(self.challenges[-4:]))
        proof = PEOPLE[who].prove(challenge, command.application)
        self.recorded.append(Recorded(who, challenge, command, proof))

    @rule(meter=st.integers(0, 1), who=st.sampled_from(sorted(PEOPLE)), command=st.sampled_from(COMMANDS))
    def let_somebody_work(self, meter: int, who: str, command: Command) -> None:
        self.greet(meter)
        challenge, _ = self.open.get(meter, (None, None))
        if challenge is not None:
            proof = PEOPLE[who].prove(challenge, command.application)
            self.recorded.append(Recorded(who, challenge, command, proof))
            self._send(meter, self.recorded[-1])

    @precondition(lambda self: self.recorded)
    @rule(data=st.data(), meter=st.integers(0, 1))
    def deliver(self, data: st.DataObject, meter: int) -> None:
        self._send(meter, data.draw(st.sampled_from(self.recorded[-6:])))

    @precondition(lambda self: self.recorded)
    @rule(data=st.data(), meter=st.integers(0, 1))
    def mix(self, data: st.DataObject, meter: int) -> None:
        pieces = [data.draw(st.sampled_from(self.recorded[-6:])) for _ in range(4)]
        session, command, person, signature = pieces
        proof = Proof(
            session.challenge.session_id,
            command.command.application,
            person.proof.certificates,
            (),
            signature.proof.signature,
        )
        whole = Recorded(person.who, session.challenge, command.command, proof)
        is_real = any((one.proof, one.challenge) == (proof, session.challenge) for one in self.recorded)
        self._send(meter, whole, is_real=is_real)

    @rule(seconds=st.sampled_from((1, 20, 61)))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(meter=st.integers(0, 1))
    def pull_the_plug(self, meter: int) -> None:
        self.locks[meter].power_cycle()
        self.open.pop(meter, None)

    def _send(self, meter: int, sent: Recorded, *, is_real: bool = True) -> None:
        lock = self.locks[meter]
        locked = self.now.timestamp() < lock.state.locked_until
        session, until = self.open.get(meter, (None, self.now))
        answer = send(lock, sent.proof, self.now)
        if not locked:
            self.open.pop(meter, None)
        in_time = session == sent.challenge and self.now <= until  # type: ignore[operator]
        expected = is_real and in_time and not locked and self._may(sent.who, sent.command)
        assert (answer.code is ResultCode.DONE) is expected, (answer.code, sent.who)
        if expected:
            self.states[meter] = settled(lock.state)

    def _may(self, who: str, command: Command) -> bool:
        needs = level_table().actions[command.action].needs
        level = level_table().levels.get(who)
        return level is not None and needs in level.capabilities

    @invariant()
    def nothing_changes_without_a_proof(self) -> None:
        assert [settled(lock.state) for lock in self.locks] == self.states


Adversary.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestAdversary = Adversary.TestCase


def test_the_people_are_who_they_seem() -> None:
    def code(who: Technician, command: Command) -> ResultCode:
        lock = make_lock(DESK)
        lock.take_lists([LIST], [DESK.issuer.certificate], NOW)
        return send(lock, who.prove(greet(lock), command.application)).code

    reset = build_command("reset-alarms")
    assert {name: code(who, reset) for name, who in PEOPLE.items()} == {
        "installer": ResultCode.LEVEL_TOO_LOW,
        "commissioner": ResultCode.LEVEL_TOO_LOW,
        "service": ResultCode.DONE,
        "revoked": ResultCode.REVOKED,
        "expired": ResultCode.NOT_VALID_NOW,
        "stranger": ResultCode.UNTRUSTED,
    }
