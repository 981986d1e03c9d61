"""Meter files: TOML in, validated `LoraMeter` out.

A file says who the meter is, on which ports it sends what (`[fports]`, single ports or "1..10"), how (`encoding`, with
`decoder` for binary payloads), what its payloads look like (`[[signature]]`), the names of its DIF/VIF records
(`[[reading]]`), its flag words (`[[status]]`), and its own tests (`[[test]]`).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from protocols.lorawan.meters.model import DECODED, Confidence, Encoding, LoraMeter, MeterTest, Never, Ports, Signature
from protocols.lorawan.payloads import PAYLOADS
from protocols.model import Function
from protocols.profiles.errors import ProfileError
from protocols.profiles.model import Profile, ReadingRule, RuleIndex, Selector, StatusRule

SCHEMA = 1
MAX_FPORT = 255

_Choice = TypeVar("_Choice", bound=StrEnum)
_PORTS = re.compile(r"(\d+)(?:\.\.(\d+))?", re.ASCII)
_DEV_EUI = re.compile(r"[0-9a-f]{6,16}", re.ASCII)

_SELECTOR = ("header", "quantity", "function", "storage", "tariff", "subunit", "modifiers")
_KEYS: dict[str, tuple[str, ...]] = {
    "file": (
        "schema", "id", "title", "vendor", "media", "confidence", "encoding", "decoder", "lorawan", "byte_order",
        "fports", "signature", "dev_eui", "vendor_id", "profile", "reading", "status", "transport_status", "never",
        "clock_tolerance_years", "short_header_ci", "notes", "test",
    ),
    "signature": ("offset", "bytes", "sizes", "fports"),
    "reading": ("name", "info", "n_first", "unit", "means", "invalid", *_SELECTOR),
    "status": ("bits", "mask", *_SELECTOR),
    "test": ("source", "fport", "payload", "received_at", "expect"),
}  # fmt: skip


class _File:
    """One file's document, with the file named in every complaint."""

    def __init__(self, file: str, document: Mapping[str, Any]) -> None:
        self.file = file
        self.document = document

    def fail(self, problem: str, hint: str = "") -> ProfileError:
        return ProfileError(self.file, problem, hint)

    def check(self, where: str, table: Mapping[str, Any]) -> None:
        for key in table:
            if key not in _KEYS[where]:
                near = difflib.get_close_matches(key, _KEYS[where], 1)
                hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(_KEYS[where])}"
                raise self.fail(f"unknown key {key!r} in {where!r}", hint)

    def tables(self, where: str) -> list[Mapping[str, Any]]:
        tables = self.document.get(where, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.fail(f"{where!r} is not a list of tables", f"write [[{where}]] above each")
        for table in tables:
            self.check(where, table)
        return tables

    def text(self, table: Mapping[str, Any], key: str, default: str | None = None) -> str:
        value = table.get(key, default)
        if not isinstance(value, str):
            raise self.fail(f"{key!r} must be text", f'write {key} = "..."')
        return value

    def texts(self, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in values):
            raise self.fail(f"{key!r} must be text or a list of texts", f'write {key} = ["..."]')
        return tuple(values)

    def number(self, table: Mapping[str, Any], key: str, default: int = 0) -> int:
        value = table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.fail(f"{key!r} must be a number from 0 on")
        return value

    def numbers(self, table: Mapping[str, Any], key: str) -> frozenset[int]:
        value = table.get(key, [])
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in values):
            raise self.fail(f"{key!r} must be a number or a list of numbers", f"write {key} = [11, 51]")
        return frozenset(values)

    def hex(self, table: Mapping[str, Any], key: str) -> tuple[bytes, ...]:
        try:
            return tuple(bytes.fromhex(item) for item in self.texts(table, key))
        except ValueError as error:
            raise self.fail(f"{key!r} must be hex digits", f'write {key} = "0C06"') from error

    def names(self, table: Mapping[str, Any], key: str) -> dict[int, str]:
        value = table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
            raise self.fail(f"{key!r} must map numbers to names", f'write {key} = {{ 0 = "dry" }}')
        try:
            return {int(number, 0): name for number, name in value.items()}
        except ValueError as error:
            raise self.fail(f"{key!r} has a key that is not a number") from error

    def choice(self, key: str, kind: type[_Choice]) -> _Choice:
        value = self.text(self.document, key)
        if value not in {item.value for item in kind}:
            raise self.fail(f"{key} {value!r} is not known", f"one of {', '.join(kind)}")
        return kind(value)


