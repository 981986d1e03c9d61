"""Captures through several processes: each decodes the telegrams of its share of the senders.

All processes are handed every block of lines and skip what is not theirs, so that each knows all telegrams of its
meters in order: layouts, fragments and histories need nobody else. Keys, and formats that other meters have taught,
they ask of the process that started them; it alone reads the capture, opens the keystore and puts the text together.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, TypeAlias

from fieldtool.errors import FieldToolError
from fieldtool.replay.block_replay import BlockReplay, Replayed, Share
from fieldtool.replay.capture import Block, open_captures
from fieldtool.replay.second_pass import SecondPass
from fieldtool.user_profiles import load_profiles
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import FormatLibrary
from protocols.model import Address, Key, KeyLookup

BLOCKS_AHEAD: Final = 4
"""Blocks that one process may be ahead of another; it bounds the memory."""

END_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Task:
    """What a process of its own makes its decoder of.

    `keys` are given ones, tried for every meter; else they are asked for. `profiles` is the user's folder, `formats`
    are the compact-frame formats known so far. `again` are the files to search for missing formats, None without a
    second pass.
    """

    form: str
    keys: tuple[Key, ...] = ()
    profiles: str | None = None
    formats: FormatLibrary | None = None
    again: tuple[Path, ...] | None = None


@dataclass(frozen=True, slots=True)
class _AskedForKeys:
    """A process wants the keys of an address."""

    address: Address


@dataclass(frozen=True, slots=True)
class _AskedForFormats:
    """A process has a compact frame whose format it does not know."""


@dataclass(frozen=True, slots=True)
class _Done:
    """A block's share, and all formats the process knows when there are new ones."""

    replayed: Replayed
    formats: FormatLibrary | None


@dataclass(frozen=True, slots=True)
class _Failed:
    """What ended a process."""

    error: Exception


_Message: TypeAlias = _AskedForKeys | _AskedForFormats | _Done | _Failed


class ProcessEnded(FieldToolError):
    """A process ended that should not have."""


def replay_in_processes(
    blocks: Iterable[Block], jobs: int, task: Task, keys: KeyLookup, *, one_at_a_time: bool = False
) -> Iterator[tuple[Replayed, FormatLibrary]]:
    """Decode with several processes; yields what one process would give for each block, and the formats learned so far.

    With `one_at_a_time` the next block is read only when all are through with the one before: for captures that
    somebody is still writing. Without a second pass a compact frame whose format another meter has taught in the very
    same block stays unread.
    """
    crew = _Crew(jobs, task, keys)
    try:
        yield from crew.replay(iter(blocks), 1 if one_at_a_time else BLOCKS_AHEAD)
    finally:
        crew.end()


@dataclass(slots=True)
class _Worker:
    """A process as seen from the one that started it; it is handed block `blocks` next."""

    process: BaseProcess
    connection: Connection
    blocks: int = 0
    busy: bool = False
    asks_formats: bool = False

    @property
    def done(self) -> int:
        """Blocks that it has finished."""
        return self.blocks - self.busy


