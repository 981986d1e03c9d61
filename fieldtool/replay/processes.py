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
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from operator import itemgetter
from pathlib import Path
from typing import Final, TypeAlias, cast

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

BLOCKS_AT_A_TIME: Final = 2
"""Blocks that a process has at a time, so that it need not wait for the next one."""

MEMORY: Final = 1 << 22
"""Bytes of shared memory for all processes together: the text of two blocks, and little for a small /dev/shm."""

SMALLEST_MEMORY: Final = 1 << 16

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
class _Text:
    """A process has put text into its shared memory; `whole` unless there is more of the same block."""

    start: int
    size: int
    whole: bool


@dataclass(frozen=True, slots=True)
class _Taken:
    """The text that starts there was taken out of the shared memory, which may be written to again."""

    start: int


@dataclass(frozen=True, slots=True)
class _Done:
    """A block's share is done: what became of it, without its text, and all formats when there are new ones."""

    replayed: Replayed
    formats: FormatLibrary | None


@dataclass(frozen=True, slots=True)
class _Failed:
    """What ended a process."""

    error: Exception


_Message: TypeAlias = _AskedForKeys | _AskedForFormats | _Text | _Done | _Failed


@dataclass(frozen=True, slots=True)
class _Part:
    """What came of a block's share, and where in the worker's memory its text lies, None where it does not."""

    worker: _Worker
    replayed: Replayed
    start: int | None


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
    try:
        crew = _Crew(jobs, task, keys)
    except OSError as error:
        raise FieldToolError(
            f"cannot start {jobs} processes: {error.strerror}", "try fewer, or without --jobs"
        ) from error
    try:
        yield from crew.replay(iter(blocks), 1 if one_at_a_time else BLOCKS_AHEAD)
    finally:
        crew.end()


@dataclass(slots=True)
class _Worker:
    """A process as seen from the one that started it.

    `text` is what came of the block that it works on; `start` is where that lies in its memory, None where it does not.
    """

    process: BaseProcess
    connection: Connection
    memory: SharedMemory
    handed_out: int = 0
    done: int = 0
    text: list[bytes | memoryview] = field(default_factory=list)
    start: int | None = None
    asks_formats: bool = False


