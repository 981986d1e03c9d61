"""The tables of a profile file, key by key; what is wrong is told with the file, the key and what to write."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from protocols.mbus.tables_fb import FB
from protocols.mbus.tables_fd import FD, FD_FD
from protocols.mbus.tables_primary import PRIMARY
from protocols.mbus.tables_vife import COMBINABLE, EXTENSION, OBJECT_ACTIONS, RECORD_ERRORS
from protocols.model import Function
from protocols.profiles.errors import ProfileError
from protocols.profiles.model import Selector

QUANTITIES = frozenset(
    {code.quantity for table in (PRIMARY, FB, FD, FD_FD) for code in table.values()}
    | {"reserved", "temperature", "time", "dust_level"}
)
"""What the generic decoder, or one of a maker's payload, calls the records that a selector may mean."""

MODIFIERS = frozenset(
    vife.name
    for table in (COMBINABLE, EXTENSION, RECORD_ERRORS, OBJECT_ACTIONS)
    for vife in table.values()
    if vife.name
)
"""The words of VIFEs that a selector may mean."""

_OPEN_MODIFIER = re.compile(r"manufacturer(_[0-9a-f]+)?|reserved_(fc_)?[0-9a-f]{2}", re.ASCII)
"""Words of VIFEs that the standard leaves open."""

MAX_NAME = 100

_RANGE = re.compile(r"(\d+)(?:,(\d+))?\.\.(\d+)", re.ASCII)
"""First, perhaps second, and last number."""


_PLACE_KEYS = ("function", "storage", "tariff", "subunit", "modifiers")
_SELECTOR_KEYS = ("header", "quantity", "function", "storage", "tariff", "subunit", "modifiers", "occurrence")
KEYS: dict[str, tuple[str, ...]] = {
    "file": ("schema", "name", "title", "match", "reading", "status", "code", "transport_status", "payload", "test"),
    "match": ("manufacturer", "version", "medium"),
    "reading": (
        *("name", "info", "n_first", "n_step", "scale", "unit", "means", "coding", "invalid", "also"),
        *_SELECTOR_KEYS,
    ),
    "payload": ("decoder", "where", "record"),
    "status": ("bits", "values", "mask", *_SELECTOR_KEYS),
    "code": ("name", "mask", "values", *_SELECTOR_KEYS),
    "test": ("source", "telegram", "key", "prior", "expect"),
}
"""What each table may hold."""


class TableReader:
    """Reads one file's tables, with the file named in every complaint."""

    def __init__(self, file: str) -> None:
        self.file = file

    def fail(self, problem: str, hint: str = "") -> ProfileError:
        """The error to raise for this file."""
        return ProfileError(self.file, problem, hint)

    def check_keys(self, where: str, table: Mapping[str, Any]) -> None:
        """Refuse keys that the table called `where` does not have."""
        allowed = KEYS[where]
        for key in table:
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(allowed)}"
                raise self.fail(f"unknown key {key!r} in {_place(where)}", hint)

    def tables(self, document: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
        """All tables called `where`, none or more."""
        tables = document.get(where, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.fail(f"{where!r} is not a list of tables", f"write [[{where}]] above each")
        for table in tables:
            self.check_keys(where, table)
        return tables

    def text(self, where: str, table: Mapping[str, Any], key: str, default: str | None = None) -> str:
        """Text; it must be there when there is no default."""
        value = table.get(key, default)
        if not isinstance(value, str):
            raise self.fail(f"{key!r} in {_place(where)} must be text", f'write {key} = "..."')
        return value

    def name(self, where: str, table: Mapping[str, Any], key: str = "name") -> str:
        """Text that can be printed in one line."""
        name = self.text(where, table, key)
        self._check_name(where, key, name)
        return name

    def _check_name(self, where: str, key: str, name: str) -> None:
        if not name or not name.isprintable() or len(name) > MAX_NAME:
            raise self.fail(
                f"{key!r} in {_place(where)} is empty, too long or has unprintable characters",
                "name it as in total_volume",
            )

    def number(self, where: str, table: Mapping[str, Any], key: str, default: int) -> int:
        """A number from 0 on."""
        value = table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.fail(f"{key!r} in {_place(where)} must be a number from 0 on")
        return value

    def flag(self, where: str, table: Mapping[str, Any], key: str) -> bool:
        """True or false; false when it is not there."""
        value = table.get(key, False)
        if not isinstance(value, bool):
            raise self.fail(f"{key!r} in {_place(where)} must be true or false", f"write {key} = true")
        return value

    def numbers(self, where: str, table: Mapping[str, Any], key: str, largest: int | None = None) -> tuple[int, ...]:
        """A number from 0 on, or a list of such; none when it is not given."""
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
                raise self.fail(f"{key!r} in {_place(where)} is not a range", f'write {key} = "2..17"')
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
        """Names by number; numbers are keys of TOML, so text, and may be in hex."""
        value = table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
            raise self.fail(
                f"{key!r} in {_place(where)} must map numbers to names", f'write {key} = {{ 0 = "dry", 1 = "leak" }}'
            )
        for name in value.values():
            self._check_name(where, key, name)
        try:
            names = {int(number, 0): name for number, name in value.items()}
        except ValueError as error:
            raise self.fail(
                f"{key!r} in {_place(where)} has a key that is not a number",
                f'write {key} = {{ 0 = "dry", 1 = "leak" }}',
            ) from error
        if any(number < 0 for number in names):
            raise self.fail(f"{key!r} in {_place(where)} counts from 0")
        return names

    def selector(self, where: str, table: Mapping[str, Any]) -> Selector:
        """Which record a rule means."""
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
        for modifier in modifiers:
            if modifier not in MODIFIERS and _OPEN_MODIFIER.fullmatch(modifier) is None:
                near = difflib.get_close_matches(modifier, MODIFIERS, 1)
                hint = f"did you mean {near[0]!r}?" if near else "take it from `fieldtool decode HEX --explain`"
                raise self.fail(f"unknown modifier {modifier!r} in {_place(where)}", hint)
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
        """A record header in hex, upper case without blanks."""
        try:
            if isinstance(header, str) and len(bytes.fromhex(header)) >= 2:
                return bytes.fromhex(header).hex().upper()
        except ValueError:
            pass
        raise self.fail(f"{key!r} in {_place(where)} must be the hex digits of DIF to VIFE", f'write {key} = "02FF20"')


def _place(where: str) -> str:
    return "the file" if where == "file" else f"[[{where}]]"
