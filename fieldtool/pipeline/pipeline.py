"""The thread between the sources and everyone who looks: frames in, telegrams to the reception and to subscribers."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from fieldtool.pipeline.reception import Reception
from fieldtool.sources.queue import FrameQueue
from protocols.crypto import forget_keys
from protocols.learned import LearnedDecoder
from protocols.model import Outcome, RawFrame, Telegram
from protocols.plausibility import Judge, judged_alone, with_findings

if TYPE_CHECKING:
    from fieldtool.kept.session_book import SessionBook

POLL_S = 0.1
JOIN_S = 5.0

PASTED: Final = "pasted"
"""The source of frames that no receiver heard: somebody pasted them."""

MAX_WAITING: Final = 500
"""Pasted frames that wait for a key."""

Subscriber: TypeAlias = Callable[[Telegram, bool], None]
"""Told of every telegram, and whether it is a duplicate, in the pipeline's thread; it must return at once."""

KeysEpoch: TypeAlias = Callable[[], int]
"""A number that changes when the keys of any meter may have: after a lock, an unlock, an import."""

_log = logging.getLogger(__name__)


class Pipeline:
    """Owns the decoder and the meters' histories, and is the only writer of the reception.

    Pasted frames say nothing about those received before and after them, but for LoRaWAN's, which the decoder follows
    as they come. Those without a key are decoded again when keys may have changed: no meter sends them again. `bug` is
    what ended the thread before its time; there should be none, since decoding never raises.
    """

    def __init__(
        self,
        frames: FrameQueue,
        decoder: LearnedDecoder,
        reception: Reception,
        subscribers: Sequence[Subscriber] = (),
        keys_epoch: KeysEpoch = lambda: 0,
        session_book: SessionBook | None = None,
    ) -> None:
        self._frames = frames
        self._decoder = decoder
        self._reception = reception
        self._judge = Judge()
        self._waiting: deque[RawFrame] = deque(maxlen=MAX_WAITING)
        self._subscribers = tuple(subscribers)
        self._keys_epoch = keys_epoch
        self._epoch: int | None = None
        self._session_book = session_book
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pipeline", daemon=True)
        self.bug: Exception | None = None

    def start(self) -> None:
        """Begin to take frames from the queue; once."""
        self._thread.start()

    def stop(self) -> None:
        """Decode what still waits in the queue if it is closed, and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    @property
    def idle(self) -> bool:
        """True when the queue is closed and every frame of it was decoded."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._decode_all()
            self._keep_sessions()
        except Exception as bug:  # noqa: BLE001 - the last door of this thread: who waits for telegrams raises it again
            self.bug = bug

    def _decode_all(self) -> None:
        while not self._frames.finished:
            frame = self._frames.get(POLL_S)
            self._count_losses()
            self._follow_keys()
            if frame is not None:
                self._hand_on(self._judged(frame))
            elif self._stop.is_set():
                break
        self._count_losses()
        _log.debug("nothing more comes")

    def _judged(self, frame: RawFrame) -> Telegram:
        telegram = self._decoder.decode(frame)
        if frame.source != PASTED:
            return with_findings(telegram, self._judge.judge(telegram))
        if telegram.outcome is Outcome.NO_KEY:
            self._waiting.append(frame)
        return judged_alone(telegram)

    def _hand_on(self, telegram: Telegram) -> None:
        duplicate = not self._reception.accept(telegram)
        for subscriber in self._subscribers:
            subscriber(telegram, duplicate)
        if telegram.lorawan is not None and telegram.lorawan.join_nonce is not None and telegram.ok:
            self._keep_sessions()

    def _count_losses(self) -> None:
        self._reception.add_lost(self._frames.take_dropped(), self._frames.take_unusable())

    def _follow_keys(self) -> None:
        """Forget what this thread remembers of keys when they may have changed: a locked store opens nothing."""
        epoch = self._keys_epoch()
        if epoch != self._epoch:
            if self._epoch is not None:
                self._decoder.forget()
                forget_keys()
            self._epoch = epoch
            if self._session_book is not None:
                self._session_book.follow(self._decoder.lorawan)
            self._decode_waiting()

    def _decode_waiting(self) -> None:
        waiting = tuple(self._waiting)
        self._waiting.clear()
        for telegram in map(self._judged, waiting):
            if telegram.outcome is not Outcome.NO_KEY:
                self._hand_on(telegram)

    def _keep_sessions(self) -> None:
        """Keep what was followed: after each join, and at the end with the counters heard since."""
        if self._session_book is not None:
            self._session_book.keep(self._decoder.lorawan)
