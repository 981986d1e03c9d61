"""`fieldtool simulate meter`: says where it is, obeys a certificate over TCP, and keeps what it was set to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from fieldtool.cli.main import main
from protocols.actions.results import ResultCode
from simulators.certificate_desk.desk import CertificateDesk
from simulators.certificate_desk.folder import create_folder
from simulators.field_meter.state_file import StateFile
from tests.simulators.field_meters import Technician, hire
from tests.simulators.wired_masters import DEADLINE_S, RealLine, install

ROOT = Path(__file__).resolve().parents[2]
MINUTE = timedelta(minutes=1)


@contextmanager
def meter(*options: str | Path) -> Iterator[tuple[dict[str, object], RealLine]]:
    words = [sys.executable, "-m", "fieldtool", "simulate", "meter", "--at", "tcp:0", "--json", *map(str, options)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            first = process.stdout.readline()
            assert first, process.stderr.read().decode()
            facts = json.loads(first)
            host, _, number = facts["at"].partition(":")
            with socket.create_connection((host, int(number)), timeout=DEADLINE_S) as master:
                yield facts, RealLine(master.sendall, lambda: master.recv(4096))
        finally:
            process.send_signal(signal.SIGTERM)
            code, talk = process.wait(10), process.stderr.read()
    if sys.platform != "win32":
        assert (code, talk) == (0, b"")


def make_desk(folder: Path) -> tuple[CertificateDesk, Technician]:
    """A desk of this minute, as the command looks at the real clock."""
    now = datetime.now(UTC) - MINUTE
    desk = CertificateDesk.create("Desk", "certs@desk.example", now, Random(1).randbytes)
    create_folder(folder, desk)
    return desk, hire(desk, "installer", at=now)


def test_a_meter_by_command_line(tmp_path: Path) -> None:
    _, anna = make_desk(tmp_path / "desk")
    anchor, state = tmp_path / "desk" / "anchor.pem", tmp_path / "meter.json"
    with meter("--anchor", anchor, "--state", state, "--number", "10002345", "--seed", "4") as (facts, line):
        assert facts["url"] == f"mbus+socket://{facts['at']}"
        assert (facts["manufacturer"], facts["number"], facts["medium_code"]) == ("SIM", "10002345", 7)
        assert len(str(facts["key"])) == 32
        assert install(line, who=anna).code is ResultCode.DONE
    stored = StateFile(state).load()
    assert stored is not None
    assert stored.customer_number == "C-4711"
    # Another meter with the same file: it goes on where the first one ended.
    with meter("--state", state, "--number", "10002345", "--seed", "4") as (again, line):
        assert again["key"] == facts["key"]
        assert again["anchors"] == []
        assert install(line, who=anna).code is ResultCode.UNTRUSTED


def test_a_meter_that_knows_a_revocation_list(tmp_path: Path) -> None:
    desk, anna = make_desk(tmp_path / "desk")
    now = datetime.now(UTC) - MINUTE
    desk.revoke("anna", now)
    (tmp_path / "list.crl").write_bytes(desk.revocation_list(now))
    files = ("--anchor", tmp_path / "desk" / "anchor.pem", "--revocations", tmp_path / "list.crl")
    with meter(*files, "--issuer", tmp_path / "desk" / "issuer-1.pem") as (_, line):
        assert install(line, who=anna).code is ResultCode.REVOKED


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--at", "usb"], 2, "usb"),
        (["--at", "udp:127.0.0.1:1"], 2, "udp"),
        (["--at", "tcp:70000"], 2, "70000"),
        (["--baud", "1234"], 2, "1234"),
        (["--number", "123"], 2, "123"),
        (["--number", "1234567a"], 2, "1234567a"),
        (["--manufacturer", "no"], 2, "no"),
        (["--anchor", "nowhere.pem"], 2, "nowhere.pem"),
        (["--anchor", "README.md"], 4, "certificate desk"),
        (["--state", "README.md"], 2, "README.md"),
    ],
)
def test_what_cannot_be_simulated_is_said(
    words: list[str], code: int, said: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["simulate", "meter", "--at", "tcp:0", "--seconds", "0.1", *words]) == code
    captured = capfd.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert len(captured.err.splitlines()) <= 2


def test_a_list_without_its_issuer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    desk, _ = make_desk(tmp_path / "desk")
    (tmp_path / "list.crl").write_bytes(desk.revocation_list(datetime.now(UTC)))
    words = ["--anchor", str(tmp_path / "desk" / "anchor.pem"), "--revocations", str(tmp_path / "list.crl")]
    assert main(["simulate", "meter", "--at", "tcp:0", "--seconds", "0.1", *words]) == 2
    assert "--issuer" in capfd.readouterr().err


def test_in_words_it_shows_no_key(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "meter", "--at", "tcp:0", "--seconds", "0.1", "--optical"]) == 0
    captured = capfd.readouterr()
    assert captured.out.startswith("simulated meter SIM 10002345 at 127.0.0.1:")
    assert "fieldtool meter read-out --at 'optical+socket://127.0.0.1:" in captured.err
    assert "trusts nobody" in captured.err
