"""What a mistyped word, option or address is answered with: the thing itself, and the next thing to do."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest
import serial

from fieldtool.errors import PortBusy, ReceiverError
from fieldtool.pipeline.listening import Listening
from fieldtool.sources.gateway import GatewaySource
from fieldtool.sources.registry import open_source
from protocols.learned import LearnedDecoder
from tests.fieldtool.conftest import Run
from tests.keystore.made_up import key_of


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("--stoer", "x", "keys", "list"), "unknown option --stoer before the command", "did you mean --store?"),
        (("--key", "00" * 16, "decode"), "unknown option --key before", "write a command's options after it"),
        (("keys", "list", "extra"), "1 word too many", "see `fieldtool keys list --help`"),
        (("keys", "list", "two", "more"), "2 words too many", "see `fieldtool keys list --help`"),
        (("audit", "list", "--last", "x"), "--last: must be a whole number above zero", "audit list --help"),
        (("audit", "list", "--last", "-1"), "--last: must be a whole number above zero", "audit list --help"),
        (("listen", "im871a"), "'im871a' is not a receiver address", "as in im871a:///dev/ttyUSB0"),
        (("listen", "SIM"), "'SIM' is not a receiver address", "as in sim:demo"),
        (("listen", "gwmp"), "'gwmp' is not a receiver address", "as in gwmp://127.0.0.1:1700"),
        (("listen", "/dev/ttyUSB0"), "'/dev/ttyUSB0' is not a receiver address", "as in im871a:///dev/ttyUSB0"),
        (("listen", "/dev/ttyUSB0"), "'/dev/ttyUSB0' is not a", "`fieldtool receivers probe /dev/ttyUSB0` finds"),
    ],
)
def test_two_lines_say_what_is_wrong(run: Run, words: tuple[str, ...], said: str, hint: str) -> None:
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    first, second = ran.err.splitlines()
    assert said in first
    assert hint in second
    assert "0000" not in ran.err


def test_a_command_behind_global_options_is_still_told_as_unknown(run: Run) -> None:
    assert "there is no command 'lisden'" in run("--verbose", "lisden").err
    assert "there is no command 'lisden'" in run("--store", "x", "lisden").err


@pytest.mark.skipif(not hasattr(serial, "PosixPollSerial"), reason="Windows opens no files as ports")
def test_a_file_is_told_to_be_no_serial_port(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    for path in (tmp_path / "notes.txt", tmp_path, Path("/dev/null")):
        ran = run("listen", f"im871a://{path}", "--seconds", "1", "--key", "00" * 16)
        assert ran.code == 3
        assert ran.err.splitlines()[0] == f"fieldtool: {path} is not a serial port"


def test_a_source_that_fails_at_once_is_told_once(run: Run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        ran = run("listen", f"mqtt://{address}/x", "--lines", "--key", "00" * 16)
    assert ran.code == 3
    assert ran.err.count("nobody answers there") == 1


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    [
        (errno.EADDRNOTAVAIL, ReceiverError, "an address of this computer"),
        (errno.EACCES, ReceiverError, "above 1023"),
        (errno.EADDRINUSE, PortBusy, "close the program that uses it"),
    ],
)
def test_what_to_do_about_a_gateways_port(
    number: int, kind: type[ReceiverError], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "refused")

    source = open_source("gwmp://127.0.0.1:1700")
    assert isinstance(source, GatewaySource)
    monkeypatch.setattr("fieldtool.sources.gateway.socket.socket.bind", refuse)
    with pytest.raises(kind) as refused:
        Listening([source], LearnedDecoder()).start()
    assert hint in refused.value.hint


def test_without_a_terminal_the_password_of_a_key_file_is_named(run: Run, store: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_text(f"number;key\n63001468;{key_of('a').hex()}\n")
    assert run("keys", "import", tmp_path / "keys.csv").code == 0
    ran = run("keys", "export", tmp_path / "all.kem2", "--yes")
    assert ran.err.splitlines()[-1] == "  give --password-file FILE"


def test_a_backup_that_could_not_be_made_is_not_in_the_audit_log(run: Run, store: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("four words of a backup")
    backup = tmp_path / "b.bak"
    command = ("store", "backup", backup, "--backup-passphrase-file", own)
    assert (run(*command).code, run(*command).code) == (0, 4)
    assert run("store", "backup", own / "b.bak", *command[3:]).code == 4
    assert run("audit", "list").out.count("backed_up") == 1
    assert backup.stat().st_size


def test_an_audit_log_without_an_entry_that_fits_says_so(run: Run, store: Path) -> None:
    ran = run("audit", "list", "--subject", "nosuch")
    assert (ran.code, ran.out, ran.err) == (0, "", "no entry matches\n")


def test_a_meter_without_a_manufacturer_comes_back_from_a_kem_file_without_a_warning(
    run: Run, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "keys.csv").write_text(f"number;key\n63001468;{key_of('a').hex()}\n")
    (tmp_path / "password").write_text("ZwoelfZeichen12")
    run("keys", "import", tmp_path / "keys.csv")
    sealed = ("--password-file", tmp_path / "password", "--yes")
    assert run("keys", "export", tmp_path / "all.kem2", *sealed).code == 0
    assert "three letters" not in run("keys", "import", tmp_path / "all.kem2", *sealed).err


def test_too_little_memory_is_no_internal_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("fieldtool.cli.decode._telegrams", lambda *_: greedy(None))
    ran = run("decode", "00", "--key", "00" * 16)
    assert ran.code == 1
    assert ran.err.splitlines()[0] == "fieldtool: there is not enough memory for this"
