"""What a profile says, as values: matches, selectors, rules, tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from protocols.model import Function


@dataclass(frozen=True, slots=True)
class Match:
    """Meters a profile is for; an empty set of versions or media stands for any."""

    manufacturer: str
    versions: frozenset[int]
    media: frozenset[int]


@dataclass(frozen=True, slots=True)
class Selector:
    """Which record is meant: by its exact header, or by quantity and place (all exact).

    `storages`, `tariffs` and `subunits` hold every number that is meant; `occurrence` counts matches from 1.
    """

    header: str | None = None
    quantity: str | None = None
    function: Function = Function.INSTANTANEOUS
    storages: Sequence[int] = (0,)
    tariffs: Sequence[int] = (0,)
    subunits: Sequence[int] = (0,)
    modifiers: tuple[str, ...] = ()
    occurrence: int = 1


class NumberCoding(StrEnum):
    """How a rule reads a record's data: a number with the rule's own scale, or text.

    `text` is sent last character first, as the standard has it, `text_in_order` first character first.
    """

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    BCD = "bcd"
    REAL = "real"
    TEXT = "text"
    TEXT_IN_ORDER = "text_in_order"


TEXTS = frozenset({NumberCoding.TEXT, NumberCoding.TEXT_IN_ORDER})


@dataclass(frozen=True, slots=True)
class ReadingRule:
    """A name for the records that a selector finds.

    A name with `{n}` stands for one reading each number of the selector's range, counted from `n_first` in steps of
    `n_step`. `scale` and `unit` replace what the record's own header says: value = number in the data x scale, the
    number read as `coding` says. `means` replaces the quantity. `invalid` are data that the maker sends for "no value".
    With `also` the rule takes no record away from the others: it gives a reading more, for a second thing that the
    record, or the item of a payload, says.
    """

    name: str
    selector: Selector
    info: str = ""
    n_first: int = 0
    n_step: int = 1
    scale: Decimal | None = None
    unit: str | None = None
    means: str | None = None
    coding: NumberCoding = NumberCoding.UNSIGNED
    invalid: frozenset[bytes] = frozenset()
    also: bool = False


Place = tuple[str, Function, tuple[str, ...]]
"""Quantity, function and modifiers: what is looked up before storage, tariff and subunit are compared."""


@dataclass(frozen=True, slots=True)
class RuleIndex:
    """Reading rules found by a record's header or by its quantity, each with its place in the file.

    `by_name` gives the place of a name: items that a payload decoder has named take theirs in the order of the file.
    `also` are the rules that give a reading more; they are in neither of the others.
    """

    by_header: Mapping[str, tuple[tuple[int, ReadingRule], ...]]
    by_place: Mapping[Place, tuple[tuple[int, ReadingRule], ...]]
    by_name: Mapping[str, int]
    also: tuple[tuple[int, ReadingRule], ...] = ()

    @classmethod
    def of(cls, rules: Sequence[ReadingRule]) -> RuleIndex:
        """Build the index of a file's rules."""
        by_header: dict[str, tuple[tuple[int, ReadingRule], ...]] = {}
        by_place: dict[Place, tuple[tuple[int, ReadingRule], ...]] = {}
        for order, rule in enumerate(rules):
            selector = rule.selector
            if rule.also:
                continue
            if selector.header is not None:
                by_header[selector.header] = (*by_header.get(selector.header, ()), (order, rule))
            else:
                place = (selector.quantity or "", selector.function, selector.modifiers)
                by_place[place] = (*by_place.get(place, ()), (order, rule))
        by_name = {rule.name: order for order, rule in reversed(list(enumerate(rules)))}
        also = tuple((order, rule) for order, rule in enumerate(rules) if rule.also)
        return cls(by_header, by_place, by_name, also)


@dataclass(frozen=True, slots=True)
class StatusRule:
    """Names for the bits of a flag word; bits without a name are reported as `bit_N`.

    With `values` the masked and shifted number stands for one condition instead: 0 for none unless it has a name,
    numbers without a name are reported as `code_N`.
    """

    selector: Selector
    bits: Mapping[int, str]
    mask: int
    values: Mapping[int, str] | None = None


@dataclass(frozen=True, slots=True)
class CodeRule:
    """A coded field inside a word: the masked and shifted value by name."""

    name: str
    selector: Selector
    mask: int
    values: Mapping[int, str]


class Where(StrEnum):
    """Which bytes of a telegram a payload decoder reads."""

    MANUFACTURER = "manufacturer"
    TAIL = "tail"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class PayloadRule:
    """The decoder of a proprietary payload, by its name in `protocols.profiles.payloads`, and what it reads.

    `manufacturer` is everything behind a CI field A0 to B7, `tail` the bytes behind DIF 0F, `whole` everything behind
    the transport header; `record` is the header of a record whose data it reads instead.
    """

    decoder: str
    where: Where | None = None
    record: str | None = None


@dataclass(frozen=True, slots=True)
class ProfileTest:
    """A telegram with what it must decode to; values as text, exactly as printed."""

    source: str
    telegram: str
    key: str | None
    prior: tuple[str, ...]
    expect: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one meter family beyond the standards."""

    name: str
    title: str
    matches: tuple[Match, ...]
    readings: tuple[ReadingRule, ...]
    reading_index: RuleIndex
    statuses: tuple[StatusRule, ...] = ()
    codes: tuple[CodeRule, ...] = ()
    transport_bits: Mapping[int, str] | None = None
    payloads: tuple[PayloadRule, ...] = ()
    tests: tuple[ProfileTest, ...] = ()
