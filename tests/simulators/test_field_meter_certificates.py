"""The lock and certificates: trust, dates by the meter's clock, revocation lists, scope, and the lock-out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from keystore.certificates.grant import Scope
from keystore.certificates.levels import Capability
from protocols.actions.commands import build_command
from protocols.actions.event_log import EventKind
from protocols.actions.list_marks import MOST_MARKS, ListMark
from protocols.actions.messages import (
    Hello,
    Result,
    parse_message,
)
from protocols.actions.results import ResultCode
from simulators.certificate_desk.issuing import Authority, issue_list, new_key
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.obey import Refused
from simulators.field_meter.state import TAMPER
from tests.keystore.certificates.desks import DAY, ORGANISATION, START, impostor_of, make_desk
from tests.simulators.field_meters import (
    DESK,
    NOW,
    SECOND,
    STAFF,
    Technician,
    do,
    greet,
    hire,
    make_lock,
    send,
)


def revoking_desk() -> tuple[Technician, Technician, bytes, bytes]:
    """Anna, who is revoked, Berta, who is not, the list from before that, and the one after."""
    desk = make_desk()
    anna, berta = (hire(desk, "service", tag=tag) for tag in ("anna", "berta"))
    before = desk.revocation_list(START)
    desk.revoke("anna", START)
    return anna, berta, before, desk.revocation_list(START)


def held_numbers(lock: MeterLock) -> list[int]:
    """The numbers of the lists that a challenge names."""
    return [mark.number for mark in greet(lock).lists]


def test_a_desk_that_is_not_trusted() -> None:
    lock = make_lock(DESK)
    result = do(lock, hire(make_desk(99), "service"), "reset-alarms")
    assert (result.code, result.detail[:10]) == (ResultCode.UNTRUSTED, "untrusted:")
    assert len(result.detail.encode()) <= 80


def test_expired_and_not_yet_valid() -> None:
    late, early = make_lock(DESK, now=START + 400 * DAY), make_lock(DESK, now=START - DAY)
    result = do(late, STAFF["installer"], "start-radio", now=START + 400 * DAY)
    assert (result.code, result.detail[:8]) == (ResultCode.NOT_VALID_NOW, "expired:")
    result = do(early, STAFF["installer"], "start-radio", now=START - DAY)
    assert (result.code, result.detail[:8]) == (ResultCode.NOT_VALID_NOW, "not_yet:")
    assert not late.state.radio_on
    assert not early.state.radio_on


def test_the_clock_that_judges_certificates_never_goes_back() -> None:
    lock = make_lock(DESK)
    lock.tick(START + 400 * DAY)
    assert do(lock, STAFF["installer"], "start-radio", now=NOW).code is ResultCode.NOT_VALID_NOW


@pytest.mark.parametrize("hours", [-25, 25, 24 * 365])
def test_the_clock_is_not_set_far(hours: int) -> None:
    lock = make_lock(DESK)
    result = do(lock, STAFF["installer"], "clock", time=NOW + timedelta(hours=hours))
    assert (result.code, result.detail) == (ResultCode.BAD_PARAMETER, "the clock is set by at most 24 hours")


def test_the_clock_is_not_set_back_step_by_step() -> None:
    lock = make_lock(DESK)
    codes = [do(lock, STAFF["installer"], "clock", time=NOW - timedelta(hours=20 * step)).code for step in range(1, 4)]
    assert codes == [ResultCode.DONE, ResultCode.BAD_PARAMETER, ResultCode.BAD_PARAMETER]


def test_the_clock_is_not_set_forward_step_by_step() -> None:
    """Else an installer could let the certificates of all others expire for this meter."""
    lock = make_lock(DESK)
    codes = [do(lock, STAFF["installer"], "clock", time=NOW + timedelta(hours=20 * step)).code for step in range(1, 4)]
    assert codes == [ResultCode.DONE, ResultCode.BAD_PARAMETER, ResultCode.BAD_PARAMETER]
    assert do(lock, STAFF["service"], "reset-alarms").code is ResultCode.DONE


def test_revoked() -> None:
    who, _, before, after = revoking_desk()
    lock = make_lock(make_desk())
    assert held_numbers(lock) == []
    assert do(lock, who, "reset-alarms", lists=[before]).code is ResultCode.DONE
    assert held_numbers(lock) == [1]
    # The list that she brings herself is what turns her away, and it stays.
    result = do(lock, who, "reset-peaks", lists=[after])
    assert (result.code, result.detail[:8]) == (ResultCode.REVOKED, "revoked:")
    assert do(lock, who, "reset-peaks").code is ResultCode.REVOKED
    assert held_numbers(lock) == [2]
    assert EventKind.LIST_TAKEN in {event.kind for event in lock.state.events}


def test_a_list_does_not_go_back() -> None:
    who, other, before, after = revoking_desk()
    lock = make_lock(make_desk())
    assert do(lock, other, "reset-alarms", lists=[after]).code is ResultCode.DONE
    result = do(lock, other, "reset-peaks", lists=[before])
    assert (result.code, result.detail[:11]) == (ResultCode.UNTRUSTED, "older_list:")
    assert do(lock, who, "reset-peaks", lists=[before]).code is ResultCode.REVOKED
    assert held_numbers(lock) == [2]
    # The list that is held already is no fault, and an honest tool with an old one is not locked out for it.
    assert do(lock, other, "reset-peaks", lists=[after]).code is ResultCode.DONE
    with pytest.raises(Refused):
        lock.take_lists([before], [make_desk().issuer.certificate], NOW)


def test_a_list_of_somebody_else_is_refused() -> None:
    lock = make_lock(DESK)
    for data in (make_desk(99).revocation_list(START), b"no list"):
        result = do(lock, STAFF["service"], "reset-alarms", lists=[data])
        assert result.code is ResultCode.UNTRUSTED
    assert lock.state.lists == ()
    assert lock.state.alarms == TAMPER


def test_a_list_whose_issuer_comes_along_but_is_not_trusted() -> None:
    lock, stranger = make_lock(DESK), make_desk(99)
    who = replace(STAFF["service"], certificates=(*STAFF["service"].certificates, stranger.issuer.certificate.data))
    result = do(lock, who, "reset-alarms", lists=[stranger.revocation_list(START)])
    assert (result.code, result.detail[:10]) == (ResultCode.UNTRUSTED, "untrusted:")
    assert lock.state.lists == ()


def test_a_list_that_only_claims_to_be_the_issuers() -> None:
    lock = make_lock(DESK)
    forger = Authority(DESK.issuer.certificate, new_key(Random(5).randbytes))
    forged = issue_list(forger, [(int(STAFF["service"].serial, 16), START)], 9, START, 30 * DAY)
    result = do(lock, STAFF["service"], "reset-alarms", lists=[forged])
    assert (result.code, result.detail[:14]) == (ResultCode.UNTRUSTED, "bad_signature:")
    assert lock.state.lists == ()
    assert do(lock, STAFF["service"], "reset-alarms").code is ResultCode.DONE


@pytest.mark.parametrize("first", [True, False])
def test_an_authority_that_bears_anothers_name_takes_nobody_off_a_list(*, first: bool) -> None:
    who, other, _, after = revoking_desk()
    lock, desk = make_lock(make_desk()), make_desk()
    impostor = impostor_of(desk.issuer.certificate)
    lock.anchors = (impostor.certificate, *lock.anchors) if first else (*lock.anchors, impostor.certificate)
    assert do(lock, other, "reset-alarms", lists=[after]).code is ResultCode.DONE
    assert do(lock, who, "reset-peaks").code is ResultCode.REVOKED
    # He may have a list of his own; it neither replaces the issuer's nor names the issuer's certificates.
    his = issue_list(impostor, [(int(other.serial, 16), START)], 99, START, 30 * DAY)
    assert do(lock, other, "reset-peaks", lists=[his]).code is ResultCode.DONE
    assert len(lock.state.lists) == 2
    assert do(lock, who, "reset-peaks").code is ResultCode.REVOKED


def test_a_challenge_names_the_list_of_each_issuer() -> None:
    desk = make_desk()
    lock, first = make_lock(desk), desk.issuer
    anna = hire(desk, "service", tag="anna")
    second = desk.new_issuer("Second", START)
    berta = hire(desk, "service", tag="berta")
    for _ in range(3):
        high = desk.revocation_list(START, issuer=first)
    assert do(lock, anna, "reset-alarms", lists=[high]).code is ResultCode.DONE
    desk.revoke("berta", START)
    low = desk.revocation_list(START + DAY, issuer=second)
    result = do(lock, berta, "reset-alarms", lists=[low], now=START + DAY)
    assert (result.code, result.detail[:8]) == (ResultCode.REVOKED, "revoked:")
    assert greet(lock, START + DAY).lists == (
        ListMark.of(second.certificate.subject_key_id or b"", 1),
        ListMark.of(first.certificate.subject_key_id or b"", 3),
    )
    taken = [event.words for event in lock.state.events if event.kind is EventKind.LIST_TAKEN]
    assert taken == ["revocation list 1 taken", "revocation list 3 taken"]


def test_a_challenge_names_the_newest_lists_when_there_are_too_many() -> None:
    desk = make_desk()
    lock = make_lock(desk)
    issuers = [desk.new_issuer(f"Issuer {number}", START) for number in range(MOST_MARKS + 2)]
    lists = [desk.revocation_list(START + day * DAY, issuer=one) for day, one in enumerate(issuers)]
    at = START + 20 * DAY
    lock.tick(at)
    lock.take_lists(lists, [one.certificate for one in issuers], at)
    newest = [ListMark.of(one.certificate.subject_key_id or b"", 1) for one in issuers[:1:-1]]
    assert list(greet(lock, at).lists) == newest
    assert len(newest) == MOST_MARKS


def test_lists_that_the_factory_puts_in() -> None:
    who, _, _, after = revoking_desk()
    lock = make_lock(make_desk())
    lock.take_lists([after], [make_desk().issuer.certificate], NOW)
    assert held_numbers(lock) == [2]
    assert do(lock, who, "reset-alarms").code is ResultCode.REVOKED


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(ORGANISATION, frozenset({"KAM"})), "the certificate is for meters of KAM"),
        (Scope(ORGANISATION, None, frozenset({"kamstrup"})), "the certificate is for kamstrup"),
        (Scope(ORGANISATION, None, None, (1, 2)), "the certificate is for meters 00000001 to 00000002"),
        (Scope(ORGANISATION, frozenset({"SIM"}), frozenset({"field"}), (10002345, 10002345)), ""),
    ],
)
def test_scope(scope: Scope, words: str) -> None:
    desk = make_desk()
    lock = make_lock(desk, family="field")
    result = do(lock, hire(desk, "service", scope=scope), "reset-alarms")
    assert (result.code, result.detail) == (ResultCode.OUT_OF_SCOPE if words else ResultCode.DONE, words)


def test_an_issuer_that_may_grant_less() -> None:
    desk = make_desk()
    lock = make_lock(desk)
    most = replace(desk.issuer.certificate.grant, capabilities=Capability.READ | Capability.INSTALL)  # type: ignore[type-var]
    desk.new_issuer("Installers only", START, most)
    who = hire(desk, "service")
    assert do(lock, who, "reset-alarms").code is ResultCode.LEVEL_TOO_LOW
    assert do(lock, who, "start-radio").code is ResultCode.DONE


def test_too_many_failures_lock_the_meter_for_a_while() -> None:
    lock = make_lock(DESK)
    stranger = hire(make_desk(99), "service")
    for _ in range(5):
        assert do(lock, stranger, "reset-alarms").code is ResultCode.UNTRUSTED
    answer = parse_message(lock.receive(Hello(bytes(16)).to_bytes(), NOW))
    assert isinstance(answer, Result)
    assert (answer.code, answer.detail) == (ResultCode.LOCKED, "for 60 s more")
    later = NOW + 61 * SECOND
    assert do(lock, STAFF["service"], "reset-alarms", now=later).code is ResultCode.DONE
    assert lock.state.failures == 0
    kinds = [event.kind for event in lock.state.events]
    assert kinds == [EventKind.GRANTED, EventKind.LOCKED] + 5 * [EventKind.REFUSED]


def test_a_lock_out_holds_for_a_session_that_was_open() -> None:
    lock = make_lock(DESK)
    proof = STAFF["installer"].prove(greet(lock), build_command("start-radio").application)
    lock.state = replace(lock.state, locked_until=int(NOW.timestamp()) + 10)
    assert send(lock, proof).code is ResultCode.LOCKED
