"""Profile files: TOML in, validated `Profile` out.

A file names the meters it is for (`[[match]]`), the readings that the generic decoder cannot name (`[[reading]]`),
the maker's flag words (`[[status]]`) and coded fields (`[[code]]`), and its own tests (`[[test]]`).

A flag word has `bits`, or `values` with a `mask` where a part of it is a number that stands for one condition.
`transport_status` names bits of the transport layer's status byte that the maker uses in a way of its own.

In a selector, `storage`, `tariff` and `subunit` are a number, a list, or a range: "2..17", in steps "2,4..32". `coding`
says how a reading with a `scale` takes its data; `text` and `text_in_order`, which go without a scale, are for records
of the maker's own. `invalid` lists data, in hex as transmitted, that stand for "no value".

The items of a proprietary payload (`[[payload]]`) have their names from its decoder. A reading of the same name says
where they stand among the others, no more.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from protocols.mbus.tables_fb import FB
from protocols.mbus.tables_fd import FD, FD_FD
from protocols.mbus.tables_primary import PRIMARY
from protocols.media import manufacturer_code
from protocols.model import Function
from protocols.profiles.errors import ProfileError
from protocols.profiles.model import (
    TEXTS,
    CodeRule,
    Match,
    NumberCoding,
    PayloadRule,
    Profile,
    ProfileTest,
    ReadingRule,
    RuleIndex,
    Selector,
    StatusRule,
    Where,
)
from protocols.profiles.payloads import PAYLOADS

SCHEMA = 1

QUANTITIES = frozenset(
    {code.quantity for table in (PRIMARY, FB, FD, FD_FD) for code in table.values()}
    | {"reserved", "temperature", "time"}
)
"""What the generic decoder calls the records that a selector may mean."""

_Rule = TypeVar("_Rule")

MAX_BYTE = 0xFF
"""Versions and media are one byte (EN 13757-7, 7)."""

_RANGE = re.compile(r"(\d+)(?:,(\d+))?\.\.(\d+)", re.ASCII)
"""First, perhaps second, and last number."""


_PLACE_KEYS = ("function", "storage", "tariff", "subunit", "modifiers")
_SELECTOR_KEYS = ("header", "quantity", "function", "storage", "tariff", "subunit", "modifiers", "occurrence")
_KEYS: dict[str, tuple[str, ...]] = {
    "file": ("schema", "name", "title", "match", "reading", "status", "code", "transport_status", "payload", "test"),
    "match": ("manufacturer", "version", "medium"),
    "reading": ("name", "info", "n_first", "n_step", "scale", "unit", "means", "coding", "invalid", *_SELECTOR_KEYS),
    "payload": ("decoder", "where", "record"),
    "status": ("bits", "values", "mask", *_SELECTOR_KEYS),
    "code": ("name", "mask", "values", *_SELECTOR_KEYS),
    "test": ("source", "telegram", "key", "prior", "expect"),
}


class _Reader:
    """Reads one file's tables, with the file named in every complaint."""

    def __init__(self, file: str) -> None:
        self.file = file

    def fail(self, problem: str, hint: str = "") -> ProfileError:
        return ProfileError(self.file, problem, hint)

    def check_keys(self, where: str, table: Mapping[str, Any]) -> None:
        allowed = _KEYS[where]
        for key in table:
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(allowed)}"
                raise self.fail(f"unknown key {key!r} in {_place(where)}", hint)

    def tables(self, document: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
        tables = document.get(where, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.fail(f"{where!r} is not a list of tables", f"write [[{where}]] above each")
        for table in tables:
            self.check_keys(where, table)
        return tables

    def text(self, where: str, table: Mapping[str, Any], key: str, default: str | None = None) -> str:
        value = table.get(key, default)
        if not isinstance(value, str):
            raise self.fail(f"{key!r} in {_place(where)} must be text", f'write {key} = "..."')
        return value

    def number(self, where: str, table: Mapping[str, Any], key: str, default: int) -> int:
        value = table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.fail(f"{key!r} in {_place(where)} must be a number from 0 on")
        return value

    def numbers(self, where: str, table: Mapping[str, Any], key: str, largest: int | None = None) -> tuple[int, ...]:
        value = table.get(key, [])
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in values):
            raise self.fail(
                f"{key!r} in {_place(where)} must be a number or a list of numbers", f"write {key} = [0x1B, 0x1D]"
            )
        if largest is not None and any(v > largest for v in values):
            raise self.fail(f"{key!r} in {_place(where)} is more than {largest} (0x{largest:X})", "it is one byte")
        return tuple(values)

    def places(self, where: str, table: Mapping[str, Any], key: str) -> Sequence[int]:
        """A number, a list of numbers, or a range as "2..17" or "2,4..32"; 0 when it is not given."""
        value = table.get(key, 0)
        if isinstance(value, str):
            found = _RANGE.fullmatch(value)
            if found is None or int(found[1]) > int(found[3]) or (found[2] and int(found[2]) <= int(found[1])):
                raise self.fail(f"{key!r} in {_place(where)} is no range", f'write {key} = "2..17"')
            first, last = int(found[1]), int(found[3])
            return range(first, last + 1, int(found[2]) - first if found[2] else 1)
        return self.numbers(where, table, key) if key in table else (0,)

    def patterns(self, where: str, table: Mapping[str, Any], key: str) -> frozenset[bytes]:
        """Data in hex, one or a list."""
        value = table.get(key, [])
        try:
            return frozenset(bytes.fromhex(item) for item in (value if isinstance(value, list) else [value]))
        except (TypeError, ValueError) as error:
            raise self.fail(f"{key!r} in {_place(where)} must be hex digits", f'write {key} = "FEFEFEFE"') from error

    def names(self, where: str, table: Mapping[str, Any], key: str) -> dict[int, str]:
        value = table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
            raise self.fail(
                f"{key!r} in {_place(where)} must map numbers to names", f'write {key} = {{ 0 = "dry", 1 = "leak" }}'
            )
        try:
            return {int(number, 0): name for number, name in value.items()}
        except ValueError as error:
            raise self.fail(f"{key!r} in {_place(where)} has a key that is no number") from error

    def selector(self, where: str, table: Mapping[str, Any]) -> Selector:
        header, quantity = table.get("header"), table.get("quantity")
        if (header is None) == (quantity is None):
            raise self.fail(
                f"{_place(where)} needs either 'header' or 'quantity'",
                'write header = "02FF20", or quantity = "volume"',
            )
        if header is not None:
            place = [key for key in _PLACE_KEYS if key in table]
            if place:
                raise self.fail(
                    f"{_place(where)} has 'header' and {place[0]!r}", "the header says it all: leave the other out"
                )
            return Selector(header=self.header(where, header), occurrence=self._occurrence(where, table))
        function = self.text(where, table, "function", Function.INSTANTANEOUS.value)
        if function not in {f.value for f in Function}:
            raise self.fail(f"unknown function {function!r} in {_place(where)}", f"one of {', '.join(Function)}")
        modifiers = table.get("modifiers", [])
        if not isinstance(modifiers, list) or not all(isinstance(m, str) for m in modifiers):
            raise self.fail(f"'modifiers' in {_place(where)} must be a list of names")
        return Selector(
            quantity=self._quantity(where, table),
            function=Function(function),
            storages=self.places(where, table, "storage"),
            tariffs=self.places(where, table, "tariff"),
            subunits=self.places(where, table, "subunit"),
            modifiers=tuple(modifiers),
            occurrence=self._occurrence(where, table),
        )

    def _occurrence(self, where: str, table: Mapping[str, Any]) -> int:
        occurrence = self.number(where, table, "occurrence", 1)
        if not occurrence:
            raise self.fail(f"'occurrence' in {_place(where)} counts from 1")
        return occurrence

    def _quantity(self, where: str, table: Mapping[str, Any]) -> str:
        quantity = self.text(where, table, "quantity")
        if quantity not in QUANTITIES:
            near = difflib.get_close_matches(quantity, QUANTITIES, 1)
            hint = f"did you mean {near[0]!r}?" if near else "take it from `fieldtool decode HEX --explain`"
            raise self.fail(f"unknown quantity {quantity!r} in {_place(where)}", hint)
        return quantity

    def header(self, where: str, header: object, key: str = "header") -> str:
        try:
            if isinstance(header, str) and len(bytes.fromhex(header)) >= 2:
                return bytes.fromhex(header).hex().upper()
        except ValueError:
            pass
        raise self.fail(f"{key!r} in {_place(where)} must be the hex digits of DIF to VIFE", f'write {key} = "02FF20"')


def parse_profile(text: str, file: str) -> Profile:
    """Read one profile file; `ProfileError` names the file, the key and what to write instead."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(file, f"is not valid TOML: {error}", "check quotes and brackets there") from error
    except RecursionError:
        raise ProfileError(file, "is nested too deeply", "a profile has tables, and lists in them") from None
    read = _Reader(file)
    read.check_keys("file", document)
    if document.get("schema") != SCHEMA:
        raise read.fail(f"schema is {document.get('schema')!r}", f"write schema = {SCHEMA}")
    readings = _rules(read, document, "reading", _reading)
    profile = Profile(
        name=read.text("file", document, "name"),
        title=read.text("file", document, "title"),
        matches=tuple(m for table in read.tables(document, "match") for m in _matches(read, table)),
        readings=readings,
        reading_index=RuleIndex.of(readings),
        statuses=_rules(read, document, "status", _status),
        codes=_rules(read, document, "code", _code),
        transport_bits=read.names("file", document, "transport_status") or None,
        payloads=_rules(read, document, "payload", _payload),
        tests=_rules(read, document, "test", _test),
    )
    if not profile.matches:
        raise read.fail("no [[match]] says which meters it is for", 'write [[match]] and below it manufacturer = "KAM"')
    return profile


def _rules(
    read: _Reader, document: Mapping[str, Any], where: str, rule: Callable[[_Reader, Mapping[str, Any]], _Rule]
) -> tuple[_Rule, ...]:
    return tuple(rule(read, table) for table in read.tables(document, where))


_MAKER_WANTED = "'manufacturer' in [[match]] must be three letters, or a list of such"
_MAKER_HINT = 'write manufacturer = "KAM"'


def _matches(read: _Reader, table: Mapping[str, Any]) -> list[Match]:
    makers = table.get("manufacturer", [])
    makers = makers if isinstance(makers, list) else [makers]
    if not makers or not all(isinstance(maker, str) for maker in makers):
        raise read.fail(_MAKER_WANTED, _MAKER_HINT)
    try:
        for maker in makers:
            manufacturer_code(maker)
    except ValueError as error:
        raise read.fail(_MAKER_WANTED, _MAKER_HINT) from error
    versions = frozenset(read.numbers("match", table, "version", MAX_BYTE))
    media = frozenset(read.numbers("match", table, "medium", MAX_BYTE))
    return [Match(maker.upper(), versions, media) for maker in makers]


def _reading(read: _Reader, table: Mapping[str, Any]) -> ReadingRule:
    selector = read.selector("reading", table)
    name = read.text("reading", table, "name")
    counted = next((r for r in (selector.storages, selector.tariffs, selector.subunits) if isinstance(r, range)), None)
    if ("{n}" in name) != (counted is not None):
        raise read.fail(
            f"reading {name!r}: a name with {{n}} and a range of storage, tariff or subunit go together",
            'write name = "history_{n}_volume" with storage = "2..17"',
        )
    step = table.get("n_step", 1)
    if step not in (1, -1):
        raise read.fail("'n_step' in [[reading]] must be 1 or -1")
    return ReadingRule(
        name=name,
        selector=selector,
        info=read.text("reading", table, "info", ""),
        n_first=read.number("reading", table, "n_first", 0 if counted is None else counted[0]),
        n_step=step,
        scale=_scale(read, table),
        unit=read.text("reading", table, "unit") if "unit" in table else None,
        means=read.text("reading", table, "means") if "means" in table else None,
        coding=_coding(read, table),
        invalid=read.patterns("reading", table, "invalid"),
    )


def _coding(read: _Reader, table: Mapping[str, Any]) -> NumberCoding:
    value = read.text("reading", table, "coding", NumberCoding.UNSIGNED.value)
    if value not in {c.value for c in NumberCoding}:
        raise read.fail(f"unknown coding {value!r} in [[reading]]", f"one of {', '.join(NumberCoding)}")
    if value in TEXTS and "scale" in table:
        raise read.fail("[[reading]] has a 'scale' for text", 'leave one of scale and coding = "text" out')
    return NumberCoding(value)


def _scale(read: _Reader, table: Mapping[str, Any]) -> Decimal | None:
    if "scale" not in table:
        return None
    try:
        scale = Decimal(read.text("reading", table, "scale"))
    except InvalidOperation:
        scale = Decimal("NaN")
    if not scale.is_finite():
        raise read.fail("'scale' in [[reading]] must be an exact number as text", 'write scale = "0.001"')
    return scale


def _payload(read: _Reader, table: Mapping[str, Any]) -> PayloadRule:
    where = table.get("where")
    if (where is None) == ("record" not in table):
        raise read.fail("[[payload]] needs either 'where' or 'record'", f"where is one of {', '.join(Where)}")
    if where is not None and where not in {w.value for w in Where}:
        raise read.fail(f"unknown place {where!r} in [[payload]]", f"one of {', '.join(Where)}")
    decoder = read.text("payload", table, "decoder")
    if decoder not in PAYLOADS:
        near = difflib.get_close_matches(decoder, PAYLOADS, 1)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else "a decoder for a new payload is written in Python, in this program"
        )
        raise read.fail(f"unknown decoder {decoder!r} in [[payload]]", hint)
    return PayloadRule(
        decoder=decoder,
        where=None if where is None else Where(where),
        record=read.header("payload", table["record"], "record") if "record" in table else None,
    )


def _status(read: _Reader, table: Mapping[str, Any]) -> StatusRule:
    bits = read.names("status", table, "bits")
    mask = read.number("status", table, "mask", (1 << (max(bits, default=0) + 1)) - 1)
    if "values" not in table:
        return StatusRule(read.selector("status", table), bits, mask)
    if "bits" in table or not table.get("mask"):
        raise read.fail("[[status]] with 'values' needs a 'mask' and no 'bits'", "write mask = 0x000F")
    return StatusRule(read.selector("status", table), {}, mask, read.names("status", table, "values"))


def _code(read: _Reader, table: Mapping[str, Any]) -> CodeRule:
    mask = read.number("code", table, "mask", 0)
    if not mask:
        raise read.fail("[[code]] needs a 'mask'", "write mask = 0x0070")
    return CodeRule(
        read.text("code", table, "name"), read.selector("code", table), mask, read.names("code", table, "values")
    )


def _test(read: _Reader, table: Mapping[str, Any]) -> ProfileTest:
    expect = table.get("expect", {})
    prior = table.get("prior", [])
    if not isinstance(expect, dict) or not isinstance(prior, list):
        raise read.fail("[[test]] needs 'expect' as a table and 'prior' as a list")
    return ProfileTest(
        source=read.text("test", table, "source"),
        telegram=_hex(read, "telegram", table.get("telegram")),
        key=_hex(read, "key", table["key"]) if "key" in table else None,
        prior=tuple(_hex(read, "prior", item) for item in prior),
        expect={str(name): str(value) for name, value in expect.items()},
    )


def _hex(read: _Reader, key: str, value: object) -> str:
    """Hex digits as they are; what a key holds is not repeated in a complaint."""
    try:
        if isinstance(value, str) and bytes.fromhex(value):
            return value
    except ValueError:
        pass
    raise read.fail(
        f"{key!r} in [[test]] must be hex digits", f'write {key} = "2E44..."' if key != "key" else "a key has 32"
    )


def _place(where: str) -> str:
    return "the file" if where == "file" else f"[[{where}]]"
