"""Standard input that brings a receiver's lines: the keyboard is then read from the terminal itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Final

from fieldtool.errors import UsageError
from fieldtool.sources.events import ReadsStandardInput, Source

TERMINAL: Final = "/dev/tty"


NO_KEYBOARD: Final = "standard input brings the lines, so the screens have no keyboard: lines are printed instead"
NO_KEYBOARD_HINT: Final = "for the screens, let the program write to a named pipe or serve its lines by TCP"


def share_standard_input(sources: Iterable[Source]) -> bool:
    """Let a source keep what is piped in, and make the terminal, where there is one, this program's standard input.

    Screens and questions then have a keyboard; False when they have none because a source took it. Raises `UsageError`
    when several sources read the standard input, or it is the keyboard already.
    """
    readers = [source for source in sources if isinstance(source, ReadsStandardInput) and source.takes_standard_input]
    if len(readers) > 1:
        raise UsageError("two receivers read the standard input", "give one of them a named pipe (mkfifo)")
    for reader in readers:
        reader.hold_standard_input()
        if os.name == "posix" and (sys.stdout.isatty() or sys.stderr.isatty()):
            _put_terminal_there()
    return not readers or sys.stdin.isatty()


def _put_terminal_there() -> None:
    try:
        terminal = os.open(TERMINAL, os.O_RDWR)
    except OSError:
        # No terminal belongs to this program: lines are printed, and nothing is asked.
        return
    os.dup2(terminal, sys.stdin.fileno())
    os.close(terminal)