def parse_meter(text: str, file: str) -> LoraMeter:
    """Read one meter file; `ProfileError` names the file, the key and what to write instead."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(file, f"is not valid TOML: {error}", "check quotes and brackets there") from error
    read = _File(file, document)
    read.check("file", document)
    if document.get("schema") != SCHEMA:
        raise read.fail(f"schema is {document.get('schema')!r}", f"write schema = {SCHEMA}")
    meter = LoraMeter(
        id=read.text(document, "id"),
        title=read.text(document, "title"),
        vendor=read.text(document, "vendor"),
        media=read.texts(document, "media"),
        confidence=read.choice("confidence", Confidence),
        encoding=read.choice("encoding", Encoding),
        lorawan=read.text(document, "lorawan", ""),
        byte_order=read.text(document, "byte_order", ""),
        decoder=_decoder(read),
        ports=_ports(read),
        signatures=tuple(_signature(read, table) for table in read.tables("signature")),
        dev_euis=_dev_euis(read),
        vendor_id=read.number(document, "vendor_id") if "vendor_id" in document else None,
        profile=read.text(document, "profile") if "profile" in document else None,
        rules=_rules(read),
        never=_never(read),
        clock_tolerance_years=read.number(document, "clock_tolerance_years") or None,
        short_header_ci=read.number(document, "short_header_ci") or None,
        notes=read.texts(document, "notes"),
        tests=tuple(_test(read, table) for table in read.tables("test")),
    )
    if meter.id != file.removesuffix(".toml"):
        raise read.fail(f"has the id {meter.id!r}", "name file and id alike")
    return meter


def _decoder(read: _File) -> str | None:
    decoded = read.document.get("encoding") in DECODED
    if decoded != ("decoder" in read.document):
        raise read.fail(f"a decoder goes with the encodings {', '.join(sorted(DECODED))}", 'write decoder = "..."')
    if not decoded:
        return None
    decoder = read.text(read.document, "decoder")
    if decoder not in PAYLOADS:
        near = difflib.get_close_matches(decoder, PAYLOADS, 1)
        hint = f"did you mean {near[0]!r}?" if near else "decoders are written in Python, in this program"
        raise read.fail(f"unknown decoder {decoder!r}", hint)
    return decoder


def _ports(read: _File) -> tuple[Ports, ...]:
    table = read.document.get("fports", {})
    if not isinstance(table, dict):
        raise read.fail("'fports' is not a table", 'write [fports] and below it "2" = "readings"')
    ports: list[Ports] = []
    for key, info in table.items():
        found = _PORTS.fullmatch(key)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last <= MAX_FPORT or not isinstance(info, str):
            raise read.fail(f"{key!r} in [fports] is not a port", '"2" = "readings", or "1..10" = "readings"')
        ports.append(Ports(first, last, info))
    return tuple(ports)


def _dev_euis(read: _File) -> tuple[str, ...]:
    prefixes = tuple(prefix.lower() for prefix in read.texts(read.document, "dev_eui"))
    for prefix in prefixes:
        if not _DEV_EUI.fullmatch(prefix):
            raise read.fail(f"{prefix!r} is not the beginning of a DevEUI", "6 to 16 hex digits, as printed")
    return prefixes


def _never(read: _File) -> frozenset[Never]:
    words = read.texts(read.document, "never")
    for word in words:
        if word not in {item.value for item in Never}:
            raise read.fail(f"{word!r} in 'never' is not known", f"one of {', '.join(Never)}")
    return frozenset(Never(word) for word in words)


def _signature(read: _File, table: Mapping[str, Any]) -> Signature:
    signature = Signature(
        read.number(table, "offset"),
        read.hex(table, "bytes"),
        read.numbers(table, "sizes"),
        read.numbers(table, "fports"),
    )
    if not signature.patterns and not signature.sizes:
        raise read.fail("[[signature]] needs 'bytes' or 'sizes'", 'write bytes = "9D"')
    return signature


def _rules(read: _File) -> Profile | None:
    readings = tuple(_reading(read, table) for table in read.tables("reading"))
    statuses = tuple(_status(read, table) for table in read.tables("status"))
    if not readings and not statuses:
        return None
    return Profile(
        name=read.text(read.document, "id"),
        title=read.text(read.document, "title"),
        matches=(),
        readings=readings,
        reading_index=RuleIndex.of(readings),
        statuses=statuses,
        transport_bits=read.names(read.document, "transport_status") or None,
    )


def _selector(read: _File, table: Mapping[str, Any]) -> Selector:
    if ("header" in table) == ("quantity" in table):
        raise read.fail("a rule needs either 'header' or 'quantity'", 'write quantity = "volume"')
    if "header" in table:
        return Selector(header=read.hex(table, "header")[0].hex().upper())
    function = read.text(table, "function", Function.INSTANTANEOUS.value)
    if function not in {item.value for item in Function}:
        raise read.fail(f"unknown function {function!r}", f"one of {', '.join(Function)}")
    return Selector(
        quantity=read.text(table, "quantity"),
        function=Function(function),
        storages=_places(read, table, "storage"),
        tariffs=_places(read, table, "tariff"),
        subunits=_places(read, table, "subunit"),
        modifiers=read.texts(table, "modifiers"),
    )


def _places(read: _File, table: Mapping[str, Any], key: str) -> Sequence[int]:
    """A number, a list of numbers, or a range as "2..17"; 0 when it is not given."""
    value = table.get(key, 0)
    if not isinstance(value, str):
        return tuple(sorted(read.numbers(table, key))) if key in table else (0,)
    found = _PORTS.fullmatch(value)
    if found is None or found[2] is None or int(found[1]) > int(found[2]):
        raise read.fail(f"{key!r} is not a range", f'write {key} = "2..17"')
    return range(int(found[1]), int(found[2]) + 1)


def _reading(read: _File, table: Mapping[str, Any]) -> ReadingRule:
    name, selector = read.text(table, "name"), _selector(read, table)
    counted = next((r for r in (selector.storages, selector.tariffs, selector.subunits) if isinstance(r, range)), None)
    if ("{n}" in name) != (counted is not None):
        raise read.fail(f"reading {name!r}: a name with {{n}} and a range go together", 'write storage = "2..17"')
    return ReadingRule(
        name=name,
        selector=selector,
        info=read.text(table, "info", ""),
        n_first=read.number(table, "n_first", 0 if counted is None else counted[0]),
        unit=read.text(table, "unit") if "unit" in table else None,
        means=read.text(table, "means") if "means" in table else None,
        invalid=frozenset(read.hex(table, "invalid")) if "invalid" in table else frozenset(),
    )


def _status(read: _File, table: Mapping[str, Any]) -> StatusRule:
    return StatusRule(_selector(read, table), read.names(table, "bits"), read.number(table, "mask", 0xFFFFFFFF))


def _test(read: _File, table: Mapping[str, Any]) -> MeterTest:
    expect = table.get("expect", {})
    if not isinstance(expect, dict) or not all(isinstance(value, str) for value in expect.values()):
        raise read.fail("'expect' in a test must map names to text", 'write total_volume = "12.345 m3"')
    received_at = table.get("received_at")
    if received_at is not None and not (isinstance(received_at, datetime) and received_at.tzinfo):
        raise read.fail("'received_at' in a test must be a time with its zone", "write 2026-11-20T08:00:00Z")
    payload = read.hex(table, "payload")
    if len(payload) != 1:
        raise read.fail("a test needs one payload", 'write payload = "0C06..."')
    fport = read.number(table, "fport") if "fport" in table else None
    return MeterTest(read.text(table, "source"), payload[0], fport, received_at, expect)
