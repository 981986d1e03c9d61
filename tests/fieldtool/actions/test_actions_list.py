"""`fieldtool meter ACTION --list`: an action with the meters of a list, simulated on one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from fieldtool.actions.session import Evidence, GuardedSession, OpenSession
from fieldtool.actions.wired_link import WiredLink
from keystore.certificates.grant import Scope
from keystore.certificates.standing import Standing
from keystore.model import KeyRecord, Provenance
from keystore.vault import Vault, VaultSettings
from protocols.actions.messages import Result
from simulators.certificate_desk.desk import CertificateDesk
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.meter import factory_state, make_meter
from simulators.field_meter.wired import WiredMeter
from simulators.field_meter.wired_bench import WiredBench
from simulators.ports import TcpPort
from tests.fieldtool.actions.action_bench import PASSPHRASE, Bench, Clock, open_bench
from tests.fieldtool.conftest import Ran, Run
from tests.keystore.certificates.desks import ORGANISATION

NUMBERS = ("10002345", "10002346", "10002347", "10002348")
NOWHERE = "10009999"


@dataclass
class Street:
    """Meters on one line, a store, a list in a file, and the command line."""

    run: Run
    folder: Path
    clock: Clock
    bench: Bench
    locks: dict[str, MeterLock]
    line: WiredBench

    @property
    def path(self) -> Path:
        return self.folder / "street.csv"

    def write(self, *rows: str) -> None:
        self.path.write_text("\n".join(rows) + "\n")

    def meters(self, action: str, *more: str | Path, code: int = 0) -> Ran:
        at = f"{self.line.url}?timeout=0.1"
        ran = self.run("meter", action, "--list", self.path, "--at", at, *more)
        assert ran.code == code, ran.out + ran.err
        assert "Traceback" not in ran.err
        assert "internal error" not in ran.err
        return ran

    def rows(self, action: str, *more: str | Path, code: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.meters(action, *more, "--yes", "--json", code=code).lines]

    def states(self, action: str, *more: str | Path, code: int = 0) -> list[str]:
        return [row["state"] for row in self.rows(action, *more, code=code)]

    def enrol(self, level: str, scope: Scope | None = None) -> None:
        with Vault.open(self.folder / "keys.vault") as vault:
            vault.unlock(PASSPHRASE)
            self.bench.vault = vault
            self.bench.enrol(level, scope)

    def pulses(self) -> list[int]:
        return [lock.state.pulse_litres for lock in self.locks.values()]

    def events(self) -> list[int]:
        """How many proofs each meter was shown."""
        return [len(lock.state.events) for lock in self.locks.values()]

    def log(self) -> list[tuple[str, str]]:
        entries = [json.loads(line) for line in self.run("audit", "list", "--json").lines]
        return [(one["subject"], one["detail"]["became"]) for one in entries if one["action"] == "meter_action"]


def make_lock(number: str, clock: Clock, desk: CertificateDesk) -> MeterLock:
    meter = make_meter(number, now=clock())
    state = replace(factory_state(meter, clock()), clock_offset_s=0, latest_seen=int(clock().timestamp()))
    return MeterLock(meter, state, [desk.anchor.certificate], Random(int(number)).randbytes)


@pytest.fixture
def street(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    clock = Clock()
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("FIELDTOOL_STORE", str(tmp_path / "keys.vault"))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.setattr("fieldtool.enrolment.now", lambda: clock())
    # A socket that is closed sleeps; each meter has its own.
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time", SimpleNamespace(sleep=lambda _: None))
    settings = VaultSettings(actor="anna", now=clock)
    monkeypatch.setattr("fieldtool.access.vault_settings", lambda *_: settings)
    with open_bench(tmp_path / "keys.vault", clock) as bench:
        locks = {number: make_lock(number, clock, bench.desk) for number in NUMBERS}
        records = [
            KeyRecord(number=number, manufacturer="SIM", value=lock.state.key or b"", source=Provenance("test", "list"))
            for number, lock in locks.items()
            if number != NUMBERS[0]
        ]
        bench.vault.put(records)
    with WiredBench([WiredMeter(lock, reply_delay_s=0.0) for lock in locks.values()], TcpPort(), clock=clock) as line:
        made = Street(run, tmp_path, clock, bench, locks, line)
        made.write(*(f"SIM {number};flat {place}" for place, number in enumerate(NUMBERS, 1)))
        yield made


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
    assert "list        street.csv: 4 meters" in ran.err
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
    assert rows[2]["problem"] == "whether it was done is not known"
    assert rows[3]["problem"] == "the list was stopped at meter SIM 10002347"
    shown = street.events()

    rows = street.rows("pulse-value", "--set", "10")
    assert [row["state"] for row in rows] == ["done_before", "done_before", "done", "done"]
    assert [row["ok"] for row in rows] == [True] * 4
    assert rows[0]["hint"] == "--again does it anyway"
    assert street.events()[:2] == shown[:2], "nothing was sent to the first two"
    ran = street.meters("pulse-value", "--set", "10")
    assert "4 of them done before" in ran.err
    assert ran.lines[0].startswith("· done before  SIM 10002345  flat 1")
    assert "done 2026-11-20 08:00 UTC" in ran.lines[0]
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


def test_a_level_that_is_too_low_refuses_the_list_before_anything_is_sent(street: Street) -> None:
    street.enrol("installer")
    ran = street.meters("reset-alarms", "--yes", code=4)
    why = "level Service is needed to reset the alarms; the level in use is Installer"
    assert f"4 of 4 meters may not be asked for this, and none was: {why}" in ran.err
    assert [line.split("  ")[0] for line in ran.lines] == ["✗ not covered"] * 4
    assert street.events() == [0] * 4
    assert street.log() == [(f"SIM {number}", "refused by the tool") for number in NUMBERS]


def test_an_expired_certificate_refuses_the_list(street: Street) -> None:
    street.enrol("commissioner")
    street.clock.pass_by(timedelta(days=4000))
    ran = street.meters("pulse-value", "--set", "10", "--yes", code=4)
    assert "4 of 4 meters may not be asked" in ran.err
    assert street.events() == [0] * 4


@pytest.mark.parametrize(
    ("scope", "uncovered", "why"),
    [
        (Scope(ORGANISATION, numbers=(10002345, 10002346)), 2, "the certificate is for meters 10002345 to 10002346"),
        (Scope(ORGANISATION, manufacturers=frozenset({"KAM"})), 4, "the certificate is for meters of KAM"),
    ],
    ids=["numbers", "makers"],
)
def test_one_row_out_of_scope_refuses_the_whole_list(street: Street, scope: Scope, uncovered: int, why: str) -> None:
    street.enrol("commissioner", scope)
    ran = street.meters("pulse-value", "--set", "10", "--yes", code=4)
    assert len(ran.lines) == uncovered
    assert all(why in line for line in ran.lines)
    assert f"{uncovered} of 4 meters may not be asked for this, and none was" in ran.err
    assert street.pulses() == [1] * 4
    assert street.events() == [0] * 4


def test_the_maker_of_a_row_is_looked_up_where_the_certificate_names_makers(street: Street) -> None:
    street.enrol("commissioner", Scope(ORGANISATION, manufacturers=frozenset({"SIM"})))
    street.write(*NUMBERS[:2])
    assert street.states("pulse-value", "--set", "10") == ["done", "done"]
    street.write(NUMBERS[2], NOWHERE)
    ran = street.meters("pulse-value", "--set", "10", "--yes", code=4)
    assert len(ran.lines) == 1
    assert "the maker of this one is not known: write its three letters before the number" in ran.lines[0]


def test_a_family_is_known_only_when_the_meter_was_asked(street: Street) -> None:
    street.enrol("commissioner", Scope(ORGANISATION, families=frozenset({"A family of its own"})))
    street.write(*NUMBERS[:2])
    ran = street.meters("pulse-value", "--set", "10", "--yes", code=1)
    assert "which family a meter is, it is asked first" in ran.err
    assert [line.split("  ")[0] for line in ran.lines] == ["✗ not covered"] * 2
    assert street.pulses() == [1] * 4
    assert street.log() == [(f"SIM {number}", "refused by the tool") for number in NUMBERS[:2]]


def test_a_meter_that_refuses_the_level_ends_the_list(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool's own check taken out: the lock is the meter."""
    street.enrol("installer")
    monkeypatch.setattr(Standing, "why_not", lambda *_: "")
    rows = street.rows("reset-alarms", code=4)
    assert [row["state"] for row in rows] == ["refused", "not_done", "not_done", "not_done"]
    assert "(code 9): it wants a higher level for this" in rows[0]["problem"]
    assert street.events() == [1, 0, 0, 0]


