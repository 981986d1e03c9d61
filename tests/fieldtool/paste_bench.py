"""What the tests of pasted telegrams share: two telegrams, keys that can be locked, a pipeline without receivers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fieldtool.pipeline.listening import Listening
from fieldtool.pipeline.pipeline import PASTED
from fieldtool.pipeline.reception import Reception
from protocols.learned import LearnedDecoder
from protocols.model import Address, Key, RawFrame, Telegram
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY

GAS = RawFrame(bytes.fromhex(GAS_HEX), source=PASTED)
CLEAR = RawFrame(bytes.fromhex("1244AE0C7856341201078C2027780B13436587"), source=PASTED)
PATIENCE_S = 10.0


class Keys:
    """A store that can be locked, and counts how often that changed."""

    def __init__(self, *, locked: bool = False) -> None:
        self.locked = locked
        self.epoch = 0

    def __call__(self, address: Address) -> tuple[Key, ...]:
        return () if self.locked else (Key(bytes.fromhex(GAS_KEY)),)

    def unlock(self) -> None:
        self.locked = False
        self.epoch += 1

    def lock(self) -> None:
        self.locked = True
        self.epoch += 1


@contextmanager
def listening_to_nobody(
    keys: Keys, *hearers: Callable[[Telegram, bool], None], reception: Reception | None = None
) -> Iterator[Listening]:
    """A pipeline without any receiver."""
    decoder = LearnedDecoder(keys)
    listening = Listening([], decoder, reception, news_size=0, keys_epoch=lambda: keys.epoch, subscribers=hearers)
    listening.start()
    try:
        yield listening
    finally:
        listening.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
