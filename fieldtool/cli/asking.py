"""Asking for a yes or for a line of text, with a clear error when there is nobody to ask."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fieldtool.cli import output
from fieldtool.cli.question import ask_yes, can_ask
from fieldtool.errors import AccessError, UsageError
from keystore.certificates.errors import ConfirmationNeeded


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask on the terminal; `yes` answers for the user. `ConfirmationNeeded` when there is nobody to ask."""
    if yes:
        return True
    if not can_ask():
        raise ConfirmationNeeded(f"{question}; there is no terminal to ask whether that is right", "say so with --yes")
    return ask_yes(f"{question}. Go on?")


@contextmanager
def answered_by(option: str) -> Iterator[None]:
    """Name the option with the file that answers a question for a passphrase where there is no terminal."""
    try:
        yield
    except AccessError as error:
        if sys.stdin.isatty():
            raise
        raise AccessError(error.message, f"give {option} FILE") from error


def asked_text(question: str, option: str) -> str:
    """Ask for a line of text on the terminal; `UsageError` when there is nobody to ask."""
    if not can_ask():
        raise UsageError(f"{question} is missing, and there is no terminal to ask for it", f"give {option}")
    output.talk(f"{question}:")
    return sys.stdin.readline().strip()