class _Crew:
    """The processes, what they have been handed, and what of it has come back."""

    def __init__(self, jobs: int, task: Task, keys: KeyLookup) -> None:
        self._keys = keys
        self._formats = task.formats or FormatLibrary()
        self._learned: list[tuple[int, FormatLibrary]] = []
        self._window: deque[Block] = deque()
        self._parts: deque[list[_Part]] = deque()
        self._finished = 0
        self._workers: list[_Worker] = []
        try:
            for number in range(jobs):
                self._start(Share(number, jobs), task)
        except BaseException:
            self.end()
            raise

    def _start(self, share: Share, task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        memory = SharedMemory(create=True, size=max(SMALLEST_MEMORY, MEMORY // share.of))
        ours, theirs = context.Pipe()
        name = f"replay {share.number + 1}"
        process = context.Process(target=_work, args=(theirs, memory, task, share), name=name, daemon=True)
        self._workers.append(_Worker(process, ours, memory))
        process.start()
        theirs.close()

    def replay(self, blocks: Iterator[Block], ahead: int) -> Iterator[tuple[Replayed, FormatLibrary]]:
        """Hand out blocks and put together what comes back, in order."""
        more = True
        while more or self._window:
            while more and len(self._window) < ahead:
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
            for connection in wait([worker.connection for worker in self._workers if worker.done < worker.handed_out]):
                self._take(next(worker for worker in self._workers if worker.connection is connection))
            self._hand_out()
            while self._parts and len(self._parts[0]) == len(self._workers):
                self._window.popleft()
                self._finished += 1
                yield from self._joined(self._parts.popleft())

    def end(self) -> None:
        """End the processes."""
        self._parts.clear()
        for worker in self._workers:
            worker.connection.close()
            worker.text.clear()
        for worker in self._workers:
            if worker.process.pid is not None:
                worker.process.join(END_TIMEOUT_S)
                if worker.process.is_alive():
                    worker.process.terminate()
                    worker.process.join(END_TIMEOUT_S)
            worker.memory.close()
            worker.memory.unlink()

    def _hand_out(self) -> None:
        for worker in self._workers:
            while worker.handed_out - worker.done < BLOCKS_AT_A_TIME:
                place = worker.handed_out - self._finished
                if place >= len(self._window):
                    break
                self._send(worker, self._window[place])
                worker.handed_out += 1

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
            case _Text(start, size, whole):
                view = memoryview(worker.memory.buf or b"")[start : start + size]
                if whole and not worker.text:
                    worker.text.append(view)
                    worker.start = start
                else:
                    worker.text.append(bytes(view))
                    view.release()
                    self._send(worker, _Taken(start))
            case _Done(replayed, formats):
                replayed.text = worker.text if len(worker.text) < 2 else [b"".join(worker.text)]
                self._parts[worker.done - self._finished].append(_Part(worker, replayed, worker.start))
                worker.text, worker.start = [], None
                worker.done += 1
                if formats is not None:
                    self._learned.append((worker.done, formats))
                    self._formats = self._formats.joined(formats)
            case _Failed(error):
                raise error
        self._answer_about_formats()

    def _joined(self, parts: Sequence[_Part]) -> Iterator[tuple[Replayed, FormatLibrary]]:
        """Yield what all shares of a block come to, in the order of its lines, and give the memory back."""
        whole = Replayed()
        runs: list[tuple[int, memoryview]] = []
        for part in parts:
            whole.outcomes += part.replayed.outcomes
            whole.bad_lines += part.replayed.bad_lines
            position = 0
            for text in part.replayed.text:
                view = memoryview(text)
                for first, size in part.replayed.runs:
                    runs.append((first, view[position : position + size]))
                    position += size
        runs.sort(key=itemgetter(0))
        whole.text.extend(map(itemgetter(1), runs))
        runs.clear()
        try:
            yield whole, self._formats
        finally:
            whole.text.clear()
            for part in parts:
                part.replayed.text.clear()
        for part in parts:
            if part.start is not None:
                self._send(part.worker, _Taken(part.start))

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


def _work(connection: Connection, memory: SharedMemory, task: Task, share: Share) -> None:
    """What a process does until there are no more blocks."""
    # Ctrl-C reaches all processes; the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _Work(connection, memory, task, share).decode_blocks()
    except (EOFError, OSError):
        return  # nobody listens any more
    except Exception as error:  # noqa: BLE001 - the last door of a process: a bug is told where it can be reported
        connection.send(_Failed(error))
    finally:
        memory.close()


class _Work:
    """What one process decodes with, and its talk with the one that started it."""

    def __init__(self, connection: Connection, memory: SharedMemory, task: Task, share: Share) -> None:
        self._connection = connection
        self._memory = memory
        half = memory.size // 2
        self._half = half
        self._free = deque((0, half))
        self._blocks: deque[Block] = deque()
        self._given = task.keys
        decoder = LearnedDecoder(self._keys, formats=task.formats, profiles=load_profiles(task.profiles).registry)
        decoder.search_formats = self._search
        if task.again is not None:
            files = task.again
            decoder.search_formats = SecondPass(lambda: open_captures(files), decoder)
        self._decoder = decoder
        self._replay = BlockReplay(decoder, task.form, share=share)

    def decode_blocks(self) -> None:
        """Decode blocks until there are no more."""
        told = self._decoder.formats
        while True:
            while not self._blocks:
                self._receive()
            replayed = self._replay.replay(self._blocks.popleft())
            self._hand_over(replayed)
            formats = self._decoder.formats
            self._connection.send(_Done(replayed, None if formats is told else formats))
            told = formats

    def _receive(self) -> object:
        """The next message; blocks come early, and wait."""
        message: object = self._connection.recv()
        if isinstance(message, Block):
            self._blocks.append(message)
        elif isinstance(message, _Taken):
            self._free.append(message.start)
        else:
            return message
        return None

    def _answer(self) -> object:
        while (answer := self._receive()) is None:
            pass
        return answer

    def _keys(self, address: Address) -> Sequence[Key]:
        if self._given:
            return self._given
        self._connection.send(_AskedForKeys(address))
        return cast(Sequence[Key], self._answer())

    def _search(self, signature: int) -> FormatLibrary | None:
        self._connection.send(_AskedForFormats())
        known = cast(FormatLibrary, self._answer())
        return known if known.get(signature) is not None else None

    def _hand_over(self, replayed: Replayed) -> None:
        """Put the text into the shared memory, in as many pieces as it takes."""
        data = b"".join(replayed.text)
        replayed.text = []
        for start in range(0, len(data), self._half):
            piece = data[start : start + self._half]
            while not self._free:
                self._receive()
            place = self._free.popleft()
            with memoryview(self._memory.buf or b"") as buffer:
                buffer[place : place + len(piece)] = piece
            self._connection.send(_Text(place, len(piece), len(piece) == len(data)))
