"""Captures through several processes: each decodes the telegrams of some of the senders.

So each knows all telegrams of its meters in order: layouts, fragments and histories need nobody else. Keys, and formats
that other meters have taught, they ask of the process that started them; it alone reads the capture, opens the
keystore, deals out the lines and puts the text together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, cast

from fieldtool.errors import FieldToolError
from fieldtool.replay.block_replay import MANY_METERS, Replayed
from fieldtool.replay.capture import Block, UntilFailure
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
from fieldtool.replay.worker import Task
from fieldtool.replay.worker_process import Listening, ProcessEnded, WorkerProcess, signals_held_back, watch_over_memory
from protocols.captures.lines import parse_lines
from protocols.captures.model import CaptureEntry
from protocols.decode import decode
from protocols.lookups import Unavailable, keys_of_many, revoked_keys, why_unavailable
from protocols.mbus.compact import FormatLibrary
from protocols.model import Address, Key, KeyLookup, Link

if TYPE_CHECKING:
    from fieldtool.replay.lorawan_dealing import LorawanDealing
    from protocols.lorawan.follower import LorawanFollower

BLOCKS_AHEAD: Final = 8
"""Blocks that one process may be ahead of another; it bounds the memory."""

BLOCKS_AT_A_TIME: Final = 4
"""Blocks that a process has at a time, so that it need not wait for the next one."""

MEMORY: Final = 1 << 23
"""Bytes of shared memory for all processes together: the text of some blocks, and little for a small /dev/shm."""

BLOCKS_BY_METER: Final = 96
"""Blocks that a process has at a time when there are many meters, to decode their telegrams meter by meter."""

SMALLEST_MEMORY: Final = 1 << 16

AVAILABLE: Final = Unavailable("", "")
"""Says that keys can be looked up."""

TRIED_EARLY: Final = 50
"""Lines that are looked at for one that needs a key, before the first answer of a process."""


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
    readable = UntilFailure(blocks)
    try:
        yield from crew.replay(iter(readable), 1 if one_at_a_time else BLOCKS_AHEAD)
        readable.end()
        crew.gather_sessions()
    finally:
        crew.end()


@dataclass(frozen=True, slots=True)
class _Part:
    """What a process made of its lines of a block, and where in its memory the text lies, None where it does not."""

    worker: WorkerProcess
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
        self._at_a_time = BLOCKS_AT_A_TIME
        self._by_meter = task.by_meter > 0
        self._may_ask_early = not task.keys
        self._workers: list[WorkerProcess] = []
        self._listening = Listening()
        watch_over_memory()
        try:
            for number in range(jobs):
                self._start(number, max(SMALLEST_MEMORY, MEMORY // jobs), task)
        except BaseException:
            self.end()
            raise

    def _start(self, number: int, memory_size: int, task: Task) -> None:
        before = tuple(self._workers)
        with signals_held_back():
            worker, theirs = WorkerProcess.of(memory_size)
            self._workers.append(worker)
            worker.begin(f"replay {number + 1}", theirs, task, before)
        self._listening.add(worker)

    def replay(self, blocks: Iterator[Block], ahead: int) -> Iterator[tuple[Replayed, FormatLibrary]]:
        """Hand out blocks and put together what comes back, in order."""
        more = True
        while more or self._window:
            if self._by_meter and self._dealer.senders >= MANY_METERS * len(self._workers):
                ahead, self._at_a_time = BLOCKS_BY_METER + BLOCKS_AHEAD, BLOCKS_BY_METER
            while more and len(self._window) < ahead:
                block = next(blocks, None)
                if block is None:
                    more = False
                else:
                    self._window.append(self._dealt(block))
                    self._hand_out()
                    if block.begins:
                        self._ask_early(block)
            if not self._window:
                return
            # Some worker has lines of the oldest block, or it would be finished.
            for worker in self._listening.heard():
                self._take(worker)
            self._hand_out()
            while self._window and len(self._window[0].parts) == len(self._workers):
                self._finished += 1
                yield from self._joined(self._window.popleft())

    def _ask_early(self, block: Block) -> None:
        """Ask for the key of the first telegram that needs one: the keystore opens while the processes start."""
        if not self._may_ask_early:
            return
        self._may_ask_early = False
        asked: list[Address] = []

        def ask(address: Address) -> Sequence[Key]:
            asked.append(address)
            return self._keys(address)

        items = parse_lines(islice(block.lines(), TRIED_EARLY), block.source)
        for item in items:
            if asked:
                return
            if isinstance(item, CaptureEntry) and item.frame.link is Link.MBUS:
                decode(item.frame, ask)

    def _dealt(self, block: Block) -> _Dealt:
        deal = self._dealer.deal(block)
        blocks = [
            Block(1, "\n".join(lines).encode(), block.source, block.begins, frozenset(heard_only), block.unit)
            for lines, heard_only in zip(deal.lines, deal.heard_only, strict=True)
        ]
        deal.lines.clear()
        return _Dealt(deal, blocks)

    def gather_sessions(self) -> None:
        """Bring together what the processes have heard of LoRaWAN devices."""
        if self._dealer.lorawan is None:
            return
        for worker in self._workers:
            worker.send(TellSessions())
            while not worker.has_told:
                self._take(worker)
        heard = [worker.sessions for worker in self._workers]
        self._dealer.lorawan.gather(heard, self._dealer.owner_of)

    def end(self) -> None:
        """End the processes."""
        self._window.clear()
        with signals_held_back():
            self._listening.end()
            for worker in self._workers:
                worker.dismiss()
            for worker in self._workers:
                worker.end()

    @property
    def _lorawan(self) -> LorawanDealing:
        """What has dealt out the LoRaWAN frames that somebody asks about."""
        if self._dealer.lorawan is None:
            raise ProcessEnded("a process asks about a frame that it was not dealt")
        return self._dealer.lorawan

    def _hand_out(self) -> None:
        for number, worker in enumerate(self._workers):
            while worker.handed_out - worker.done < self._at_a_time:
                place = worker.handed_out - self._finished
                if place >= len(self._window):
                    break
                worker.send(self._window[place].blocks[number])
                worker.handed_out += 1

    def _take(self, worker: WorkerProcess) -> None:
        message = cast(Message, worker.receive())
        match message:
            case HeardSessions(sessions):
                worker.sessions, worker.has_told = sessions, True
            case AskedForFormats():
                worker.asks_formats = True
            case Text(place, size):
                worker.text.append(worker.text_at(place, size))
                worker.send(Taken(place))
            case Done(text, formats=formats):
                replayed, start = message.replayed(), None
                if worker.text:
                    last = b"" if text is None else worker.text_at(*text)
                    replayed.text = [b"".join([*worker.text, last])]
                    worker.text.clear()
                    if text is not None:
                        worker.send(Taken(text.start))
                elif text is not None:
                    start = text.start
                    replayed.text = [memoryview(worker.memory.buf or b"")[start : start + text.size]]
                parts = self._window[worker.done - self._finished].parts
                parts[self._workers.index(worker)] = _Part(worker, replayed, start)
                worker.done += 1
                if formats is not None:
                    self._learned.append((worker.done, formats))
                    self._formats = self._formats.joined(formats)
            case Failed(error):
                raise error
            case _:
                worker.send(self._answer(message))
        self._answer_about_formats()

    def _answer(self, question: Question) -> object:
        """Answer what can be answered at once."""
        match question:
            case AskedForKeys(addresses):
                return self._found(addresses)
            case AskedForRevoked(address):
                return tuple(revoked_keys(self._keys, address))
            case AskedForRootKeys(dev_eui):
                return tuple(self._lorawan.keys.root_keys(dev_eui))
            case AskedForSessionKeys(dev_addr):
                return tuple(self._lorawan.keys.session_keys(dev_addr))
            case AskedForSessions():
                why = why_unavailable(self._lorawan.keys) or AVAILABLE
                return BegunSessions(self._lorawan.begins_with, why.reason, why.next)
            case AskedForRevokedDeviceKeys(identifier):
                return tuple(revoked_keys(self._lorawan.keys, identifier))

    def _joined(self, dealt: _Dealt) -> Iterator[tuple[Replayed, FormatLibrary]]:
        """Yield what all processes made of a block, in the order of its lines, and give the memory back."""
        whole = Replayed(bad_lines=dealt.deal.bad_lines)
        for number, part in dealt.parts.items():
            whole.outcomes += part.replayed.outcomes
            found = part.replayed.bad_lines
            whole.bad_lines += [replace(bad, line=dealt.deal.number(number, bad.line)) for bad in found]
        whole.bad_lines.sort(key=attrgetter("line"))
        try:
            whole.text.extend(_in_order(dealt))
            yield whole, self._formats
        finally:
            _let_go(whole)
            for part in dealt.parts.values():
                _let_go(part.replayed)
        for part in dealt.parts.values():
            if part.start is not None:
                part.worker.send(Taken(part.start))

    def _found(self, addresses: Sequence[Address]) -> FoundKeys:
        at_once = keys_of_many(self._keys, addresses) if len(addresses) > 1 else {}
        found = {one: tuple(at_once[one] if one in at_once else self._keys(one)) for one in addresses}
        why = why_unavailable(self._keys) or AVAILABLE
        return FoundKeys(found, why.reason, why.next)

    def _answer_about_formats(self) -> None:
        """Tell what the blocks before have taught, once everybody is through with those: always the same answer."""
        for worker in self._workers:
            if worker.asks_formats and all(other.done >= worker.done for other in self._workers):
                known = FormatLibrary()
                for blocks, formats in self._learned:
                    if blocks <= worker.done:
                        known = known.joined(formats)
                worker.asks_formats = False
                worker.send(known)


def _let_go(replayed: Replayed) -> None:
    """Give up text in the memory of a process, also where what ends the replay still holds it."""
    for text in replayed.text:
        if isinstance(text, memoryview):
            text.release()
    replayed.text.clear()


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
