"""Frames to telegrams: order, overflow, learned formats, nothing left running."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from fieldtool.errors import FieldToolError, PortGone
from fieldtool.pipeline.listening import Heard, Listening
from fieldtool.pipeline.pipeline import Pipeline
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.events import SourceEvent, SourceState, Tell
from fieldtool.sources.queue import FrameQueue
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import FormatLibrary
from protocols.model import KeyLookup, Outcome, RawFrame, Telegram


class Frames:
    """A source that hands over what it was given, in a thread of its own, and ends."""

    def __init__(self, frames: tuple[RawFrame, ...], name: str = "frames", fails: FieldToolError | None = None) -> None:
        self._given = frames
        self._name = name
        self._fails = fails
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        return self._name

    def start(self, frames: FrameQueue, tell: Tell) -> None:
        if self._fails is not None:
            raise self._fails

        def hand_over() -> None:
            tell(SourceEvent(self._name, SourceState.CONNECTED, "", datetime.now(UTC)))
            for frame in self._given:
                frames.put_when_free(frame, 5)
            tell(SourceEvent(self._name, SourceState.ENDED, "", datetime.now(UTC)))

        self._thread = threading.Thread(target=hand_over, name=f"source-{self._name}")
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._thread.join(5)


def all_heard(listening: Listening) -> list[Telegram]:
    """What came until everything was handed over."""
    heard = []
    while True:
        drained = listening.drained
        news = listening.next(0.05)
        if isinstance(news, Heard):
            heard.append(news.telegram)
        elif drained and news is None:
            return heard


def test_what_one_source_hands_over_comes_out_in_order(frames: tuple[RawFrame, ...], scenario_keys: KeyLookup) -> None:
    listening = Listening([Frames(frames)], LearnedDecoder(scenario_keys))
    listening.start()
    heard = all_heard(listening)
    listening.stop()
    assert [telegram.frame for telegram in heard] == list(frames)
    assert listening.reception.counters.received == len(frames)
    assert {row.address.number for row in listening.reception.rows() if row.address} == {
        telegram.meter.number for telegram in heard if telegram.meter
    }


def test_several_sources_feed_one_reception(frames: tuple[RawFrame, ...], scenario_keys: KeyLookup) -> None:
    half = len(frames) // 2
    sources = [Frames(frames[:half], "a"), Frames(frames[half:], "b")]
    listening = Listening(sources, LearnedDecoder(scenario_keys))
    listening.start()
    assert len(all_heard(listening)) == len(frames)
    assert [event.state for event in listening.newest()] == [SourceState.ENDED, SourceState.ENDED]
    listening.stop()


def test_a_source_that_cannot_begin_stops_the_others(frames: tuple[RawFrame, ...]) -> None:
    listening = Listening([Frames(frames, "a"), Frames((), "b", PortGone("b is not there"))], LearnedDecoder())
    with pytest.raises(PortGone):
        listening.start()


def test_screens_take_no_news_and_nothing_piles_up(frames: tuple[RawFrame, ...]) -> None:
    listening = Listening([Frames(frames)], LearnedDecoder(), news_size=0)
    listening.start()
    assert listening.next(0) is None
    listening.stop()
    assert listening.reception.counters.received == len(frames)
    assert listening.take_unseen() == 0


def test_overflow_is_counted_and_blocks_nobody(frames: tuple[RawFrame, ...]) -> None:
    queue, reception = FrameQueue(10), Reception()
    for number in range(100):
        queue.put(RawFrame(bytes([number])))
    pipeline = Pipeline(queue, LearnedDecoder(), reception)
    pipeline.start()
    queue.close()
    pipeline.stop()
    assert pipeline.idle
    assert (reception.counters.dropped, reception.counters.received) == (90, 10)


def test_subscribers_learn_of_duplicates(frames: tuple[RawFrame, ...]) -> None:
    told: list[tuple[bytes, bool]] = []
    queue = FrameQueue()

    def subscriber(telegram: Telegram, duplicate: bool) -> None:
        told.append((telegram.data, duplicate))

    pipeline = Pipeline(queue, LearnedDecoder(), Reception(), (subscriber,))
    for frame in (frames[0], frames[0], frames[1]):
        queue.put(frame)
    queue.close()
    pipeline.start()
    pipeline.stop()
    assert [duplicate for _, duplicate in told] == [False, True, False]


def compact_and_full(frames: tuple[RawFrame, ...], keys: KeyLookup) -> tuple[list[RawFrame], list[RawFrame]]:
    """The compact frames of one simulated meter, and its full ones."""
    decoder = LearnedDecoder(keys, formats=FormatLibrary())
    telegrams = [decoder.decode(frame) for frame in frames]
    of_meter = [t for t in telegrams if t.meter and t.meter.number == "63001468"]
    full = [t.frame for t in of_meter if len(t.data) == max(len(t.data) for t in of_meter)]
    return [t.frame for t in of_meter if t.frame not in full], full


def test_a_decoder_learns_from_full_frames(frames: tuple[RawFrame, ...], scenario_keys: KeyLookup) -> None:
    compact, full = compact_and_full(frames, scenario_keys)
    decoder = LearnedDecoder(scenario_keys, formats=FormatLibrary())
    assert decoder.decode(compact[0]).outcome is Outcome.UNSUPPORTED
    assert decoder.decode(full[0]).ok
    later = decoder.decode(compact[0])
    assert later.ok
    assert later.readings


@pytest.mark.parametrize("close", [True, False])
def test_nothing_runs_after_stop(close: bool, frames: tuple[RawFrame, ...]) -> None:
    queue = FrameQueue()
    pipeline = Pipeline(queue, LearnedDecoder(), Reception())
    pipeline.start()
    queue.put(frames[0])
    if close:
        queue.close()
    pipeline.stop()
    assert pipeline.idle


def test_a_bug_in_the_pipeline_reaches_who_listens(frames: tuple[RawFrame, ...]) -> None:
    def broken(_: object) -> tuple[()]:
        raise RuntimeError("a bug")

    listening = Listening([Frames(frames)], LearnedDecoder(broken))
    listening.start()
    with pytest.raises(RuntimeError, match="a bug"):
        all_heard(listening)
    assert listening.newest()[-1].detail == "internal error: RuntimeError"
    listening.stop()
