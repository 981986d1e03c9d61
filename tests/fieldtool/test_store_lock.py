"""A store that locks while telegrams come: receiving goes on, nothing decrypts, and no thread keeps a key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fieldtool.access import choose_store, open_store
from fieldtool.keys.lazy_keys import LazyKeys
from fieldtool.pipeline.pipeline import Pipeline
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.queue import FrameQueue
from keystore.errors import KeystoreError, WrongPassphrase
from keystore.model import KeyRecord
from keystore.vault import KdfParameters, Vault
from protocols.learned import LearnedDecoder
from protocols.model import Outcome, RawFrame, Rung, Telegram
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY

PASSPHRASE = "four words of nonsense"
GAS = RawFrame(bytes.fromhex(GAS_HEX))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "keys.vault"
    with Vault.create(path, PASSPHRASE, KdfParameters(64, 1, 1)) as vault:
        vault.put([KeyRecord("12345678", value=bytes.fromhex(GAS_KEY))])
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    return path


@pytest.fixture
def keys(store: Path) -> Iterator[LazyKeys]:
    lazy = LazyKeys(str(store), None, idle_lock_s=600.0)
    lazy.open()
    yield lazy
    lazy.close()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def frames(count: int) -> Sequence[RawFrame]:
    """Copies that are no duplicates of each other: each a minute after the one before."""
    start = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    return [replace(GAS, at=start + timedelta(minutes=index), source="test") for index in range(count)]


def test_telegrams_of_a_locked_store_have_no_key_and_say_why(keys: LazyKeys) -> None:
    decoder = LearnedDecoder(keys)
    assert decoder.decode(GAS).outcome is Outcome.OK
    keys.lock()
    decoder.forget()
    telegram = decoder.decode(GAS)
    assert telegram.outcome is Outcome.NO_KEY
    (step,) = [step for step in telegram.verdict if step.rung is Rung.KEY]
    assert "store locked" in step.detail
    assert step.next == "press u to unlock the keystore"
    assert keys.state_text == "locked"
    with pytest.raises(WrongPassphrase):
        keys.unlock("not it at all")
    keys.unlock(PASSPHRASE)
    assert decoder.decode(GAS).outcome is Outcome.OK
    assert keys.state_text == "unlocked, locks in 10 min"


def test_the_pipeline_forgets_at_once_and_goes_on(keys: LazyKeys) -> None:
    heard: list[Telegram] = []
    queue = FrameQueue()
    pipeline = Pipeline(
        queue, LearnedDecoder(keys), Reception(), (lambda telegram, _: heard.append(telegram),), lambda: keys.epoch
    )
    pipeline.start()
    first, second, third, fourth = frames(4)
    try:
        queue.put(first)
        queue.put(second)
        wait_for(lambda: len(heard) == 2)
        keys.lock()
        queue.put(third)
        wait_for(lambda: len(heard) == 3)
        keys.unlock(PASSPHRASE)
        queue.put(fourth)
        wait_for(lambda: len(heard) == 4)
    finally:
        queue.close()
        pipeline.stop()
    assert pipeline.bug is None
    assert [telegram.outcome for telegram in heard] == [Outcome.OK, Outcome.OK, Outcome.NO_KEY, Outcome.OK]


def test_a_store_that_is_damaged_meanwhile_ends_no_decoder(keys: LazyKeys, store: Path) -> None:
    import sqlite3

    decoder = LearnedDecoder(keys)
    before = keys.epoch
    connection = sqlite3.connect(store)
    with connection:
        connection.execute("UPDATE item SET sealed = zeroblob(length(sealed))")
    connection.close()
    assert keys.epoch != before
    telegram = decoder.decode(GAS)
    assert telegram.outcome is Outcome.NO_KEY
    assert any("is damaged" in step.detail for step in telegram.verdict)


def test_a_writer_elsewhere_is_no_end_of_listening(keys: LazyKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise KeystoreError("keystore x is being written by another process")

    vault = keys._vault
    assert vault is not None
    monkeypatch.setattr(vault, "keys_for", busy)
    assert LearnedDecoder(keys).decode(GAS).outcome is Outcome.NO_KEY
    assert "another process" in keys.unavailable


def test_keys_that_come_later_are_used(keys: LazyKeys, store: Path) -> None:
    with open_store(choose_store(str(store), None)) as other:
        other.remove("12345678")
        epoch = keys.epoch
        assert LearnedDecoder(keys).decode(GAS).outcome is Outcome.NO_KEY
        other.put([KeyRecord("12345678", value=bytes.fromhex(GAS_KEY))])
    assert keys.epoch != epoch
    assert LearnedDecoder(keys).decode(GAS).outcome is Outcome.OK
