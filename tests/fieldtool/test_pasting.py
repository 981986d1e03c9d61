"""Telegrams that somebody pastes: on the queue like received ones, judged by themselves, read again with their key."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from fieldtool.cli.recording import Recording
from fieldtool.pipeline.reception import Reception
from protocols.learned import LearnedDecoder
from protocols.model import FindingKind, Outcome, Telegram
from tests.fieldtool.paste_bench import CLEAR, GAS, PATIENCE_S, Keys, listening_to_nobody, wait_for
from tests.fieldtool.tui.tui_scenes import NOW


def test_what_is_pasted_is_decoded_without_any_receiver() -> None:
    with listening_to_nobody(Keys()) as listening:
        (telegram,) = listening.paste([GAS], PATIENCE_S)
        assert telegram.ok
        assert telegram.frame is GAS
        assert listening.reception.telegrams(telegram.meter) == (telegram,)
        assert listening.reception.counters.received == 1


def test_telegrams_come_back_in_their_order_duplicates_too() -> None:
    with listening_to_nobody(Keys()) as listening:
        again = replace(GAS)
        telegrams = listening.paste([CLEAR, GAS, again], PATIENCE_S)
        assert [telegram.frame for telegram in telegrams] == [CLEAR, GAS, again]
        assert listening.reception.counters.duplicates == 1


def test_a_pipeline_that_has_ended_keeps_nobody_waiting() -> None:
    with listening_to_nobody(Keys()) as listening:
        pass
    assert listening.paste([GAS], PATIENCE_S) == ()


def test_what_was_pasted_while_the_store_was_locked_is_read_when_it_is_unlocked() -> None:
    keys = Keys(locked=True)
    with listening_to_nobody(keys) as listening:
        (telegram,) = listening.paste([GAS], PATIENCE_S)
        assert telegram.outcome is Outcome.NO_KEY
        keys.unlock()
        wait_for(lambda: len(listening.reception.telegrams(telegram.meter)) == 2)
        assert listening.reception.telegrams(telegram.meter)[-1].ok
        keys.lock()
        keys.unlock()
        listening.paste([CLEAR], PATIENCE_S)
        assert len(listening.reception.telegrams(telegram.meter)) == 2, "what was read is not read once more"


def test_what_still_has_no_key_is_not_counted_again() -> None:
    keys = Keys(locked=True)
    with listening_to_nobody(keys) as listening:
        listening.paste([GAS], PATIENCE_S)
        keys.lock()
        listening.paste([CLEAR], PATIENCE_S)
        assert (listening.reception.counters.received, listening.reception.counters.no_key) == (2, 1)
        keys.unlock()
        wait_for(lambda: listening.reception.counters.shown == 2)


def test_an_old_telegram_that_is_pasted_says_nothing_about_those_received() -> None:
    heard: list[Telegram] = []
    with listening_to_nobody(Keys(), lambda telegram, _: heard.append(telegram)) as listening:
        received = replace(GAS, at=NOW, source="im871a")
        listening._frames.put(received)
        (pasted,) = listening.paste([replace(GAS, at=NOW - timedelta(days=400))], PATIENCE_S)
        listening._frames.put(replace(received, at=NOW + timedelta(hours=1)))
        wait_for(lambda: len(heard) == 3)
    assert [finding.kind for finding in pasted.findings] == [FindingKind.CLOCK_FAR_OFF], "it was judged by itself"
    with listening_to_nobody(Keys(), lambda telegram, _: heard.append(telegram)) as listening:
        listening._frames.put(received)
        listening._frames.put(replace(received, at=NOW + timedelta(hours=1)))
        wait_for(lambda: len(heard) == 5)
    assert heard[2].findings == heard[4].findings


def test_a_capture_holds_what_was_received_and_nothing_pasted(tmp_path: Path) -> None:
    path = tmp_path / "today.hex"
    recording = Recording(path)
    with listening_to_nobody(Keys(), recording.write_beside) as listening:
        listening.paste([GAS], PATIENCE_S)
        listening._frames.put(replace(CLEAR, source="im871a"))
        wait_for(lambda: listening.reception.counters.received == 2)
    recording.close()
    assert [line.rpartition(";")[2].upper() for line in path.read_text().splitlines()] == [CLEAR.data.hex().upper()]


def test_the_same_bytes_read_with_their_key_are_no_duplicate() -> None:
    reception = Reception(now=lambda: NOW)
    locked, opened = LearnedDecoder(Keys(locked=True)), LearnedDecoder(Keys())
    assert reception.accept(locked.decode(GAS))
    assert not reception.accept(locked.decode(GAS))
    assert reception.accept(opened.decode(GAS))
    assert not reception.accept(opened.decode(GAS))
