"""Asking yes or no on the terminal."""

from __future__ import annotations

import sys

from fieldtool.cli import output
from fieldtool.errors import UsageError
from keystore.certificates.errors import ConfirmationNeeded

_YES = frozenset({"y", "yes"})


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask on the terminal; `yes` answers for the user. `ConfirmationNeeded` when there is nobody to ask."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfirmationNeeded(f"{question}; there is no terminal to ask whether that is right", "say so with --yes")
    output.talk(f"{question}. Go on? [y/N]")
    return sys.stdin.readline().strip().casefold() in _YES


def asked_text(question: str, option: str) -> str:
    """Ask for a line of text on the terminal; `UsageError` when there is nobody to ask."""
    if not sys.stdin.isatty():
        raise UsageError(f"{question} is missing, and there is no terminal to ask for it", f"give {option}")
    output.talk(f"{question}:")
    return sys.stdin.readline().strip()
