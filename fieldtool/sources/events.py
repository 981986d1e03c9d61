"""What a source tells of itself while it runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

from fieldtool.sources.queue import FrameQueue


class SourceState(StrEnum):
    """How it stands with a source."""

    CONNECTED = "connected"
    LOST = "lost"
    LENT = "lent"
    RECOVERED = "recovered"
    FAILED = "failed"
    ENDED = "ended"
    RECORDING = "recording"
    """No source: the capture that is written of all of them."""


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """A change of a source's state: what happened, what to do about it (may be empty), and when.

    `final` says that nothing comes after a failure, `identified` that the receiver is there, and does not do what is
    asked of it.
    """

    source: str
    state: SourceState
    detail: str
    at: datetime
    hint: str = ""
    final: bool = False
    identified: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more comes from this source."""
        return self.final or self.state is SourceState.ENDED


Tell: TypeAlias = Callable[[SourceEvent], None]
"""Called in the source's own thread; it must return at once."""


@runtime_checkable
class Lender(Protocol):
    """A source that can let go of its port for a while."""

    @property
    def target(self) -> str:
        """The port, as in the receiver's address."""

    def lent(self) -> AbstractContextManager[None]:
        """Keep away from the port while the body runs."""


@runtime_checkable
class ReadsStandardInput(Protocol):
    """A source that may read what is piped into this program."""

    @property
    def takes_standard_input(self) -> bool:
        """Whether it does."""

    def hold_standard_input(self) -> None:
        """Keep what is standard input now, whatever becomes standard input later; raises `UsageError`."""


class Source(Protocol):
    """Something that hands over frames once it was started."""

    @property
    def name(self) -> str:
        """How the source is called on screens and in the telegrams' JSON."""

    def start(self, frames: FrameQueue, tell: Tell) -> None:
        """Begin to put frames on the queue; raises `FieldToolError` when that cannot even begin."""

    def stop(self) -> None:
        """End its thread; returns when it is gone, within a few seconds."""
