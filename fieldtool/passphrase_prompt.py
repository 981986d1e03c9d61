"""A new passphrase asked for on the terminal: nothing of it is shown but its length, and how good it is so far."""

from __future__ import annotations

import codecs
import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from keystore.passphrase_policy import PassphrasePolicy, judge

_END: Final = "\r\n"
_BACK: Final = "\x7f\b"
_CLEAR: Final = "\x15"
_INTERRUPT: Final = "\x03"
_END_OF_INPUT: Final = "\x04\x1a"

ReadKey = Callable[[], str]


def ask_judged(prompt: str, policy: PassphrasePolicy, names: tuple[str, ...] = ()) -> str:
    """Ask for a passphrase and judge it at every key; without a terminal that can do that, ask with `getpass`.

    Raises `KeyboardInterrupt` for Ctrl-C and `EOFError` for the end of the input.
    """
    typed = ""

    def draw() -> None:
        sys.stderr.write(f"\r\x1b[K{_in_one_line(prompt, judge(typed, policy, names).line if typed else policy.text)}")
        sys.stderr.flush()

    with _keys() as read_key:
        if read_key is None:
            return getpass.getpass(prompt)
        try:
            while True:
                draw()
                key = read_key()
                if not key or key in _END:
                    return typed
                typed = _after(typed, key)
        finally:
            sys.stderr.write("\r\n")
            sys.stderr.flush()


def _in_one_line(prompt: str, judgement: str) -> str:
    """Leave out the prompt, then cut, where the terminal is too narrow: only one line can be drawn over."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        columns = 0
    if columns == 0 or len(prompt) + len(judgement) < columns:
        return prompt + judgement
    return judgement if len(judgement) < columns else f"{judgement[: columns - 2]}…"


def _after(typed: str, key: str) -> str:
    if key in _INTERRUPT:
        raise KeyboardInterrupt
    if key in _END_OF_INPUT:
        raise EOFError
    if key in _BACK:
        return typed[:-1]
    if key in _CLEAR:
        return ""
    return typed + key if key.isprintable() else typed


@contextmanager
def _keys() -> Iterator[ReadKey | None]:
    """Hand out what reads one key from the terminal without showing it; None where there is no such terminal."""
    try:
        number = sys.stdin.fileno()
        there = sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, OSError, ValueError):
        there, number = False, -1
    if not there:
        yield None
    elif sys.platform == "win32":
        import msvcrt

        yield msvcrt.getwch
    else:
        yield from _posix_keys(number)


def _posix_keys(number: int) -> Iterator[ReadKey | None]:
    if sys.platform == "win32":
        return
    import termios
    import tty

    decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    def read_key() -> str:
        while data := os.read(number, 1):
            if text := decoder.decode(data):
                return text
        return ""

    try:
        before = termios.tcgetattr(number)
    except termios.error:
        yield None
        return
    try:
        tty.setcbreak(number)
        now = termios.tcgetattr(number)
        now[3] &= ~termios.ISIG  # Ctrl-C comes as a key, so that the terminal is put right before anything ends
        termios.tcsetattr(number, termios.TCSADRAIN, now)
        yield read_key
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
