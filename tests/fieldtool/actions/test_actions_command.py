"""`fieldtool meter`: actions on the command line, with a simulated meter at the other end of a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fieldtool.actions.session import Evidence, GuardedSession, OpenSession
from keystore.certificates.levels import level_table
from keystore.vault import Vault
from protocols.actions.messages import Result
from simulators.field_meter.wired import WiredMeter
from simulators.field_meter.wired_bench import WiredBench
from simulators.ports import TcpPort
from tests.fieldtool.actions.action_bench import PASSPHRASE, Bench, Clock, open_bench
from tests.fieldtool.conftest import Ran, Run

NEW = "CA9A41CA9A41F00DCA9A41CA9A41F00D"


@dataclass
class Site:
    """A store in a file, a meter on a socket, and the command line."""

    run: Run
    folder: Path
    clock: Clock
    bench: Bench
    line: WiredBench

    def meter(self, action: str, *more: str | Path, code: int = 0, meter: str = "10002345", at: str = "") -> Ran:
        ran = self.run("meter", action, "--at", at or self.line.url, "--meter", meter, *more)
        assert ran.code == code, ran.out + ran.err
        assert "Traceback" not in ran.err
        return ran

    def enrol(self, level: str) -> None:
        with Vault.open(self.folder / "keys.vault") as vault:
            vault.unlock(PASSPHRASE)
            self.bench.vault = vault
            self.bench.enrol(level)

    def log(self) -> list[dict[str, str]]:
        lines = self.run("audit", "list", "--json").lines
        entries = [json.loads(line) for line in lines]
        return [entry["detail"] for entry in entries if entry["action"] == "meter_action"]


@pytest.fixture
def site(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    clock = Clock()
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("FIELDTOOL_STORE", str(tmp_path / "keys.vault"))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.setattr("fieldtool.enrolment.now", lambda: clock())
    with open_bench(tmp_path / "keys.vault", clock) as bench:
        """The command opens the store by itself."""
    with WiredBench([WiredMeter(bench.lock)], TcpPort(), clock=clock) as line:
        yield Site(run, tmp_path, clock, bench, line)


def test_reading_out_needs_no_certificate_and_no_store(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDTOOL_STORE", str(site.folder / "none.vault"))
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    ran = site.meter("read-out")
    assert "SIM 10002345" in ran.out
    assert "fabrication_number 10002345" in ran.out
    parts = [json.loads(line) for line in site.meter("read-out", "--json").lines]
    assert len(parts) == 3
    assert all(part["ok"] for part in parts)


def test_an_action_is_shown_done_and_read_back(site: Site) -> None:
    site.enrol("commissioner")
    ran = site.meter("pulse-value", "--set", "10", "--yes")
    assert "done: set the pulse value: 10 l, confirmed by the read-out" in ran.out
    assert "left        19 reconfigurations" in ran.out
    for line in ("sent        51 0293280A00", "needs       Commissioner or Service", "in use      Commissioner"):
        assert line in ran.err
    assert site.bench.lock.state.pulse_litres == 10
    outcome = json.loads(site.meter("pulse-value", "--set", "litres=100", "--yes", "--json").out)
    assert (outcome["ok"], outcome["matches"], outcome["authentic"]) == (True, True, True)
    assert outcome["reconfigurations_left"] == 18
    assert [entry["became"] for entry in site.log()] == ["begun", "done", "begun", "done"]
    assert site.run("audit", "verify").code == 0


def test_a_dry_run_writes_nothing(site: Site) -> None:
    site.enrol("installer")
    before = site.bench.lock.state
    ran = site.meter("customer-number", "--set", "4711", "--dry-run")
    assert "sent        51 0DFD110431313734" in ran.err
    plan = json.loads(site.meter("reset-alarms", "--dry-run", "--json", code=4).out)
    assert plan["why_not"] == "level Service is needed to reset the alarms; the level in use is Installer"
    assert site.bench.lock.state.customer_number == before.customer_number
    assert site.log() == []


def test_nothing_is_done_without_a_yes(site: Site) -> None:
    site.enrol("installer")
    ran = site.meter("customer-number", "--set", "4711", code=4)
    assert "there is no terminal to ask whether that is right" in ran.err
    assert "say so with --yes" in ran.err
    assert site.bench.lock.state.customer_number == ""


def test_a_question_is_answered_on_the_terminal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.enrol("installer")
    asked: list[str] = []
    monkeypatch.setattr("fieldtool.cli.asking.can_ask", lambda: True)
    for answer, code, number in ((False, 1, ""), (True, 0, "4711")):

        def ask(text: str, answer: bool = answer) -> bool:
            asked.append(text)
            return answer

        monkeypatch.setattr("fieldtool.cli.asking.ask_yes", ask)
        site.meter("customer-number", "--set", "4711", code=code)
        assert site.bench.lock.state.customer_number == number
    assert asked[0].startswith("meter SIM 10002345 01/07: write the customer number: 4711")


def test_refusals_of_tool_and_meter_end_with_the_code_of_permissions(site: Site) -> None:
    site.enrol("installer")
    ran = site.meter("reset-alarms", "--yes", code=4)
    assert "fieldtool: level Service is needed to reset the alarms; the level in use is Installer" in ran.err
    site.enrol("commissioner")
    ran = site.meter("lorawan-join", "--yes", code=4)
    assert "refused by meter SIM 10002345 (code 15): it cannot do this in its present state" in ran.err
    reasons = [(entry["became"], entry["meter_action"]) for entry in site.log()]
    expected = [("refused by the tool", "reset-alarms"), ("begun", "lorawan-join")]
    assert reasons == [*expected, ("refused by the meter", "lorawan-join")]


def test_a_key_change_that_is_cut_off_shows_until_it_is_settled(site: Site) -> None:
    site.enrol("service")
    site.bench.lock.faults.cut_after = "applied"
    lost = site.meter("change-key", "--yes", code=3)
    assert "which key the meter holds is not known yet, both are kept" in lost.err
    assert "fieldtool meter recover --at LINK --meter 10002345" in lost.err
    found = site.run("keys", "find", "10002345")
    assert "pending" in found.out
    assert "leaving" in found.out
    assert "a key change of SIM 10002345 is open since 2026-11-20 08:00 UTC" in found.err
    listed = [json.loads(line) for line in site.run("keys", "list", "--json").lines]
    assert sorted(one["key_change"] for one in listed) == ["leaving", "pending"]

    site.line.replug()
    ran = site.meter("recover")
    assert "meter SIM 10002345 holds the new key" in ran.out
    assert json.loads(site.meter("recover", "--json").out) == {"open": False, "took_new": None}
    found = site.run("keys", "find", "10002345")
    assert "active" in found.lines[0]
    assert "superseded" in found.lines[1]
    assert "is open" not in found.err


def test_who_interrupts_is_told_what_is_not_known(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.enrol("service")
    honest = GuardedSession.prove

    def interrupted(self: GuardedSession, opened: OpenSession, command: bytes, evidence: Evidence) -> Result:
        honest(self, opened, command, evidence)
        raise KeyboardInterrupt

    monkeypatch.setattr(GuardedSession, "prove", interrupted)
    ran = site.meter("customer-number", "--set", "K-1", "--yes", code=130)
    assert "interrupted; whether it was done is not known" in ran.err
    ran = site.meter("change-key", "--yes", code=130)
    assert "which key the meter holds is not known yet, both are kept" in ran.err
    assert "fieldtool meter recover --at LINK --meter 10002345" in ran.err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8-sig"])
def test_a_key_from_a_file_is_never_shown(site: Site, encoding: str) -> None:
    site.enrol("service")
    (site.folder / "new.key").write_text(f" {NEW}\n", encoding)
    old = site.bench.lock.state.key
    assert old is not None
    ran = site.meter("change-key", "--key-file", site.folder / "new.key", "--yes")
    assert "a new key, read from a file" in ran.err
    assert site.bench.lock.state.key == bytes.fromhex(NEW)
    said = (ran.out + ran.err + site.run("audit", "list").out + site.run("keys", "list").out).lower()
    assert NEW.lower() not in said
    assert old.hex() not in said


@pytest.mark.parametrize(
    "content",
    ["", "ABCD", "zz" * 16, "0F" * 8, "0F" * 17, "\xff" * 16],
    ids=["empty", "short", "no hex", "a DES key", "long", "no text"],
)
def test_a_key_file_that_holds_no_key_is_told_without_showing_it(site: Site, content: str) -> None:
    (site.folder / "bad.key").write_bytes(content.encode("latin-1"))
    ran = site.meter("change-key", "--key-file", site.folder / "bad.key", "--yes", code=2)
    assert "bad.key" in ran.err
    assert not content or content not in ran.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("clok",), "did you mean `fieldtool meter clock`?"),
        (("clock",), "clock needs --at LINK and --meter NUMBER"),
        (("pulse-value", "--set", "no"), "'no' is not a pulse value: 1 to 10000 l"),
        (("pulse-value", "--set", "1", "--set", "2"), "the pulse value is given twice"),
        (("pulse-value",), "pulse-value needs the pulse value"),
        (("start-radio", "--set", "1"), "start-radio takes no --set"),
        (("read-out", "--set", "1"), "read-out takes no --set"),
        (("change-key", "--set", NEW), "--key-file FILE gives the new key"),
        (("clock", "--key-file", "x"), "clock takes no --key-file"),
        (("read-out", "--key-file", "x"), "read-out takes no --key-file"),
        (("recover", "--dry-run"), "recover takes no --dry-run"),
        (("change-key", "--key-file", "x"), "key file x"),
        (("due-date", "--set", "2027-02-30"), "is not a due date: YYYY-MM-DD"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_does_not_fit_is_refused_in_one_line(site: Site, words: tuple[str, ...], why: str) -> None:
    where = () if why.startswith("clock needs") else ("--at", site.line.url, "--meter", "10002345")
    ran = site.run("meter", *words, *where)
    assert ran.code == 2
    assert why in ran.err
    assert NEW not in ran.err


def test_links_that_fail_end_with_the_code_of_links(site: Site) -> None:
    site.enrol("installer")
    ran = site.meter("clock", "--yes", code=3, meter="10009999", at=f"{site.line.url}?timeout=0.1")
    assert "meter 10009999 does not answer to its number" in ran.err
    url = site.line.url
    site.line.unplug()
    ran = site.meter("clock", "--yes", code=3, at=url)
    assert "nobody answers there" in ran.err


def test_an_attempt_over_a_port_that_cannot_be_opened_is_in_the_log(site: Site) -> None:
    site.enrol("installer")
    site.line.unplug()
    nobody, missing = site.line.url, "mbus:///dev/no-such-port"
    site.meter("customer-number", "--set", "K-1", "--yes", code=3, at=nobody)
    site.meter("reset-alarms", "--yes", code=3, at=missing)
    site.meter("recover", code=3, at=missing)
    log = site.log()
    assert [(entry["meter_action"], entry["became"], entry["level"]) for entry in log] == [
        ("customer-number", "link failed", "Installer"),
        ("reset-alarms", "link failed", "Installer"),
        ("recover", "link failed", "Installer"),
    ]
    assert log[0]["parameter"] == "K-1"
    assert "nobody answers there" in log[0]["reason"]
    assert "no-such-port" in log[1]["reason"]
    serials = {entry["serial"] for entry in log}
    listed = [json.loads(line) for line in site.run("certs", "list", "--json").lines]
    assert serials == {one["serial"] for one in listed if one.get("active")}
    assert site.run("audit", "verify").code == 0


def test_read_outs_and_dry_runs_that_reach_nobody_are_not_in_the_log(site: Site) -> None:
    site.enrol("installer")
    url = f"{site.line.url}?timeout=0.1"
    site.meter("clock", "--dry-run", code=3, meter="10009999", at=url)
    site.line.unplug()
    site.meter("clock", "--dry-run", code=3, at=url)
    site.meter("read-out", code=3, at=url)
    assert site.log() == []


def test_a_refusal_is_said_once(site: Site) -> None:
    site.enrol("installer")
    why = "level Service is needed to reset the alarms; the level in use is Installer"
    for more in (("--yes",), ("--dry-run",), ()):
        ran = site.meter("reset-alarms", *more, code=4)
        assert (ran.out + ran.err).count(why) == 1, more


def test_the_actions_are_listed_with_what_may_be_done_now(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.enrol("installer")
    ran = site.run("meter", "actions")
    assert ran.code == 0
    assert any(line.startswith("may      clock") for line in ran.lines)
    assert any(line.startswith("may not  change-key") for line in ran.lines)
    listed = [json.loads(line) for line in site.run("meter", "actions", "--json").lines]
    assert [one["action"] for one in listed] == list(level_table().actions)
    pulse = next(one for one in listed if one["action"] == "pulse-value")
    assert pulse["parameters"][0] == {
        "name": "litres",
        "text": "pulse value",
        "kind": "number",
        "unit": "l",
        "range": "1 to 10000 l",
    }
    monkeypatch.delenv("FIELDTOOL_STORE")
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    ran = site.run("meter", "actions")
    assert ran.code == 0
    assert [line for line in ran.lines if not line.startswith("may not")] == [ran.lines[0]]
    assert "no keystore at" in ran.err


def test_the_help_is_made_from_the_tables(site: Site) -> None:
    shown = site.run("meter", "--help").out
    for action in level_table().actions.values():
        assert f"  {action.name:22}" in shown
        assert action.text in shown
    assert "--unchecked" not in shown
    assert "--force" not in shown
