"""Questions that only a person at the terminal can answer; everything but yes is no."""

from __future__ import annotations

import sys

from protocols.text import safe_text

_YES = frozenset({"y", "yes", "j", "ja", "o", "oui"})


def can_ask() -> bool:
    """Whether someone sits at the terminal to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_yes(question: str) -> bool:
    """Ask on the terminal; True for yes, False for anything else and for the end of the input."""
    sys.stderr.write(f"{safe_text(question, 2000)} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        # The end of the input leaves the line open: what comes next stands below the question.
        sys.stderr.write("\n")
    return answer.strip().casefold() in _YES
