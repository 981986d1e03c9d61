"""A command line in this process, telegrams of simulated meters, and threads that must be gone afterwards."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import segno

from fieldtool.cli.main import main
from keystore.vault import KdfParameters
from protocols.captures.hex_lines import format_line
from protocols.model import Key, KeyLookup, RawFrame
from protocols.wmbus.link import strip_crcs
from simulators.air import Air
from simulators.meters.model import KeyState
from simulators.scenario import Faults, Scenario

PASSPHRASE = "correct horse battery staple"
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)

GAS_HEX = "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
GAS_KEY = "0102030405060708090A0B0C0D0E0F11"
"""OMS Volume 2, Annex N.2.1: a gas meter in mode 5; it reads 28504.27 m3."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def one_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write QR codes with one mask instead of the best of eight, whose search takes longer than all else here.

    Codes as they are really written are tested with the pictures of the keystore.
    """
    monkeypatch.setattr("segno.make", partial(segno.make, mask=3))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; `stdin` is bytes."""

    def run_it(*argv: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))))
        code = main([str(word) for word in argv])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_it


@pytest.fixture
def quick() -> Scenario:
    """The demonstration's meters, each sending often, and nothing lost on the air."""
    scenario = Scenario.load()
    meters = tuple(replace(meter, interval_s=1.5) for meter in scenario.meters)
    return replace(scenario, meters=meters, faults=Faults())


@pytest.fixture
def store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store that is cheap to unlock, named by the environment, as is the file of its passphrase."""
    path, passphrase = tmp_path / "keys.vault", tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE)
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))
    monkeypatch.setenv("FIELDTOOL_STORE", str(path))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(passphrase))
    assert run("store", "create").code == 0
    return path


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return Scenario.load()


@pytest.fixture(scope="session")
def frames(scenario: Scenario) -> tuple[RawFrame, ...]:
    """Two minutes of the demonstration's air as a receiver hands it over, without damage."""
    heard = Air(scenario, START).advance(START + timedelta(minutes=2))
    return tuple(
        RawFrame(strip_crcs(t.coded).data, t.at, "test", t.mode, t.rssi_dbm)
        for t in heard
        if not t.damaged and t.lora is None
    )


@pytest.fixture(scope="session")
def scenario_keys(scenario: Scenario) -> KeyLookup:
    """The keys as the portal has them: one missing, one wrong."""
    by_number = {
        meter.address.number: (Key(meter.exported_key, meter.key_state),)
        for meter in scenario.meters
        if meter.exported_key is not None and meter.key_state is not KeyState.MISSING
    }
    return lambda address: by_number.get(address.number, ())


@pytest.fixture
def capture(frames: tuple[RawFrame, ...], tmp_path: Path) -> Path:
    """The frames as a capture file."""
    path = tmp_path / "air.hex"
    path.write_text("# a capture\n" + "".join(f"{format_line(frame)}\n" for frame in frames))
    return path


@pytest.fixture(autouse=True)
def _formats_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no test find the formats that another one has kept."""
    monkeypatch.setenv("FIELDTOOL_FORMATS", str(tmp_path / "formats" / "formats.json"))


@pytest.fixture(autouse=True)
def _no_thread_survives() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        for thread in left:
            thread.join(0.1)
    assert not left, f"threads left behind: {sorted(thread.name for thread in left)}"
