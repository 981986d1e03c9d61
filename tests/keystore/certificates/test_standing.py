"""What may be done right now: dates, clock, revocation, keys, scope."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from keystore.certificates import enrolment
from keystore.certificates.clock import ClockState, judge_clock
from keystore.certificates.errors import NotPermitted
from keystore.certificates.grant import Grant, Scope
from keystore.certificates.levels import EVERYTHING, Capability, level_table
from keystore.certificates.standing import Standing, standing_of
from keystore.certificates.wallet import SigningKey, Wallet, decode_wallet, encode_wallet
from keystore.errors import Damaged, NewerFormat
from tests.keystore.certificates.desks import DAY, START, bytes_of, enrolled, grant_of, make_desk, trusting


def standing(wallet: Wallet, after: timedelta) -> Standing:
    """As of some days after the start, the clock having been seen the day before."""
    now = START + after
    return standing_of(wallet.seen(now - timedelta(hours=1)), now)


def test_nobody_is_a_consumer_and_may_read() -> None:
    nobody = standing_of(Wallet(), START)
    actions = level_table().actions
    assert (nobody.title, nobody.reasons) == ("Consumer", ("no certificate is in use",))
    assert nobody.why_not(actions["read-out"], "KAM", None, "63001468") == ""
    told = nobody.why_not(actions["clock"], "KAM", None, "63001468")
    assert (
        told
        == "level Installer or Commissioner or Service is needed to set the clock; the level in use is Consumer: "
        + ("no certificate is in use")
    )


def test_what_is_not_permitted_is_raised() -> None:
    desk = make_desk()
    now = standing(enrolled(desk, trusting(desk)), DAY)
    actions = level_table().actions
    now.require(actions["clock"], "KAM", None, "63001468")
    with pytest.raises(NotPermitted, match="level Service is needed to change the meter's key and update the keystore"):
        now.require(actions["change-key"], "KAM", None, "63001468")


@pytest.mark.parametrize("level", ["installer", "commissioner", "service", "test", "service+test"])
def test_every_level_allows_what_it_should(level: str) -> None:
    desk = make_desk()
    now = standing(enrolled(desk, trusting(desk), level), DAY)
    allowed = {name for name, one in level_table().actions.items() if not now.why_not(one, "KAM", None, "63001468")}
    held = grant_of(level).capabilities
    assert allowed == {name for name, one in level_table().actions.items() if one.needs in held}
    assert now.title.casefold() == level


def test_a_certificate_warns_and_expires() -> None:
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk))
    assert standing(wallet, 334 * DAY).warnings == ()
    last_month = standing(wallet, 335 * DAY)
    assert (last_month.days_left, last_month.warnings) == (30, ("the certificate expires in 30 days",))
    begun = standing(wallet, 335 * DAY + timedelta(hours=12))
    assert (begun.days_left, begun.warnings) == (30, ("the certificate expires in 30 days",))
    assert standing(wallet, 365 * DAY).warnings == ("the certificate expires today",)
    assert standing(wallet, 365 * DAY).days_left == 0
    over = standing(wallet, 365 * DAY + timedelta(seconds=1))
    assert (over.title, over.warnings) == ("Consumer", ())
    assert "expired on 2027-11-20" in over.reasons[0]


@pytest.mark.parametrize(
    ("after", "days"),
    [(timedelta(0), 365), (timedelta(seconds=5), 365), (DAY, 364), (365 * DAY - timedelta(seconds=1), 1)],
)
def test_a_day_that_has_begun_counts_as_left(after: timedelta, days: int) -> None:
    desk = make_desk()
    assert standing(enrolled(desk, trusting(desk)), after).days_left == days


def test_service_and_test_live_shorter() -> None:
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk), "service")
    assert standing(wallet, 90 * DAY).title == "Service"
    assert standing(wallet, 91 * DAY).title == "Consumer"


@pytest.mark.parametrize(
    ("moved", "state"),
    [
        (timedelta(0), ClockState.TRUSTED),
        (-timedelta(hours=24), ClockState.TRUSTED),
        (-timedelta(hours=24, seconds=1), ClockState.SET_BACK),
        (-400 * DAY, ClockState.SET_BACK),
        (90 * DAY, ClockState.TRUSTED),
        (90 * DAY + timedelta(seconds=1), ClockState.FAR_AHEAD),
        (4000 * DAY, ClockState.FAR_AHEAD),
    ],
)
def test_the_clock_is_compared_with_the_latest_time_seen(moved: timedelta, state: ClockState) -> None:
    judgement = judge_clock(START, START + moved)
    assert judgement.state is state
    assert bool(judgement.reason) != judgement.is_trusted
    assert judge_clock(None, START + moved).is_trusted


def test_a_clock_set_back_makes_a_consumer_until_it_is_right_again() -> None:
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk)).seen(START + 400 * DAY)
    back = standing_of(wallet, START + 10 * DAY)
    assert back.title == "Consumer"
    assert "the clock was set back: it says 2026-11-30 08:00 UTC" in back.reasons[0]
    right = standing_of(wallet, START + 400 * DAY)
    assert "expired" in right.reasons[0]


def test_a_clock_far_ahead_makes_a_consumer_until_it_is_confirmed() -> None:
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk))
    now = START + 200 * DAY
    assert "200 days after the latest time seen" in standing_of(wallet, now).reasons[0]
    assert standing_of(enrolment.confirm_clock(wallet, now), now).title == "Installer"


def test_a_wrong_clock_that_was_believed_is_corrected_but_not_behind_what_is_proven() -> None:
    desk = make_desk()
    wallet = enrolment.confirm_clock(enrolled(desk, trusting(desk)), START + 3000 * DAY)
    assert standing_of(wallet, START + DAY).title == "Consumer"
    corrected = enrolment.correct_clock(wallet, START + DAY)
    assert standing_of(corrected, START + DAY).title == "Installer"
    before_it_was_made = enrolment.correct_clock(wallet, START - 500 * DAY)
    assert before_it_was_made.latest_seen == START
    assert standing_of(before_it_was_made, START - 500 * DAY).title == "Consumer"


def test_an_overdue_list_lowers_the_level_and_never_locks_out_reading() -> None:
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk), "service")
    wallet, revocations = enrolment.import_list(wallet, desk.revocation_list(START), START)
    due = revocations.next_update - START
    grace = level_table().policy.revocation_grace
    assert standing(wallet, due).warnings == ()
    in_grace = standing(wallet, due + grace)
    assert (in_grace.title, in_grace.warnings) == (
        "Service",
        ("a revocation list is overdue: import the next one by 2027-01-03",),
    )
    overdue = standing(wallet, due + grace + timedelta(seconds=1))
    assert overdue.title == "Installer"
    assert overdue.reasons == ("the revocation list was due on 2026-12-20: at most Installer",)
    assert overdue.why_not(level_table().actions["read-out"], None, None, "") == ""
    assert overdue.why_not(level_table().actions["clock"], None, None, "") == ""
    assert "Service" in overdue.why_not(level_table().actions["change-key"], None, None, "")


def test_an_overdue_list_leaves_a_tester_reading() -> None:
    desk = make_desk()
    wallet, _ = enrolment.import_list(enrolled(desk, trusting(desk), "test"), desk.revocation_list(START), START)
    assert standing(wallet, 60 * DAY).title == "Consumer"


def test_the_next_list_brings_the_level_back() -> None:
    desk = make_desk()
    wallet, _ = enrolment.import_list(enrolled(desk, trusting(desk), "service"), desk.revocation_list(START), START)
    now = START + 60 * DAY
    wallet, _ = enrolment.import_list(wallet, desk.revocation_list(now), now)
    assert standing_of(wallet.seen(now), now).title == "Service"


def test_a_revoked_certificate_allows_nothing() -> None:
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk))
    desk.revoke("anna", START)
    wallet, _ = enrolment.import_list(wallet, desk.revocation_list(START), START)
    assert "was revoked: it is on list 1 of Desk issuer 1" in standing(wallet, DAY).reasons[0]


def test_a_removed_anchor_takes_its_certificates_along() -> None:
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk))
    wallet = enrolment.remove_anchor(wallet, desk.anchor.certificate.fingerprint)
    assert "no installed trust anchor" in standing(wallet, DAY).reasons[0]


def test_a_certificate_without_its_key_allows_nothing() -> None:
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk))
    copied = replace(wallet, credentials=(replace(wallet.credentials[0], key=SigningKey.generate()),))
    assert standing(copied, DAY).reasons == ("the certificate's key is not in this store",)


def test_an_issuer_that_may_grant_less_counts() -> None:
    desk = make_desk()
    most = Grant(Capability.READ | Capability.INSTALL, Scope(manufacturers=frozenset({"KAM"})))
    desk.new_issuer("Small issuer", START, most)
    now = standing(enrolled(desk, trusting(desk), "service"), DAY)
    assert now.title == "Installer"
    clock = level_table().actions["clock"]
    assert now.why_not(clock, "KAM", None, "63001468") == ""
    assert now.why_not(clock, "ELS", None, "63001468") == "the certificate is for meters of KAM"


def test_a_wallet_is_kept_whole_and_shows_no_secret() -> None:
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk))
    wallet, pending = enrolment.make_request(wallet, desk.order(grant_of("service"), 1, START)[1][0], "bert", START)
    wallet, _ = enrolment.import_list(wallet, desk.revocation_list(START), START)
    assert decode_wallet(encode_wallet(wallet)) == wallet
    secrets = [pending.token.secret, pending.key.pkcs8[40:60], wallet.credentials[0].key.pkcs8[40:60]]
    for secret in secrets:
        assert repr(secret)[2:-1] not in repr(wallet)
        assert secret.hex() not in repr(wallet)


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"", Damaged), (b"[]", Damaged), (b"{}", Damaged), (b'{"version": 2}', NewerFormat), (b"\xff", Damaged)],
)
def test_what_is_no_wallet(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_wallet(data)


def test_the_key_signs_what_the_certificate_verifies() -> None:
    desk = make_desk()
    credential = enrolled(desk, trusting(desk)).credentials[0]
    signature = credential.key.sign(b"challenge")
    credential.certificate.public_key.verify(signature, b"challenge", ec.ECDSA(SHA256()))


def test_it_is_quick_enough_to_ask_before_every_action() -> None:
    """A few signatures to check: well below what a person notices, on any machine."""
    desk = make_desk()
    wallet = enrolled(desk, trusting(desk))
    began = datetime.now(tz=START.tzinfo)
    for _ in range(20):
        standing(wallet, DAY)
    assert datetime.now(tz=START.tzinfo) - began < timedelta(seconds=2)


def test_an_answer_holds_everything_that_its_chain_needs() -> None:
    desk = make_desk()
    wallet, pending = enrolment.make_request(trusting(desk), desk.order(grant_of("test"), 1, START)[1][0], "x", START)
    plan = enrolment.plan_import(wallet, bytes_of(desk.answer(pending.request, START)), START)
    assert [one.common_name for one in plan.chain.certificates] == ["x", "Desk issuer 1", "Desk trust anchor"]
    assert plan.chain.grant.capabilities & EVERYTHING == Capability.READ | Capability.TEST
