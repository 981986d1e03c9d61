"""`fieldtool decode`: telegrams given as hex, as arguments or on standard input."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import closing

from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.keys_option import add_key_option
from fieldtool.errors import UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.explain import explain, summary
from fieldtool.export.telegram_json import telegram_json
from fieldtool.lazy_keys import LazyKeys
from protocols.captures.hex_lines import parse_hex, parse_lines
from protocols.captures.model import BadLine
from protocols.learned import LearnedDecoder
from protocols.model import KeyLookup, RawFrame, Telegram


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("telegrams", metavar="HEX", nargs="*", help="a telegram; without any: one a line from stdin")
    add_key_option(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a telegram")
    form.add_argument("--jsonl", action="store_true", help="read one JSON request a line, answer each with one line")
    form.add_argument("--explain", action="store_true", help="print the verdict and every byte of the telegram")
    parser.add_argument(
        "--already-decrypted", action="store_true", help="take payloads in the clear under an encrypting header"
    )


def _run(arguments: Namespace) -> ExitCode:
    with closing(LazyKeys(arguments.store, arguments.passphrase_file)) as store:
        keys: KeyLookup = store
        if arguments.key:
            given = tuple(arguments.key)
            keys = lambda _: given  # noqa: E731
        decoder = LearnedDecoder(keys, already_decrypted=arguments.already_decrypted)
        code = _jsonl(arguments, decoder) if arguments.jsonl else _telegrams(arguments, decoder)
        if store.reason:
            output.talk(store.reason)
        return code


def _telegrams(arguments: Namespace, decoder: LearnedDecoder) -> ExitCode:
    show = _form(arguments)
    failed = False
    for frame in _frames(arguments.telegrams):
        telegram = None if frame is None else decoder.decode(frame)
        if telegram is not None:
            show(telegram)
        failed = failed or telegram is None or not telegram.ok
    return ExitCode.SOME_FAILED if failed else ExitCode.OK


def _form(arguments: Namespace) -> Callable[[Telegram], None]:
    if arguments.json:
        return lambda telegram: output.data(telegram_json(telegram))
    text = explain if arguments.explain else summary
    return lambda telegram: output.data(
        output.coloured(text(telegram), telegram.outcome, telegram.outcome.replace("_", " "))
    )


def _frames(arguments: list[str]) -> Iterator[RawFrame | None]:
    """Yield the frames asked for; None for a line of standard input that holds none, after saying why."""
    if arguments:
        yield from [_argument(text, number) for number, text in enumerate(arguments, start=1)]
        return
    if sys.stdin.isatty():
        raise UsageError(
            "no telegram given", "as in: fieldtool decode HEX [--key HEX], or one a line on standard input"
        )
    for item in parse_lines(output.stdin_lines()):
        if isinstance(item, BadLine):
            output.talk(f"line {item.line}: {item.problem}")
            yield None
        else:
            yield item.frame


def _argument(text: str, number: int) -> RawFrame:
    try:
        return RawFrame(parse_hex(text))
    except ValueError as error:
        raise UsageError(
            f"telegram {number}: {error}", "give the bytes of one telegram in hex, in quotes if there are blanks"
        ) from None


def _jsonl(arguments: Namespace, decoder: LearnedDecoder) -> ExitCode:
    from fieldtool.replay.jsonl import answer

    if arguments.telegrams:
        raise UsageError("--jsonl reads its telegrams from standard input", "leave the HEX arguments out")
    failed = False
    for line in output.stdin_lines():
        answered = answer(line, decoder)
        output.data(answered.text)
        failed = failed or not answered.ok
    return ExitCode.SOME_FAILED if failed else ExitCode.OK


DECODE = Command(_configure, _run)
