"""One of the processes of a replay: it decodes the lines that it is dealt, and asks for keys and formats.

Text goes back through shared memory, everything else through a pipe.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, cast

from fieldtool.profiles.user_profiles import load_profiles
from fieldtool.replay.block_replay import BlockReplay, Replayed
from fieldtool.replay.capture import Block, open_captures
from fieldtool.replay.memory import settled
from fieldtool.replay.process_messages import (
    AskedForFormats,
    AskedForKeys,
    AskedForRevoked,
    AskedForRevokedDeviceKeys,
    AskedForRootKeys,
    AskedForSessionKeys,
    AskedForSessions,
    BegunSessions,
    Done,
    Failed,
    FoundKeys,
    HeardSessions,
    Taken,
    TellSessions,
    Text,
)
from fieldtool.replay.second_pass import SecondPass
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import FormatLibrary
from protocols.model import Address, Key

if TYPE_CHECKING:
    from protocols.lorawan.follower import LorawanFollower
    from protocols.lorawan.keys import RootKeys, SessionKeys


PIECES: Final = 4
"""Pieces of text that lie in a process's memory at a time: while one is taken, the next ones are written."""

END_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What ends the process that started this one, which then ends this one."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a process of its own makes its decoder of.

    `keys` are given ones, tried for every meter; else they are asked for. `profiles` is the user's folder, `formats`
    are the compact-frame formats known so far. `again` are the files to search for missing formats, None without a
    second pass. `by_meter` is how many telegrams may be decoded meter by meter.
    """

    form: str
    keys: tuple[Key, ...] = ()
    profiles: str | None = None
    formats: FormatLibrary | None = None
    again: tuple[Path, ...] | None = None
    by_meter: int = 0


def work(connection: Connection, memory: SharedMemory, task: Task, others: Sequence[Connection] = ()) -> None:
    """What a process does until there are no more blocks.

    `others` are ends of pipes that a forked process has without a use for them: as long as it had them open, nobody
    would be told that the process that started it has gone.
    """
    for other in others:
        other.close()
    _leave_signals_to_parent()
    try:
        with settled():
            _Work(connection, memory, task).decode_blocks()
    except (EOFError, OSError):
        return  # nobody listens any more
    except Exception as error:  # noqa: BLE001 - the last door of a process: a bug is told where it can be reported
        with suppress(OSError):
            connection.send(Failed(error))
    finally:
        memory.close()


def _leave_signals_to_parent() -> None:
    """Ctrl-C, or a closed terminal, reaches all processes, and the one that started this one ends it.

    A forked process also has that one's handlers, and was started with all of this held back.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)


