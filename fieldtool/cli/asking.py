"""Asking for a yes or for a line of text, with a clear error when there is nobody to ask."""

from __future__ import annotations

import sys

from fieldtool.cli import output
from fieldtool.cli.question import ask_yes, can_ask
from fieldtool.errors import UsageError
from keystore.certificates.errors import ConfirmationNeeded


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask on the terminal; `yes` answers for the user. `ConfirmationNeeded` when there is nobody to ask."""
    if yes:
        return True
    if not can_ask():
        raise ConfirmationNeeded(f"{question}; there is no terminal to ask whether that is right", "say so with --yes")
    return ask_yes(f"{question}. Go on?")


def asked_text(question: str, option: str) -> str:
    """Ask for a line of text on the terminal; `UsageError` when there is nobody to ask."""
    if not can_ask():
        raise UsageError(f"{question} is missing, and there is no terminal to ask for it", f"give {option}")
    output.talk(f"{question}:")
    return sys.stdin.readline().strip()
