"""`certs remove`: what is gone for good is asked about first, and kept when nobody can be asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldtool.cli import asking
from tests.fieldtool.conftest import Run

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
NAME = "anna-laptop"


@pytest.fixture
def pending(run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A request that waits for its certificate."""
    monkeypatch.setattr("fieldtool.enrolment.now", lambda: AT)
    desk = ("simulate", "desk")
    folder = ("--folder", tmp_path / "desk", "--json")
    made = json.loads(run(*desk, "create", *folder).out)
    run("certs", "trust", made["anchor"], "--fingerprint", made["fingerprint"])
    order = run(*desk, "order", *folder, "--organisation", "Stadtwerke Nord", "--level", "installer")
    token = json.loads(order.out)["token"]
    assert run("certs", "request", token, "--tag", NAME, "--out", tmp_path / "out").code == 0
    return NAME


def test_a_token_that_was_used_keeps_its_first_tag(run: Run, pending: str, tmp_path: Path) -> None:
    (token,) = (tmp_path / "desk" / "out").glob("token*.jpg")
    ran = run("certs", "request", token, "--tag", "bob-laptop", "--out", tmp_path / "out")
    assert ran.code == 0
    assert ran.out.startswith(f"request {pending}: ")
    assert f"its tag stays {pending}" in ran.err
    again = run("certs", "request", token, "--tag", pending, "--out", tmp_path / "out")
    assert "its tag stays" not in again.err


def names(run: Run) -> str:
    return run("certs", "list").out


def test_without_a_terminal_it_needs_a_yes_in_the_command(run: Run, pending: str) -> None:
    ran = run("certs", "remove", pending)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.splitlines() == [
        f"fieldtool: {pending} and its key will be deleted for good; there is no terminal to ask whether that is right",
        "  say so with --yes",
    ]
    assert pending in names(run)


@pytest.mark.parametrize(("answer", "code"), [("no", 1), ("", 1), ("yes", 0)])
def test_at_a_terminal_only_a_yes_removes(
    run: Run, pending: str, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(asking, "can_ask", lambda: True)
    ran = run("certs", "remove", pending, stdin=f"{answer}\n".encode())
    assert ran.code == code
    assert f"{pending} and its key will be deleted for good. Go on? [y/N]" in ran.err
    assert (pending in names(run)) is bool(code)
    assert ("nothing was removed" in ran.err) is bool(code)


def test_the_end_of_the_input_is_no_and_ends_the_line(run: Run, pending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "can_ask", lambda: True)
    ran = run("certs", "remove", pending)
    assert ran.err.endswith("Go on? [y/N] \nnothing was removed\n")
