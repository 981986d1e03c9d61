"""Actions against a meter's lock: planned, checked by both sides, read back, and every attempt in the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from fieldtool.actions.action_log import ActionLog
from fieldtool.actions.errors import ActionRefused, LinkLost, LinkSilent, WrongMeter
from fieldtool.actions.links import MeterChoice
from fieldtool.actions.plan import ActionPlan
from fieldtool.actions.read_out import take_read_out
from fieldtool.errors import UsageError
from keystore.certificates import enrolment
from keystore.certificates.errors import NotPermitted
from keystore.certificates.grant import Scope
from keystore.certificates.levels import level_table
from keystore.certificates.revocation import read_list
from protocols.actions.event_log import EventKind
from protocols.actions.parameters import Argument
from protocols.actions.results import ResultCode
from protocols.actions.table import FORMS
from protocols.model import Address
from simulators.certificate_desk.issuing import issue_list
from tests.fieldtool.action_bench import Bench, Clock, make_bench, make_vault
from tests.keystore.certificates.desks import DAY, ORGANISATION

EVERYTHING = "service+test"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = Clock()
    with make_vault(tmp_path / "keys.vault", clock) as vault:
        yield make_bench(vault, clock)


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


def test_a_level_that_is_too_low_is_refused_by_the_tool(bench: Bench) -> None:
    bench.enrol("installer")
    plan = bench.service.plan("reset-alarms", bench.choice, {})
    assert plan.why_not == "to reset the alarms needs level Service, in use is Installer"
    heard = len(bench.link.heard)
    with pytest.raises(NotPermitted, match="needs level Service, in use is Installer"):
        bench.service.execute(plan)
    assert len(bench.link.heard) == heard, "nothing was sent"
    assert bench.became == ["refused by the tool"]
    assert bench.log[0]["reason"] == plan.why_not


def patched(bench: Bench, plan: ActionPlan) -> None:
    """Do what a tool would do whose own check was taken out."""
    service, standing = bench.service, bench.service.standing()
    credential = bench.wallet.active_credential
    assert credential is not None
    evidence = service.evidence(standing) if standing.chain is not None else None
    if evidence is None:
        issuers = tuple(one.data for one in credential.issuers)
        from fieldtool.actions.session import Evidence

        evidence = Evidence(credential, issuers, bench.wallet.lists)
    log = ActionLog(bench.vault, plan.action.name, plan.meter, standing, plan.parameter)
    service._perform(plan, evidence, log)


def test_a_patched_tool_is_refused_by_the_meter(bench: Bench) -> None:
    bench.enrol("installer")
    before = bench.lock.state
    with pytest.raises(ActionRefused, match="wants a higher level") as refused:
        patched(bench, bench.service.plan("reset-alarms", bench.choice, {}))
    assert refused.value.code == ResultCode.LEVEL_TOO_LOW
    assert "Service" in refused.value.message
    assert bench.lock.state.alarms == before.alarms != 0
    assert bench.fates[0] is EventKind.REFUSED
    assert bench.became == ["begun", "refused by the meter"]


@pytest.mark.parametrize(
    ("scope", "why"),
    [
        (Scope(ORGANISATION, numbers=(20000000, 29999999)), "meters 20000000 to 29999999"),
        (Scope(ORGANISATION, manufacturers=frozenset({"KAM"})), "meters of KAM"),
        (Scope(ORGANISATION, families=frozenset({"other family"})), "other family"),
    ],
    ids=["numbers", "makers", "families"],
)
def test_a_meter_outside_of_the_scope_is_refused_by_both(bench: Bench, scope: Scope, why: str) -> None:
    bench.enrol("service", scope)
    plan = bench.service.plan("reset-alarms", bench.choice, {})
    assert why in plan.why_not
    with pytest.raises(NotPermitted, match=why):
        bench.service.execute(plan)
    with pytest.raises(ActionRefused, match=why) as refused:
        patched(bench, plan)
    assert refused.value.code == ResultCode.OUT_OF_SCOPE


def test_an_expired_certificate_is_refused_by_both(bench: Bench) -> None:
    bench.enrol("service")
    bench.clock.pass_by(89 * DAY)
    bench.service.standing()
    bench.clock.pass_by(3 * DAY)
    plan = bench.service.plan("reset-alarms", bench.choice, {})
    assert "expired" in plan.why_not
    with pytest.raises(NotPermitted, match="expired"):
        bench.service.execute(plan)
    with pytest.raises(ActionRefused) as refused:
        patched(bench, plan)
    assert refused.value.code == ResultCode.NOT_VALID_NOW


def test_a_list_that_the_meter_does_not_know_comes_with_the_proof(bench: Bench) -> None:
    bench.enrol("service")
    bench.enrol("installer")
    stolen = bench.enrol("service")
    bench.desk.revoke(stolen, bench.clock())
    revocations = bench.desk.revocation_list(bench.clock())
    plan = bench.service.plan("reset-alarms", bench.choice, {})
    bench.change_wallet(lambda wallet: enrolment.import_list(wallet, revocations, bench.clock())[0])
    with pytest.raises(NotPermitted, match="revoked"):
        bench.service.execute(plan)
    bench.change_wallet(lambda wallet: enrolment.use(wallet, "service 0", bench.clock()))
    assert bench.service.execute(plan).ok
    assert bench.lock.state.lists == (revocations,), "an honest tool brings the meter up to date"
    bench.change_wallet(lambda wallet: replace(wallet, lists=(), active=wallet.credentials[-1].certificate.fingerprint))
    with pytest.raises(ActionRefused) as refused:
        bench.do("reset-alarms")
    assert refused.value.code == ResultCode.REVOKED


def test_a_list_that_is_too_long_for_the_link_is_left_out(bench: Bench) -> None:
    bench.enrol("service")
    revoked = [(number << 40 | 1, bench.clock()) for number in range(1, 300)]
    long = read_list(issue_list(bench.desk.issuer, revoked, 1, bench.clock(), 30 * DAY))
    assert len(long.data) > 6144
    bench.change_wallet(lambda wallet: replace(wallet, lists=(long,)))
    assert bench.do("reset-alarms").ok
    assert not bench.lock.state.lists
    setattr(bench.link, "longest_message", 15360)  # noqa: B010 - what a link may have
    assert bench.do("reset-peaks").ok
    assert bench.lock.state.lists == (long.data,)


def test_a_clock_that_was_set_back_leaves_nothing_but_reading(bench: Bench) -> None:
    bench.enrol("service")
    bench.service.standing()
    bench.clock.pass_by(-3 * DAY)
    with pytest.raises(NotPermitted, match="the clock was set back"):
        bench.do("reset-alarms")
    assert take_read_out(bench.link, bench.vault.keys_for).meter == bench.meter.address


def test_another_meter_than_the_one_named_is_not_touched(bench: Bench) -> None:
    bench.enrol("service")
    with pytest.raises(WrongMeter, match="not 99999999"):
        bench.service.plan("reset-alarms", MeterChoice("99999999"), {})
    plan = bench.service.plan("reset-alarms", bench.choice, {})
    other = Address.of("SIM", "10009999", 1, 7)
    bench.lock.faults.wrong_identity = other
    with pytest.raises(WrongMeter, match="10009999"):
        bench.service.execute(plan)
    assert bench.lock.state.alarms
    assert bench.became == ["link failed", "link failed"]
    subjects = [one.subject for one in bench.vault.audit.entries() if one.action == "meter_action"]
    assert subjects == ["99999999", "SIM 10002345"]


@pytest.mark.parametrize("seen", ["the command", "the signature"])
def test_what_is_changed_on_the_line_is_refused(bench: Bench, seen: str) -> None:
    bench.enrol("service")
    plan = bench.service.plan("customer-number", bench.choice, {"number": "4711"})

    def tamper(message: bytes) -> bytes:
        if message[0] != 3:
            return message
        return message.replace(b"1174", b"1199") if seen == "the command" else message[:-1] + bytes((message[-1] ^ 1,))

    bench.link.tamper = tamper
    with pytest.raises(ActionRefused, match="signature") as refused:
        bench.service.execute(plan)
    assert refused.value.code == ResultCode.BAD_SIGNATURE
    assert bench.lock.state.customer_number == ""


def test_a_proof_that_was_recorded_opens_nothing(bench: Bench) -> None:
    bench.enrol("service")
    bench.do("customer-number", number="4711")
    recorded = bench.link.heard[-1]
    assert recorded[0] == 3
    state = bench.lock.state
    assert bench.link.exchange(recorded)[5] == ResultCode.REPLAY
    bench.service.plan("clock", bench.choice, {})
    assert bench.link.exchange(recorded)[5] == ResultCode.REPLAY
    assert bench.lock.state.customer_number == state.customer_number


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
    clock = Clock()
    with make_vault(tmp_path / "keys.vault", clock) as vault:
        bench = make_bench(vault, clock, with_key=False)
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
        ("read-out", {}, "read-out is no action that writes"),
        ("pulse-value", {}, "needs the pulse value: 1 to 10000 l"),
        ("pulse-value", {"litres": 0}, "'0' is no pulse value"),
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
