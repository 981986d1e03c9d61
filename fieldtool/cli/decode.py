"""`fieldtool decode`: telegrams as arguments or on standard input, in hex or as they were copied from somewhere."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain

from fieldtool.cli import output
from fieldtool.cli.bad_lines import SHOWN, BadLines
from fieldtool.cli.command import Command
from fieldtool.cli.formats_option import add_formats_option, formats_when_needed
from fieldtool.cli.keys_option import add_key_option
from fieldtool.cli.profiles_option import add_profiles_option, profiles_in_use
from fieldtool.errors import InputError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.explain import explain, summary
from fieldtool.export.telegram_json import telegram_json
from fieldtool.keys.lazy_keys import LazyKeys, follower_maker
from fieldtool.replay.capture import items_of, standard_input
from protocols.captures.model import PLAIN_HEX, BadLine, NotRecognised, Pasted
from protocols.captures.paste import recognise_all
from protocols.learned import LearnedDecoder
from protocols.model import KeyLookup, Telegram
from protocols.plausibility import judged_alone


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "telegrams", metavar="HEX", nargs="*", help="a telegram; without any, one per line from standard input"
    )
    add_key_option(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object per telegram")
    form.add_argument("--jsonl", action="store_true", help="read one JSON request per line, answer each with one line")
    form.add_argument("--explain", action="store_true", help="print the verdict and every byte of the telegram")
    parser.add_argument(
        "--already-decrypted", action="store_true", help="read payloads as they are, although the header says encrypted"
    )
    add_profiles_option(parser)
    add_formats_option(parser)


def _run(arguments: Namespace) -> ExitCode:
    with closing(LazyKeys(arguments.store, arguments.passphrase_file)) as store:
        keys: KeyLookup = store
        if arguments.key:
            given = tuple(arguments.key)
            keys = lambda _: given  # noqa: E731
        profiles = profiles_in_use(arguments)
        decoder = LearnedDecoder(keys, profiles=profiles, already_decrypted=arguments.already_decrypted)
        decoder.make_follower = follower_maker(store, arguments.key)
        decoder.search_formats = formats_when_needed(arguments)
        code = _jsonl(arguments, decoder) if arguments.jsonl else _telegrams(arguments, decoder)
        if store.reason:
            output.talk(store.reason)
        return code


def _telegrams(arguments: Namespace, decoder: LearnedDecoder) -> ExitCode:
    show = _form(arguments)
    failed = False
    for pasted in _pasted(arguments.telegrams):
        telegram = None if pasted is None else judged_alone(decoder.decode(pasted.frame))
        if telegram is not None and pasted is not None:
            show(telegram, pasted)
        failed = failed or telegram is None or not telegram.ok
    return ExitCode.SOME_FAILED if failed else ExitCode.OK


def _form(arguments: Namespace) -> Callable[[Telegram, Pasted], None]:
    if arguments.json:
        # Only what was given as an argument is pasted; lines of standard input are a capture.
        named = bool(arguments.telegrams)
        return lambda telegram, pasted: output.data(_with_kind(telegram_json(telegram), pasted if named else None))
    width = output.width()
    text = (lambda telegram: explain(telegram, width)) if arguments.explain else summary
    return lambda telegram, _: output.data(
        output.coloured(text(telegram), telegram.outcome, telegram.outcome.replace("_", " "))
    )


def _with_kind(line: str, pasted: Pasted | None) -> str:
    """Add to a JSON object what was recognised, unless it is plain hex."""
    if pasted is None or pasted.kind == PLAIN_HEX:
        return line
    recognised = json.dumps({"kind": pasted.kind, "notes": pasted.notes})
    return f'{line[:-1]}, "recognised": {recognised}}}'


def _pasted(arguments: list[str]) -> Iterator[Pasted | None]:
    """Yield the frames asked for; None for a line of standard input that holds none, after saying why."""
    if arguments:
        found = [_argument(text, number) for number, text in enumerate(arguments, start=1)]
        for pasted in chain.from_iterable(found):
            if pasted.kind != PLAIN_HEX or pasted.notes:
                output.talk(f"recognised: {_in_words(pasted)}")
            yield pasted
        return
    if sys.stdin.isatty():
        raise UsageError(
            "no telegram given", "as in: fieldtool decode HEX [--key HEX], or one per line on standard input"
        )
    yield from _lines()


def _lines() -> Iterator[Pasted | None]:
    """Yield what the lines of standard input hold; nothing at all in it is said as well."""
    kind, bad, read = PLAIN_HEX, BadLines(), False
    for item in items_of(standard_input()):
        read = True
        if isinstance(item, BadLine):
            bad.tell(item)
            yield None
            continue
        if item.kind != kind:
            kind = item.kind
            output.talk(f"recognised from line {item.line} on: {kind}")
        yield Pasted(item.frame, item.kind)
    if bad.count > SHOWN:
        output.talk(bad.sum)
    if not read:
        raise InputError("there was no telegram in what was read", "give one per line on standard input, in hex")


def _in_words(pasted: Pasted) -> str:
    frame = pasted.frame
    at = None if frame.at is None else f"{frame.at:%Y-%m-%d %H:%M:%S} UTC"
    rssi = None if frame.rssi_dbm is None else f"{frame.rssi_dbm} dBm"
    known = ", ".join(part for part in (pasted.kind, frame.mode, rssi, at) if part)
    return "; ".join((known, *pasted.notes))


def _argument(text: str, number: int) -> tuple[Pasted, ...]:
    try:
        return recognise_all(text)
    except NotRecognised as error:
        raise UsageError(f"telegram {number}: {error.seen}", error.instead) from None


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
