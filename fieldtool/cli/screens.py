"""What the terminal screens are started with; Textual is imported only here, when a screen is really opened."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace

from fieldtool.access import IDLE_LOCK_S, choose_store
from fieldtool.cli.formats_option import keep_formats
from fieldtool.cli.recording import Recording
from fieldtool.demo import Demo, running_demo
from fieldtool.errors import UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.kept.formats_file import FormatsFile
from fieldtool.kept.session_book import SessionBook
from fieldtool.keys.filed_meters import FiledMeters
from fieldtool.keys.lazy_keys import LazyKeys, follower_maker
from fieldtool.pipeline.listening import Listening
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.events import Source
from fieldtool.tui.app import run
from fieldtool.tui.certificate_access import CertificateAccess
from fieldtool.tui.session import Session
from protocols.learned import LearnedDecoder
from protocols.model import Key
from protocols.profiles.registry import ProfileRegistry

WITHOUT_NEWS = 0
"""Screens read the reception; nobody takes news."""


def open_screens(arguments: Namespace) -> ExitCode:
    """Open the screens without a receiver; the simulator can be started from there.

    A store that was named must be there; without one of that name nobody would see which keys are used.
    """
    _need_terminal()
    choice = choose_store(arguments.store, arguments.passphrase_file)
    if not choice.chosen and not choice.path.exists():
        run(Session(Reception(), keystore=lambda: "none yet", start_simulator=_start_demo))
        return ExitCode.OK
    with closing(LazyKeys(arguments.store, arguments.passphrase_file, idle_lock_s=IDLE_LOCK_S)) as store:
        if choice.passphrase_file is not None:
            store.open()
        else:
            store.open_locked()
        own = Session(
            Reception(),
            keystore=lambda: store.state_text,
            touch=store.touch,
            lock_keystore=store.lock,
            unlock_keystore=store.unlock,
            keystore_is_locked=lambda: store.is_locked,
            certificates=CertificateAccess(lambda: store.vault),
        )
        run(replace(own, start_simulator=lambda: _demo_beside(own)))
    return ExitCode.OK


def demo_screens() -> ExitCode:
    """Open the screens over the running demonstration."""
    _need_terminal()
    with running_demo(news_size=WITHOUT_NEWS) as demo:
        run(_demo_session(demo))
    return ExitCode.OK


def listening_screens(
    arguments: Namespace,
    sources: list[Source],
    given: tuple[Key, ...],
    profiles: ProfileRegistry,
    formats: FormatsFile,
) -> ExitCode:
    """Open the screens over receivers; the passphrase is asked for before the first screen."""
    _need_terminal()
    with ExitStack() as stack:
        recording = stack.enter_context(closing(Recording(arguments.record))) if arguments.record else None
        lazy = LazyKeys(arguments.store, arguments.passphrase_file, idle_lock_s=IDLE_LOCK_S)
        store = stack.enter_context(closing(lazy))
        if not given:
            store.open()
        keys = (lambda _: given) if given else store
        decoder = LearnedDecoder(keys, formats=formats.library, profiles=profiles)
        decoder.make_follower = follower_maker(store, given)
        filed = FiledMeters.of_store(store.vault) if store.is_open and store.vault is not None else FiledMeters()
        listening = Listening(
            sources,
            decoder,
            Reception(label_of=filed.label_of),
            news_size=WITHOUT_NEWS,
            keys_epoch=lambda: store.epoch,
            session_book=None if given else SessionBook(store.documents),
            subscribers=() if recording is None else (recording.write_beside,),
        )
        listening.start()
        try:
            run(
                Session(
                    listening.reception,
                    lambda: (*(() if recording is None else (recording.event,)), *listening.newest()),
                    lambda: "keys from the command line" if given else store.state_text,
                    touch=store.touch,
                    lock_keystore=store.lock if store.is_open else None,
                    unlock_keystore=store.unlock if store.is_open else None,
                    keystore_is_locked=lambda: store.is_locked,
                    certificates=CertificateAccess(lambda: store.vault) if store.is_open else None,
                    lend_port=listening.lent,
                    filed_meters=filed.meters,
                    has_labels=filed.has_labels,
                )
            )
        finally:
            listening.stop()
            keep_formats(formats, decoder.formats)
    return ExitCode.OK


def _demo_session(demo: Demo, close: Callable[[], None] = lambda: None) -> Session:
    return Session(demo.listening.reception, demo.listening.newest, lambda: demo.keystore_text, close=close)


def _start_demo() -> Session:
    stack = ExitStack()
    return _demo_session(stack.enter_context(running_demo(news_size=WITHOUT_NEWS)), stack.close)


def _demo_beside(own: Session) -> Session:
    """Start simulated meters over the user's own store: it stays open, their keys are known to this session only."""
    demo = _start_demo()
    return replace(
        own,
        reception=demo.reception,
        sources=demo.sources,
        keystore=lambda: f"{own.keystore()} + demo keys",
        start_simulator=None,
        close=demo.close,
    )


def _need_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the screens need a terminal", "for lines: fieldtool listen RECEIVER, or fieldtool demo")