class _Crew:
    """The processes, what they have been handed, and what of it has come back."""

    def __init__(self, jobs: int, task: Task, keys: KeyLookup) -> None:
        self._keys = keys
        self._formats = task.formats or FormatLibrary()
        self._learned: list[tuple[int, FormatLibrary]] = []
        self._window: deque[Block] = deque()
        self._parts: deque[list[Replayed]] = deque()
        self._finished = 0
        self._workers: list[_Worker] = []
        context = multiprocessing.get_context("spawn")
        for number in range(jobs):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(theirs, task, Share(number, jobs)), name=f"replay {number + 1}", daemon=True
            )
            process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours))

    def replay(self, blocks: Iterator[Block], ahead: int) -> Iterator[tuple[Replayed, FormatLibrary]]:
        """Hand out blocks and put together what comes back, in order."""
        more = True
        while more or self._window:
            while more and len(self._window) < ahead and any(not worker.busy for worker in self._workers):
                block = next(blocks, None)
                if block is None:
                    more = False
                else:
                    self._window.append(block)
                    self._parts.append([])
                    self._hand_out()
            if not self._window:
                return
            # Some worker has the oldest block, or it would be finished.
            for connection in wait([worker.connection for worker in self._workers if worker.busy]):
                self._take(next(worker for worker in self._workers if worker.connection is connection))
            self._hand_out()
            while self._parts and len(self._parts[0]) == len(self._workers):
                self._window.popleft()
                self._finished += 1
                yield _joined(self._parts.popleft()), self._formats

    def end(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(END_TIMEOUT_S)
            if worker.process.is_alive():
                worker.process.terminate()
                worker.process.join(END_TIMEOUT_S)

    def _hand_out(self) -> None:
        for worker in self._workers:
            place = worker.blocks - self._finished
            if not worker.busy and place < len(self._window):
                self._send(worker, self._window[place])
                worker.busy = True
                worker.blocks += 1

    def _take(self, worker: _Worker) -> None:
        try:
            message: _Message = worker.connection.recv()
        except (EOFError, OSError) as ended:
            raise ProcessEnded("a process that decodes has ended", "try again, or without --jobs") from ended
        match message:
            case _AskedForKeys(address):
                self._send(worker, tuple(self._keys(address)))
            case _AskedForFormats():
                worker.asks_formats = True
            case _Done(replayed, formats):
                worker.busy = False
                self._parts[worker.done - 1 - self._finished].append(replayed)
                if formats is not None:
                    self._learned.append((worker.done, formats))
                    self._formats = self._formats.joined(formats)
            case _Failed(error):
                raise error
        self._answer_about_formats()

    def _answer_about_formats(self) -> None:
        """Tell what the blocks before have taught, once everybody is through with those: always the same answer."""
        for worker in self._workers:
            if worker.asks_formats and all(other.done >= worker.done for other in self._workers):
                known = FormatLibrary()
                for blocks, formats in self._learned:
                    if blocks <= worker.done:
                        known = known.joined(formats)
                worker.asks_formats = False
                self._send(worker, known)

    @staticmethod
    def _send(worker: _Worker, message: object) -> None:
        try:
            worker.connection.send(message)
        except OSError as error:
            raise ProcessEnded("a process that decodes has ended", "try again, or without --jobs") from error


def _joined(parts: Sequence[Replayed]) -> Replayed:
    """What all shares of a block come to, in the order of its lines."""
    whole = Replayed()
    runs = sorted(run for part in parts for run in part.runs)
    if runs:
        whole.runs.append((runs[0][0], "".join([text for _, text in runs])))
    for part in parts:
        whole.outcomes += part.outcomes
        whole.bad_lines += part.bad_lines
    return whole


def _work(connection: Connection, task: Task, share: Share) -> None:
    """What a process does until there are no more blocks."""
    # Ctrl-C reaches all processes; the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _decode_blocks(connection, task, share)
    except (EOFError, OSError):
        return  # nobody listens any more
    except Exception as error:  # noqa: BLE001 - the last door of a process: a bug is told where it can be reported
        connection.send(_Failed(error))


def _decode_blocks(connection: Connection, task: Task, share: Share) -> None:
    def keys(address: Address) -> Sequence[Key]:
        if task.keys:
            return task.keys
        connection.send(_AskedForKeys(address))
        answer: Sequence[Key] = connection.recv()
        return answer

    def search(signature: int) -> FormatLibrary | None:
        connection.send(_AskedForFormats())
        known: FormatLibrary = connection.recv()
        return known if known.get(signature) is not None else None

    profiles = load_profiles(task.profiles).registry
    decoder = LearnedDecoder(keys, formats=task.formats, profiles=profiles)
    decoder.search_formats = search
    if task.again is not None:
        files = task.again
        decoder.search_formats = SecondPass(lambda: open_captures(files), decoder)
    replay = BlockReplay(decoder, task.form, share=share)
    told = decoder.formats
    while True:
        replayed = replay.replay(connection.recv())
        news = None if decoder.formats is told else decoder.formats
        told = decoder.formats
        connection.send(_Done(replayed, news))
