"""`fieldtool meter ACTION --list`: done, passed over, interrupted and continued."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from fieldtool.actions.session import Evidence, GuardedSession, OpenSession
from fieldtool.actions.wired_link import WiredLink
from keystore.vault import Vault
from protocols.actions.messages import Result
from tests.fieldtool.actions.action_bench import PASSPHRASE
from tests.fieldtool.actions.street_bench import NOWHERE, NUMBERS, Street


def interrupted_at(monkeypatch: pytest.MonkeyPatch, number: str, *, done: bool = True) -> None:
    """Press Ctrl-C behind the proof to one meter, or before it."""
    honest = GuardedSession.prove

    def prove(self: GuardedSession, opened: OpenSession, command: bytes, evidence: Evidence) -> Result:
        if opened.meter.number != number:
            return honest(self, opened, command, evidence)
        monkeypatch.setattr(GuardedSession, "prove", honest)
        if done:
            honest(self, opened, command, evidence)
        raise KeyboardInterrupt

    monkeypatch.setattr(GuardedSession, "prove", prove)


def test_all_meters_of_a_list_are_set_up_and_read_back(street: Street) -> None:
    street.enrol("commissioner")
    ran = street.meters("pulse-value", "--set", "10", "--yes")
    assert street.pulses() == [10] * 4
    assert ran.lines[0] == "✓ done         SIM 10002345  flat 1  pulse-value 10 l; read back"
    assert len(ran.lines) == 4
    assert "list        street.csv, lines 1 to 4: 4 meters" in ran.err
    assert "4 meters: 4 done" in ran.err
    assert "1 of 4" not in ran.err, "progress is for terminals"
    assert street.log() == [(f"SIM {number}", became) for number in NUMBERS for became in ("begun", "done")]


def test_json_is_an_object_a_meter_as_the_action_alone_prints(street: Street) -> None:
    street.enrol("commissioner")
    street.write(*NUMBERS[:2], NOWHERE)
    at = street.line.url
    words = ("--at", at, "--meter", NUMBERS[2], "--set", "10", "--yes", "--json")
    alone = json.loads(street.run("meter", "pulse-value", *words).out)
    rows = street.rows("pulse-value", "--set", "10", code=1)
    assert rows[0].keys() - alone.keys() == {"label", "line", "state", "hint"}
    assert [(row["meter"]["number"], row["state"], row["ok"]) for row in rows] == [
        (NUMBERS[0], "done", True),
        (NUMBERS[1], "done", True),
        (NOWHERE, "no_answer", False),
    ]
    assert rows[2]["new"] == "10 l"
    assert "does not answer to its number" in rows[2]["problem"]
    assert "check the cable" in rows[2]["hint"]


def test_a_meter_that_does_not_answer_is_told_and_passed_over(street: Street) -> None:
    street.enrol("commissioner")
    street.write(NUMBERS[0], NOWHERE, NUMBERS[1])
    ran = street.meters("pulse-value", "--set", "10", "--yes", code=1)
    assert [line.split("  ")[0] for line in ran.lines] == ["✓ done", "✗ no answer", "✓ done"]
    assert "does not answer to its number" in ran.lines[1]
    assert "3 meters: 2 done, 1 no answer" in ran.err
    assert street.pulses() == [10, 10, 1, 1]


def test_a_list_that_is_continued_skips_what_the_log_has_as_done(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.enrol("commissioner")
    interrupted_at(monkeypatch, NUMBERS[2])
    rows = street.rows("pulse-value", "--set", "10", code=130)
    assert [row["state"] for row in rows] == ["done", "done", "interrupted", "not_done"]
    assert rows[2]["problem"] == "interrupted; whether it was done is not known"
    assert rows[3]["problem"] == "the list was stopped at meter SIM 10002347"
    shown = street.events()

    rows = street.rows("pulse-value", "--set", "10")
    assert [row["state"] for row in rows] == ["done_before", "done_before", "done", "done"]
    assert [row["ok"] for row in rows] == [True] * 4
    assert (rows[0]["hint"], rows[0]["done_at"]) == ("--again does it anyway", "2026-11-20T08:00:00Z")
    assert street.events()[:2] == shown[:2], "nothing was sent to the first two"
    ran = street.meters("pulse-value", "--set", "10")
    assert "4 of them done before" in ran.err
    assert ran.lines[0].startswith("· done before  SIM 10002345  flat 1")
    assert ran.lines[0].endswith("pulse-value 10 l; 2026-11-20 08:00 UTC")
    assert street.states("pulse-value", "--set", "10", "--again") == ["done"] * 4


def test_who_interrupts_behind_a_meter_is_told_that_it_was_done(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.enrol("commissioner")
    honest = WiredLink.close

    def close(self: WiredLink) -> None:
        honest(self)
        monkeypatch.setattr(WiredLink, "close", honest)
        raise KeyboardInterrupt

    monkeypatch.setattr(WiredLink, "close", close)
    ran = street.meters("pulse-value", "--set", "10", "--yes", code=130)
    assert [line.split("  ")[0] for line in ran.lines] == ["✓ done", *["· not done"] * 3]
    assert "the list was stopped behind meter SIM 10002345" in ran.lines[1]
    assert ran.err.endswith("4 meters: 1 done, 3 not done\nthe same command goes on with what is not done\n")


def test_what_was_done_before_is_only_the_newest_value(street: Street) -> None:
    street.enrol("commissioner")
    street.write(NUMBERS[0])
    for litres in ("10", "100", "10"):
        assert street.states("pulse-value", "--set", litres) == ["done"]
    assert street.pulses()[0] == 10


def test_an_attempt_whose_end_is_not_known_is_not_done_before(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")
    street.write(NUMBERS[0])
    street.rows("pulse-value", "--set", "10")
    interrupted_at(monkeypatch, NUMBERS[0])
    assert street.states("pulse-value", "--set", "100", code=130) == ["interrupted"]
    assert street.states("pulse-value", "--set", "10") == ["done"]
    assert street.pulses()[0] == 10


def test_a_clock_that_was_set_today_counts_as_set(street: Street) -> None:
    street.enrol("installer")
    street.write(NUMBERS[0])
    assert street.states("clock") == ["done"]
    street.clock.pass_by(timedelta(hours=2))
    assert street.states("clock") == ["done_before"]
    street.clock.pass_by(timedelta(days=1))
    assert street.states("clock") == ["done"]


def test_what_only_reads_is_never_skipped_and_asks_nobody(street: Street) -> None:
    street.enrol("service")
    street.write(NUMBERS[0])
    street.meters("event-log")
    ran = street.meters("event-log")
    assert ran.lines[0].startswith("✓ done         SIM 10002345")
    assert ran.lines[1].endswith("event-log done, certificate " + ran.lines[1].split()[-1])
    assert street.log() == [("SIM 10002345", "begun"), ("SIM 10002345", "done")] * 2


def test_a_meter_that_cannot_is_passed_over(street: Street) -> None:
    street.enrol("commissioner")
    lock = street.locks[NUMBERS[0]]
    street.line.do(lambda: setattr(lock, "state", replace(lock.state, reconfigurations_left=0)))
    assert street.states("pulse-value", "--set", "10", code=1) == ["refused", "done", "done", "done"]


def test_a_link_that_is_gone_ends_the_list(street: Street) -> None:
    street.enrol("commissioner")
    street.locks[NUMBERS[1]].faults.cut_after = "applied"
    rows = street.rows("pulse-value", "--set", "10", code=3)
    assert [row["state"] for row in rows] == ["done", "link_lost", "not_done", "not_done"]
    assert rows[2]["problem"] == "the link ended at meter SIM 10002346"
    street.line.replug()
    assert street.states("pulse-value", "--set", "10") == ["done_before", "done", "done", "done"]
    street.line.unplug()
    rows = street.rows("pulse-value", "--set", "11", code=3)
    assert [row["state"] for row in rows] == ["link_lost", "not_done", "not_done", "not_done"]
    assert "nobody answers there" in rows[0]["problem"]


def test_rows_with_links_of_their_own_do_not_end_each_other(street: Street) -> None:
    street.enrol("commissioner")
    at = street.line.url
    street.write("number;at", f"{NUMBERS[0]};mbus:///dev/no-such-port", f"{NUMBERS[1]};{at}", NUMBERS[2])
    rows = street.rows("pulse-value", "--set", "10", code=3)
    assert [row["state"] for row in rows] == ["link_lost", "done", "done"]


def test_each_meter_may_have_its_own_value(street: Street) -> None:
    street.enrol("installer")
    street.write("number;name;set", f"{NUMBERS[0]};flat 1;K-1", f"{NUMBERS[1]};flat 2;K-2")
    ran = street.meters("customer-number", "--yes")
    assert [street.locks[number].state.customer_number for number in NUMBERS[:2]] == ["K-1", "K-2"]
    assert "new         2 different values, as listed" in ran.err
    assert "customer-number K-2; read back" in ran.lines[1]


def test_keys_are_changed_one_by_one_and_never_shown(street: Street) -> None:
    street.enrol("service")
    old = [lock.state.key or b"" for lock in street.locks.values()]
    ran = street.meters("change-key", "--yes")
    new = [lock.state.key or b"" for lock in street.locks.values()]
    assert len({*old, *new}) == 8
    said = (ran.out + ran.err + street.run("audit", "list").out).lower()
    assert not any(key.hex() in said for key in (*old, *new))
    assert "flat 1  holds the new key (" in ran.lines[0]
    assert street.states("change-key") == ["done_before"] * 4


def test_a_key_change_that_is_not_settled_stops_the_list_until_it_is(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.enrol("service")
    interrupted_at(monkeypatch, NUMBERS[1])
    assert street.states("change-key", code=130) == ["done", "key_open", "not_done", "not_done"]
    shown = street.events()
    rows = street.rows("change-key", code=4)
    assert [row["state"] for row in rows] == ["done_before", "key_open", "not_done", "not_done"]
    assert "fieldtool meter recover --at LINK --meter 10002346" in rows[1]["hint"]
    assert street.events() == shown, "nothing was sent"

    assert street.run("meter", "recover", "--at", street.line.url, "--meter", NUMBERS[1]).code == 0
    taken = street.locks[NUMBERS[1]].state.key
    assert street.states("change-key") == ["done_before", "done_before", "done", "done"]
    assert street.locks[NUMBERS[1]].state.key == taken, "the key that it took is kept"


def test_a_key_that_was_never_taken_is_changed_when_the_list_goes_on(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.enrol("service")
    street.write(NUMBERS[0])
    interrupted_at(monkeypatch, NUMBERS[0], done=False)
    assert street.states("change-key", code=130) == ["key_open"]
    assert street.run("meter", "recover", "--at", street.line.url, "--meter", NUMBERS[0]).code == 0
    assert street.states("change-key") == ["done"]


def test_a_meter_without_a_key_is_passed_over_when_keys_are_changed(street: Street) -> None:
    street.enrol("service")
    with Vault.open(street.folder / "keys.vault") as vault:
        vault.unlock(PASSPHRASE)
        vault.remove(NUMBERS[0])
    rows = street.rows("change-key", code=1)
    assert [row["state"] for row in rows] == ["failed", "done", "done", "done"]
    assert "no key is filed for meter SIM 10002345" in rows[0]["problem"]
    assert rows[0]["hint"] == "import its key first"


def test_a_label_cannot_speak_to_the_terminal(street: Street) -> None:
    street.enrol("commissioner")
    street.write(f"SIM {NUMBERS[0]};flat\x1b[31m 1")
    ran = street.meters("pulse-value", "--set", "10", "--yes")
    assert "flat" in ran.lines[0]
    assert "\x1b" not in ran.out + ran.err


def test_a_meter_that_stands_twice_is_asked_once(street: Street) -> None:
    street.enrol("commissioner")
    street.write(f"SIM {NUMBERS[0]}", NUMBERS[1], NUMBERS[0])
    ran = street.meters("pulse-value", "--set", "10", "--yes")
    assert len(ran.lines) == 2
    assert f"street.csv, line 3: meter SIM {NUMBERS[0]} stands in line 1 already; it is asked once" in ran.err
