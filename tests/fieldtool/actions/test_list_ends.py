"""`fieldtool meter ACTION --list`: no meter is passed over, done unasked or left untold, whatever happens meanwhile."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from fieldtool.actions.batch import ActionBatch, BatchRow, RowResult
from fieldtool.actions.errors import LinkSilent
from fieldtool.actions.wired_link import WiredLink
from fieldtool.cli import output
from keystore.audit import AuditAction
from keystore.errors import Locked, StorageFailed
from keystore.key_change import ChangeNote, KeyChange
from keystore.model import KeyRecord, Provenance
from keystore.vault import Vault
from keystore.vault.audit_trail import AuditTrail
from keystore.vault.key_changes import KeyChangeDesk
from tests.fieldtool.actions.action_bench import PASSPHRASE
from tests.fieldtool.actions.street_bench import NUMBERS, Street

PULSES = ("pulse-value", "--set", "10")


def broken_output(monkeypatch: pytest.MonkeyPatch, error: OSError, *, after: int) -> None:
    """Let the output fail behind so many lines."""
    written: list[str] = []

    def data(line: str, *, flush: bool = False) -> None:
        if len(written) == after:
            raise error
        written.append(line)

    monkeypatch.setattr(output, "data", data)
    monkeypatch.setattr(output, "let_go", lambda: None)


def test_a_list_whose_output_nobody_reads_is_stopped_and_not_called_done(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.enrol("commissioner")
    broken_output(monkeypatch, BrokenPipeError(), after=1)
    ran = street.meters(*PULSES, "--yes", code=1)
    assert "4 meters: 2 done, 2 not done" in ran.err
    assert street.pulses() == [10, 10, 1, 1]


def test_a_list_that_is_done_when_its_reader_leaves_is_done(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")
    broken_output(monkeypatch, BrokenPipeError(), after=3)
    assert "4 meters: 4 done" in street.meters(*PULSES, "--yes").err


def test_a_full_disk_behind_the_output_stops_the_list(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")
    broken_output(monkeypatch, OSError(28, "No space left on device"), after=0)
    ran = street.meters(*PULSES, "--yes", code=2)
    assert "4 meters: 1 done, 3 not done" in ran.err
    assert "cannot be written: No space left on device" in ran.err
    assert street.pulses() == [10, 1, 1, 1]


def test_ctrl_c_while_a_row_is_told_leaves_every_line_whole(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")
    honest = output.data
    pressed: list[bool] = []

    def data(line: str, *, flush: bool = False) -> None:
        if len(pressed) < 3:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)
        honest(line, flush=flush)

    monkeypatch.setattr(output, "data", data)
    rows = street.rows(*PULSES, code=130)
    assert [row["state"] for row in rows] == ["done", "not_done", "not_done", "not_done"]
    assert rows[1]["problem"] == "the list was stopped before meter SIM 10002346"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_tells_every_row(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")
    honest = ActionBatch.do

    def do(self: ActionBatch, row: BatchRow) -> RowResult:
        result = honest(self, row)
        if row.meter.number == NUMBERS[1]:
            signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(ActionBatch, "do", do)
    rows = street.rows(*PULSES, code=130)
    assert [row["state"] for row in rows] == ["done", "interrupted", "not_done", "not_done"]
    assert rows[1]["problem"] == "interrupted; whether it was done is not known"


def test_a_store_that_cannot_be_used_any_more_ends_the_list_with_a_line_a_meter(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.enrol("commissioner")
    honest = KeyChangeDesk.pending

    def pending(self: KeyChangeDesk) -> tuple[KeyChange, ...]:
        if street.pulses()[0] == 10:
            raise Locked("the store is locked", "unlock it")
        return honest(self)

    monkeypatch.setattr(KeyChangeDesk, "pending", pending)
    rows = street.rows(*PULSES, code=4)
    assert [row["state"] for row in rows] == ["done", "failed", "not_done", "not_done"]
    assert (rows[1]["problem"], rows[1]["hint"]) == ("the store is locked", "unlock it")


def test_what_nobody_was_asked_about_is_not_done(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("installer")
    street.write(NUMBERS[0])
    assert street.states("clock") == ["done"]
    street.clock.pass_by(timedelta(hours=23, minutes=59))
    honest = ActionBatch.check

    def check(self: ActionBatch, rows: list[BatchRow], *, dry_run: bool = False) -> list[RowResult]:
        street.clock.pass_by(timedelta(minutes=2))
        return honest(self, rows, dry_run=dry_run)

    monkeypatch.setattr(ActionBatch, "check", check)
    shown = street.events()
    ran = street.meters("clock")
    assert ran.lines[0].startswith("· done before")
    assert street.events() == shown


@pytest.mark.parametrize(
    ("words", "days"),
    [(("reset-alarms",), 1), (("reset-peaks",), 1), (("test-mode", "--set", "5"), 1), (("change-key",), 30)],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_is_done_again_some_day_is_not_passed_over_then(street: Street, words: tuple[str, ...], days: int) -> None:
    street.enrol("test" if words[0] == "test-mode" else "service")
    street.write(NUMBERS[1])
    assert street.states(*words) == ["done"]
    street.clock.pass_by(timedelta(days=days, hours=-1))
    assert street.states(*words) == ["done_before"]
    street.clock.pass_by(timedelta(hours=2))
    assert street.states(*words) == ["done"]


def test_a_row_without_a_maker_may_mean_the_other_meter_of_that_number(street: Street) -> None:
    street.enrol("commissioner")
    street.write(NUMBERS[0])
    assert street.states(*PULSES) == ["done"]
    assert street.states(*PULSES) == ["done_before"]
    with Vault.open(street.folder / "keys.vault") as vault:
        vault.unlock(PASSPHRASE)
        other = KeyRecord(number=NUMBERS[0], manufacturer="KAM", value=bytes(range(16)), source=Provenance("test", ""))
        vault.put([other])
    assert street.states(*PULSES) == ["done"]
    street.write(f"SIM {NUMBERS[0]}")
    assert street.states(*PULSES) == ["done_before"]


def test_an_audit_log_that_lacks_entries_does_not_say_what_was_done(street: Street) -> None:
    street.enrol("commissioner")
    street.write(NUMBERS[0])
    for litres in ("10", "100"):
        assert street.states("pulse-value", "--set", litres) == ["done"]
    with closing(sqlite3.connect(street.folder / "keys.vault")) as connection, connection:
        (last,) = connection.execute("SELECT max(number) FROM audit").fetchone()
        connection.execute("DELETE FROM audit WHERE number > ?", (last - 2,))
    ran = street.meters(*PULSES, "--yes", code=4)
    assert "the audit log cannot say what was done before: entries" in ran.err
    assert "--again does all meters of the list" in ran.err
    assert street.pulses()[0] == 100


@pytest.mark.parametrize(
    ("rows", "words", "why"),
    [
        (("p250", "p249"), ("clock",), "line 1: primary address 250 is no meter number"),
        (
            ("number;at", "10002345;mbus:///dev/x", "10002346;mbus:///dev/x?baud=2400"),
            ("primary-address", "--set", "5"),
            "line 2 has primary address 5 already",
        ),
        (
            ("number;at", "10002345;optical:///dev/x", "10002346;optical:///dev/x?timeout=1"),
            ("clock",),
            "an optical head reaches one meter only",
        ),
    ],
    ids=["primary addresses", "a line spelled twice", "a head spelled twice"],
)
def test_rows_that_mean_the_same_place_are_found(
    street: Street, rows: tuple[str, ...], words: tuple[str, ...], why: str
) -> None:
    street.write(*rows)
    assert why in street.meters(*words, "--yes", code=2).err


def test_every_object_of_an_interrupted_list_can_be_parsed(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")
    monkeypatch.setattr(ActionBatch, "do", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    ran = street.meters(*PULSES, "--yes", "--json", code=130)
    assert len([json.loads(line) for line in ran.lines]) == len(NUMBERS)


def test_who_does_everything_again_is_told_that_the_same_command_begins_again(street: Street) -> None:
    street.enrol("commissioner")
    street.line.unplug()
    ran = street.meters(*PULSES, "--yes", "--again", code=3)
    assert ran.err.endswith("the same command begins again with all meters: leave out those that are done\n")


def test_a_store_that_fails_behind_the_proof_does_not_hide_that_it_may_be_done(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.enrol("commissioner")
    honest = AuditTrail.note

    def note(self: AuditTrail, action: str, subject: str = "", /, **detail: str) -> None:
        if detail.get("became") == "done":
            raise StorageFailed("the disk is full", "make room")
        honest(self, action, subject, **detail)

    with monkeypatch.context() as patched:
        patched.setattr(AuditTrail, "note", note)
        rows = street.rows(*PULSES, code=4)
    assert [row["state"] for row in rows] == ["failed", *["not_done"] * 3]
    assert rows[0]["problem"] == "the disk is full; whether it was done is not known"
    assert street.pulses()[0] == 10
    assert street.states(*PULSES) == ["done"] * 4


def test_the_maker_is_kept_where_a_later_line_has_it(street: Street) -> None:
    street.enrol("commissioner")
    street.write(NUMBERS[0], f"SIM {NUMBERS[0]}", f"KAM {NUMBERS[1]}")
    rows = street.rows(*PULSES, code=1)
    assert [(row["line"], row["meter"]["manufacturer"], row["state"]) for row in rows] == [
        (1, "SIM", "done"),
        (3, "KAM", "no_answer"),
    ]
    street.line.unplug()
    assert street.rows(*PULSES, "--again", code=3)[0]["meter"]["manufacturer"] == "SIM"


def test_links_of_a_list_are_shown_before_somebody_says_yes(street: Street) -> None:
    street.enrol("commissioner")
    street.write("number;at", f"{NUMBERS[0]};mbus+socket://198.51.100.7:1", NUMBERS[1])
    ran = street.meters(*PULSES, code=4)
    assert f"links       mbus+socket://198.51.100.7:1, {street.line.url}?timeout=0.1" in ran.err
    street.write(*NUMBERS)
    assert "links" not in street.meters(*PULSES, code=4).err


@pytest.mark.parametrize("event", [AuditAction.RESTORED, AuditAction.OLDER_COPY_ACCEPTED], ids=str)
def test_an_older_store_does_not_know_what_was_done_last(street: Street, event: AuditAction) -> None:
    street.enrol("commissioner")
    street.write(NUMBERS[0])
    assert street.states(*PULSES) == ["done"]
    with Vault.open(street.folder / "keys.vault") as vault:
        vault.unlock(PASSPHRASE)
        vault.audit.note(event, "keys.vault")
    assert street.states(*PULSES) == ["done"]
    assert street.states(*PULSES) == ["done_before"]


def test_what_was_done_by_hand_in_between_counts(street: Street) -> None:
    street.enrol("commissioner")
    street.write(NUMBERS[0])
    assert street.states(*PULSES) == ["done"]
    alone = ("meter", "pulse-value", "--at", street.line.url, "--meter", NUMBERS[0], "--yes")
    assert street.run(*alone, "--set", "100").code == 0
    assert street.states(*PULSES) == ["done"]
    assert street.pulses()[0] == 10
    assert street.run(*alone, "--set", "0100").code == 0
    assert street.states("pulse-value", "--set", " 100") == ["done_before"]


def test_an_open_key_change_is_told_before_anything_is_done(street: Street) -> None:
    street.enrol("service")
    with Vault.open(street.folder / "keys.vault") as vault:
        vault.unlock(PASSPHRASE)
        filed = vault.find(NUMBERS[2])[0]
        address = street.locks[NUMBERS[2]].meter.address
        change = KeyChange(address, filed.role, filed.value, bytes(range(16)), street.clock())
        vault.key_changes.begin(change, filed, ChangeNote("begun", NUMBERS[2]))
    ran = street.meters("reset-alarms", "--dry-run", code=4)
    assert [line.split("  ")[0] for line in ran.lines] == ["· planned", "· planned", "✗ key open", "· planned"]
    assert "a key change of meter SIM 10002347 is not settled: the list stops there" in ran.err
    assert "fieldtool meter recover" in ran.lines[2]


def test_another_meter_that_answers_is_not_set_up(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")
    honest = WiredLink._select

    def select(self: WiredLink) -> None:
        if self._meter.number == NUMBERS[0]:
            self._meter = replace(self._meter, number=NUMBERS[3])
        honest(self)

    monkeypatch.setattr(WiredLink, "_select", select)
    street.write(*NUMBERS[:2])
    rows = street.rows(*PULSES, code=1)
    assert [row["state"] for row in rows] == ["no_answer", "done"]
    assert "meter SIM 10002348 01/07 answers, not 10002345" in rows[0]["problem"]
    assert street.pulses() == [1, 10, 1, 1]


def test_what_a_meter_says_cannot_speak_to_the_terminal(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")

    def exchange(self: WiredLink, message: bytes) -> bytes:
        raise LinkSilent("meter \x1b]0;owned\x07 \u202e\n✓ done SIM 1", "press\r\x1b[2J")

    monkeypatch.setattr(WiredLink, "exchange", exchange)
    ran = street.meters(*PULSES, "--yes", code=1)
    assert len(ran.lines) == 4
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(ran.out + ran.err)
    assert len(street.meters(*PULSES, "--yes", "--json", code=1).lines) == 4