class _Incoming:
    """What a process is told, read as it comes.

    Somebody must always read: else, with long messages both ways, each would wait for the other to take its own.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: SimpleQueue[object] = SimpleQueue()
        threading.Thread(target=self._read, name="messages", daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                self._messages.put(self._connection.recv())
        except Exception as error:  # noqa: BLE001 - handed to who waits for the next message
            self._messages.put(error)

    def take(self) -> object:
        """Wait for the next message; raises `EOFError` or `OSError` when there are no more."""
        message = self._messages.get()
        if isinstance(message, Exception):
            raise message
        return message

    def is_there(self) -> bool:
        """Whether a message is there, or on its way."""
        return not self._messages.empty() or self._connection.poll()


class _Work:
    """What one process decodes with, and its talk with the one that started it."""

    def __init__(self, connection: Connection, memory: SharedMemory, task: Task) -> None:
        self._connection = connection
        self._incoming = _Incoming(connection)
        self._memory = memory
        self._piece = memory.size // PIECES
        self._free = deque(range(0, self._piece * PIECES, self._piece))
        self._blocks: deque[Block] = deque()
        self._given = task.keys
        self.unavailable = self.how_to_unlock = ""
        decoder = LearnedDecoder(self, formats=task.formats, profiles=load_profiles(task.profiles).registry)
        decoder.search_formats = self._search
        decoder.make_follower = self._make_follower
        if task.again is not None:
            files = task.again
            decoder.search_formats = SecondPass(lambda: open_captures(files), decoder)
        self._decoder = decoder
        self._follower: LorawanFollower | None = None
        self._replay = BlockReplay(decoder, task.form, by_meter=task.by_meter)

    def decode_blocks(self) -> None:
        """Decode blocks until there are no more."""
        told = self._decoder.formats
        while True:
            while not self._blocks or (self._replay.lines_together and self._incoming.is_there()):
                self._receive()
            together = list(self._taken(self._replay.lines_together))
            for replayed in self._replay.replay_together(together, measured=True):
                text, formats = self._hand_over(replayed), self._decoder.formats
                outcomes = {str(outcome): count for outcome, count in replayed.outcomes.items()}
                new = None if formats is told else formats
                self._connection.send(Done(text, replayed.lengths, outcomes, replayed.bad_lines, new))
                told = formats

    def _taken(self, lines: int) -> Iterator[Block]:
        """The next blocks, of so many lines as far as there are so many, one at least."""
        taken = 0
        while self._blocks and (not taken or taken < lines):
            block = self._blocks.popleft()
            taken += block.size
            yield block

    def _receive(self) -> object:
        """The next message; blocks come early, and wait."""
        message = self._incoming.take()
        if isinstance(message, Block):
            self._blocks.append(message)
        elif isinstance(message, Taken):
            self._free.append(message.start)
        elif isinstance(message, TellSessions):
            self._connection.send(HeardSessions(None if self._follower is None else self._follower.sessions))
        else:
            return message
        return None

    def _answer(self) -> object:
        while (answer := self._receive()) is None:
            pass
        return answer

    def __call__(self, address: Address) -> Sequence[Key]:
        """Return the given keys, else ask for those of an address."""
        if self._given:
            return self._given
        return self.of_many((address,))[address]

    def of_many(self, addresses: Sequence[Address]) -> Mapping[Address, Sequence[Key]]:
        """Ask for the keys of some addresses, as many as there are."""
        if self._given:
            return {}
        self._connection.send(AskedForKeys(tuple(addresses)))
        found = cast(FoundKeys, self._answer())
        self.unavailable, self.how_to_unlock = found.unavailable, found.how_to_unlock
        return found.keys

    def revoked(self, address: Address) -> Sequence[str]:
        """Ask for the check values of an address's keys that are revoked."""
        self._connection.send(AskedForRevoked(address))
        return cast("Sequence[str]", self._answer())

    def _make_follower(self) -> LorawanFollower:
        from fieldtool.keys.lorawan_keys import given_lorawan_keys
        from fieldtool.replay.lorawan_dealing import RememberedKeys
        from protocols.lorawan.follower import LorawanFollower

        self._connection.send(AskedForSessions())
        begun = cast(BegunSessions, self._answer())
        asked = RememberedKeys(_DeviceKeys(self), begun.unavailable, begun.how_to_unlock)
        keys = given_lorawan_keys(self._given) if self._given else asked
        self._follower = LorawanFollower(keys, begun.sessions)
        return self._follower

    def ask(self, question: object) -> object:
        """Ask the process that started this one."""
        self._connection.send(question)
        return self._answer()

    def _search(self, signature: int) -> FormatLibrary | None:
        self._connection.send(AskedForFormats())
        known = cast(FormatLibrary, self._answer())
        return known if known.get(signature) is not None else None

    def _hand_over(self, replayed: Replayed) -> Text | None:
        """Put the text into the shared memory, in as many pieces as it takes; return where the last one lies."""
        data = b"".join(replayed.text)
        text = None
        for start in range(0, len(data), self._piece):
            if text is not None:
                self._connection.send(text)
            piece = data[start : start + self._piece]
            while not self._free:
                self._receive()
            place = self._free.popleft()
            with memoryview(self._memory.buf or b"") as buffer:
                buffer[place : place + len(piece)] = piece
            text = Text(place, len(piece))
        return text


class _DeviceKeys:
    """The keys of LoRaWAN devices, asked of the process that has them."""

    def __init__(self, work: _Work) -> None:
        self._work = work

    def root_keys(self, dev_eui: str) -> Sequence[RootKeys]:
        """The root keys of a device."""
        return cast("Sequence[RootKeys]", self._work.ask(AskedForRootKeys(dev_eui)))

    def session_keys(self, dev_addr: str) -> Sequence[SessionKeys]:
        """The session keys of an address."""
        return cast("Sequence[SessionKeys]", self._work.ask(AskedForSessionKeys(dev_addr)))

    def revoked(self, identifier: str) -> Sequence[str]:
        """The check values of revoked keys."""
        return cast("Sequence[str]", self._work.ask(AskedForRevokedDeviceKeys(identifier)))
