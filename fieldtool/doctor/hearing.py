"""Connects to a receiver by its address, listens for a while, and sums up what the air brings."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from fieldtool.doctor.report import AirSum
from fieldtool.errors import InputError, ReceiverError, ReceiverUnfit, UsageError
from fieldtool.pipeline.listening import Heard, Listening
from fieldtool.sources.events import ReadsStandardInput, SourceEvent, SourceState
from fieldtool.sources.registry import open_source
from protocols.learned import LearnedDecoder
from protocols.model import Outcome
from protocols.text import safe_text

CONNECT_S: Final = 20.0
"""Longer than any source takes to connect or to say why not: a handshake on a port, a broker in fifteen seconds."""

_WAIT_S: Final = 0.2
_BROKEN_OFF: Final = frozenset({SourceState.FAILED, SourceState.LOST})


@contextmanager
def connected(url: str, defaults: Mapping[str, str] = MappingProxyType({})) -> Iterator[tuple[Listening, str]]:
    """Listen to a receiver by its address while the body runs, which gets what it said when it was connected.

    Raises `UsageError` for an address that is none, or that of something that is no receiver, `InputError` or
    `ReceiverError` when it does not connect.
    """
    source = open_source(url, defaults=defaults)
    if isinstance(source, ReadsStandardInput) and source.takes_standard_input:
        raise UsageError(f"{safe_text(url)} is what another program writes", "listen to it with `fieldtool listen`")
    listening = Listening([source], LearnedDecoder())
    listening.start()
    try:
        yield listening, _first_word(listening, url)
    finally:
        listening.stop()


def _first_word(listening: Listening, url: str) -> str:
    deadline_s = time.monotonic() + CONNECT_S
    while time.monotonic() < deadline_s:
        news = listening.next(_WAIT_S)
        if isinstance(news, SourceEvent):
            if news.state in _BROKEN_OFF:
                raise (ReceiverUnfit if news.identified else ReceiverError)(news.detail, news.hint)
            return news.detail
    raise ReceiverError(f"{safe_text(url)}: no answer within {CONNECT_S:g} s", "check the address")


def hear(
    url: str,
    seconds: float,
    tell: Callable[[str], None],
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> AirSum:
    """Listen to a receiver by its address; each change of its state goes to `tell`.

    Without `seconds` only until it is connected or fails. Raises `UsageError` for an address that is none, or that of
    something that is no receiver.
    """
    try:
        with connected(url, defaults) as (listening, said):
            tell(said)
            return _sum_up(listening, seconds, tell)
    except (InputError, ReceiverError) as error:
        return AirSum(0, {}, lost=(error.message, error.hint))


def _sum_up(listening: Listening, seconds: float, tell: Callable[[str], None]) -> AirSum:
    by_mode: Counter[str] = Counter()
    damaged, lost = 0, None
    began_s = time.monotonic()
    while time.monotonic() < began_s + seconds and lost is None and not listening.drained:
        news = listening.next(_WAIT_S)
        if isinstance(news, Heard):
            by_mode[news.telegram.frame.mode or ""] += 1
            damaged += news.telegram.outcome is Outcome.DAMAGED
        elif isinstance(news, SourceEvent) and news.state in _BROKEN_OFF:
            lost = news.detail, news.hint
        elif isinstance(news, SourceEvent):
            tell(news.detail)
    meters = sum(row.sender is not None for row in listening.reception.rows())
    unusable = listening.reception.counters.unusable
    return AirSum(time.monotonic() - began_s, dict(by_mode), damaged, unusable, meters, lost)
