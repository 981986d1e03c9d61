"""An older copy of a whole store is noticed where the store was used before, and locks that come by themselves."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from keystore.errors import Locked, WrongPassphrase
from keystore.model import KeyRecord, Ownership
from keystore.vault import HistoryProblem, Vault, VaultSettings, WitnessFolder
from tests.keystore.made_up import CHEAP, PASSPHRASE, address_of, key_of, record_of


@pytest.fixture
def settings(tmp_path: Path) -> VaultSettings:
    return VaultSettings(witness=WitnessFolder(tmp_path / "state"))


@pytest.fixture
def watched(store_path: Path, settings: VaultSettings) -> Path:
    """A store of two writes and a copy of it from between them, `old`; closed."""
    with Vault.create(store_path, PASSPHRASE, CHEAP, settings=settings) as vault:
        vault.put([record_of(1)])
    shutil.copy(store_path, store_path.with_name("old"))
    with Vault.open(store_path, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        assert vault.history is None
        vault.put([record_of(2)])
    return store_path


def test_an_older_copy_is_told_until_it_is_accepted(watched: Path, settings: VaultSettings) -> None:
    shutil.copy(watched.with_name("old"), watched)
    for _ in range(2):
        with Vault.open(watched, settings=settings) as vault:
            vault.unlock(PASSPHRASE)
            assert vault.history is not None
            assert vault.history.problem is HistoryProblem.OLDER
            assert "2 writes" in vault.history.text
            assert vault.verify().ok
    with Vault.open(watched, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        vault.accept_history()
        assert [entry.action for entry in vault.audit.entries()][-1] == "older_copy_accepted"
    with Vault.open(watched, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        assert vault.history is None


def test_writes_on_an_older_copy_do_not_hide_it(watched: Path, settings: VaultSettings) -> None:
    shutil.copy(watched.with_name("old"), watched)
    with Vault.open(watched) as elsewhere:
        elsewhere.unlock(PASSPHRASE)
        for number in range(10, 20):
            elsewhere.put([record_of(number)])
    with Vault.open(watched, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        assert vault.history is not None
        assert vault.history.problem is HistoryProblem.OTHER


def test_writes_without_a_witness_are_no_roll_back(watched: Path, settings: VaultSettings) -> None:
    with Vault.open(watched) as elsewhere:
        elsewhere.unlock(PASSPHRASE)
        elsewhere.put([record_of(7)])
    with Vault.open(watched, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        assert vault.history is None


def test_a_copy_in_another_place_has_a_history_of_its_own(watched: Path, settings: VaultSettings) -> None:
    with Vault.open(watched.with_name("old"), settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        assert vault.history is None


def test_a_witness_cannot_be_forged_or_break_anything(watched: Path, settings: VaultSettings, tmp_path: Path) -> None:
    shutil.copy(watched.with_name("old"), watched)
    (witness,) = (tmp_path / "state").glob("*.witness")
    good = witness.read_bytes()
    for content in (b"", b"{}", b"[]", b"\xff\xfe", b"[" * 100_000, good.replace(b'"body": "0', b'"body": "1')):
        witness.write_bytes(content)
        with Vault.open(watched, settings=settings) as vault:
            vault.unlock(PASSPHRASE)
            assert vault.history is None
    witness.write_bytes(good)
    with Vault.open(watched, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        assert vault.history is not None


def test_a_witness_folder_that_cannot_be_used_stops_nothing(store_path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = WitnessFolder(tmp_path / "file" / "state")
    settings = VaultSettings(witness=folder)
    with Vault.create(store_path, PASSPHRASE, CHEAP, settings=settings) as vault:
        vault.put([record_of(1)])
        assert vault.history is None
    assert folder.faults


@pytest.mark.parametrize(
    "event",
    [
        {"action": "meter_action", "at": "2026-11-20T10:00:00+00:00"},
        {"action": "older_copy_accepted", "at": "2026-11-20T10:00:00+00:00", "detail": "x"},
        {"action": "unlock_failed", "at": "0001-01-01T00:00:00+23:59"},
        {"action": "unlock_failed", "at": "9999-12-31T23:59:59-23:59"},
        {"action": ["unlock_failed"], "at": "2026-11-20T10:00:00+00:00"},
    ],
    ids=["an action", "an acceptance", "before all time", "after all time", "no text"],
)
def test_events_that_nobody_had_are_not_written_down(
    watched: Path, settings: VaultSettings, tmp_path: Path, event: dict[str, object]
) -> None:
    with Vault.open(watched, settings=settings) as vault, pytest.raises(WrongPassphrase):
        vault.unlock("other words altogether")
    (events,) = (tmp_path / "state").glob("*.events")
    events.write_text(json.dumps([event, *json.loads(events.read_text())]))
    with Vault.open(watched) as elsewhere:
        elsewhere.unlock(PASSPHRASE)
        before, _ = elsewhere.audit.head
    with Vault.open(watched, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        assert [entry.action for entry in vault.audit.entries(before)] == ["unlock_failed"]
        assert not list((tmp_path / "state").glob("*.events"))


def test_what_an_event_says_cannot_steer_a_terminal(watched: Path, settings: VaultSettings, tmp_path: Path) -> None:
    with Vault.open(watched, settings=settings) as vault, pytest.raises(WrongPassphrase):
        vault.unlock("other words altogether")
    (events,) = (tmp_path / "state").glob("*.events")
    (event,) = json.loads(events.read_text())
    events.write_text(json.dumps([{**event, "detail": "\x1b[2J" + "x" * 1000 + "\ud800"}]))
    with Vault.open(watched, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        detail = list(vault.audit.entries())[-1].detail["while_locked"]
        assert "\x1b" not in detail
        assert len(detail) <= 200


def test_a_link_in_the_place_of_a_witness_is_not_followed(
    watched: Path, settings: VaultSettings, tmp_path: Path
) -> None:
    (witness,) = (tmp_path / "state").glob("*.witness")
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    witness.with_name(f"{witness.name}.{os.getpid()}.new").symlink_to(precious)
    with Vault.open(watched, settings=settings) as vault:
        vault.unlock(PASSPHRASE)
        vault.put([record_of(3)])
    assert precious.read_text() == "as it was"
    assert not witness.is_symlink()
    assert witness.stat().st_mode & 0o777 == 0o600


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def idle(store_path: Path, clock: Clock) -> Vault:
    vault = Vault.create(store_path, PASSPHRASE, CHEAP, settings=VaultSettings(monotonic=clock))
    vault.put([record_of(1)])
    return vault


def test_a_store_nobody_uses_locks_itself(idle: Vault, clock: Clock) -> None:
    locked: list[bool] = []
    idle.on_lock(lambda: locked.append(idle.is_locked))
    clock.now = 599.0
    assert not idle.lock_if_idle()
    assert idle.idle_left_s == 1.0
    # What the decoder asks is no use by a person.
    assert idle.keys_for(address_of(1))
    clock.now = 600.0
    assert idle.lock_if_idle()
    assert locked == [True]
    assert not idle.lock_if_idle()
    with pytest.raises(Locked, match="nobody used it for 10 minutes"):
        idle.keys_for(address_of(1))
    idle.unlock(PASSPHRASE)
    assert idle.keys_for(address_of(1))
    idle.close()


def test_use_by_a_person_puts_the_lock_off(idle: Vault, clock: Clock) -> None:
    for use in (idle.touch, lambda: idle.find("1"), lambda: list(idle.records()), lambda: idle.count):
        clock.now += 500.0
        use()
        assert idle.idle_left_s == 600.0
    clock.now += 601.0
    # Even without anybody who asks in between: the look-up itself finds that it is late.
    with pytest.raises(Locked):
        idle.find("1")
    assert idle.idle_left_s is None
    idle.close()


def test_a_store_may_stay_open_for_ever(store_path: Path, clock: Clock) -> None:
    settings = VaultSettings(monotonic=clock, idle_lock_s=None)
    with Vault.create(store_path, PASSPHRASE, CHEAP, settings=settings) as vault:
        clock.now = 1e9
        assert not vault.lock_if_idle()
        assert vault.count == 0


def test_a_lock_is_quick_and_leaves_no_key_in_the_vault(idle: Vault) -> None:
    idle.put(record_of(number) for number in range(2, 2000))
    for number in range(2000):
        idle.keys_for(address_of(number))
    started = time.perf_counter()
    idle.lock()
    assert time.perf_counter() - started < 0.1
    assert not idle._cache
    assert idle._session is None
    idle.close()


def test_the_epoch_moves_with_everything_that_changes_answers(idle: Vault, store_path: Path) -> None:
    seen = [idle.keys_epoch]
    assert idle.keys_epoch == seen[-1]
    idle.put([record_of(2)])
    seen.append(idle.keys_epoch)
    with Vault.open(store_path) as other:
        other.unlock(PASSPHRASE)
        other.put([record_of(3)])
    seen.append(idle.keys_epoch)
    idle.lock()
    seen.append(idle.keys_epoch)
    idle.unlock(PASSPHRASE)
    seen.append(idle.keys_epoch)
    assert seen == sorted(set(seen))
    idle.close()


def test_the_key_of_a_meter_given_away_is_used_only_on_the_record(idle: Vault) -> None:
    idle.put([KeyRecord("00000001", manufacturer="KAM", ownership=Ownership.TRANSFERRED, owner="City Works")])
    for _ in range(3):
        (key,) = idle.keys_for(address_of(1))
        assert key.value == key_of("00000001")
        assert "transferred away" in key.label
    idle.put([record_of(2)])
    idle.keys_for(address_of(1))
    used = [entry.subject for entry in idle.audit.entries() if entry.action == "transferred_key_used"]
    assert used == ["KAM 00000001"]
    idle.lock()
    idle.unlock(PASSPHRASE)
    idle.keys_for(address_of(1))
    assert [entry.action for entry in idle.audit.entries()].count("transferred_key_used") == 2
    idle._file.connection.execute("PRAGMA query_only = ON")
    idle.lock()
    idle.unlock(PASSPHRASE)
    assert idle.keys_for(address_of(1)) == ()
    idle.close()
