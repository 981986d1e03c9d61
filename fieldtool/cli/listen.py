"""`fieldtool listen`: what is in the air, from one receiver or several; screens on a terminal, lines otherwise."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path

from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.formats_option import add_formats_option, formats_in_use, keep_formats
from fieldtool.cli.keys_option import add_key_option
from fieldtool.cli.mqtt_option import add_mqtt_option
from fieldtool.cli.open_receivers import open_receivers
from fieldtool.cli.options import seconds
from fieldtool.cli.profiles_option import add_profiles_option, profiles_in_use
from fieldtool.cli.recording import Recording
from fieldtool.cli.standard_input import NO_KEYBOARD, NO_KEYBOARD_HINT, share_standard_input
from fieldtool.errors import ReceiverError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.lines import outcome_text, telegram_line
from fieldtool.export.telegram_json import telegram_json
from fieldtool.kept.session_book import SessionBook
from fieldtool.keys.lazy_keys import LazyKeys, follower_maker
from fieldtool.pipeline.listening import Heard, Listening, News
from fieldtool.sources.events import SourceEvent
from fieldtool.sources.registry import SOURCES
from protocols.learned import LearnedDecoder
from protocols.model import Telegram
from protocols.plural import counted

WAIT_S = 0.2
"""How long the loop waits for news before it looks at the time."""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "receivers",
        metavar="RECEIVER",
        nargs="+",
        help="its address, as in im871a:///dev/ttyUSB0?mode=c1,t1 or sim:demo",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object per telegram")
    form.add_argument(
        "--lines", action="store_true", help="print lines even on a terminal, instead of opening the screens"
    )
    parser.add_argument("--seconds", type=seconds, metavar="N", help="end after N seconds (default: never)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="append the frames received to this capture")
    parser.epilog = f"Kinds of receivers: {', '.join(SOURCES)}; see `fieldtool receivers list` and docs/listen.md."
    add_key_option(parser)
    add_profiles_option(parser)
    add_formats_option(parser)
    add_mqtt_option(parser)


def _run(arguments: Namespace) -> ExitCode:
    sources = open_receivers(arguments)
    given = tuple(arguments.key)
    profiles, formats = profiles_in_use(arguments), formats_in_use(arguments)
    has_keyboard = share_standard_input(sources)
    if not has_keyboard and not _asked_for_lines(arguments) and sys.stdout.isatty():
        output.talk(NO_KEYBOARD)
        output.talk(f"  {NO_KEYBOARD_HINT}")
    if _wants_screens(arguments):
        from fieldtool.cli.screens import listening_screens

        return listening_screens(arguments, sources, given, profiles, formats)
    with ExitStack() as stack:
        record = stack.enter_context(closing(Recording(arguments.record))) if arguments.record else None
        store = stack.enter_context(closing(LazyKeys(arguments.store, arguments.passphrase_file)))
        if not given:
            # Ask for the passphrase now, not in the middle of the first telegram.
            store.open()
        keys = (lambda _: given) if given else store
        decoder = LearnedDecoder(keys, formats=formats.library, profiles=profiles)
        decoder.make_follower = follower_maker(store, given)
        stack.callback(lambda: keep_formats(formats, decoder.formats))
        book = None if given else SessionBook(store.documents)
        listening = Listening(sources, decoder, keys_epoch=lambda: store.epoch, session_book=book)
        listening.start()
        stack.callback(listening.stop)
        if store.reason:
            output.talk(store.reason)
        code = show_news(listening, shower(json=arguments.json, record=record), arguments.seconds)
    sum_up(listening)
    return code


def _wants_screens(arguments: Namespace) -> bool:
    """Whether someone sits at a terminal and asked for nothing that lines are for."""
    return not _asked_for_lines(arguments) and sys.stdin.isatty() and sys.stdout.isatty()


def _asked_for_lines(arguments: Namespace) -> bool:
    return bool(arguments.json or arguments.lines or arguments.seconds)


def shower(*, json: bool, record: Recording | None = None) -> Callable[[Heard], None]:
    """Return what prints one telegram, and records it."""
    utc_offset = datetime.now().astimezone().utcoffset() or timedelta(0)

    def show(heard: Heard) -> None:
        if record is not None:
            record.write(heard.telegram.frame)
        if not heard.duplicate:
            output.data(telegram_json(heard.telegram) if json else _line(heard.telegram, utc_offset), flush=True)

    return show


def show_news(listening: Listening, show: Callable[[Heard], None], limit_s: float | None) -> ExitCode:
    """Show what comes until the time is over or all sources have ended; source events are talk.

    Ctrl-C ends the listening, not the command: what was heard by then is still to be summed up. Raises `ReceiverError`
    when no source could ever be connected, or all broke off for good.
    """
    try:
        _show_until(listening, show, limit_s)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _show_until(listening: Listening, show: Callable[[Heard], None], limit_s: float | None) -> None:
    deadline = None if limit_s is None else time.monotonic() + limit_s
    while deadline is None or time.monotonic() < deadline:
        wait_s = WAIT_S if deadline is None else min(WAIT_S, max(0.0, deadline - time.monotonic()))
        # Looked at before the wait: what ended sources had handed over by then is in the news already.
        ended = listening.drained
        news = listening.next(wait_s)
        over = ended and news is None
        failure = listening.all_failed() if over else listening.never_connected()
        ends_all = isinstance(news, SourceEvent) and (news == failure or listening.is_the_last(news))
        if not ends_all:
            # What ends the command is not said twice.
            _tell(news, show)
        if failure is not None:
            raise ReceiverError(failure.detail, failure.hint)
        if over:
            return


def _tell(news: News | None, show: Callable[[Heard], None]) -> None:
    if isinstance(news, Heard):
        show(news)
    elif isinstance(news, SourceEvent):
        output.talk(f"{news.source}: {news.state}: {news.detail}")
        if news.hint:
            output.talk(f"  {news.hint}")


def sum_up(listening: Listening) -> None:
    """Say what was received, as talk."""
    counters = listening.reception.counters
    meters = sum(row.sender is not None for row in listening.reception.rows())
    lost = f", {counters.dropped} dropped" if counters.dropped else ""
    if counters.unusable:
        lost += f"; {counted(counters.unusable, 'packet')} could not be used (--verbose says why)"
    output.talk(
        f"{counted(counters.received, 'telegram')} of {counted(meters, 'meter')}: "
        f"{counters.shown} ok, {counters.no_key} no key, {counters.wrong_key} wrong key, "
        f"{counters.unsupported} unsupported, {counters.damaged} damaged, "
        f"{counted(counters.duplicates, 'duplicate')}{lost}"
    )


def _line(telegram: Telegram, utc_offset: timedelta) -> str:
    word = outcome_text(telegram.outcome)
    return output.coloured(telegram_line(telegram, utc_offset), telegram.outcome, word)


LISTEN = Command(_configure, _run)
