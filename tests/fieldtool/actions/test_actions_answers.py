"""Answers that somebody on the line made up or recorded: the tool says that they are not proved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fieldtool.actions.errors import LinkSilent, WrongMeter
from fieldtool.errors import AccessError
from protocols.actions.messages import NO_MAC, Challenge, Hello, Result, WhichKey, parse_message
from protocols.actions.results import ResultCode
from protocols.mbus.wired import LongFrame
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
    assert (outcome.ok, outcome.authentic) == (False, False)
    assert "proves its answer" in outcome.problem
    assert bench.became[-1] == "done, but the answer is not proved"


def test_an_answer_whose_proof_was_taken_off_is_told(bench: Bench) -> None:
    honest = bench.link.exchange

    def strip(message: bytes) -> bytes:
        answer = honest(message)
        parsed = parse_message(answer)
        return replace(parsed, mac=NO_MAC).to_bytes() if isinstance(parsed, Result) else answer

    bench.link.exchange = strip  # type: ignore[method-assign]
    outcome = bench.do("customer-number", number="4711")
    assert (outcome.ok, outcome.authentic) == (False, False)
    assert "proves its answer" in outcome.problem
    assert bench.became == ["begun", "done, but the answer is not proved"]


def test_who_swallows_a_command_and_answers_himself_does_not_pass_for_the_meter(bench: Bench) -> None:
    honest, read_out = bench.link.exchange, bench.link.read_out
    swallowed: list[bytes] = []

    def between(message: bytes) -> bytes:
        if message[0] != PROOF:
            return honest(message)
        swallowed.append(message)
        # He knows what is on the line, and keeps a meter of his own to be read out.
        bench.lock.state = replace(bench.lock.state, customer_number="4711")
        return Result(message[1:5], ResultCode.DONE, mac=b"M" * 16).to_bytes()

    bench.link.exchange = between  # type: ignore[method-assign]
    bench.link.read_out = read_out  # type: ignore[method-assign]
    outcome = bench.do("customer-number", number="4711")
    assert swallowed
    assert outcome.matches
    assert not outcome.ok
    assert "none of the keys that are filed for the meter proves its answer" in outcome.problem
    assert outcome.notes == ()


def test_a_read_out_of_another_meter_is_not_shown_for_the_one_that_is_set_up(bench: Bench) -> None:
    honest = bench.link.read_out
    number = bench.meter.address.to_transport()[:4]

    def other(part: bytes) -> bytes:
        body = part[4:-2].replace(number, bytes.fromhex("78563412"))
        return LongFrame(body[0], body[1], body[2], body[3:]).to_bytes()

    bench.link.read_out = lambda: [other(part) for part in honest()]  # type: ignore[method-assign]
    with pytest.raises(WrongMeter, match="12345678"):
        bench.do("customer-number", number="4711")
    bench.link.read_out = lambda: [honest()[0], other(honest()[1])]  # type: ignore[method-assign]
    with pytest.raises(WrongMeter, match="12345678"):
        bench.do("customer-number", number="4711")
    assert bench.lock.state.customer_number == ""


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
