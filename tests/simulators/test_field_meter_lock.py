"""The lock: what is granted, and every way to be refused, with real certificates of the certificate desk."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keystore.certificates.grant import Scope
from keystore.certificates.levels import Capability, level_table
from protocols.actions import table
from protocols.actions.commands import build_command
from protocols.actions.event_log import EventKind, parse_events
from protocols.actions.messages import (
    NO_MAC,
    Hello,
    KeyProof,
    Proof,
    Result,
    WhichKey,
    key_proof,
    parse_message,
)
from protocols.actions.parameters import Argument
from protocols.actions.results import ResultCode
from protocols.crypto import aes_cmac, wrap_key
from protocols.model import Address
from simulators.errors import SimulatorError
from simulators.field_meter.lock import CableCut, MeterLock
from simulators.field_meter.obey import Refused
from simulators.field_meter.state import TAMPER, MeterState, state_of
from simulators.field_meter.state_file import StateFile
from tests.keystore.certificates.desks import DAY, ORGANISATION, START, make_desk
from tests.simulators.field_meters import (
    NOW,
    Technician,
    do,
    do_command,
    elsewhere,
    greet,
    hire,
    make_lock,
    reads_back,
    records_of,
    send,
)

DESK = make_desk()
LEVELS = ("installer", "commissioner", "service", "test")
STAFF = {level: hire(DESK, level) for level in LEVELS}
NEW_KEY = bytes(range(100, 116))
SECOND = timedelta(seconds=1)


def arguments_of(action: str, lock: MeterLock) -> dict[str, Argument]:
    key = lock.state.key
    assert key is not None
    examples: dict[str, dict[str, Argument]] = {
        "customer-number": {"number": "C-4711"},
        "clock": {"time": NOW},
        "primary-address": {"address": 42},
        "pulse-value": {"litres": 10},
        "due-date": {"date": date(2027, 3, 31)},
        "radio-interval": {"seconds": 120},
        "radio-profile": {"profile": "walk-by"},
        "change-key": {"wrapped_key": wrap_key(NEW_KEY, key)},
        "test-mode": {"minutes": 5},
    }
    return examples.get(action, {})


def unlocked(lock: MeterLock) -> MeterLock:
    """Out of transport mode, where every action has its use."""
    lock.state = replace(lock.state, radio_on=True, transport_mode=False)
    return lock


def settings_of(state: MeterState) -> MeterState:
    """The state without what the lock writes down at every attempt."""
    return replace(state, events=(), failures=0, locked_until=0, latest_seen=0, lists=())


@pytest.mark.parametrize("action", table.FORMS)
@pytest.mark.parametrize("level", LEVELS)
def test_each_level_may_do_what_the_table_says_and_nothing_else(level: str, action: str) -> None:
    lock = unlocked(make_lock(DESK))
    before = settings_of(lock.state)
    result = do_command(lock, STAFF[level], build_command(action, **arguments_of(action, lock)))
    allowed = level_table().actions[action].needs in level_table().levels[level].capabilities
    assert result.code is (ResultCode.DONE if allowed else ResultCode.LEVEL_TOO_LOW)
    if not allowed:
        assert settings_of(lock.state) == before
        assert "needs" in result.detail
    newest = lock.state.events[0]
    assert newest.kind is (EventKind.GRANTED if allowed else EventKind.REFUSED)
    assert newest.words.startswith(f"{action} {'done' if allowed else 'refused: level too low'}")
    assert STAFF[level].serial in newest.words


@pytest.mark.parametrize("action", [name for name, form in table.FORMS.items() if form.read_back])
def test_what_was_written_is_read_back(action: str) -> None:
    lock = unlocked(make_lock(DESK))
    if action != "start-radio":
        lock.state = replace(lock.state, alarms=TAMPER)
    else:
        lock.state = replace(lock.state, radio_on=False, transport_mode=True)
    command = build_command(action, **arguments_of(action, lock))
    assert action == "clock" or not reads_back(lock, command)
    who = STAFF["test" if action == "test-mode" else "service"]
    assert do_command(lock, who, command).code is ResultCode.DONE
    assert reads_back(lock, command)


def test_a_proof_is_good_once() -> None:
    lock = make_lock(DESK)
    proof = STAFF["installer"].prove(greet(lock), build_command("customer-number", number="1").application)
    assert send(lock, proof).code is ResultCode.DONE
    lock.state = replace(lock.state, customer_number="changed since")
    assert send(lock, proof).code is ResultCode.REPLAY
    greet(lock)
    assert send(lock, proof).code is ResultCode.REPLAY
    assert lock.state.customer_number == "changed since"
    assert lock.state.events[0].words == "customer-number refused: replay"


def test_another_session_of_the_same_meter_does_not_fit() -> None:
    lock = make_lock(DESK)
    command = build_command("customer-number", number="1").application
    first, second = greet(lock), greet(lock)
    old = STAFF["installer"].prove(first, command)
    assert send(lock, replace(old, session_id=second.session_id)).code is ResultCode.BAD_SIGNATURE
    assert lock.state.customer_number == ""


def test_the_answer_to_another_meter_is_refused() -> None:
    lock, other = make_lock(DESK), make_lock(DESK, number="10002346", seed=2)
    command = build_command("customer-number", number="1").application
    greet(lock)
    assert send(lock, STAFF["installer"].prove(greet(other), command)).code is ResultCode.NOT_THIS_METER
    # Somebody in the middle hands the tool this meter's challenge under the other's name.
    challenge = elsewhere(greet(lock), other.meter.address)
    assert send(lock, STAFF["installer"].prove(challenge, command)).code is ResultCode.BAD_SIGNATURE
    assert lock.state.customer_number == ""


def test_a_meter_that_gives_a_wrong_identity_does_not_open() -> None:
    lock = make_lock(DESK)
    lock.faults.wrong_identity = Address.of("KAM", "99999999", 1, 7)
    challenge = greet(lock)
    assert challenge.meter.number == "99999999"
    proof = STAFF["installer"].prove(challenge, build_command("start-radio").application)
    assert send(lock, proof).code is ResultCode.BAD_SIGNATURE
    assert not lock.state.radio_on


def test_a_changed_command_is_refused() -> None:
    lock = make_lock(DESK)
    proof = STAFF["installer"].prove(greet(lock), build_command("customer-number", number="1").application)
    changed = replace(proof, command=build_command("customer-number", number="2").application)
    assert send(lock, changed).code is ResultCode.BAD_SIGNATURE
    assert lock.state.customer_number == ""
    assert send(lock, proof).code is ResultCode.REPLAY


def test_a_changed_nonce_is_refused() -> None:
    lock = make_lock(DESK)
    challenge = greet(lock, nonce=b"n" * 16)
    proof = STAFF["installer"].prove(challenge, build_command("start-radio").application, nonce=b"m" * 16)
    assert send(lock, proof).code is ResultCode.BAD_SIGNATURE


def test_another_certificate_than_the_one_that_signed() -> None:
    lock = make_lock(DESK)
    proof = STAFF["installer"].prove(greet(lock), build_command("reset-alarms").application)
    stolen = replace(proof, certificates=STAFF["service"].certificates)
    assert send(lock, stolen).code is ResultCode.BAD_SIGNATURE
    assert lock.state.alarms == TAMPER


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


def revoking_desk() -> tuple[Technician, Technician, bytes, bytes]:
    """Anna, who is revoked, Berta, who is not, the list from before that, and the one after."""
    desk = make_desk()
    anna, berta = (hire(desk, "service", tag=tag) for tag in ("anna", "berta"))
    before = desk.revocation_list(START)
    desk.revoke("anna", START)
    return anna, berta, before, desk.revocation_list(START)


def test_revoked() -> None:
    who, _, before, after = revoking_desk()
    lock = make_lock(make_desk())
    assert greet(lock).list_number == 0
    assert do(lock, who, "reset-alarms", lists=[before]).code is ResultCode.DONE
    assert greet(lock).list_number == 1
    # The list that she brings herself is what turns her away, and it stays.
    result = do(lock, who, "reset-peaks", lists=[after])
    assert (result.code, result.detail[:8]) == (ResultCode.REVOKED, "revoked:")
    assert do(lock, who, "reset-peaks").code is ResultCode.REVOKED
    assert greet(lock).list_number == 2
    assert EventKind.LIST_TAKEN in {event.kind for event in lock.state.events}


def test_a_list_does_not_go_back() -> None:
    who, other, before, after = revoking_desk()
    lock = make_lock(make_desk())
    assert do(lock, other, "reset-alarms", lists=[after]).code is ResultCode.DONE
    result = do(lock, other, "reset-peaks", lists=[before])
    assert (result.code, result.detail[:11]) == (ResultCode.UNTRUSTED, "older_list:")
    assert do(lock, who, "reset-peaks", lists=[before]).code is ResultCode.REVOKED
    assert greet(lock).list_number == 2
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


def test_lists_that_the_factory_puts_in() -> None:
    who, _, _, after = revoking_desk()
    lock = make_lock(make_desk())
    lock.take_lists([after], [make_desk().issuer.certificate], NOW)
    assert greet(lock).list_number == 2
    assert do(lock, who, "reset-alarms").code is ResultCode.REVOKED


def test_a_session_expires() -> None:
    lock = make_lock(DESK)
    proof = STAFF["installer"].prove(greet(lock), build_command("start-radio").application)
    result = send(lock, proof, NOW + 31 * SECOND)
    assert (result.code, result.detail) == (ResultCode.NO_SESSION, "expired after 30 s")
    assert send(lock, proof, NOW).code is ResultCode.REPLAY


def test_a_session_is_cut_by_the_next_one_and_by_a_power_failure() -> None:
    lock = make_lock(DESK)
    command = build_command("start-radio").application
    first = greet(lock)
    greet(lock)
    assert send(lock, STAFF["installer"].prove(first, command)).code is ResultCode.NO_SESSION
    second = greet(lock)
    lock.power_cycle()
    assert send(lock, STAFF["installer"].prove(second, command)).code is ResultCode.NO_SESSION
    assert not lock.state.radio_on


@pytest.mark.parametrize("command", [b"", b"\x51", b"\x51\x03\x7a\x01\x02\x03", b"\x5a\x01\x7a\x05", b"\x50\xa1"])
def test_an_unknown_command(command: bytes) -> None:
    lock = make_lock(DESK)
    result = send(lock, STAFF["service"].prove(greet(lock), command))
    assert result.code in (ResultCode.UNKNOWN_COMMAND, ResultCode.BAD_PARAMETER)
    assert lock.state.events[0].words.startswith("an action refused")


def test_a_bad_parameter() -> None:
    lock = make_lock(DESK)
    result = send(lock, STAFF["service"].prove(greet(lock), bytes.fromhex("51017AFB")))
    assert (result.code, result.detail) == (ResultCode.BAD_PARAMETER, "'251' is no primary address: 1 to 250")
    assert do(lock, STAFF["service"], "due-date", date=date(2026, 1, 1)).code is ResultCode.BAD_PARAMETER


def test_reconfigurations_are_counted_and_run_out() -> None:
    lock = make_lock(DESK)
    lock.state = replace(lock.state, reconfigurations_left=2)
    assert greet(lock).reconfigurations_left == 2
    assert do(lock, STAFF["installer"], "customer-number", number="1").reconfigurations_left == 2
    assert do(lock, STAFF["commissioner"], "pulse-value", litres=10).reconfigurations_left == 1
    assert do(lock, STAFF["commissioner"], "radio-interval", seconds=60).reconfigurations_left == 0
    result = do(lock, STAFF["commissioner"], "pulse-value", litres=100)
    assert (result.code, lock.state.pulse_litres) == (ResultCode.NO_RECONFIGURATIONS, 10)
    assert do(lock, STAFF["service"], "reset-alarms").code is ResultCode.DONE
    lock.state = replace(lock.state, reconfigurations_left=None)
    assert greet(lock).reconfigurations_left == 0xFF
    assert do(lock, STAFF["commissioner"], "pulse-value", litres=100).code is ResultCode.DONE
    assert table.RECONFIGURATIONS_LEFT not in records_of(lock)


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


def test_what_has_no_place_in_a_state() -> None:
    lock = make_lock(DESK)
    assert do(lock, STAFF["installer"], "confirm-installation").code is ResultCode.WRONG_STATE
    assert do(lock, STAFF["commissioner"], "lorawan-join").code is ResultCode.WRONG_STATE
    assert do(lock, STAFF["installer"], "start-radio").code is ResultCode.DONE
    assert do(lock, STAFF["installer"], "confirm-installation").code is ResultCode.DONE
    assert do(lock, STAFF["commissioner"], "lorawan-join").code is ResultCode.DONE
    assert records_of(lock)[table.LORAWAN_STATE].value == table.JOINING
    assert records_of(lock, NOW + 30 * SECOND)[table.LORAWAN_STATE].value == table.JOINED


def which_key(lock: MeterLock, nonce: bytes = b"N" * 16) -> KeyProof:
    answer = parse_message(lock.receive(WhichKey(nonce).to_bytes(), NOW))
    assert isinstance(answer, KeyProof)
    assert answer.nonce == nonce
    return answer


def test_the_key_is_changed_and_the_meter_says_which_one_holds() -> None:
    lock = make_lock(DESK)
    old = lock.state.key
    assert old is not None
    before = which_key(lock)
    assert before.proof == key_proof(old, b"N" * 16, lock.meter.address, before.key_version)
    result = do(lock, STAFF["service"], "change-key", wrapped_key=wrap_key(NEW_KEY, old))
    assert (result.code, lock.state.key) == (ResultCode.DONE, NEW_KEY)
    assert result.mac == aes_cmac(NEW_KEY, result.body)
    after = which_key(lock)
    assert after.key_version == before.key_version + 1
    assert after.proof == key_proof(NEW_KEY, b"N" * 16, lock.meter.address, after.key_version)
    # The same wrapped key again: it was wrapped under a key that the meter no longer holds.
    assert do(lock, STAFF["service"], "change-key", wrapped_key=wrap_key(NEW_KEY, old)).code is ResultCode.WRONG_KEY
    assert lock.state.key == NEW_KEY


def test_a_meter_without_a_key() -> None:
    lock = make_lock(DESK)
    lock.state = replace(lock.state, key=None)
    assert which_key(lock).proof == NO_MAC
    result = do(lock, STAFF["service"], "change-key", wrapped_key=bytes(24))
    assert (result.code, result.mac) == (ResultCode.WRONG_STATE, NO_MAC)


@pytest.mark.parametrize(("point", "expected"), [("received", "old"), ("applied", "new")])
def test_a_cable_that_is_pulled_during_a_key_change(tmp_path: Path, point: str, expected: str) -> None:
    file = StateFile(tmp_path / "meter.json")
    lock = make_lock(DESK, state_file=file)
    old = lock.state.key
    assert old is not None
    lock.faults.cut_after = point
    proof = STAFF["service"].prove(
        greet(lock), build_command("change-key", wrapped_key=wrap_key(NEW_KEY, old)).application
    )
    with pytest.raises(CableCut):
        lock.receive(proof.to_bytes(), NOW)
    key = {"old": old, "new": NEW_KEY}[expected]
    assert lock.state.key == key
    answer = which_key(lock)
    assert answer.proof == key_proof(key, b"N" * 16, lock.meter.address, answer.key_version)
    stored = file.load()
    assert (stored.key if stored is not None else old) == key
    assert not lock.faults.cut_after
    assert send(lock, proof).code in (ResultCode.REPLAY, ResultCode.NO_SESSION)


def test_what_cannot_be_stored_is_not_done(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    lock = make_lock(DESK, state_file=StateFile(folder / "meter.json"))
    old = lock.state.key
    assert old is not None
    folder.rmdir()
    result = do(lock, STAFF["service"], "change-key", wrapped_key=wrap_key(NEW_KEY, old))
    assert (result.code, lock.state.key) == (ResultCode.BUSY, old)
    assert lock.state.events[0].words.startswith("change-key refused: busy")


def test_the_event_log_is_read(tmp_path: Path) -> None:
    lock = make_lock(DESK)
    lock.raise_alarm(0x0001, NOW)
    do(lock, STAFF["installer"], "customer-number", number="1")
    do(lock, STAFF["installer"], "reset-alarms")
    result = do(lock, STAFF["service"], "event-log")
    events = parse_events(result.reply)
    assert [event.kind for event in events] == [EventKind.REFUSED, EventKind.GRANTED, EventKind.ALARM]
    assert events[0].words == f"reset-alarms refused: level too low, certificate {STAFF['installer'].serial}"
    assert events[0].at == lock.state.meter_clock(NOW)
    for _ in range(70):
        do(lock, STAFF["service"], "reset-alarms")
    assert len(parse_events(do(lock, STAFF["service"], "event-log").reply)) == 32
    assert len(lock.state.events) == 64


def test_the_test_mode_ends_by_itself() -> None:
    lock = make_lock(DESK)
    plain, fine = bytes.fromhex("0C13"), bytes.fromhex("0E10")
    assert plain in records_of(lock)
    assert do(lock, STAFF["test"], "test-mode", minutes=5).code is ResultCode.DONE
    before_end, after_end = NOW + timedelta(minutes=5) - SECOND, NOW + timedelta(minutes=5)
    shown = records_of(lock, before_end)
    assert plain not in shown
    value = shown[fine].value
    assert isinstance(value, Decimal)
    assert value == value.quantize(Decimal("0.000001"))
    assert value != value.quantize(Decimal("0.001"))
    assert shown[table.SELECTED_APPLICATION].value == 0x95
    shown = records_of(lock, after_end)
    assert fine not in shown
    assert shown[table.SELECTED_APPLICATION].value == 0
    assert lock.state.events[0].kind is EventKind.TEST_MODE_ENDED
    do(lock, STAFF["test"], "test-mode", minutes=5, now=after_end)
    assert do(lock, STAFF["test"], "test-mode", minutes=0, now=after_end).code is ResultCode.DONE
    assert fine not in records_of(lock, after_end)


@given(st.binary(max_size=200), st.integers(0, 7))
def test_any_message_is_answered(data: bytes, kind: int) -> None:
    lock = make_lock(DESK)
    for message in (data, bytes((kind,)) + data, b"\x01\x01" + data):
        parse_message(lock.receive(message, NOW))
    assert settings_of(lock.state) == settings_of(make_lock(DESK).state)


@settings(max_examples=60)
@given(st.data())
def test_a_mutated_proof_changes_nothing(data: st.DataObject) -> None:
    lock = make_lock(DESK)
    before = settings_of(lock.state)
    raw = bytearray(STAFF["service"].prove(greet(lock), build_command("reset-alarms").application).to_bytes())
    # Signatures differ in length from run to run, examples must not.
    raw[data.draw(st.integers(0, 1100)) % len(raw)] ^= data.draw(st.integers(1, 255))
    answer = parse_message(lock.receive(bytes(raw), NOW))
    assert isinstance(answer, Result)
    assert answer.code is not ResultCode.DONE
    assert settings_of(lock.state) == before


def test_messages_of_the_meter_are_not_for_it() -> None:
    lock = make_lock(DESK)
    answer = parse_message(lock.receive(greet(lock).to_bytes(), NOW))
    assert isinstance(answer, Result)
    assert answer.code is ResultCode.BAD_MESSAGE


def test_the_state_is_kept_in_a_file(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "meter.json")
    lock = make_lock(DESK, state_file=file)
    do(lock, STAFF["service"], "customer-number", number="C-1", lists=[DESK.revocation_list(START)])
    again = make_lock(DESK, state_file=StateFile(tmp_path / "meter.json"))
    assert again.state == lock.state
    assert again.state.customer_number == "C-1"
    assert [one.name for one in tmp_path.iterdir()] == ["meter.json"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 2),
        ("unknown", 1),
        ("key", "00"),
        ("key", 5),
        ("alarms", "8"),
        ("radio_on", 1),
        ("due_date", "tomorrow"),
        ("events", [["now", 1, "x"]]),
        ("events", [[]]),
        ("lists", ["zz"]),
    ],
)
def test_a_damaged_state_is_named(name: str, value: object) -> None:
    document = {**make_lock(DESK).state.to_document(), name: value}
    with pytest.raises(SimulatorError, match=name):
        state_of(json.loads(json.dumps(document)))


def test_a_file_that_is_no_state(tmp_path: Path) -> None:
    for content in (b"", b"[]", b"{", b"\xff"):
        (tmp_path / "meter.json").write_bytes(content)
        with pytest.raises(SimulatorError):
            StateFile(tmp_path / "meter.json").load()
    with pytest.raises(SimulatorError):
        StateFile(tmp_path).load()


def test_keys_are_not_in_a_repr() -> None:
    state = make_lock(DESK).state
    assert state.key is not None
    assert state.key.hex() not in repr(state)
    assert repr(state.key) not in repr(state)


def test_challenges_are_fresh() -> None:
    lock = make_lock(DESK)
    seen = {greet(lock).challenge for _ in range(50)}
    assert len(seen) == 50
    assert Random("lock 1").randbytes(2) not in {one[:2] for one in seen}


def test_meter_time_is_the_meters_own() -> None:
    lock = make_lock(DESK)
    told = datetime.fromtimestamp(greet(lock).meter_time, UTC)
    assert told == lock.state.meter_clock(NOW) != NOW


def test_a_proof_that_cannot_be_read_is_noted() -> None:
    lock = make_lock(DESK)
    lock.receive(bytes((Proof.TYPE, 1, 2)), NOW)
    assert lock.state.events[0].words == "an action refused: bad message"
