"""Captures through several processes: each decodes the telegrams of some of the senders.

So each knows all telegrams of its meters in order: layouts, fragments and histories need nobody else. Keys, and formats
that other meters have taught, they ask of the process that started them; it alone reads the capture, opens the
keystore, deals out the lines and puts the text together.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from fieldtool.errors import FieldToolError
from fieldtool.replay.block_replay import Replayed
from fieldtool.replay.capture import Block
from fieldtool.replay.dealing import Deal, Dealer
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
    Message,
    Question,
    Taken,
    TellSessions,
    Text,
)
from fieldtool.replay.worker import Task, work
from protocols.mbus.compact import FormatLibrary
from protocols.model import Address, KeyLookup

if TYPE_CHECKING:
    from fieldtool.replay.lorawan_dealing import LorawanDealing
    from protocols.lorawan.follower import LorawanFollower
    from protocols.lorawan.sessions import Sessions

BLOCKS_AHEAD: Final = 4
"""Blocks that one process may be ahead of another; it bounds the memory."""

BLOCKS_AT_A_TIME: Final = 2
"""Blocks that a process has at a time, so that it need not wait for the next one."""

MEMORY: Final = 1 << 22
"""Bytes of shared memory for all processes together: the text of two blocks, and little for a small /dev/shm."""

SMALLEST_MEMORY: Final = 1 << 16

END_TIMEOUT_S: Final = 5.0


class ProcessEnded(FieldToolError):
    """A process ended that should not have."""


def replay_in_processes(
    blocks: Iterable[Block],
    jobs: int,
    task: Task,
    keys: KeyLookup,
    *,
    one_at_a_time: bool = False,
    make_follower: Callable[[], LorawanFollower] | None = None,
) -> Iterator[tuple[Replayed, FormatLibrary]]:
    """Decode with several processes; yields what one process would give for each block, and the formats learned so far.

    With `one_at_a_time` the next block is read only when all are through with the one before: for captures that
    somebody is still writing. Without a second pass a compact frame whose format another meter has taught in the very
    same block stays unread. `make_follower` is asked, when the first LoRaWAN frame comes, for a follower with the keys
    and sessions of all processes; it has what all have heard in the end.
    """
    try:
        crew = _Crew(jobs, task, keys, make_follower)
    except OSError as error:
        raise FieldToolError(
            f"cannot start {jobs} processes: {error.strerror}", "try fewer, or without --jobs"
        ) from error
    try:
        yield from crew.replay(iter(blocks), 1 if one_at_a_time else BLOCKS_AHEAD)
        crew.gather_sessions()
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
    sessions: Sessions | None = None
    has_told: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """What a process made of its lines of a block, and where in its memory the text lies, None where it does not."""

    worker: _Worker
    replayed: Replayed
    start: int | None


@dataclass(slots=True)
class _Dealt:
    """A block under way: which process has which lines, and what has come back, by process."""

    deal: Deal
    blocks: list[Block]
    parts: dict[int, _Part] = field(default_factory=dict)


class _Crew:
    """The processes, what they have been handed, and what of it has come back."""

    def __init__(
        self, jobs: int, task: Task, keys: KeyLookup, make_follower: Callable[[], LorawanFollower] | None
    ) -> None:
        self._keys = keys
        self._formats = task.formats or FormatLibrary()
        self._learned: list[tuple[int, FormatLibrary]] = []
        self._dealer = Dealer(jobs, make_follower)
        self._window: deque[_Dealt] = deque()
        self._finished = 0
        self._workers: list[_Worker] = []
        try:
            for number in range(jobs):
                self._start(number, max(SMALLEST_MEMORY, MEMORY // jobs), task)
        except BaseException:
            self.end()
            raise

    def _start(self, number: int, size: int, task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        memory = SharedMemory(create=True, size=size)
        ours, theirs = context.Pipe()
        name = f"replay {number + 1}"
        process = context.Process(target=work, args=(theirs, memory, task), name=name, daemon=True)
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
                    self._window.append(self._dealt(block))
                    self._hand_out()
            if not self._window:
                return
            # Some worker has lines of the oldest block, or it would be finished.
            for connection in wait([worker.connection for worker in self._workers if worker.done < worker.handed_out]):
                self._take(next(worker for worker in self._workers if worker.connection is connection))
            self._hand_out()
            while self._window and len(self._window[0].parts) == len(self._workers):
                self._finished += 1
                yield from self._joined(self._window.popleft())

    def _dealt(self, block: Block) -> _Dealt:
        deal = self._dealer.deal(block)
        blocks = [
            Block(
                1, "\n".join(lines).encode(), block.source, block.begins, frozenset(heard_only), tuple(new), block.unit
            )
            for lines, heard_only, new in zip(deal.lines, deal.heard_only, deal.new, strict=True)
        ]
        deal.lines.clear()
        return _Dealt(deal, blocks)

    def gather_sessions(self) -> None:
        """Bring together what the processes have heard of LoRaWAN devices."""
        if self._dealer.lorawan is None:
            return
        for worker in self._workers:
            self._send(worker, TellSessions())
            while not worker.has_told:
                self._take(worker)
        heard = [worker.sessions for worker in self._workers]
        self._dealer.lorawan.gather(heard, self._dealer.owner_of)

    def end(self) -> None:
        """End the processes."""
        self._window.clear()
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

    @property
    def _lorawan(self) -> LorawanDealing:
        """What has dealt out the LoRaWAN frames that somebody asks about."""
        if self._dealer.lorawan is None:
            raise ProcessEnded("a process asks about a frame that it was not dealt", "try again without --jobs")
        return self._dealer.lorawan

    def _hand_out(self) -> None:
        for number, worker in enumerate(self._workers):
            while worker.handed_out - worker.done < BLOCKS_AT_A_TIME:
                place = worker.handed_out - self._finished
                if place >= len(self._window):
                    break
                self._send(worker, self._window[place].blocks[number])
                worker.handed_out += 1

    def _take(self, worker: _Worker) -> None:
        try:
            message: Message = worker.connection.recv()
        except (EOFError, OSError) as ended:
            raise ProcessEnded("a process that decodes has ended", "try again, or without --jobs") from ended
        match message:
            case HeardSessions(sessions):
                worker.sessions, worker.has_told = sessions, True
            case AskedForFormats():
                worker.asks_formats = True
            case Text(start, size, whole):
                view = memoryview(worker.memory.buf or b"")[start : start + size]
                if whole and not worker.text:
                    worker.text.append(view)
                    worker.start = start
                else:
                    worker.text.append(bytes(view))
                    view.release()
                    self._send(worker, Taken(start))
            case Done(replayed, formats):
                replayed.text = worker.text if len(worker.text) < 2 else [b"".join(worker.text)]
                parts = self._window[worker.done - self._finished].parts
                parts[self._workers.index(worker)] = _Part(worker, replayed, worker.start)
                worker.text, worker.start = [], None
                worker.done += 1
                if formats is not None:
                    self._learned.append((worker.done, formats))
                    self._formats = self._formats.joined(formats)
            case Failed(error):
                raise error
            case _:
                self._send(worker, self._answer(message))
        self._answer_about_formats()

    def _answer(self, question: Question) -> object:
        """Answer what can be answered at once."""
        match question:
            case AskedForKeys(addresses):
                return tuple(map(self._found, addresses))
            case AskedForRevoked(address):
                return _revoked(self._keys, address)
            case AskedForRootKeys(dev_eui):
                return tuple(self._lorawan.keys.root_keys(dev_eui))
            case AskedForSessionKeys(dev_addr):
                return tuple(self._lorawan.keys.session_keys(dev_addr))
            case AskedForSessions():
                keys = self._lorawan.keys
                unavailable, how = getattr(keys, "unavailable", ""), getattr(keys, "how_to_unlock", "")
                return BegunSessions(self._lorawan.begins_with, unavailable, how)
            case AskedForRevokedDeviceKeys(identifier):
                return _revoked(self._lorawan.keys, identifier)

    def _joined(self, dealt: _Dealt) -> Iterator[tuple[Replayed, FormatLibrary]]:
        """Yield what all processes made of a block, in the order of its lines, and give the memory back."""
        whole = Replayed(bad_lines=dealt.deal.bad_lines)
        for number, part in dealt.parts.items():
            whole.outcomes += part.replayed.outcomes
            numbers = dealt.deal.numbers[number]
            whole.bad_lines += [replace(bad, line=numbers[bad.line - 1]) for bad in part.replayed.bad_lines]
        whole.bad_lines.sort(key=attrgetter("line"))
        try:
            whole.text.extend(_in_order(dealt))
            yield whole, self._formats
        finally:
            whole.text.clear()
            for part in dealt.parts.values():
                part.replayed.text.clear()
        for part in dealt.parts.values():
            if part.start is not None:
                self._send(part.worker, Taken(part.start))

    def _found(self, address: Address) -> FoundKeys:
        found, asked = tuple(self._keys(address)), self._keys
        return FoundKeys(found, getattr(asked, "unavailable", ""), getattr(asked, "how_to_unlock", ""))

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


def _revoked(keys: object, whose: object) -> tuple[str, ...]:
    """The check values of revoked keys, from a look-up that knows of any."""
    revoked = getattr(keys, "revoked", None)
    return () if revoked is None else tuple(revoked(whose))


def _in_order(dealt: _Dealt) -> Iterator[memoryview]:
    """The text of a block in the order of its lines, each piece that of one process alone."""
    replayed = [dealt.parts[number].replayed for number in range(len(dealt.parts))]
    texts = [memoryview(one.text[0] if one.text else b"") for one in replayed]
    lengths = [iter(one.lengths) for one in replayed]
    ends = [0] * len(texts)
    owner, start, end = 0, 0, 0
    for other in dealt.deal.owners:
        if other != owner:
            if end > start:
                yield texts[owner][start:end]
            ends[owner] = end
            owner, start, end = other, ends[other], ends[other]
        end += next(lengths[owner])
    if end > start:
        yield texts[owner][start:end]
