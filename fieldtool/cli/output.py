"""Standard output is data, standard error is talk; the only place of the package that writes to either."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from protocols.model import Outcome
from protocols.text import safe_text

_COLOURS: Final[dict[Outcome, str]] = {
    Outcome.OK: "32",
    Outcome.NO_KEY: "33",
    Outcome.WRONG_KEY: "31",
    Outcome.NOT_PERMITTED: "33",
    Outcome.UNSUPPORTED: "33",
    Outcome.DAMAGED: "31",
}
TALK_LIMIT: Final = 2000
PIECES: Final = 1024
"""As many pieces of memory as Linux and macOS take at once (IOV_MAX)."""

_PLAIN: Final = "fieldtool.plain"
_LOOK_ALIKES: Final = str.maketrans(
    "✓✗○◌⊘≈▲●■◇→▸▾▶↑↓⏎·•‖\N{EN DASH}…³²°─━│├└╭╮╰╯▌█▇▆▅▄▃▂▁▔▎▊",
    "+xo.:~!*#->>v>^v<-*|-~32 -=||+++++>#==--.._-||",
)
"""What is written for a sign where the terminal's encoding has none: what became of a telegram must still be told."""


def prepare() -> None:
    """Make sure that all that is written arrives, and that what a terminal cannot show is told by other characters.

    Whoever shares the terminal or the pipe may have set it so that a write takes what there is room for and no more.
    """
    codecs.register_error(_PLAIN, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)
            if sys.platform != "win32":
                with suppress(OSError, ValueError):  # closed, or no file
                    os.set_blocking(stream.fileno(), True)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown = error.object[error.start : error.end].translate(_LOOK_ALIKES)
    return shown.encode("ascii", "replace").decode(), error.end


def data(line: str, *, flush: bool = False) -> None:
    """Write one line of data; it is already safe, as everything of `fieldtool.export` is."""
    sys.stdout.write(f"{line}\n")
    if flush:
        sys.stdout.flush()


def data_lines(chunks: Sequence[bytes | memoryview], *, ascii_only: bool) -> None:
    """Write whole lines of data, each with its line feed, in UTF-8 or in ASCII alone, and hand them on."""
    stream = getattr(sys.stdout, "buffer", None) if ascii_only else None
    if stream is None:
        sys.stdout.write(b"".join(chunks).decode())
        sys.stdout.flush()
        return
    # What is ASCII is so in every encoding of a terminal.
    sys.stdout.flush()
    if len(chunks) > 1 and isinstance(stream, io.BufferedWriter) and hasattr(os, "writev"):
        _write_at_once(stream, chunks)
    else:
        stream.write(b"".join(chunks))
    sys.stdout.flush()


def _write_at_once(stream: io.BufferedWriter, chunks: Sequence[bytes | memoryview]) -> None:
    """Write without copying: the system takes what lies in many places."""
    descriptor = stream.fileno()
    for first in range(0, len(chunks), PIECES):
        pieces = chunks[first : first + PIECES]
        left = sum(map(len, pieces)) - os.writev(descriptor, pieces)
        if left:
            # A pipe or a terminal took a part only: the rest goes the usual way, which goes on until all is taken.
            whole = b"".join(pieces)
            stream.write(whole[len(whole) - left :])
            stream.flush()


def let_go() -> None:
    """Send what is still to be written nowhere: a second failure while Python closes it would be a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def talk(line: str) -> None:
    """Write one line of talk."""
    sys.stderr.write(f"{safe_text(line, TALK_LIMIT)}\n")
    sys.stderr.flush()


def meanwhile(line: str) -> None:
    """Tell a person who waits what is being done; to a file or a program it would be noise."""
    if sys.stderr.isatty():
        talk(line)


def failure(message: str, hint: str = "") -> None:
    """Write one line of what happened and one of what to do."""
    talk(f"fieldtool: {message}")
    if hint:
        talk(f"  {hint}")


def end_line() -> None:
    """End the line of a question that was left without an answer, so that the shell does not write behind it."""
    if sys.stderr.isatty():
        sys.stderr.write("\n")
        sys.stderr.flush()


def width() -> int | None:
    """Return how many columns the terminal has that data are written to; None when it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def coloured(text: str, outcome: Outcome, word: str) -> str:
    """Return `text` with `word` in the outcome's colour when standard output is a terminal that wants colours."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return text.replace(word, f"\x1b[{_COLOURS[outcome]}m{word}\x1b[0m", 1)


class Progress:
    """A line of progress on standard error, only on a terminal, and only now and then."""

    EVERY = 500

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._count = 0
        self._shown = sys.stderr.isatty()

    def step(self, part: float | None = None, count: int = 1) -> None:
        """Count one, or several; `part` is how much of the whole is done, 0 to 1."""
        before = self._count // self.EVERY
        self._count += count
        if self._shown and self._count // self.EVERY != before:
            percent = "" if part is None else f"  {part:4.0%}"
            sys.stderr.write(f"\r{self._count} {self._unit}{percent}")
            sys.stderr.flush()

    def end(self) -> None:
        """Wipe the line."""
        if self._shown and self._count >= self.EVERY:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def stdin_lines() -> Iterator[str]:
    """Yield the lines of standard input as text, without their ends, whatever bytes they hold."""
    from fieldtool.replay.capture import lines_of

    for line in lines_of(sys.stdin.buffer):
        yield line.rstrip("\r\n")