def test_a_certificate_that_expires_on_the_way_ends_the_list(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")
    honest = WiredLink.close

    def close(self: WiredLink) -> None:
        honest(self)
        monkeypatch.setattr(WiredLink, "close", honest)
        street.clock.pass_by(timedelta(days=1200))

    monkeypatch.setattr(WiredLink, "close", close)
    rows = street.rows("pulse-value", "--set", "10", code=4)
    assert [row["state"] for row in rows] == ["done", "not_covered", "not_done", "not_done"]
    assert "level Commissioner or Service is needed" in rows[1]["problem"]
    assert street.pulses() == [10, 1, 1, 1]


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
    assert "holds the new key" in ran.lines[0]
    assert street.states("change-key") == ["done_before"] * 4


def test_a_key_change_that_is_not_settled_stops_the_list_until_it_is(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.enrol("service")
    interrupted_at(monkeypatch, NUMBERS[1])
    assert street.states("change-key", code=130) == ["done", "interrupted", "not_done", "not_done"]
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
    assert street.states("change-key", code=130) == ["interrupted"]
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


def test_a_meter_that_stands_twice_is_asked_once(street: Street) -> None:
    street.enrol("commissioner")
    street.write(f"SIM {NUMBERS[0]}", NUMBERS[1], NUMBERS[0])
    ran = street.meters("pulse-value", "--set", "10", "--yes")
    assert len(ran.lines) == 2
    assert f"street.csv, line 3: meter {NUMBERS[0]} stands in line 1 already; it is asked once" in ran.err


def test_one_question_says_how_many_meters_it_is_about(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.enrol("commissioner")
    ran = street.meters("pulse-value", "--set", "10", code=4)
    assert "say so with --yes" in ran.err
    asked: list[str] = []
    monkeypatch.setattr("fieldtool.cli.asking.can_ask", lambda: True)
    for answer, code in ((False, 1), (True, 0)):

        def ask(text: str, answer: bool = answer) -> bool:
            asked.append(text)
            return answer

        monkeypatch.setattr("fieldtool.cli.asking.ask_yes", ask)
        street.meters("pulse-value", "--set", "10", code=code)
        assert street.pulses() == [10 if answer else 1] * 4
    assert asked == ["4 meters of street.csv: set the pulse value: 10 l. Go on?"] * 2


def test_a_dry_run_sends_nothing_and_says_what_would_be_done(street: Street) -> None:
    street.enrol("commissioner", Scope(ORGANISATION, numbers=(10002345, 10002346)))
    street.write(NUMBERS[0])
    street.rows("pulse-value", "--set", "10")
    street.write(*NUMBERS[:2])
    ran = street.meters("pulse-value", "--set", "10", "--dry-run")
    assert [line.split("  ")[0] for line in ran.lines] == ["· done before", "· planned"]
    log, shown = street.log(), street.events()
    street.write(*NUMBERS)
    street.meters("pulse-value", "--set", "10", "--dry-run", code=4)
    assert (street.log(), street.events()) == (log, shown)


@pytest.mark.parametrize(
    ("rows", "words", "why"),
    [
        (("10002345", "no number"), ("clock",), "line 2"),
        (("10002345", "0011223344556677"), ("clock",), "line 2: '0011223344556677' names no meter"),
        (("10002345",), ("read-out",), "read-out takes no --list"),
        (("10002345",), ("clock", "--meter", "10002345"), "--meter and --list name meters"),
        (("10002345",), ("change-key", "--key-file", "x"), "one key for all meters of a list"),
        (("10002345",), ("pulse-value",), "line 1: pulse-value needs the pulse value"),
        (("number;set", "10002345;5"), ("pulse-value", "--set", "1"), "line 2: meter 10002345 has a value of its own"),
        (("number;set", "10002345;no"), ("pulse-value",), "line 2: pulse-value: 'no' is not a pulse value"),
        (("number;at", "10002345;nowhere:x"), ("clock",), "line 2: unknown receiver 'nowhere'"),
        (("10002345", "10002346"), ("primary-address", "--set", "5"), "line 1 has primary address 5 already"),
        (("number;set", "10002345;5", "10002345;6"), ("pulse-value",), "stands in line 2 too, with another"),
        (("10002345", "10002346"), ("clock", "--at", "optical:x"), "an optical head reaches one meter only"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_list_that_cannot_be_done_is_refused_before_the_store_is_opened(
    street: Street, rows: tuple[str, ...], words: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDTOOL_STORE", str(street.folder / "none.vault"))
    street.write(*rows)
    ran = street.meters(*words, "--yes", code=2)
    assert why in ran.err
    assert ran.out == ""


def test_a_row_without_a_link_is_told(street: Street) -> None:
    ran = street.run("meter", "clock", "--list", street.path)
    assert ran.code == 2
    assert "street.csv, line 1: meter SIM 10002345 has no link" in ran.err
    assert "give --at LINK, or a column headed `at`" in ran.err
    ran = street.run("meter", "clock", "--again", "--at", street.line.url, "--meter", NUMBERS[0])
    assert ran.code == 2
    assert "--again is for --list" in ran.err
