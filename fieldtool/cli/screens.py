"""What the terminal screens are started with; Textual is imported only here, when a screen is really opened."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Final

from fieldtool.access import IDLE_LOCK_S, choose_store
from fieldtool.cli.formats_option import formats_in_use, keep_formats
from fieldtool.cli.profiles_option import told
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
from fieldtool.profiles.user_profiles import load_profiles
from fieldtool.sources.events import Source
from fieldtool.tui.app import run
from fieldtool.tui.certificate_access import CertificateAccess
from fieldtool.tui.session import Session
from protocols.learned import LearnedDecoder
from protocols.model import Key, RawFrame, Telegram
from protocols.profiles.registry import ProfileRegistry

WITHOUT_NEWS = 0
"""Screens read the reception; nobody takes news."""

PASTE_WAIT_S: Final = 5.0
"""How long pasted telegrams may wait behind those that are received."""


def open_screens(arguments: Namespace) -> ExitCode:
    """Open the screens without a receiver: telegrams can be pasted, and the simulator can be started from there.

    A store that was named must be there; without one of that name nobody would see which keys are used.
    """
    _need_terminal()
    choice = choose_store(arguments.store, arguments.passphrase_file)
    formats = formats_in_use(Namespace(formats=None))
    with ExitStack() as stack:
        lazy = LazyKeys(arguments.store, arguments.passphrase_file, idle_lock_s=IDLE_LOCK_S)
        store = stack.enter_context(closing(lazy))
        # Where there is none, this is settled now: nobody is asked for a passphrase behind the screens.
        exists = choice.chosen or choice.path.exists()
        if exists and choice.passphrase_file is None:
            store.open_locked()
        else:
            store.open()
        decoder = LearnedDecoder(store, formats=formats.library, profiles=told(load_profiles()).registry)
        decoder.make_follower = follower_maker(store, ())
        book = SessionBook(store.documents)
        listening = Listening([], decoder, news_size=WITHOUT_NEWS, keys_epoch=lambda: store.epoch, session_book=book)
        listening.start()
        stack.callback(lambda: keep_formats(formats, decoder.formats))
        stack.callback(listening.stop)
        without = Session(listening.reception, keystore=lambda: "none yet", paste=_paster(listening))
        if not exists:
            run(replace(without, start_simulator=_start_demo))
            return ExitCode.OK
        own = replace(
            without,
            keystore=lambda: store.state_text,
            touch=store.touch,
            lock_keystore=store.lock,
            unlock_keystore=store.unlock,
            keystore_is_locked=lambda: store.is_locked,
            certificates=CertificateAccess(lambda: store.vault),
        )
        run(replace(own, start_simulator=lambda: _demo_beside(own, store)))
    return ExitCode.OK


def _paster(listening: Listening) -> Callable[[Sequence[RawFrame]], Sequence[Telegram]]:
    return lambda frames: listening.paste(frames, PASTE_WAIT_S)


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
                    paste=_paster(listening),
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
    listening = demo.listening
    return Session(
        listening.reception, listening.newest, lambda: demo.keystore_text, close=close, paste=_paster(listening)
    )


def _start_demo(own: LazyKeys | None = None) -> Session:
    stack = ExitStack()
    return _demo_session(stack.enter_context(running_demo(news_size=WITHOUT_NEWS, own=own)), stack.close)


def _demo_beside(own: Session, store: LazyKeys) -> Session:
    """Start simulated meters over the user's own store: it stays open, their keys are known to this session only."""
    demo = _start_demo(store)
    return replace(
        own,
        reception=demo.reception,
        sources=demo.sources,
        keystore=lambda: f"{own.keystore()} + demo keys",
        start_simulator=None,
        close=demo.close,
        paste=demo.paste,
    )


def _need_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the screens need a terminal", "for lines: fieldtool listen RECEIVER, or fieldtool demo")
