"""The list of names in `docs/readings.md`: from the profiles, what their tests decode to, and the VIF tables."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from protocols.mbus.header import interpret
from protocols.mbus.tables import VifCode
from protocols.mbus.tables_fb import FB
from protocols.mbus.tables_fd import FD, FD_FD
from protocols.mbus.tables_primary import PRIMARY
from protocols.profiles import payloads
from protocols.profiles.check import NAME, flags_of, run_test
from protocols.profiles.model import Profile, Selector
from protocols.profiles.payloads.bmeters import MONTHS
from protocols.profiles.registry import ProfileRegistry
from protocols.profiles.table_reader import MODIFIERS
from protocols.wmbus.transport import status_flags

BEGIN = "<!-- from here on written by `make profiles` -->"
END = "<!-- down to here -->"

_NUMBER = re.compile(r"(?<=_)\d+(?=_|$)")
_PHASE = re.compile(r"(?<!_l[123])_l[123]$")
_MONTH = re.compile(f"(?<=_)(?:{'|'.join(MONTHS)})(?=_)")
_SECOND_DUE_DATE = "due_date_2"
"""Not counted: there is no third."""


@dataclass(slots=True)
class _Row:
    """What is known of one name."""

    quantities: set[str] = field(default_factory=set)
    units: set[str] = field(default_factory=set)
    infos: Counter[str] = field(default_factory=Counter)
    profiles: set[str] = field(default_factory=set)


def pattern_of(name: str) -> str:
    """Return the row that a name stands in: numbers as `{n}`, phases as `l{n}`, months as `{month}`."""
    if name.startswith(_SECOND_DUE_DATE):
        return name
    return _MONTH.sub("{month}", _PHASE.sub("_l{n}", _NUMBER.sub("{n}", name)))


def reading_rows(profiles: Iterable[tuple[str, Profile]]) -> dict[str, _Row]:
    """Every name that a profile gives, or a payload decoder within the profiles' own tests."""
    pairs = tuple(profiles)
    registry = ProfileRegistry(pairs)
    rows: defaultdict[str, _Row] = defaultdict(_Row)
    for _, profile in pairs:
        for rule in profile.readings:
            row = rows[pattern_of(rule.name)]
            row.quantities.add(rule.means or _quantity(rule.selector))
            row.profiles.add(profile.name)
            if rule.info:
                row.infos[rule.info] += 1
        for code in profile.codes:
            rows[pattern_of(code.name)].quantities.add("code")
            rows[pattern_of(code.name)].profiles.add(profile.name)
        for test in profile.tests:
            telegram = run_test(test, registry).telegram
            named = {record.index for record in telegram.records if record.name}
            for reading in telegram.readings:
                name = pattern_of(reading.name)
                if reading.record in named:
                    rows[name].quantities.add(reading.quantity)
                    rows[name].profiles.add(profile.name)
                if name in rows and reading.unit:
                    rows[name].units.add(reading.unit)
    for row in rows.values():
        # No test has it: the units are those in which its quantity comes elsewhere.
        row.units = row.units or {
            unit for other in rows.values() if other.quantities & row.quantities for unit in other.units
        }
    return dict(rows)


def flag_names(profiles: Iterable[tuple[str, Profile]]) -> list[str]:
    """Every flag of the status byte, of a profile, and of a payload's own words, of which some say what it contains."""
    flags = {flag for _, profile in profiles for flag in flags_of(profile)}
    return sorted(flags.union(status_flags(0xFF), status_flags(0x03), payload_flags()))


def payload_flags() -> set[str]:
    """Every flag of a payload decoder: a name behind the number of a bit or its mask, or alone in a tuple."""
    found: set[str] = set()
    for path in sorted(Path(payloads.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found.update(_flags_in(node))
    return {flag for flag in found if NAME.fullmatch(flag)}


def _flags_in(node: ast.AST) -> Iterator[str]:
    rows: list[tuple[ast.expr | None, ast.expr]] = []
    if isinstance(node, ast.Dict):
        rows = list(zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
        rows = [(node.elts[0], node.elts[1])]
    elif isinstance(node, ast.Tuple) and len(node.elts) == 1:
        yield from _texts(node.elts[0])
    for number, name in rows:
        if isinstance(number, ast.Constant) and isinstance(number.value, int):
            yield from _texts(name)


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def quantity_rows() -> dict[str, set[str]]:
    """Every quantity of the standard's VIF tables with its units."""
    rows: defaultdict[str, set[str]] = defaultdict(set)
    tables: tuple[dict[int, VifCode], ...] = (PRIMARY, FB, FD, FD_FD)
    for code in (code for table in tables for code in table.values()):
        rows[code.quantity].update({code.unit} - {""})
    return dict(rows)


def modifier_names() -> list[str]:
    """Every word that a VIFE adds to a quantity."""
    return sorted(MODIFIERS)


def written(profiles: Iterable[tuple[str, Profile]]) -> str:
    """The generated part of the page."""
    pairs = tuple(profiles)
    return "\n".join(_page(pairs))


def replaced(page: str, part: str) -> str:
    """The page with its generated part replaced; `ValueError` when it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{part}\n{END}{after}"


def _page(profiles: tuple[tuple[str, Profile], ...]) -> Iterator[str]:
    yield ""
    yield "## All names: readings"
    yield ""
    yield "Given by profiles and by decoders of makers' own payloads. `{n}` is a number, `{month}` the name of a month."
    yield ""
    yield "| name | quantity | unit | meaning | profiles |"
    yield "|---|---|---|---|---|"
    for name, row in sorted(reading_rows(profiles).items()):
        cells = (f"`{name}`", _cell(row.quantities), _cell(row.units), _meaning(row), _where(row.profiles))
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "## All names: quantities"
    yield ""
    yield "What a record is called that no profile names, by its VIF. Words of its VIFEs follow with a `_`."
    yield ""
    yield "| name | unit |"
    yield "|---|---|"
    yield from (f"| `{name}` | {_cell(units)} |" for name, units in sorted(quantity_rows().items()))
    yield ""
    yield f"Words of VIFEs: {_listed(modifier_names())}, and `manufacturer_...` with the bytes behind VIFE FF in hex."
    yield ""
    yield "## All names: flags"
    yield ""
    yield f"{_listed(flag_names(profiles))}."
    yield ""


def _quantity(selector: Selector) -> str:
    return selector.quantity or interpret(bytes.fromhex(selector.header or "")).quantity


def _meaning(row: _Row) -> str:
    """What profiles say of it, unless it is said of few of many."""
    info, times = row.infos.most_common(1)[0] if row.infos else ("", 0)
    return info if len(row.infos) == 1 and 2 * times >= len(row.profiles) else ""


def _cell(words: set[str]) -> str:
    return ", ".join(sorted(words))


def _where(profiles: set[str]) -> str:
    """Who gives the name, where it is few."""
    return ", ".join(sorted(profiles)) if len(profiles) <= 2 else str(len(profiles))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
