"""What a payload decoder is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from protocols.errors import ProtocolError
from protocols.model import Function, Quality, Record, Value


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a proprietary payload: its name, what it measures, and the bytes `start:end` of the frame."""

    name: str
    quantity: str
    value: Value
    unit: str
    start: int
    end: int
    quality: Quality = Quality.GOOD
    function: Function = Function.INSTANTANEOUS
    storage: int = 0


@dataclass(frozen=True, slots=True)
class Payload:
    """What a payload holds: items in the order of their bytes, alarm flags by name, and what stopped the decoding.

    `foreign` says that these bytes are not what the decoder reads: the CI field decides then.
    """

    items: tuple[Item, ...] = ()
    flags: tuple[str, ...] = ()
    problem: ProtocolError | None = None
    notes: tuple[str, ...] = ()
    foreign: bool = False


class PayloadDecoder(Protocol):
    """Reads `plain[start:end]`; the rest of the frame is there for addresses and check bytes. Never raises."""

    def __call__(self, plain: bytes, start: int, end: int) -> Payload:
        """Return the items of the payload."""


def records_of(
    payload: Payload, plain: bytes, first_index: int, expanded_from: int | None = None
) -> tuple[Record, ...]:
    """Turn items into records that continue a telegram's numbering."""
    return tuple(
        Record(
            index=first_index + number,
            start=item.start,
            data_start=item.start,
            end=item.end,
            header=b"",
            data=plain[item.start : item.end],
            quantity=item.quantity,
            unit=item.unit,
            value=item.value,
            quality=item.quality,
            function=item.function,
            storage=item.storage,
            expanded_from=expanded_from,
            name=item.name,
        )
        for number, item in enumerate(payload.items)
    )


def flag_names(word: int, names: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """Names of the bits that are set in `word`, given as (mask, name)."""
    return tuple(name for mask, name in names if word & mask)


def flag_words(word: int, names: Sequence[tuple[int, str]]) -> str:
    """The same names as one text, `none` when no bit is set."""
    return " ".join(flag_names(word, names)) or "none"


def bit_names(word: int, names: Mapping[int, str]) -> tuple[str, ...]:
    """Names of all bits that are set in `word`, given by number; those without a name come as `bit_N`."""
    return tuple(names.get(bit, f"bit_{bit}") for bit in range(word.bit_length()) if word >> bit & 1)


FILLERS = b"\x2f\x2f"


def behind_fillers(plain: bytes, start: int, end: int) -> int:
    """Where a payload begins that stands behind the check bytes of decryption, sent with or without encryption."""
    return start + len(FILLERS) if plain[start:end].startswith(FILLERS) else start
