"""Listens for a while with a receiver that answers, and sums up what the air brings."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from fieldtool.doctor.report import AirSum
from fieldtool.errors import InputError, ReceiverError, UsageError
from fieldtool.pipeline.listening import Heard, Listening
from fieldtool.sources.events import ReadsStandardInput, SourceEvent, SourceState
from fieldtool.sources.registry import open_source
from protocols.learned import LearnedDecoder
from protocols.model import Outcome
from protocols.text import safe_text

CONNECT_S: Final = 20.0
"""Longer than any handshake or connection takes that succeeds."""

_WAIT_S: Final = 0.2
_BROKEN_OFF: Final = frozenset({SourceState.FAILED, SourceState.LOST})


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
        source = open_source(url, defaults=defaults)
    except (InputError, ReceiverError) as error:
        return AirSum(0, {}, lost=(error.message, error.hint))
    if isinstance(source, ReadsStandardInput) and source.takes_standard_input:
        raise UsageError(f"{safe_text(url)} is what another program writes", "listen to it with `fieldtool listen`")
    listening = Listening([source], LearnedDecoder())
    by_mode: Counter[str] = Counter()
    damaged, lost = 0, None
    try:
        listening.start()
    except ReceiverError as error:
        return AirSum(0, {}, lost=(error.message, error.hint))
    began_s = time.monotonic()
    deadline_s: float | None = None
    try:
        while (deadline_s is None or time.monotonic() < deadline_s) and lost is None and not listening.drained:
            news = listening.next(_WAIT_S)
            if deadline_s is None and time.monotonic() - began_s > CONNECT_S:
                lost = f"no answer within {CONNECT_S:g} s", "check the address"
            if isinstance(news, Heard):
                by_mode[news.telegram.frame.mode or ""] += 1
                damaged += news.telegram.outcome is Outcome.DAMAGED
            elif isinstance(news, SourceEvent) and news.state in _BROKEN_OFF:
                lost = news.detail, news.hint
            elif isinstance(news, SourceEvent):
                tell(news.detail)
                if deadline_s is None:
                    began_s = time.monotonic()
                    deadline_s = began_s + seconds
    finally:
        listening.stop()
    meters = sum(row.sender is not None for row in listening.reception.rows())
    unusable = listening.reception.counters.unusable
    return AirSum(time.monotonic() - began_s, dict(by_mode), damaged, unusable, meters, lost)
