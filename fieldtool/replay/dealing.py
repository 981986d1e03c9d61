"""Which of several processes decodes which telegram: all of a sender go to the same one, and all get as much to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

from fieldtool.replay.capture import Block
from protocols.captures.lines import LineReader
from protocols.captures.model import BadLine
from protocols.model import Link, RawFrame

SENDERS: Final = 100_000
"""Senders whose process is remembered; it follows from the address for those heard later."""

SENDER: Final = slice(2, 10)
"""The sender's address in a frame."""

_HEADER_DIGITS: Final = 20


@dataclass(slots=True)
class Deal:
    """The lines of a block, dealt out.

    `lines` and `numbers` are those of each process, `owners` the process of each line in the order of the block. Lines
    that hold no telegram are nobody's; those that should hold one are `bad_lines`.
    """

    lines: list[list[str]]
    numbers: list[list[int]]
    owners: list[int] = field(default_factory=list)
    bad_lines: list[BadLine] = field(default_factory=list)

    def add(self, owner: int, number: int, line: str) -> None:
        """Deal out a line."""
        self.lines[owner].append(line)
        self.numbers[owner].append(number)
        self.owners.append(owner)


class Dealer:
    """Deals out the lines of captures; a new sender goes to the process that has had the fewest telegrams."""

    def __init__(self, processes: int) -> None:
        self._dealt = [0] * processes
        self._owners: dict[bytes, int] = {}
        self._heads: dict[str, tuple[int, int]] = {}
        self._reader = LineReader()

    def deal(self, block: Block) -> Deal:
        """Deal out a block."""
        if block.begins:
            self._reader = LineReader(block.source)
        deal = Deal([[] for _ in self._dealt], [[] for _ in self._dealt])
        heads, dealt = self._heads, self._dealt
        for number, line in enumerate(block.lines(), block.first):
            digits = line[line.rfind(";") + 1 :]
            known = heads.get(digits[:_HEADER_DIGITS])
            if known is not None and len(digits) == known[1] and not self._reader.only_marked:
                owner = known[0]
                dealt[owner] += 1
                deal.add(owner, number, line)
            else:
                self._read(deal, number, line, digits)
        return deal

    def _read(self, deal: Deal, number: int, line: str, digits: str) -> None:
        """Deal out a line whose beginning is not known."""
        item = self._reader.read(number, line)
        if isinstance(item, BadLine):
            deal.bad_lines.append(item)
        elif item is not None:
            sender = _sender(item.frame)
            owner = self._owner(sender)
            self._dealt[owner] += 1
            deal.add(owner, number, line)
            self._remember(digits, sender, owner)

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
            self._heads[head] = owner, len(digits)


def _sender(frame: RawFrame) -> bytes:
    """What tells senders apart; the devices of LoRaWAN change their addresses when they join, so all are one."""
    return frame.data[SENDER] if frame.link is Link.MBUS else b""
