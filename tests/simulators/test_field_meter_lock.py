"""The lock: what is granted, and the ways in which a proof does not fit, with real certificates of the desk."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keystore.certificates.levels import level_table
from protocols.actions import table
from protocols.actions.commands import build_command
from protocols.actions.event_log import EventKind
from protocols.actions.messages import (
    Proof,
    Result,
    parse_message,
)
from protocols.actions.parameters import Argument
from protocols.actions.results import ResultCode
from protocols.crypto import wrap_key
from protocols.model import Address
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.state import TAMPER, MeterState
from tests.simulators.field_meters import (
    DESK,
    LEVELS,
    NEW_KEY,
    NOW,
    SECOND,
    STAFF,
    do,
    do_command,
    elsewhere,
    greet,
    make_lock,
    reads_back,
    records_of,
    send,
)


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
    assert (result.code, result.detail) == (ResultCode.BAD_PARAMETER, "'251' is not a primary address: 1 to 250")
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


def test_challenges_are_fresh() -> None:
    lock = make_lock(DESK)
    seen = {greet(lock).challenge for _ in range(50)}
    assert len(seen) == 50
    assert Random("lock 1").randbytes(2) not in {one[:2] for one in seen}


def test_a_proof_that_cannot_be_read_is_noted() -> None:
    lock = make_lock(DESK)
    lock.receive(bytes((Proof.TYPE, 1, 2)), NOW)
    assert lock.state.events[0].words == "an action refused: bad message"
