"""Which of several processes decodes which telegram: all of a sender go to the same one, and all get as much to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, cast
from zlib import crc32

from fieldtool.replay.capture import Block
from fieldtool.replay.glance import SENDER
from protocols.captures.lines import LineReader
from protocols.captures.model import BadLine, SeveralLines
from protocols.model import Link, RawFrame

if TYPE_CHECKING:
    from fieldtool.replay.lorawan_dealing import LorawanDealing
    from protocols.lorawan.follower import LorawanFollower

SENDERS: Final = 100_000
"""Senders whose process is remembered; it follows from the address for those heard later."""

_HEADER_DIGITS: Final = 20


@dataclass(slots=True)
class Deal:
    """The lines of a block, dealt out.

    `lines` are those of each process, `owners` the process of each line in the order of the block. Lines that hold no
    telegram are nobody's; those that should hold one are `bad_lines`. `heard_only` are the places, counted from 1, of
    lines that another process shows. `numbers` are those of each process's lines; empty when every line is somebody's,
    from number `first` on.
    """

    first: int
    lines: list[list[str]]
    heard_only: list[set[int]]
    numbers: list[list[int]] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    bad_lines: list[BadLine] = field(default_factory=list)

    @classmethod
    def of(cls, block: Block, processes: int) -> Deal:
        """Nothing is dealt out yet."""
        of_each = range(processes)
        return cls(block.first, [[] for _ in of_each], [set() for _ in of_each])

    def number(self, process: int, place: int) -> int:
        """The number in the capture of a process's line, whose places are counted from 1."""
        if self.numbers:
            return self.numbers[process][place - 1]
        places = (at for at, owner in enumerate(self.owners, self.first) if owner == process)
        return next(islice(places, place - 1, None))

    def add(self, owner: int, number: int, line: str) -> None:
        """Deal out a line."""
        self.lines[owner].append(line)
        self.numbers[owner].append(number)
        self.owners.append(owner)

    def add_heard_only(self, process: int, number: int, line: str) -> None:
        """Let a process hear a line that is another one's."""
        self.lines[process].append(line)
        self.numbers[process].append(number)
        self.heard_only[process].add(len(self.lines[process]))


class Dealer:
    """Deals out the lines of captures; a new sender goes to the process that has had the fewest telegrams.

    `make_follower` makes what follows the joins of LoRaWAN devices, `lorawan` is what deals out their frames since the
    first of them came.
    """

    def __init__(self, processes: int, make_follower: Callable[[], LorawanFollower] | None = None) -> None:
        self._make_follower = make_follower
        self.lorawan: LorawanDealing | None = None
        self._dealt = [0] * processes
        self._owners: dict[bytes, int] = {}
        self._heads: dict[tuple[str, int], int] = {}
        self._reader = LineReader()

    @property
    def senders(self) -> int:
        """How many senders were heard."""
        return len(self._owners)

    def deal(self, block: Block) -> Deal:
        """Deal out a block."""
        if block.begins:
            self._reader = LineReader(block.source, block.unit)
        lines, deal = block.lines(), Deal.of(block, len(self._dealt))
        owners = self._known_owners(lines)
        if owners is None:
            self._deal_singly(deal, lines)
        else:
            self._deal_at_once(deal, lines, owners)
        deal.bad_lines.extend(block.bad)
        return deal

    def _known_owners(self, lines: Sequence[str]) -> list[int] | None:
        """The process of each line by how its digits begin and how many they are; None where one is not known."""
        if self._reader.only_marked:
            return None
        get, size = self._heads.get, _HEADER_DIGITS
        owners = [get((line[(start := line.rfind(";") + 1) : start + size], len(line) - start)) for line in lines]
        return None if None in owners else cast("list[int]", owners)

    def _deal_at_once(self, deal: Deal, lines: Sequence[str], owners: list[int]) -> None:
        deal.owners = owners
        for process in range(len(self._dealt)):
            dealt = [line for line, owner in zip(lines, owners, strict=True) if owner == process]
            deal.lines[process] = dealt
            self._dealt[process] += len(dealt)

    def _deal_singly(self, deal: Deal, lines: Sequence[str]) -> None:
        deal.numbers = [[] for _ in self._dealt]
        heads, dealt = self._heads, self._dealt
        for number, line in enumerate(lines, deal.first):
            digits = line[line.rfind(";") + 1 :]
            owner = None if self._reader.only_marked else heads.get((digits[:_HEADER_DIGITS], len(digits)))
            if owner is None:
                self._read(deal, number, line, digits)
            else:
                dealt[owner] += 1
                deal.add(owner, number, line)

    def _read(self, deal: Deal, number: int, line: str, digits: str) -> None:
        """Deal out a line whose beginning is not known."""
        item = self._reader.read(number, line)
        if isinstance(item, BadLine):
            deal.bad_lines.append(item)
        elif isinstance(item, SeveralLines):
            # Each frame is its own device's, so each is dealt out as a line by itself.
            for part in item.texts:
                self._read(deal, number, part, part)
        elif item is not None and item.frame.link is not Link.MBUS:
            self._read_lorawan(deal, number, line, item.frame)
        elif item is not None:
            sender = item.frame.data[SENDER]
            owner = self._owner(sender)
            self._dealt[owner] += 1
            deal.add(owner, number, line)
            self._remember(digits, sender, owner)

    def _read_lorawan(self, deal: Deal, number: int, line: str, frame: RawFrame) -> None:
        from fieldtool.replay.lorawan_dealing import LorawanDealing

        if self.lorawan is None:
            self.lorawan = LorawanDealing(self._make_follower)
        sender, for_all = self.lorawan.sender(frame)
        owner = self._owner(sender.encode())
        self._dealt[owner] += 1
        deal.add(owner, number, line)
        for process in range(len(self._dealt)):
            if for_all and process != owner:
                deal.add_heard_only(process, number, line)

    def owner_of(self, sender: str) -> int:
        """The process of a sender of LoRaWAN frames; for one that was never heard, any."""
        owner = self._owners.get(sender.encode())
        return crc32(sender.encode()) % len(self._dealt) if owner is None else owner

    def _owner(self, sender: bytes) -> int:
        owner = self._owners.get(sender)
        if owner is None:
            if len(self._owners) >= SENDERS:
                return crc32(sender) % len(self._dealt)
            owner = self._owners[sender] = self._dealt.index(min(self._dealt))
        return owner

    def _remember(self, digits: str, sender: bytes, owner: int) -> None:
        """Know the next line of this sender by its link header, where that stands at the beginning of the digits."""
        head = digits[:_HEADER_DIGITS]
        try:
            data = bytes.fromhex(head)
        except ValueError:
            return
        if data[SENDER] == sender and len(digits) == 2 * data[0] + 2:
            if len(self._heads) >= SENDERS:
                self._heads.clear()
            self._heads[head, len(digits)] = owner
