"""`fieldtool meter ACTION --list`: what is refused, by whom, and what is asked before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from fieldtool.actions.wired_link import WiredLink
from keystore.certificates import enrolment
from keystore.certificates.grant import Scope
from keystore.certificates.standing import Standing
from keystore.vault import Vault
from tests.fieldtool.actions.action_bench import PASSPHRASE
from tests.fieldtool.actions.street_bench import NOWHERE, NUMBERS, Street
from tests.keystore.certificates.desks import ORGANISATION


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


def behind_the_first(monkeypatch: pytest.MonkeyPatch, step: Callable[[], object]) -> None:
    """Let something happen when the link of the first meter is closed."""
    honest = WiredLink.close

    def close(self: WiredLink) -> None:
        honest(self)
        monkeypatch.setattr(WiredLink, "close", honest)
        step()

    monkeypatch.setattr(WiredLink, "close", close)


@pytest.mark.parametrize("passes", [timedelta(days=1200), timedelta(days=-30)], ids=["expired", "clock set back"])
def test_a_certificate_that_does_not_count_any_more_ends_the_list(
    street: Street, monkeypatch: pytest.MonkeyPatch, passes: timedelta
) -> None:
    street.enrol("commissioner")
    behind_the_first(monkeypatch, lambda: street.clock.pass_by(passes))
    rows = street.rows("pulse-value", "--set", "10", code=4)
    assert [row["state"] for row in rows] == ["done", "not_covered", "not_done", "not_done"]
    assert "level Commissioner or Service is needed" in rows[1]["problem"]
    assert street.pulses() == [10, 1, 1, 1]


def test_a_certificate_that_is_revoked_on_the_way_ends_the_list(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.enrol("commissioner")
    desk = street.bench.desk

    def revoke() -> None:
        desk.revoke("commissioner 0", street.clock())
        revocations = desk.revocation_list(street.clock())
        with Vault.open(street.folder / "keys.vault") as vault:
            vault.unlock(PASSPHRASE)
            street.bench.vault = vault
            street.bench.change_wallet(lambda wallet: enrolment.import_list(wallet, revocations, street.clock())[0])

    behind_the_first(monkeypatch, revoke)
    rows = street.rows("pulse-value", "--set", "10", code=4)
    assert [row["state"] for row in rows] == ["done", "not_covered", "not_done", "not_done"]
    assert "revoked" in rows[1]["problem"]
    assert street.pulses() == [10, 1, 1, 1]


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
        (("SIM10002345", "KAM10002345", "10002345"), ("clock",), "line 3: meter 10002345 may be that of line 1 or 2"),
        (("10002345", "SIM10002345", "KAM10002345"), ("clock",), "line 1: meter 10002345 may be that of line 2 or 3"),
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
