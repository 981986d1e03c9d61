"""Actions against a meter's lock: planned, checked by both sides, read back, and every attempt in the audit log."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from fieldtool.actions.errors import ActionRefused, LinkLost, LinkSilent
from fieldtool.actions.read_out import take_read_out
from fieldtool.errors import UsageError
from keystore.certificates.levels import level_table
from protocols.actions.parameters import Argument
from protocols.actions.results import ResultCode
from protocols.actions.table import FORMS
from tests.fieldtool.actions.action_bench import Bench, open_bench

EVERYTHING = "service+test"


WRITES: dict[str, tuple[dict[str, Argument], str, object]] = {
    "customer-number": ({"number": "4711-A"}, "customer_number", "4711-A"),
    "primary-address": ({"address": 17}, "primary_address", 17),
    "start-radio": ({}, "radio_on", True),
    "pulse-value": ({"litres": 10}, "pulse_litres", 10),
    "due-date": ({"date": date(2027, 6, 30)}, "due_date", date(2027, 6, 30)),
    "radio-interval": ({"seconds": 900}, "radio_interval_s", 900),
    "radio-profile": ({"profile": "walk-by"}, "radio_profile", 3),
    "reset-alarms": ({}, "alarms", 0),
}


@pytest.mark.parametrize("action", WRITES)
def test_what_was_written_is_read_back(bench: Bench, action: str) -> None:
    bench.enrol(EVERYTHING)
    arguments, name, expected = WRITES[action]
    assert getattr(bench.lock.state, name) != expected
    outcome = bench.do(action, **arguments)
    assert getattr(bench.lock.state, name) == expected
    assert (outcome.ok, outcome.matches, outcome.authentic) == (True, True, True)
    assert outcome.after != outcome.plan.before
    assert bench.became == ["begun", "done"]
    entry = bench.log[-1]
    credential = bench.wallet.active_credential
    assert credential is not None
    assert (entry["meter_action"], entry["level"]) == (action, "Service+Test")
    assert entry["serial"] == credential.certificate.serial_text
    assert entry.get("parameter", "") == outcome.plan.parameter


def test_every_action_of_the_table_can_be_done(bench: Bench) -> None:
    bench.enrol(EVERYTHING)
    done = ["start-radio", *(name for name in FORMS if name not in ("start-radio", "confirm-installation"))]
    for action in [*done, "confirm-installation"]:
        arguments = WRITES[action][0] if action in WRITES else {}
        outcome = bench.do(action, **arguments)
        assert outcome.ok, action
        assert outcome.matches is not False, action
    assert set(done) | {"confirm-installation"} == set(level_table().actions) - {"read-out"}
    assert bench.vault.audit.verify().ok


def test_the_clock_is_set_to_the_moment_of_sending(bench: Bench) -> None:
    bench.enrol("installer")
    bench.lock.state = replace(bench.lock.state, clock_offset_s=-3600)
    plan = bench.service.plan("clock", bench.choice, {})
    assert any("60 minutes behind" in note for note in plan.notes)
    bench.clock.pass_by(timedelta(minutes=7))
    assert bench.service.execute(plan).matches
    assert bench.lock.state.clock_offset_s == 0


def test_a_plan_says_what_happens_and_changes_nothing(bench: Bench) -> None:
    bench.enrol("commissioner")
    before = bench.lock.state
    plan = bench.service.plan("pulse-value", bench.choice, {"litres": 10})
    assert plan.summary == f"meter {bench.meter.address}: set the pulse value: 10 l"
    assert plan.written == "51 0293280A00"
    assert (plan.needs, plan.standing.title, plan.why_not) == ("Commissioner or Service", "Commissioner", "")
    assert plan.reconfigurations_left == 20
    assert "0.001" in plan.before
    assert bench.lock.state == before
    assert bench.log == []


def test_reconfigurations_are_counted_down(bench: Bench) -> None:
    bench.enrol("commissioner")
    bench.lock.state = replace(bench.lock.state, reconfigurations_left=1)
    assert bench.do("radio-interval", seconds=60).reconfigurations_left == 0
    with pytest.raises(ActionRefused, match="no reconfigurations left") as refused:
        bench.do("radio-interval", seconds=70)
    assert refused.value.code == ResultCode.NO_RECONFIGURATIONS
    assert bench.lock.state.radio_interval_s == 60


@pytest.mark.parametrize("point", ["received", "applied"])
def test_a_pulled_cable_leaves_a_clear_line(bench: Bench, point: str) -> None:
    bench.enrol("service")
    plan = bench.service.plan("customer-number", bench.choice, {"number": "4711"})
    bench.lock.faults.cut_after = point
    with pytest.raises(LinkLost, match="whether it was done is not known"):
        bench.service.execute(plan)
    assert bench.lock.state.customer_number == ("4711" if point == "applied" else "")
    assert bench.became == ["begun", "link failed"]
    bench.link.unplugged = False
    assert bench.service.execute(plan).ok


def test_a_repeated_proof_whose_answer_was_lost_counts_when_it_is_read_back(bench: Bench) -> None:
    """A link that sends a message again to a meter that has forgotten it is answered with a replay."""
    bench.enrol("service")
    plan = bench.service.plan("customer-number", bench.choice, {"number": "4711"})

    def twice(message: bytes) -> None:
        if message[0] == 3:
            bench.lock.receive(message, bench.clock())

    bench.link.before = twice
    outcome = bench.service.execute(plan)
    assert outcome.ok
    assert outcome.matches
    assert any("answer was lost" in note for note in outcome.notes)


@pytest.mark.parametrize("lost", ["question", "answer"])
def test_what_became_of_a_command_whose_answer_was_lost_is_found_out(bench: Bench, lost: str) -> None:
    bench.enrol("service")
    plan = bench.service.plan("customer-number", bench.choice, {"number": "4711"})

    def lose(message: bytes) -> None:
        if message[0] == 3:
            setattr(bench.link, f"lost_{lost}s", 1)

    bench.link.before = lose
    if lost == "answer":
        outcome = bench.service.execute(plan)
        assert any("answer was lost" in note for note in outcome.notes)
        assert bench.became == ["begun", "link failed", "done"]
    else:
        with pytest.raises(LinkSilent, match="it was not done: it shows customer"):
            bench.service.execute(plan)
        late = bench.lock.receive(bench.link.heard[-1], bench.clock())
        assert late[5] != ResultCode.DONE
        assert bench.became == ["begun", "link failed", "link failed"]
    assert bench.lock.state.customer_number == ("4711" if lost == "answer" else "")


def test_a_meter_that_shows_something_else_afterwards_is_told(bench: Bench) -> None:
    bench.enrol("service")
    plan = bench.service.plan("customer-number", bench.choice, {"number": "4711"})
    honest = bench.link.read_out

    def read_out() -> list[bytes]:
        bench.lock.state = replace(bench.lock.state, customer_number="4712")
        return honest()

    bench.link.read_out = read_out  # type: ignore[method-assign]
    outcome = bench.service.execute(plan)
    assert not outcome.ok
    assert "4712" in outcome.problem
    assert bench.became == ["begun", "done, but the read-out differs"]


def test_an_answer_that_no_filed_key_proves_is_told(tmp_path: Path) -> None:
    with open_bench(tmp_path / "keys.vault", with_key=False) as bench:
        bench.enrol("installer")
        outcome = bench.do("customer-number", number="4711")
        assert (outcome.ok, outcome.authentic) == (True, False)
        assert any("proves its answer" in note for note in outcome.notes)
        bench.lock.state = replace(bench.lock.state, key=None)
        assert bench.do("customer-number", number="4712").authentic is None


def test_the_event_log_is_read(bench: Bench) -> None:
    bench.enrol("service")
    bench.do("customer-number", number="4711")
    outcome = bench.do("event-log")
    assert any("customer-number done" in event.words for event in outcome.events)


def test_the_test_mode_shows_more_digits(bench: Bench) -> None:
    bench.enrol("test")
    outcome = bench.do("test-mode", minutes=5)
    assert outcome.matches
    read_out = take_read_out(bench.link, bench.vault.keys_for)
    volumes = [record.value for one in read_out.telegrams for record in one.records if record.quantity == "volume"]
    assert any(isinstance(value, Decimal) and value.as_tuple().exponent == -6 for value in volumes)


@pytest.mark.parametrize(
    ("action", "arguments", "why"),
    [
        ("read-out", {}, "read-out is not an action that writes"),
        ("pulse-value", {}, "needs the pulse value: 1 to 10000 l"),
        ("pulse-value", {"litres": 0}, "'0' is not a pulse value"),
        ("pulse-value", {"liters": 1}, "no parameter"),
        ("change-key", {"wrapped_key": bytes(24)}, "a key is never typed in"),
    ],
)
def test_bad_wishes_are_refused_before_anything_is_sent(
    bench: Bench, action: str, arguments: dict[str, Argument], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        bench.service.plan(action, bench.choice, arguments)
    assert bench.link.heard == []


def test_a_locked_meter_says_so_and_it_is_written_down(bench: Bench) -> None:
    bench.enrol("service")
    until = int(bench.clock().timestamp()) + 60
    bench.lock.state = replace(bench.lock.state, locked_until=until)
    with pytest.raises(ActionRefused, match="locked after too many failures: for 60 s more"):
        bench.service.plan("reset-alarms", bench.choice, {})
    assert bench.became == ["refused by the meter"]


def test_a_meter_that_does_not_answer_is_one_clear_line(bench: Bench) -> None:
    bench.enrol("service")
    plan = bench.service.plan("reset-alarms", bench.choice, {})
    bench.link.lost_questions = 9
    with pytest.raises(LinkSilent, match="does not answer"):
        bench.service.execute(plan)
    assert bench.became == ["link failed"]
