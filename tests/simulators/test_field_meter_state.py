"""What the lock keeps: its key over a pulled cable, its log, its test mode, and its file."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from protocols.actions import table
from protocols.actions.commands import build_command
from protocols.actions.event_log import MOST_EVENTS, EventKind, parse_events
from protocols.actions.messages import (
    NO_MAC,
    KeyProof,
    WhichKey,
    key_proof,
    parse_message,
)
from protocols.actions.results import ResultCode
from protocols.crypto import aes_cmac, wrap_key
from simulators.errors import SimulatorError
from simulators.field_meter.lock import CableCut, MeterLock
from simulators.field_meter.state import MOST_KEPT_EVENTS, state_of
from simulators.field_meter.state_file import StateFile
from tests.keystore.certificates.desks import START
from tests.simulators.field_meters import (
    DESK,
    NEW_KEY,
    NOW,
    SECOND,
    STAFF,
    do,
    greet,
    make_lock,
    records_of,
    send,
)


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
    challenge, command = greet(lock), build_command("change-key", wrapped_key=wrap_key(NEW_KEY, old))
    result = send(lock, STAFF["service"].prove(challenge, command.application))
    assert (result.code, lock.state.key) == (ResultCode.DONE, NEW_KEY)
    assert result.mac == aes_cmac(NEW_KEY, result.body + bytes(16) + challenge.challenge)
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
        ("lists", ["3000"]),
        ("lists", 5),
        ("events", [["2026-11-20T08:00:00+00:00", 1, "x" * 81]]),
        ("events", [["2026-11-20T08:00:00+00:00", 99, "x"]]),
        ("primary_address", 251),
        ("primary_address", None),
        ("customer_number", "\x1b[2J"),
        ("customer_number", 5),
        ("reconfigurations_left", 128),
        ("clock_offset_s", -(1 << 31)),
        ("clock_offset_s", (1 << 31) - 1),
        ("latest_seen", -1),
    ],
)
def test_a_damaged_state_is_named(name: str, value: object) -> None:
    document = {**make_lock(DESK).state.to_document(), name: value}
    with pytest.raises(SimulatorError, match=name):
        state_of(json.loads(json.dumps(document)))


def test_a_file_that_is_no_state(tmp_path: Path) -> None:
    for content in (b"", b"[]", b"{", b"\xff", b"[" * 100_000):
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


def test_meter_time_is_the_meters_own() -> None:
    lock = make_lock(DESK)
    told = datetime.fromtimestamp(greet(lock).meter_time, UTC)
    assert told == lock.state.meter_clock(NOW) != NOW


def test_what_has_no_place_in_a_state() -> None:
    lock = make_lock(DESK)
    assert do(lock, STAFF["installer"], "confirm-installation").code is ResultCode.WRONG_STATE
    assert do(lock, STAFF["commissioner"], "lorawan-join").code is ResultCode.WRONG_STATE
    assert do(lock, STAFF["installer"], "start-radio").code is ResultCode.DONE
    assert do(lock, STAFF["installer"], "confirm-installation").code is ResultCode.DONE
    assert do(lock, STAFF["commissioner"], "lorawan-join").code is ResultCode.DONE
    assert records_of(lock)[table.LORAWAN_STATE].value == table.JOINING
    assert records_of(lock, NOW + 30 * SECOND)[table.LORAWAN_STATE].value == table.JOINED


@pytest.mark.parametrize(("name", "value"), [("reconfigurations_left", 127), ("clock_offset_s", 366 * 86400)])
def test_the_outermost_of_a_state_is_read_out(name: str, value: int) -> None:
    lock = make_lock(DESK)
    lock.state = state_of({**lock.state.to_document(), name: value})
    assert greet(lock).meter == lock.meter.address
    assert records_of(lock)


@pytest.mark.skipif(os.name != "posix", reason="only there can a folder be written through")
def test_a_new_state_is_on_the_disk_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda number: written.append(stat.S_ISDIR(os.fstat(number).st_mode)))
    StateFile(tmp_path / "meter.json").save(make_lock(DESK).state)
    assert written == [False, True]


def test_refusals_that_anybody_can_cause_do_not_push_out_what_was_done() -> None:
    lock = make_lock(DESK)
    assert do(lock, STAFF["installer"], "customer-number", number="4711").code is ResultCode.DONE
    for _ in range(200):
        lock.receive(b"\x03 no proof", NOW)
    told = parse_events(do(lock, STAFF["service"], "event-log").reply)
    assert len(told) == MOST_EVENTS
    assert any(one.words.startswith("customer-number done") for one in told)
    assert [one.at for one in told] == sorted((one.at for one in told), reverse=True)
    assert len(lock.state.events) == MOST_KEPT_EVENTS


def test_what_was_done_does_not_push_out_refusals() -> None:
    lock = make_lock(DESK)
    assert do(lock, STAFF["installer"], "reset-alarms").code is ResultCode.LEVEL_TOO_LOW
    for number in range(100):
        do(lock, STAFF["installer"], "customer-number", number=f"{number}")
    told = parse_events(do(lock, STAFF["service"], "event-log").reply)
    assert next(one.words for one in told if one.kind is EventKind.REFUSED).startswith("reset-alarms refused")
    assert len(told) == MOST_EVENTS
