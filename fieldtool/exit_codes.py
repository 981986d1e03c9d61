"""The exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a calling program learns without reading a word."""

    OK = 0
    SOME_FAILED = 1
    """Some telegrams or rows failed; the rest was done."""
    USAGE = 2
    """The command line or a configuration is wrong; nothing was done."""
    RECEIVER = 3
    """The receiver or the link to it failed."""
    KEYSTORE = 4
    """The keystore, a certificate or a permission stood in the way."""
    INTERRUPTED = 130
    """Ended by the user."""
