"""Enrolment step by step, and every refusal with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from keystore.certificates import enrolment
from keystore.certificates.certificate import read_certificate
from keystore.certificates.certificate_store import CertificateEvent, CertificateStore, Note
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.grant import Grant
from keystore.certificates.levels import EVERYTHING
from keystore.certificates.request import build_request
from keystore.certificates.revocation import read_list
from keystore.certificates.standing import standing_of
from keystore.certificates.wallet import SigningKey, Wallet
from simulators.certificate_desk.desk import CertificateDesk
from simulators.certificate_desk.issuing import issue_anchor, issue_certificate, issue_list
from tests.keystore.certificates.desks import (
    DAY,
    START,
    DocumentsInMemory,
    bytes_of,
    enrolled,
    grant_of,
    impostor_of,
    make_desk,
    requested,
    token_of,
    trusting,
)

_R = RejectReason


def refused(step: Callable[[], object]) -> RejectReason:
    with pytest.raises(CertificateRejected) as caught:
        step()
    assert caught.value.message
    return caught.value.reason


def signed(desk: CertificateDesk, wallet: Wallet, **change: object) -> bytes:
    """A certificate for the first waiting request, as the desk would make it but for `change`."""
    pending = wallet.requests[0]
    made = {
        "public_key": pending.key.open().public_key(),
        "tag": pending.tag,
        "grant": grant_of("installer"),
        "now": START,
        "validity": 100 * DAY,
        "issuer": desk.issuer,
        "random_bytes": Random(9).randbytes,
    }
    return issue_certificate(**{**made, **change}).data + desk.issuer.certificate.data  # type: ignore[arg-type]


@pytest.fixture
def desk() -> CertificateDesk:
    return make_desk()


@pytest.fixture
def waiting(desk: CertificateDesk) -> Wallet:
    """A wallet with one request that waits for its answer."""
    return requested(desk, trusting(desk))[0]


def test_the_whole_way(desk: CertificateDesk) -> None:
    wallet, pending = requested(desk, trusting(desk), "service")
    plan = enrolment.plan_import(wallet, bytes_of(desk.answer(pending.request, START)), START)
    assert plan.questions == ()
    wallet = enrolment.apply_import(wallet, plan)
    assert standing_of(wallet, START).title == "Service"
    assert (wallet.requests, len(wallet.credentials)) == ((), 1)
    assert wallet.active == plan.credential.certificate.fingerprint


def test_a_second_look_at_the_same_token_gives_the_same_request(desk: CertificateDesk) -> None:
    token = token_of(desk)
    wallet, first = enrolment.make_request(trusting(desk), token, "anna", START)
    again, second = enrolment.make_request(wallet, token, "another tag", START)
    assert again is wallet
    assert second is first


@pytest.mark.parametrize("tag", ["", " ", "x" * 41, "a\nb", "a\x1b[0m"])
def test_a_tag_that_is_none(desk: CertificateDesk, tag: str) -> None:
    assert refused(lambda: enrolment.make_request(trusting(desk), token_of(desk), tag, START)) is _R.MALFORMED


def test_tokens_and_tags_that_are_refused(desk: CertificateDesk, waiting: Wallet) -> None:
    token = token_of(desk)
    late = token.expires_at + timedelta(seconds=1)
    assert refused(lambda: enrolment.make_request(waiting, token, "bert", late)) is _R.TOKEN_EXPIRED
    assert refused(lambda: enrolment.make_request(waiting, token, "ANNA", START)) is _R.DECLINED
    used = waiting.requests[0].token
    data = bytes_of(desk.answer(waiting.requests[0].request, START))
    done = enrolment.apply_import(waiting, enrolment.plan_import(waiting, data, START))
    assert refused(lambda: enrolment.make_request(done, used, "bert", START)) is _R.TOKEN_USED


CHANGES: dict[str, tuple[dict[str, object], RejectReason]] = {
    "another key": ({"public_key": SigningKey.generate().open().public_key()}, _R.NO_REQUEST),
    "above the order": ({"grant": grant_of("service")}, _R.ABOVE_ORDER),
    "beside the order": ({"grant": grant_of("test")}, _R.ABOVE_ORDER),
    "another organisation": ({"grant": grant_of("installer", "Stadtwerke Süd")}, _R.WRONG_ORGANISATION),
    "any organisation": ({"grant": Grant(grant_of("installer").capabilities)}, _R.WRONG_ORGANISATION),
    "not yet": ({"now": START + DAY}, _R.NOT_YET),
    "expired": ({"now": START - 10 * DAY, "validity": 9 * DAY}, _R.EXPIRED),
    "an unknown authority": ({"issuer": make_desk(2).issuer}, _R.UNTRUSTED),
}


@pytest.mark.parametrize("name", CHANGES)
def test_certificates_that_are_refused(desk: CertificateDesk, waiting: Wallet, name: str) -> None:
    change, reason = CHANGES[name]
    data = signed(desk, waiting, **change)
    assert refused(lambda: enrolment.plan_import(waiting, data, START)) is reason
    assert enrolment.plan_import(waiting, signed(desk, waiting), START).chain.grant.title == "Installer"


def test_a_certificate_of_the_same_name_from_elsewhere(desk: CertificateDesk, waiting: Wallet) -> None:
    """Another desk of the same names, its issuer and anchor sent along."""
    other = make_desk(2)
    data = signed(desk, waiting, issuer=other.issuer) + other.issuer.certificate.data + other.anchor.certificate.data
    assert refused(lambda: enrolment.plan_import(waiting, data, START)) is _R.UNTRUSTED


def test_other_things_than_one_certificate(desk: CertificateDesk, waiting: Wallet) -> None:
    good, issuer = signed(desk, waiting), desk.issuer.certificate.data
    two = signed(desk, waiting, random_bytes=Random(10).randbytes) + good
    for data, reason in (
        (b"", _R.MALFORMED),
        (good + b"\0", _R.MALFORMED),
        (good[:-1], _R.MALFORMED),
        (two, _R.WRONG_KIND),
        (issuer, _R.NO_REQUEST),
        (issuer * 9, _R.MALFORMED),
    ):
        assert refused(lambda data=data: enrolment.plan_import(waiting, data, START)) is reason  # type: ignore[misc]


def test_an_import_needs_a_clock_that_can_be_trusted(desk: CertificateDesk, waiting: Wallet) -> None:
    data = signed(desk, waiting)
    for now in (START - 2 * DAY, START + 91 * DAY):
        assert refused(lambda now=now: enrolment.plan_import(waiting, data, now)) is _R.CLOCK  # type: ignore[misc]


def test_a_request_that_was_removed_before_the_answer_came(desk: CertificateDesk, waiting: Wallet) -> None:
    data = signed(desk, waiting)
    removed = enrolment.remove(waiting, "anna")
    assert refused(lambda: enrolment.plan_import(removed, data, START)) is _R.NO_REQUEST
    plan = enrolment.plan_import(waiting, data, START)
    assert refused(lambda: enrolment.apply_import(removed, plan)) is _R.NO_REQUEST


def test_a_certificate_is_imported_once(desk: CertificateDesk, waiting: Wallet) -> None:
    data = signed(desk, waiting)
    done = enrolment.apply_import(waiting, enrolment.plan_import(waiting, data, START))
    assert refused(lambda: enrolment.plan_import(done, data, START)) is _R.ALREADY_INSTALLED


def test_a_revoked_certificate_is_not_imported(desk: CertificateDesk) -> None:
    wallet = enrolled(desk, trusting(desk), tag="first")
    wallet, pending = requested(desk, wallet, tag="second")
    answer = desk.answer(pending.request, START)
    desk.revoke("second", START)
    wallet, _ = enrolment.import_list(wallet, desk.revocation_list(START), START)
    assert refused(lambda: enrolment.plan_import(wallet, bytes_of(answer), START)) is _R.REVOKED


@pytest.mark.parametrize(
    ("first", "second", "asks"),
    [
        ("service", "installer", "its level is Installer, lower than Service, which is in use"),
        ("service", "test", "its level is Test, lower than Service, which is in use"),
        ("installer", "service", ""),
        ("installer", "installer", ""),
    ],
)
def test_a_lower_level_asks_first(desk: CertificateDesk, first: str, second: str, asks: str) -> None:
    wallet = enrolled(desk, trusting(desk), first, "first")
    wallet, pending = requested(desk, wallet, second, "second")
    plan = enrolment.plan_import(wallet, bytes_of(desk.answer(pending.request, START)), START)
    assert "; ".join(plan.questions) == asks
    kept = enrolment.apply_import(wallet, plan, activate=False)
    assert standing_of(kept, START).title.casefold() == first
    assert len(kept.credentials) == 2


def test_a_new_issuer_asks_first(desk: CertificateDesk) -> None:
    wallet = enrolled(desk, trusting(desk), tag="first")
    desk.new_issuer("Second issuer", START)
    wallet, pending = requested(desk, wallet, tag="second")
    plan = enrolment.plan_import(wallet, bytes_of(desk.answer(pending.request, START)), START)
    assert plan.questions == ("the certificate comes from a new issuer, Second issuer",)


def test_choosing_and_removing(desk: CertificateDesk) -> None:
    wallet = enrolled(desk, trusting(desk), "service", "high")
    wallet = enrolled(desk, wallet, "installer", "low")
    assert standing_of(wallet, START).title == "Installer"
    serial = wallet.credentials[0].name
    for name in ("high", "HIGH", serial, serial[:10]):
        assert standing_of(enrolment.use(wallet, name, START), START).title == "Service"
    assert standing_of(enrolment.use(wallet, "Consumer", START), START).title == "Consumer"
    for name in ("", "nobody", "zz"):
        assert refused(lambda name=name: enrolment.use(wallet, name, START)) is _R.NO_REQUEST  # type: ignore[misc]
    late = START + 89 * DAY
    assert refused(lambda: enrolment.use(wallet.seen(late + 3 * DAY), "high", late + 3 * DAY)) is _R.EXPIRED
    left = enrolment.remove(wallet, "low")
    assert (left.active, [one.tag for one in left.credentials]) == ("", ["high"])
    assert enrolment.remove(wallet, "high").active == wallet.active


def test_trust_anchors_are_installed_with_their_fingerprint(desk: CertificateDesk) -> None:
    anchor, issuer = desk.anchor.certificate, desk.issuer.certificate
    spelled = ":".join(anchor.fingerprint[at : at + 2].upper() for at in range(0, 64, 2))
    wallet, _ = enrolment.install_anchor(Wallet(), anchor.data, spelled, START)

    def install(data: bytes, fingerprint: str, now: datetime = START) -> Callable[[], object]:
        return lambda: enrolment.install_anchor(wallet, data, fingerprint, now)

    assert refused(install(anchor.data, anchor.fingerprint)) is _R.ALREADY_INSTALLED
    assert refused(install(anchor.data, "")) is _R.WRONG_FINGERPRINT
    assert refused(install(anchor.data, anchor.fingerprint[:16])) is _R.WRONG_FINGERPRINT
    assert refused(install(anchor.data, issuer.fingerprint)) is _R.WRONG_FINGERPRINT
    assert refused(install(issuer.data, issuer.fingerprint)) is _R.UNTRUSTED
    assert refused(install(anchor.data + issuer.data, anchor.fingerprint)) is _R.WRONG_KIND
    other = make_desk(2).anchor.certificate
    assert refused(install(other.data, other.fingerprint, START + 4000 * DAY)) is _R.EXPIRED
    assert refused(lambda: enrolment.remove_anchor(wallet, "")) is _R.WRONG_FINGERPRINT
    assert enrolment.remove_anchor(wallet, spelled[:20]).anchors == ()


def test_a_false_anchor_of_the_same_name_signs_nothing(desk: CertificateDesk, waiting: Wallet) -> None:
    false = issue_anchor("Desk trust anchor", Grant(EVERYTHING), START, 100 * DAY, Random(3).randbytes)
    trusted = replace(waiting, anchors=(read_certificate(false.certificate.data),))
    assert refused(lambda: enrolment.plan_import(trusted, signed(desk, waiting), START)) is _R.UNTRUSTED


def test_revocation_lists_never_go_back(desk: CertificateDesk) -> None:
    wallet = enrolled(desk, trusting(desk))
    lists = [desk.revocation_list(START + n * DAY) for n in range(3)]
    now = START + 3 * DAY

    def take(wallet: Wallet, data: bytes) -> Callable[[], object]:
        return lambda: enrolment.import_list(wallet, data, now)

    wallet, second = enrolment.import_list(wallet, lists[1], now)
    assert second.number == 2
    assert enrolment.import_list(wallet, lists[1], now)[0] is wallet
    assert refused(take(wallet, lists[0])) is _R.OLDER_LIST
    again = issue_list(desk.issuer, [], 2, START + 2 * DAY, 30 * DAY)
    assert refused(take(wallet, again)) is _R.OLDER_LIST
    backdated = issue_list(desk.issuer, [], 3, START - DAY, 30 * DAY)
    assert refused(take(wallet, backdated)) is _R.OLDER_LIST
    wallet, third = enrolment.import_list(wallet, lists[2], now)
    assert [one.number for one in wallet.lists] == [third.number] == [3]


def test_an_authority_that_bears_anothers_name_takes_nobody_off_a_list(desk: CertificateDesk) -> None:
    wallet = enrolled(desk, trusting(desk), "service")
    impostor = impostor_of(desk.issuer.certificate)
    anchor = impostor.certificate
    wallet, _ = enrolment.install_anchor(wallet, anchor.data, anchor.fingerprint, START)
    wallet = replace(wallet, anchors=wallet.anchors[::-1])
    desk.revoke("anna", START)
    wallet, revoked = enrolment.import_list(wallet, desk.revocation_list(START), START)
    assert standing_of(wallet, START).title == "Consumer"
    wallet, his = enrolment.import_list(wallet, issue_list(impostor, [], 99, START, 30 * DAY), START)
    assert set(wallet.lists) == {revoked, his}
    assert standing_of(wallet, START).title == "Consumer"


def test_revocation_lists_that_are_refused(desk: CertificateDesk) -> None:
    wallet = enrolled(desk, trusting(desk))
    good = desk.revocation_list(START)
    other = make_desk(2)
    future = issue_list(desk.issuer, [], 9, START + 2 * DAY, 30 * DAY)
    flipped = good[:-1] + bytes((good[-1] ^ 1,))
    for data, reason in (
        (b"", _R.MALFORMED),
        (good + b"\0", _R.MALFORMED),
        (desk.issuer.certificate.data, _R.MALFORMED),
        (other.revocation_list(START), _R.UNTRUSTED),
        (flipped, _R.BAD_SIGNATURE),
        (future, _R.NOT_YET),
    ):
        assert refused(lambda data=data: enrolment.import_list(wallet, data, START)) is reason  # type: ignore[misc]


def test_the_anchors_own_list_revokes_an_issuer(desk: CertificateDesk) -> None:
    wallet = enrolled(desk, trusting(desk))
    gone = issue_list(desk.anchor, [(desk.issuer.certificate.serial, START)], 1, START, 30 * DAY)
    wallet, _ = enrolment.import_list(wallet, gone, START)
    assert "Desk issuer 1" in standing_of(wallet, START).reasons[0]
    assert refused(lambda: enrolment.import_list(wallet, desk.revocation_list(START), START)) is _R.REVOKED


def test_a_list_of_many_is_read(desk: CertificateDesk) -> None:
    data = issue_list(desk.issuer, [(serial, START) for serial in range(1, 3001)], 1, START, 30 * DAY)
    assert len(read_list(data).serials) == 3000


def test_the_desk_refuses_what_it_should(desk: CertificateDesk, waiting: Wallet) -> None:
    pending = waiting.requests[0]
    token, key = pending.token, pending.key.open()

    def ask(data: bytes, now: datetime = START) -> Callable[[], object]:
        return lambda: desk.answer(data, now)

    assert refused(ask(build_request(key, token.organisation, "x", bytes(16)))) is _R.TOKEN_UNKNOWN
    assert refused(ask(build_request(key, "Stadtwerke Süd", "x", token.secret))) is _R.WRONG_ORGANISATION
    assert refused(ask(pending.request, token.expires_at + timedelta(seconds=1))) is _R.TOKEN_EXPIRED
    assert refused(ask(pending.request[:-1] + bytes((pending.request[-1] ^ 1,)))) is _R.NO_PROOF
    desk.answer(pending.request, START)
    assert refused(ask(pending.request)) is _R.TOKEN_USED
    fresh = token_of(desk)
    assert refused(ask(build_request(key, fresh.organisation, "x", fresh.secret))) is _R.KEY_REUSED


def test_the_store_keeps_the_wallet_and_writes_the_log() -> None:
    documents = DocumentsInMemory()
    store = CertificateStore(documents)
    assert store.load() == Wallet()
    assert store.attend_clock(START).is_trusted
    assert store.load().latest_seen == START
    writes = len(documents.documents)
    store.attend_clock(START + timedelta(minutes=59))
    assert store.load().latest_seen == START
    store.attend_clock(START + timedelta(minutes=61))
    assert store.load().latest_seen == START + timedelta(minutes=61)
    assert not store.attend_clock(START - 3 * DAY).is_trusted
    assert store.load().latest_seen == START + timedelta(minutes=61)
    store.note(Note(CertificateEvent.REFUSED, "x", {"reason": "revoked"}))
    assert [note.event for note in documents.notes] == ["certificate_refused"]
    assert len(documents.documents) == writes == 1


def test_nothing_is_kept_when_a_step_raises() -> None:
    documents = DocumentsInMemory()
    store = CertificateStore(documents)

    def fail(wallet: Wallet) -> tuple[Wallet, None, tuple[Note, ...]]:
        raise CertificateRejected(_R.DECLINED, "no")

    assert refused(lambda: store.change(fail)) is _R.DECLINED
    assert documents.documents == {}
