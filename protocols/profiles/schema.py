"""Profile files: TOML in, validated `Profile` out.

A file names the meters it is for (`[[match]]`), the readings that the generic decoder cannot name (`[[reading]]`),
the maker's flag words (`[[status]]`) and coded fields (`[[code]]`), and its own tests (`[[test]]`).

A flag word has `bits`, or `values` with a `mask` where a part of it is a number that stands for one condition.
`transport_status` names bits of the transport layer's status byte that the maker uses in a way of its own.

In a selector, `storage`, `tariff` and `subunit` are a number, a list, or a range: "2..17", in steps "2,4..32". `coding`
says how a reading with a `scale` takes its data; `text` and `text_in_order`, which go without a scale, are for records
of the maker's own. `invalid` lists data, in hex as transmitted, that stand for "no value". `also = true` names a second
thing that a record says, beside the reading that another rule makes of it.

The items of a proprietary payload (`[[payload]]`) have their names from its decoder. A reading of the same name says
where they stand among the others, no more.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from protocols.media import manufacturer_code
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
    StatusRule,
    Where,
)
from protocols.profiles.payloads import PAYLOADS
from protocols.profiles.table_reader import TableReader

SCHEMA = 1

KEY_SIZES = (8, 16)
"""Bytes of keys: DES and the makers' own, AES."""

_Rule = TypeVar("_Rule")

MAX_BYTE = 0xFF
"""Versions and media are one byte (EN 13757-7, 7)."""

MAX_BIT = 1023
"""Far above the longest flag word; a mask is as long as its highest bit."""

MAX_EXPONENT = 20
"""Of ten, up or down, in a scale; records themselves have less."""


def parse_profile(text: str, file: str) -> Profile:
    """Read one profile file; `ProfileError` names the file, the key and what to write instead."""
    try:
        document = tomllib.loads(text)
    except ValueError as error:
        raise ProfileError(file, f"is not valid TOML: {error}", "check quotes and brackets there") from error
    except RecursionError:
        raise ProfileError(file, "is nested too deeply", "a profile has tables, and lists in them") from None
    read = TableReader(file)
    read.check_keys("file", document)
    if document.get("schema") != SCHEMA:
        raise read.fail(
            f"schema is {document['schema']!r}" if "schema" in document else "schema is missing",
            f"write schema = {SCHEMA}",
        )
    readings = _rules(read, document, "reading", _reading)
    profile = Profile(
        name=read.name("file", document),
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
    read: TableReader, document: Mapping[str, Any], where: str, rule: Callable[[TableReader, Mapping[str, Any]], _Rule]
) -> tuple[_Rule, ...]:
    return tuple(rule(read, table) for table in read.tables(document, where))


_MAKER_WANTED = "'manufacturer' in [[match]] must be three letters, or a list of such"
_MAKER_HINT = 'write manufacturer = "KAM"'


def _matches(read: TableReader, table: Mapping[str, Any]) -> list[Match]:
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


def _reading(read: TableReader, table: Mapping[str, Any]) -> ReadingRule:
    selector = read.selector("reading", table)
    name = read.name("reading", table)
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
        also=read.flag("reading", table, "also"),
    )


def _coding(read: TableReader, table: Mapping[str, Any]) -> NumberCoding:
    value = read.text("reading", table, "coding", NumberCoding.UNSIGNED.value)
    if value not in {c.value for c in NumberCoding}:
        raise read.fail(f"unknown coding {value!r} in [[reading]]", f"one of {', '.join(NumberCoding)}")
    if value in TEXTS and "scale" in table:
        raise read.fail("[[reading]] has a 'scale' for text", 'leave one of scale and coding = "text" out')
    return NumberCoding(value)


def _scale(read: TableReader, table: Mapping[str, Any]) -> Decimal | None:
    if "scale" not in table:
        return None
    try:
        scale = Decimal(read.text("reading", table, "scale"))
    except InvalidOperation:
        scale = Decimal("NaN")
    if not scale.is_finite() or abs(scale.adjusted()) > MAX_EXPONENT:
        raise read.fail("'scale' in [[reading]] must be an exact number as text", 'write scale = "0.001"')
    return scale


def _payload(read: TableReader, table: Mapping[str, Any]) -> PayloadRule:
    where = read.text("payload", table, "where") if "where" in table else None
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


def _status(read: TableReader, table: Mapping[str, Any]) -> StatusRule:
    bits = read.names("status", table, "bits")
    if max(bits, default=0) > MAX_BIT:
        raise read.fail(f"'bits' in [[status]] go beyond bit {MAX_BIT}", "bits count from 0")
    mask = read.number("status", table, "mask", (1 << (max(bits, default=0) + 1)) - 1)
    if "values" not in table:
        return StatusRule(read.selector("status", table), bits, mask)
    if "bits" in table or not table.get("mask"):
        raise read.fail("[[status]] with 'values' needs a 'mask' and no 'bits'", "write mask = 0x000F")
    return StatusRule(read.selector("status", table), {}, mask, read.names("status", table, "values"))


def _code(read: TableReader, table: Mapping[str, Any]) -> CodeRule:
    mask = read.number("code", table, "mask", 0)
    if not mask:
        raise read.fail("[[code]] needs a 'mask'", "write mask = 0x0070")
    return CodeRule(read.name("code", table), read.selector("code", table), mask, read.names("code", table, "values"))


def _test(read: TableReader, table: Mapping[str, Any]) -> ProfileTest:
    expect = table.get("expect", {})
    prior = table.get("prior", [])
    if not isinstance(expect, dict) or not isinstance(prior, list):
        raise read.fail("[[test]] needs 'expect' as a table and 'prior' as a list")
    return ProfileTest(
        source=read.text("test", table, "source"),
        telegram=_hex(read, "telegram", table.get("telegram")),
        key=_key(read, table["key"]) if "key" in table else None,
        prior=tuple(_hex(read, "prior", item) for item in prior),
        expect={str(name): str(value) for name, value in expect.items()},
    )


def _key(read: TableReader, value: object) -> str:
    key = _hex(read, "key", value)
    size = len(bytes.fromhex(key))
    if size not in KEY_SIZES:
        raise read.fail(f"'key' in [[test]] has {2 * size} hex digits", "an AES key has 32, a DES key 16")
    return key


def _hex(read: TableReader, key: str, value: object) -> str:
    """Hex digits as they are; what a key holds is not repeated in a complaint."""
    try:
        if isinstance(value, str) and bytes.fromhex(value):
            return value
    except ValueError:
        pass
    raise read.fail(
        f"{key!r} in [[test]] must be hex digits", f'write {key} = "2E44..."' if key != "key" else "a key has 32"
    )
