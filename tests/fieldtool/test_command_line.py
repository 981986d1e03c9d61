"""The command line as people meet it: help, mistakes, exit codes, pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fieldtool.cli import output
from fieldtool.cli.command import COMMANDS, load
from fieldtool.cli.main import main
from fieldtool.cli.options import Parser, split_command
from fieldtool.errors import UsageError
from protocols.model import Outcome
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run

ROOT = Path(__file__).resolve().parents[2]
FIELDTOOL = (sys.executable, "-m", "fieldtool")


def test_the_overview_names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert all(name in ran.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_its_global_options(run: Run, name: str) -> None:
    ran = run(*name.split(), "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"usage: fieldtool {name}")
    assert "--passphrase-file" in ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    parser = Parser()
    load(name).configure(parser)
    assert all(action.help for action in parser._actions)


@pytest.mark.parametrize("group", ["store", "keys", "receivers", "profiles", "simulate"])
def test_a_group_lists_its_commands(run: Run, group: str) -> None:
    assert f"  {group} " in run(group, "--help").out
    assert run(group).code == 2


@pytest.mark.parametrize(
    "argv",
    [
        ["--store", "x", "decode", "00"],
        ["decode", "--store", "x", "00"],
        ["decode", "00", "--store", "x"],
        ["--store=x", "--verbose", "decode", "00"],
    ],
)
def test_global_options_stand_before_or_after_the_command(argv: list[str]) -> None:
    name, words = split_command(argv)
    assert name == "decode"
    assert words.count("00") == 1
    assert "decode" not in words


def test_groups_take_their_options_anywhere() -> None:
    assert split_command(["store", "--store", "keys", "create"]) == ("store create", ["--store", "keys"])
    assert split_command(["--passphrase-file", "demo", "keys", "list"]) == ("keys list", ["--passphrase-file", "demo"])


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["decodr"], "fieldtool decode"),
        (["keys", "impor"], "fieldtool keys import"),
        (["keyz"], "fieldtool keys"),
        (["keys", "qqq"], "see `fieldtool keys --help`"),
        (["qqq"], "see `fieldtool --help`"),
    ],
)
def test_unknown_commands(argv: list[str], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_command(argv)
    assert hint in caught.value.hint


def test_a_published_telegram_for_people(run: Run) -> None:
    ran = run("decode", GAS_HEX, "--key", GAS_KEY)
    assert ran.code == 0
    assert ran.lines[0].startswith("✓ ok  ELS 12345678  gas")
    assert "28504.27 m³" in ran.out


def test_a_published_telegram_as_json(run: Run) -> None:
    ran = run("decode", "--json", "--key", GAS_KEY, GAS_HEX, GAS_HEX)
    assert [json.loads(line)["ok"] for line in ran.lines] == [True, True]


def test_a_published_telegram_explained(run: Run) -> None:
    ran = run("decode", "--explain", GAS_HEX, "--key", GAS_KEY)
    assert "verdict" in ran.out
    assert "0000  2E" in ran.out


def test_telegrams_from_standard_input(run: Run) -> None:
    stdin = f"# two lines and a bad one\n{GAS_HEX}\nzz\n2026-01-02 03:04:05;-71;{GAS_HEX}\n".encode()
    ran = run("decode", "--json", "--key", GAS_KEY, stdin=stdin)
    assert [json.loads(line)["received"]["rssi_dbm"] for line in ran.lines] == [None, -71]
    assert ran.err.startswith("line 3: ")
    assert ran.code == 1


@pytest.mark.parametrize(
    ("argv", "code", "what"),
    [
        (["decode", GAS_HEX], 1, ""),
        (["decode", GAS_HEX, "--key", "00" * 16], 1, ""),
        (["decode", "--json", GAS_HEX[:-2], "--key", GAS_KEY], 1, ""),
        (["decode", GAS_HEX[:-1]], 2, "odd number of hex digits (93)"),
        (["decode", "hello"], 2, "not a hex digit"),
        (["decode", GAS_HEX, "--key", "00"], 2, "2 hex digits; a key has 32"),
        (["decode", GAS_HEX, "--key"], 2, "--key: expected one argument"),
        (["decode", "--jsonl", GAS_HEX], 2, "standard input"),
        (["decode", "--json", "--explain", GAS_HEX], 2, "not allowed with"),
        (["decode", "--colour"], 2, "unknown option --colour"),
        (["listen"], 2, "RECEIVER"),
        (["listen", "im871a:///dev/nowhere"], 3, "does not exist"),
        (["listen", "im871a+socket://127.0.0.1:1"], 3, "nobody answers"),
        (["listen", "nix:///dev/x"], 2, "unknown receiver"),
        (["listen", "file:nowhere.hex"], 2, "no such file"),
        (["listen", "sim:nowhere.toml"], 2, "nowhere.toml"),
        (["listen", "sim:demo", "--seconds", "0"], 2, "above zero"),
        (["listen", "sim:demo", "--lines", "--json"], 2, "not allowed with"),
        (["listen", "sim:demo", "sim:demo"], 2, "named twice"),
        (["listen", "sim:demo", "--record", "/no/such/folder/x"], 2, "cannot be written"),
        (["replay", "nowhere.hex"], 2, "no such file"),
        (["replay", "x", "--speed", "fast"], 2, "max, real, or a factor"),
        (["replay", "x", "--jobs", "0"], 2, "number of processes"),
        (["receivers", "probe", "/dev/nowhere"], 3, "does not exist"),
        (["store", "info"], 4, "keys.vault"),
        (["store", "verify", "--store", "nowhere.vault"], 4, "nowhere.vault"),
        (["keys", "list", "--store", "nowhere.vault"], 4, "nowhere.vault"),
        (["decode", GAS_HEX, "--store", "nowhere.vault"], 4, "nowhere.vault"),
        (["simulate", "receiver", "--at", "usb"], 2, "usb"),
        (["simulate", "receiver", "--kind", "zigbee"], 2, "zigbee"),
        (["simulate", "receiver", "--at", "tcp:0", "--scenario", "nowhere.toml"], 2, "nowhere.toml"),
        (["keys", "import", "nowhere.csv"], 2, "no such file"),
        ([], 2, "need a terminal"),
    ],
)
def test_mistakes_are_two_lines_and_an_exit_code(run: Run, argv: list[str], code: int, what: str) -> None:
    ran = run(*argv)
    assert ran.code == code, ran.err
    assert what in ran.err
    if code != 1:
        assert ran.out == ""
        first, hint = ran.err.splitlines()[:2]
        assert first.startswith("fieldtool: ")
        assert hint.startswith("  ")
    assert "Traceback" not in ran.err


def test_hex_in_the_wrong_place_is_not_repeated(run: Run) -> None:
    for argv in ([GAS_KEY], ["keys", GAS_KEY], ["store", "info", GAS_KEY], ["demo", f"--kei={GAS_KEY}"]):
        ran = run(*argv)
        assert ran.code == 2
        assert GAS_KEY not in ran.err


def test_a_bug_becomes_one_line_and_a_file(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("fieldtool.cli.decode.recognise_all", lambda _: 1 // 0)
    ran = run("decode", "00")
    assert ran.code == 1
    assert ran.err.startswith("fieldtool: internal error: ZeroDivisionError\n")
    (report,) = tmp_path.glob("fieldtool-error-*.log")
    assert str(report) in ran.err
    assert "Traceback" in report.read_text()


def test_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fieldtool.cli.decode.recognise_all", interrupt)
    assert run("decode", "00").code == 130


def test_version(run: Run) -> None:
    assert run("--version").out.startswith("fieldtool ")
    assert run("decode", "--version").out.startswith("fieldtool ")


def test_colours_only_on_terminals_that_want_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in run("decode", GAS_HEX).out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert output.coloured("a ok b", Outcome.OK, "ok") == "a \x1b[32mok\x1b[0m b"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.coloured("a ok b", Outcome.OK, "ok") == "a ok b"


def test_a_command_line_that_decodes_is_light() -> None:
    code = (
        "import sys; from fieldtool.cli.main import main; main(sys.argv[1:]); "
        "heavy = {'textual', 'rich', 'serial', 'sqlite3', 'keystore', 'simulators', 'protocols.lorawan.decoder'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "decode", GAS_HEX, "--key", GAS_KEY],
        capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=30, check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
def test_a_reader_that_has_enough_is_no_failure(capture: Path) -> None:
    lines = capture.read_bytes() * 100
    big = capture.with_name("big.hex")
    big.write_bytes(lines)
    with subprocess.Popen(
        [*FIELDTOOL, "replay", "--json", str(big)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        talk = process.stderr.read()
        assert process.wait(30) == 0
    assert b"Traceback" not in talk
    assert b"BrokenPipe" not in talk


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("words", [("--help",), ("decode", GAS_HEX, "--key", GAS_KEY), ("listen", "file:-", "--json")])
def test_output_that_finds_no_room_is_told_in_two_lines(words: tuple[str, ...], capture: Path) -> None:
    named = [word.replace("file:-", f"file:{capture}") for word in words]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*FIELDTOOL, *named], stdout=full, stderr=subprocess.PIPE, encoding="utf-8", cwd=ROOT, check=False
        )
    assert done.returncode == 2
    assert "fieldtool: the output cannot be written: No space left on device\n  make room" in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_recording_that_finds_no_room_names_its_file(run: Run, capture: Path) -> None:
    ran = run("listen", f"file:{capture}", "--lines", "--record", "/dev/full")
    assert ran.code == 2
    assert "fieldtool: /dev/full cannot be written: No space left on device\n" in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), ("<&-", 0), (">&- 2>&- <&-", 0)])
def test_closed_streams_are_no_failure(closed: str, code: int) -> None:
    line = " ".join((*FIELDTOOL, "decode", GAS_HEX, "--key", GAS_KEY, closed))
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, encoding="utf-8", cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_simulated_receiver_says_where_and_ends_in_order(number: int, code: int) -> None:
    with subprocess.Popen(
        [*FIELDTOOL, "simulate", "receiver", "--kind", "im871a", "--at", "tcp:0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        first = json.loads(process.stdout.readline())
        assert first["kind"] == "im871a"
        assert first["at"].startswith("127.0.0.1:")
        assert main(["receivers", "probe", f"im871a+socket://{first['at']}"]) == 0
        process.send_signal(number)
        talk = process.stderr.read()
        assert process.wait(10) == code
    assert talk == b""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_demonstration_that_is_ended_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*FIELDTOOL, "demo", "--seconds", "60"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline()
        assert list(tmp_path.iterdir())
        process.send_signal(getattr(signal, name))
        assert process.wait(10) == 130
    assert list(tmp_path.iterdir()) == []
