"""Who may not: refused by the tool before anything is sent, and by the meter when the tool was changed to send it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from fieldtool.actions.action_log import ActionLog
from fieldtool.actions.errors import ActionRefused, WrongMeter
from fieldtool.actions.links import MeterChoice
from fieldtool.actions.plan import ActionPlan
from fieldtool.actions.read_out import take_read_out
from fieldtool.actions.service import ActionService
from fieldtool.actions.session import Evidence
from fieldtool.enrolment import Enrolment, Source
from fieldtool.tui.action_run import StoppableLink
from fieldtool.tui.certificate_access import look_at
from keystore.certificates import enrolment
from keystore.certificates.errors import NotPermitted
from keystore.certificates.grant import Scope
from keystore.certificates.revocation import read_list
from keystore.vault import KdfParameters, Vault, VaultSettings, WitnessFolder
from protocols.actions.event_log import EventKind
from protocols.actions.messages import Proof, parse_message
from protocols.actions.results import ResultCode
from protocols.model import Address
from simulators.certificate_desk.issuing import issue_list
from tests.fieldtool.actions.action_bench import PASSPHRASE, Bench, Clock, LockLink, make_bench
from tests.keystore.certificates.desks import DAY, ORGANISATION


def test_a_level_that_is_too_low_is_refused_by_the_tool(bench: Bench) -> None:
    bench.enrol("installer")
    plan = bench.service.plan("reset-alarms", bench.choice, {})
    assert plan.why_not == "level Service is needed to reset the alarms; the level in use is Installer"
    heard = len(bench.link.heard)
    with pytest.raises(NotPermitted, match="level Service is needed"):
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
    bench.link.longest_message = 15360
    # As the screens reach it: over a link that can be stopped.
    service = ActionService(bench.vault, StoppableLink(bench.link, Event()), bench.clock)
    assert service.execute(service.plan("reset-peaks", bench.choice, {})).ok
    assert bench.lock.state.lists == (long.data,)


def test_the_list_of_a_second_issuer_comes_along_whatever_its_number(bench: Bench) -> None:
    desk, now = bench.desk, bench.clock()
    first = bench.enrol("service")
    high = [desk.revocation_list(now) for _ in range(5)][-1]
    bench.change_wallet(lambda wallet: enrolment.import_list(wallet, high, now)[0])
    assert bench.do("reset-alarms").ok
    desk.new_issuer("Second", now)
    stolen, kept = bench.enrol("service"), bench.enrol("service")
    desk.revoke(stolen, now)
    low = desk.revocation_list(now)
    assert (read_list(low).number, read_list(high).number) == (1, 5)
    bench.change_wallet(lambda wallet: enrolment.import_list(wallet, low, now)[0])
    bench.change_wallet(lambda wallet: enrolment.use(wallet, kept, now))
    assert bench.do("reset-peaks").ok
    assert bench.lock.state.lists == (high, low)
    for tag in (kept, first):
        bench.change_wallet(lambda wallet, tag=tag: enrolment.use(wallet, tag, now))  # type: ignore[misc]
        heard = len(bench.link.heard)
        assert bench.do("reset-alarms").ok
        sent = [parse_message(message) for message in bench.link.heard[heard:]]
        assert [len(one.lists) for one in sent if isinstance(one, Proof)] == [0], "what the meter has stays here"
    thief = next(one for one in bench.wallet.credentials if one.tag == stolen)
    bench.change_wallet(lambda wallet: replace(wallet, lists=(), active=thief.certificate.fingerprint))
    with pytest.raises(ActionRefused) as refused:
        bench.do("reset-alarms")
    assert refused.value.code == ResultCode.REVOKED


def test_a_list_that_is_too_long_keeps_no_other_back(bench: Bench) -> None:
    desk, now = bench.desk, bench.clock()
    bench.enrol("service")
    revoked = [(number << 40 | 1, now) for number in range(1, 300)]
    long = read_list(issue_list(desk.issuer, revoked, 1, now, 30 * DAY))
    short = read_list(desk.revocation_list(now - DAY, issuer=desk.anchor))
    bench.change_wallet(lambda wallet: replace(wallet, lists=(long, short)))
    assert bench.do("reset-alarms").ok
    assert bench.lock.state.lists == (short.data,)
    bench.link.longest_message = 15360
    assert bench.do("reset-peaks").ok
    assert list(bench.lock.state.lists) == [short.data, long.data]


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


def test_an_older_copy_of_the_whole_store_leaves_nothing_but_reading_until_it_is_accepted(tmp_path: Path) -> None:
    clock, path, older = Clock(), tmp_path / "keys.vault", tmp_path / "older"
    settings = VaultSettings(actor="anna", now=clock, witness=WitnessFolder(tmp_path / "state"))
    with Vault.create(path, PASSPHRASE, KdfParameters(64, 1, 1), settings=settings) as vault:
        bench = make_bench(vault, clock)
        tag = bench.enrol("service")
    shutil.copy(path, older)
    with Vault.open(path, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        bench.desk.revoke(tag, clock())
        revocations = bench.desk.revocation_list(clock())
        Enrolment(vault, clock()).import_list(Source("list.crl", revocations))
    shutil.copy(older, path)
    with Vault.open(path, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        restored = replace(bench, vault=vault, link=LockLink(bench.lock, clock))
        assert restored.service.standing().title == look_at(vault).level == "Consumer"
        with pytest.raises(NotPermitted, match="not the one that was last used here"):
            restored.do("reset-alarms")
        vault.accept_history()
        assert restored.service.standing().title == "Service"
        assert restored.do("reset-alarms").ok
