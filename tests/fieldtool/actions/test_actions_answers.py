"""Answers that somebody on the line made up or recorded: the tool says that they are not proved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fieldtool.actions.errors import LinkSilent, WrongMeter
from fieldtool.errors import AccessError
from protocols.actions.messages import NO_MAC, Challenge, Hello, Result, WhichKey, parse_message
from protocols.actions.results import ResultCode
from protocols.model import Address
from tests.fieldtool.actions.action_bench import Bench

PROOF = 3


pytestmark = pytest.mark.usefixtures("serviced")


def test_a_session_that_was_recorded_proves_no_answer(bench: Bench) -> None:
    honest = bench.link.exchange
    recorded: dict[int, bytes] = {}

    def record(message: bytes) -> bytes:
        recorded[message[0]] = honest(message)
        return recorded[message[0]]

    bench.link.exchange = record  # type: ignore[method-assign]
    assert bench.do("event-log").authentic
    bench.link.exchange = lambda message: recorded[message[0]]  # type: ignore[method-assign]
    outcome = bench.do("event-log")
    assert outcome.authentic is False
    assert any("proves its answer" in note for note in outcome.notes)


def test_an_answer_whose_proof_was_taken_off_is_told(bench: Bench) -> None:
    honest = bench.link.exchange

    def strip(message: bytes) -> bytes:
        answer = honest(message)
        parsed = parse_message(answer)
        return replace(parsed, mac=NO_MAC).to_bytes() if isinstance(parsed, Result) else answer

    bench.link.exchange = strip  # type: ignore[method-assign]
    outcome = bench.do("customer-number", number="4711")
    assert outcome.authentic is False
    assert any("proves its answer" in note for note in outcome.notes)


def hold_back(bench: Bench) -> list[bytes]:
    """Put somebody on the line who keeps proofs, and then answers HELLO himself, so that it cuts no session."""
    honest = bench.link.exchange
    held: list[bytes] = []
    made_up: list[bytes] = []

    def between(message: bytes) -> bytes:
        if message[0] == PROOF:
            held.append(message)
            raise LinkSilent("the meter does not answer")
        if held and message[0] == Hello.TYPE:
            return made_up[-1]
        answer = honest(message)
        if isinstance(parse_message(answer), Challenge):
            made_up.append(answer)
        return answer

    bench.link.exchange = between  # type: ignore[method-assign]
    return held


def deliver(bench: Bench, proof: bytes) -> ResultCode:
    """What the meter says to a proof that comes from anybody, now."""
    late = parse_message(bench.lock.receive(proof, bench.clock()))
    assert isinstance(late, Result)
    return late.code


def test_a_proof_that_is_held_back_while_the_meter_is_asked_changes_nothing(bench: Bench) -> None:
    old, held = bench.lock.state.key, hold_back(bench)
    with pytest.raises(LinkSilent):
        bench.change_key()
    assert not bench.vault.key_changes.pending()
    assert deliver(bench, held[0]) is ResultCode.NO_SESSION
    assert bench.lock.state.key == old


def test_a_proof_that_is_held_back_is_good_for_as_long_as_its_challenge_and_the_next_visit_shows_it(
    bench: Bench,
) -> None:
    honest = bench.link.exchange
    for late_s, code in ((31, ResultCode.NO_SESSION), (20, ResultCode.DONE)):
        held = hold_back(bench)
        with pytest.raises(LinkSilent, match="it was not done"):
            bench.do("customer-number", number="K-4711")
        bench.clock.pass_by(timedelta(seconds=late_s))
        assert deliver(bench, held[0]) is code
        bench.link.exchange = honest  # type: ignore[method-assign]
    assert deliver(bench, held[0]) is ResultCode.REPLAY
    assert bench.service.plan("customer-number", bench.choice, {"number": "K-2"}).before == "customer: K-4711"
    assert any("customer-number done" in event.words for event in bench.do("event-log").events)


def test_a_key_change_that_cannot_begin_is_written_down(bench: Bench) -> None:
    with pytest.raises(AccessError, match="holds the new key already"):
        bench.change_key(bench.lock.state.key)
    bench.lock.state = replace(bench.lock.state, key=bytes(range(16)))
    with pytest.raises(AccessError, match="proves none of the keys"):
        bench.change_key()
    assert bench.became == ["refused by the tool"] * 2
    assert "proves none" in bench.log[-1]["reason"]


@pytest.mark.parametrize("question", [WhichKey.TYPE, Hello.TYPE])
def test_a_link_that_fails_before_a_key_change_began_is_written_down(bench: Bench, question: int) -> None:
    plan = bench.service.plan("change-key", bench.choice, {})

    def silence(message: bytes) -> None:
        if message[0] == question:
            bench.link.lost_questions = 1

    bench.link.before = silence
    with pytest.raises(LinkSilent):
        bench.service.execute(plan)
    assert bench.became == ["link failed"]
    assert not bench.vault.key_changes.pending()


def test_another_meter_before_a_key_change_began_is_written_down(bench: Bench) -> None:
    plan = bench.service.plan("change-key", bench.choice, {})
    bench.lock.faults.wrong_identity = Address.of("SIM", "10009999", 1, 7)
    with pytest.raises(WrongMeter):
        bench.service.execute(plan)
    assert bench.became == ["link failed"]
