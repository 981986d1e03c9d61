"""Sources, queue, pipeline and reception together: what listens, from start to stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from fieldtool.pipeline.pipeline import PASTED, KeysEpoch, Pipeline, Subscriber
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.events import Lender, Source, SourceEvent, SourceState
from fieldtool.sources.queue import BoundedQueue, FrameQueue
from protocols.learned import LearnedDecoder
from protocols.model import RawFrame, Telegram

if TYPE_CHECKING:
    from fieldtool.kept.session_book import SessionBook


@dataclass(frozen=True, slots=True)
class Heard:
    """A telegram as the pipeline handed it on."""

    telegram: Telegram
    duplicate: bool


News: TypeAlias = Heard | SourceEvent


class Listening:
    """Runs sources into one pipeline; `next` hands out telegrams and source events in the order in which they came.

    Who does not call `next`, as screens do not, makes it with `news_size=0` and reads `reception` and `newest`;
    `subscribers` are told of every telegram all the same.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        decoder: LearnedDecoder,
        reception: Reception | None = None,
        news_size: int = 10_000,
        keys_epoch: KeysEpoch = lambda: 0,
        session_book: SessionBook | None = None,
        subscribers: Sequence[Subscriber] = (),
    ) -> None:
        self.reception = reception or Reception()
        self._sources = tuple(sources)
        self._frames = FrameQueue()
        self._news: BoundedQueue[News] | None = BoundedQueue(news_size) if news_size else None
        hearers = (*subscribers, self._hear)
        self._pipeline = Pipeline(self._frames, decoder, self.reception, hearers, keys_epoch, session_book)
        self._pasted: dict[int, Telegram | None] = {}
        self._pasted_changed = threading.Condition()
        self._lock = threading.Lock()
        self._states: dict[str, SourceEvent | None] = {source.name: None for source in self._sources}
        self._connected: set[str] = set()

    def start(self) -> None:
        """Start everything; what cannot begin raises its `FieldToolError`, and what already ran is stopped."""
        self._pipeline.start()
        try:
            for source in self._sources:
                source.start(self._frames, self._tell)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all threads; what waits in the queue is still decoded."""
        for source in self._sources:
            source.stop()
        self._frames.close()
        self._pipeline.stop()

    @contextmanager
    def lent(self, target: str) -> Iterator[None]:
        """Keep away from a port while the body runs; where no source reads it, that changes nothing."""
        with ExitStack() as stack:
            for source in self._sources:
                if isinstance(source, Lender) and source.target == target:
                    stack.enter_context(source.lent())
            yield

    def paste(self, frames: Sequence[RawFrame], timeout_s: float) -> tuple[Telegram, ...]:
        """Put frames of the source `PASTED` on the queue, and return what they are; without those not decoded in time.

        Waits, so it is no work for a UI's thread; several threads may call it.
        """
        with self._pasted_changed:
            self._pasted |= {id(frame): None for frame in frames}
        for frame in frames:
            self._frames.put(frame)
        with self._pasted_changed:
            self._pasted_changed.wait_for(
                lambda: self._pipeline.idle or all(self._pasted[id(frame)] for frame in frames), timeout_s
            )
            found = [self._pasted.pop(id(frame)) for frame in frames]
        return tuple(telegram for telegram in found if telegram is not None)

    def next(self, timeout_s: float) -> News | None:
        """Return the next telegram or event, None when none came in time; raises what ended the pipeline."""
        if self._pipeline.bug is not None:
            raise self._pipeline.bug
        return None if self._news is None else self._news.get(timeout_s)

    def newest(self) -> tuple[SourceEvent, ...]:
        """Return the newest event of each source that has sent one, and that of the pipeline when it failed."""
        with self._lock:
            events = tuple(event for event in self._states.values() if event is not None)
        bug = self._pipeline.bug
        if bug is None:
            return events
        detail = f"internal error: {type(bug).__name__}"
        return (*events, SourceEvent("decoder", SourceState.FAILED, detail, datetime.now(UTC)))

    @property
    def drained(self) -> bool:
        """True when all sources are over and everything they handed over was decoded."""
        with self._lock:
            events = list(self._states.values())
        over = all(event is not None and event.over for event in events)
        if over:
            self._frames.close()
        return over and self._pipeline.idle

    def never_connected(self) -> SourceEvent | None:
        """Return the failure when every source has failed and none was ever connected."""
        return None if self._connected else self.all_failed()

    def all_failed(self) -> SourceEvent | None:
        """Return the first source's failure when every source has failed, whatever came before."""
        with self._lock:
            failures = [event for event in self._states.values() if event and event.state is SourceState.FAILED]
            return failures[0] if failures and len(failures) == len(self._states) else None

    def is_the_last(self, event: SourceEvent) -> bool:
        """Say whether an event is the failure that ends everything: every source has failed for good, the first so."""
        with self._lock:
            all_final = all(newest is not None and newest.final for newest in self._states.values())
        return all_final and event == self.all_failed()

    def take_unseen(self) -> int:
        """Return how many telegrams and events were dropped because `next` was called too seldom."""
        return 0 if self._news is None else self._news.take_dropped()

    def _tell(self, event: SourceEvent) -> None:
        with self._lock:
            self._states[event.source] = event
            if event.state in (SourceState.CONNECTED, SourceState.RECOVERED):
                self._connected.add(event.source)
        if self._news is not None:
            self._news.put(event)

    def _hear(self, telegram: Telegram, duplicate: bool) -> None:
        if self._news is not None:
            self._news.put(Heard(telegram, duplicate))
        if telegram.frame.source == PASTED:
            with self._pasted_changed:
                if id(telegram.frame) in self._pasted:
                    self._pasted[id(telegram.frame)] = telegram
                    self._pasted_changed.notify_all()
