"""Parsing the command line: global options stand before or after the command."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

from fieldtool.cli.command import COMMANDS, GROUPS, load, unknown_command
from fieldtool.errors import UsageError
from protocols.plural import counted
from protocols.text import safe_text

_WITH_VALUE = frozenset({"--store", "--passphrase-file"})
"""Global options whose value stands behind them as a word of its own."""

_WITHOUT_VALUE = frozenset({"--verbose", "--version", "--help"})


class Parser(ArgumentParser):
    """An argument parser that raises `UsageError` and never repeats a word it did not understand."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UsageError(safe_text(message), f"see `{self.prog} --help`")


def split_command(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the command's name and all other words; (None, words) when there is no command.

    Raises `UsageError` for a command that does not exist.
    """
    words = list(argv)
    found: list[int] = []
    skip = False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in _WITH_VALUE
        else:
            found.append(position)
            if len(found) == 2 or word not in GROUPS:
                break
    names = [words[position] for position in found]
    if not names:
        return None, words
    if names[0] not in GROUPS:
        names, found = names[:1], found[:1]
    name = " ".join(names)
    if name not in COMMANDS and name not in GROUPS:
        before = words[found[0] - 1] if found[0] else ""
        raise (
            _unknown_option(before)
            if before.startswith("--") and before not in _WITHOUT_VALUE
            else (unknown_command(names))
        )
    return name, [word for position, word in enumerate(words) if position not in found]


def _unknown_option(option: str) -> UsageError:
    """Say that an option before the command is none; its value was taken for the command, and is not repeated."""
    name = option.split("=", 1)[0]
    near = get_close_matches(name, (*_WITH_VALUE, *_WITHOUT_VALUE), n=1)
    hint = f"did you mean {near[0]}?" if near else "write a command's options after it; see `fieldtool --help`"
    return UsageError(f"unknown option {safe_text(name)} before the command", hint)


def parse(name: str, words: Sequence[str]) -> Namespace:
    """Parse the words of one command; `UsageError` when they do not fit."""
    command = load(name)
    parser = Parser(
        prog=f"fieldtool {name}",
        description=f"{COMMANDS[name][1]}.",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.configure(parser)
    add_globals(parser)
    parsed, unknown = parser.parse_known_args(list(words))
    if unknown:
        # A word that stands where it should not may be a key: only options are named, without their values.
        named = [word.split("=", 1)[0] for word in unknown if word.startswith("-")]
        what = f"unknown option {', '.join(named)}" if named else f"{counted(len(unknown), 'word')} too many"
        parser.error(what)
    parsed.run = command.run
    return parsed


def add_globals(parser: ArgumentParser) -> None:
    """Add the options that every command takes."""
    group = parser.add_argument_group("global options")
    group.add_argument("--store", metavar="PATH", help="keystore (else FIELDTOOL_STORE, else the data folder)")
    group.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help="file with its passphrase (else FIELDTOOL_PASSPHRASE_FILE, else asked)",
    )
    group.add_argument("--verbose", action="store_true", help="print more on standard error")
    group.add_argument("--version", action="version", version=version_text(), help="print the version")


def overview(group: str | None = None) -> str:
    """Return the help of the whole program, or of one group of commands."""
    lines = [f"usage: fieldtool {group or 'COMMAND'} ...", ""]
    if group is None:
        lines += ["Field tool for utility meters; without a command it opens the terminal screens.", ""]
    lines += [
        f"  {name:20}{help_text}" for name, (_, help_text) in COMMANDS.items() if group in (None, name.split()[0])
    ]
    lines += ["", "Each command explains itself: fieldtool COMMAND --help"]
    return "\n".join(lines)


def version_text() -> str:
    """Return program and version."""
    # It takes as long as reading a telegram, and only this asks for it.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"fieldtool {version('fieldtool')}"
    except PackageNotFoundError:
        return "fieldtool (not installed)"


def whole_number(text: str) -> int:
    """Argument type: a whole number above zero."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not int(text):
        raise ArgumentTypeError("must be a whole number above zero")
    return int(text)


def seconds(text: str) -> float:
    """Argument type: a number of seconds above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise ArgumentTypeError("must be a number of seconds above zero")
    return value
