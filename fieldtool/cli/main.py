"""The start of every command: finds it, runs it, and turns what goes wrong into two lines and an exit code."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fieldtool.cli import output
from fieldtool.cli.command import COMMANDS
from fieldtool.cli.options import Parser, add_globals, overview, parse, split_command, version_text
from fieldtool.errors import FieldToolError
from fieldtool.exit_codes import ExitCode

_HELP = ("-h", "--help")
_END_SIGNALS = ("SIGTERM", "SIGHUP")
"""Windows has only the first."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""What a full disk, a quota, a limit or a dying device says to who writes."""


def program() -> int:
    """Be the program: run the command line of this process, which ends with the code that is returned."""
    try:
        return main()
    finally:
        # The system takes the memory back at once; Python would first look through all objects for useless ones.
        gc.freeze()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no exception leaves it."""
    _open_closed_streams()
    output.prepare()
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        with _ended_in_order():
            code = _run(words)
            sys.stdout.flush()
    except BrokenPipeError:
        # Who read the output has enough.
        output.let_go()
        return ExitCode.OK
    except KeyboardInterrupt:
        output.end_line()
        return ExitCode.INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.OK
    except FieldToolError as error:
        output.failure(error.message, error.hint)
        return error.exit_code
    except MemoryError:
        output.failure("there is not enough memory for this", "close other programs, or raise the limit (ulimit -v)")
        return ExitCode.SOME_FAILED
    except Exception as error:  # noqa: BLE001 - the last door: a bug becomes one line and a file
        return _no_room(error) if isinstance(error, OSError) and error.errno in _NO_ROOM else _unexpected(error)
    return code


def _open_closed_streams() -> None:
    """Let a program that was started with closed streams run: what it says there goes nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open until the end


def _no_room(error: OSError) -> int:
    output.let_go()
    output.failure(
        f"{error.filename or 'the output'} cannot be written: {error.strerror}", "make room, or write to another place"
    )
    return ExitCode.USAGE


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let a request to terminate, or a closed terminal, end the program as Ctrl-C does: everything is cleaned up."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if hasattr(signal, "SIGCONT"):
            # A terminal that is closed says both: screens that are being left must not be drawn again.
            signal.signal(signal.SIGCONT, signal.SIG_DFL)
        raise KeyboardInterrupt

    names = [name for name in _END_SIGNALS if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        names = []
    before = {number: signal.signal(number, interrupt) for number in (getattr(signal, name) for name in names)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(words: list[str]) -> ExitCode:
    name, rest = split_command(words)
    if name is None:
        return _without_command(rest)
    if name not in COMMANDS:
        if any(word in _HELP for word in rest):
            output.data(overview(name))
            return ExitCode.OK
        output.failure(f"{name} is a group of commands", f"see `fieldtool {name} --help`")
        return ExitCode.USAGE
    arguments = parse(name, rest)
    if arguments.verbose:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    return _keystore_errors_told(arguments.run, arguments)


def _keystore_errors_told(run: Callable[[Namespace], ExitCode], arguments: Namespace) -> ExitCode:
    """Run a command; the keystore's errors are known only when the command has loaded the keystore."""
    try:
        code = run(arguments)
    except Exception as error:
        keystore_errors = sys.modules.get("keystore.errors")
        if keystore_errors is not None and isinstance(error, keystore_errors.KeystoreError):
            output.failure(error.message, error.hint)
            return ExitCode.KEYSTORE
        raise
    return code


def _without_command(words: list[str]) -> ExitCode:
    if any(word in _HELP for word in words):
        output.data(overview())
        return ExitCode.OK
    if "--version" in words:
        output.data(version_text())
        return ExitCode.OK
    parser = Parser(prog="fieldtool", allow_abbrev=False)
    add_globals(parser)
    arguments = parser.parse_args(words)
    from fieldtool.cli.screens import open_screens

    return _keystore_errors_told(open_screens, arguments)


def _unexpected(error: Exception) -> int:
    path = _write_report(error)
    where = f"what happened is in {path}; please report it" if path else "run again with --verbose and please report it"
    output.failure(f"internal error: {type(error).__name__}", where)
    return ExitCode.SOME_FAILED


def _write_report(error: Exception) -> Path | None:
    """Write the traceback to a file of its own; None when there is no place for it."""
    import tempfile
    import traceback

    try:
        number, name = tempfile.mkstemp(prefix="fieldtool-error-", suffix=".log")
        with os.fdopen(number, "w", encoding="utf-8", errors="replace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return None
    return Path(name)
