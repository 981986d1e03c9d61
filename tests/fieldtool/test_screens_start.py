"""What the screens are opened with: a store that was named must be there, and it stays while meters are simulated."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldtool.cli import screens
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.events import SourceState
from fieldtool.tui.session import Session
from keystore.model import KeyRecord, Ownership
from keystore.vault import Vault
from tests.fieldtool.conftest import PASSPHRASE, Run


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """The sessions that screens would have shown, at a terminal."""
    shown: list[Session] = []
    monkeypatch.setattr(screens, "_need_terminal", lambda: None)
    monkeypatch.setattr(screens, "run", shown.append)
    return shown


def test_a_named_store_that_is_not_there_is_told_before_any_screen(
    run: Run, opened: list[Session], tmp_path: Path
) -> None:
    for named in (tmp_path / "nosuch", tmp_path / "no" / "such.vault"):
        ran = run("--store", named)
        assert (ran.code, opened, ran.out) == (4, [], "")
        assert ran.err.splitlines()[0] == f"fieldtool: there is no keystore at {named}"
        assert "fieldtool store create" in ran.err


def test_what_is_no_store_is_told_before_any_screen(run: Run, opened: list[Session], tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" * 100)
    for named in (picture, tmp_path):
        ran = run("--store", named)
        assert (ran.code, opened) == (4, [])
        assert "internal error" not in ran.err
        assert str(named) in ran.err.splitlines()[0]
    assert "is a folder" in ran.err
    assert "create" not in ran.err, "nothing can be made where a folder is"


def test_without_a_store_the_screens_open_for_the_first_look(run: Run, opened: list[Session]) -> None:
    assert run().code == 0
    assert opened[0].certificates is None
    assert opened[0].start_simulator is not None


def test_simulated_meters_leave_the_own_store_open(
    run: Run, store: Path, opened: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    heard = Reception()
    simulated = Session(heard, keystore=lambda: "temporary store", close=lambda: closed.append("demo"))
    monkeypatch.setattr(screens, "_start_demo", lambda own: simulated)
    seen: list[str] = []

    def look(own: Session) -> None:
        start: Callable[[], Session] | None = own.start_simulator
        assert start is not None
        assert own.certificates is not None
        beside = start()
        assert (beside.reception, beside.start_simulator) == (heard, None)
        assert (beside.certificates, beside.visited) == (own.certificates, own.visited)
        assert beside.lock_keystore is not None
        assert beside.unlock_keystore is not None
        seen.append(beside.keystore())
        offered = [beside.can_be_unlocked]
        beside.lock_keystore()
        assert [*offered, beside.can_be_unlocked] == [False, True]
        seen.append(beside.keystore())
        beside.unlock_keystore(PASSPHRASE)
        assert not own.certificates.is_locked
        beside.close()

    monkeypatch.setattr(screens, "run", look)
    assert run().code == 0
    assert seen[0].startswith("unlocked")
    assert seen[1] == "locked + demo keys"
    assert closed == ["demo"]
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        assert list(vault.records()) == [], "the simulated meters' keys are filed nowhere"


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sits there: `listen` opens the screens."""
    monkeypatch.setattr("fieldtool.cli.listen._wants_screens", lambda arguments: not arguments.lines)


@pytest.mark.usefixtures("at_a_terminal")
def test_what_the_screens_show_is_recorded_beside_them(
    run: Run, capture: Path, opened: list[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recorded = tmp_path / "today.hex"
    _watch(capture, opened, monkeypatch)
    assert run("listen", f"file:{capture}", "--key", "00" * 16, "--record", recorded).code == 0
    first = opened[0].sources()[0]
    assert (first.source, first.state) == ("today.hex", SourceState.RECORDING)
    assert recorded.read_text().splitlines() == capture.read_text().splitlines()[1:]


@pytest.mark.usefixtures("at_a_terminal")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_recording_that_fails_is_seen_and_reception_goes_on(
    run: Run, capture: Path, opened: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    _watch(capture, opened, monkeypatch)
    assert run("listen", f"file:{capture}", "--key", "00" * 16, "--record", "/dev/full").code == 0
    first = opened[0].sources()[0]
    assert (first.state, first.detail) == (SourceState.FAILED, "/dev/full cannot be written: No space left on device")
    assert opened[0].reception.counters.received == len(capture.read_text().splitlines()) - 1


@pytest.mark.usefixtures("at_a_terminal")
def test_meters_are_shown_with_the_labels_of_the_store(
    run: Run, store: Path, capture: Path, opened: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [
        KeyRecord("63001468", value=bytes(range(16)), manufacturer="KAM", label="flat 1"),
        KeyRecord("63001475", value=bytes(range(16)), manufacturer="ELS", label="another maker's"),
        KeyRecord("12345678", value=bytes(range(16)), label="gas"),
        KeyRecord("71503204", value=bytes(range(16)), manufacturer="KAM"),
        KeyRecord("80412237", value=bytes(range(16)), ownership=Ownership.TRANSFERRED, label="not ours"),
    ]
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        vault.put(records)
    _watch(capture, opened, monkeypatch)
    assert run("listen", f"file:{capture}").code == 0
    labels = {row.number: row.label for row in opened[0].reception.rows()}
    assert (labels["63001468"], labels["63001475"], labels["12345678"]) == ("flat 1", None, "gas")
    assert (labels["71503204"], labels["80412237"]) == ("", None)
    assert (opened[0].filed_meters, opened[0].has_labels) == (4, True)


def _watch(capture: Path, opened: list[Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody look at the screens until all of a capture was received."""

    def run(session: Session) -> None:
        opened.append(session)
        _all_of(capture, session)

    monkeypatch.setattr(screens, "run", run)


def _all_of(capture: Path, session: Session) -> None:
    """Wait until all of a capture was received."""
    expected, deadline = len(capture.read_text().splitlines()) - 1, time.monotonic() + 30
    while session.reception.counters.received < expected:
        assert time.monotonic() < deadline
        time.sleep(0.01)
