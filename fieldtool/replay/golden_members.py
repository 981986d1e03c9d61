"""Two telegrams as JSON, member by member: what differs.

Numbers are exact: 12.3450 is 12.345, and 12.3451 is not. Readings, rungs and findings are matched by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, NoReturn, TypeAlias

from protocols.text import safe_text

Number: TypeAlias = bytes
"""A number, digit by digit as it was written: neither a text nor true or false can be taken for one."""

MemberPath: TypeAlias = tuple[str, ...]
"""Where a member is; readings, rungs and findings stand in it with their name."""

ANY: Final = "*"

_NAMED: Final[dict[MemberPath, str]] = {("readings",): "name", ("verdict",): "rung", ("findings",): "kind"}
"""Lists whose items are told apart by a member, not by their place."""

_NEEDED: Final = ("hex", "outcome")
_SECRET: Final = ("key", "keys")
"""What requests of `decode --jsonl` may have; where somebody has put them together with their answers, it is let go."""

_ALIKE: Final = ("storage", "tariff", "subunit", "function", "source")
"""What tells readings of one name apart."""

_CLOSENESS: Final = (_ALIKE, _ALIKE[:-1], ())


class NoTelegram(Exception):
    """A line that is no telegram as JSON: why."""


class Absent:
    """Stands for a member that there is none of, which is not null."""


ABSENT: Final = Absent()


def same(one: object, other: object) -> bool:
    """True when two values are the same, numbers of the same value included, whatever zeros stand behind."""
    if one == other:
        return True
    if isinstance(one, Number) and isinstance(other, Number):
        return _value(one) == _value(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    return False


def _value(number: Number) -> Decimal | Number:
    """The value; the number as it is written where its exponent is beyond all bounds."""
    try:
        return Decimal(number.decode())
    except InvalidOperation:
        return number


@dataclass(frozen=True, slots=True)
class Change:
    """A member that differs: what it was and what it is, `ABSENT` where there is none.

    `which` says which one of several with the same name, empty where there is one only.
    """

    path: MemberPath
    which: str
    golden: object
    now: object


def parse_telegram(line: bytes, *, own: bool = False) -> dict[str, object]:
    """Return a telegram's members; numbers as `Number`. Raises `NoTelegram`, which says why.

    What this program has just written itself (`own`) has no member twice.
    """
    try:
        telegram = (_OWN_DECODER if own else _DECODER).decode(line.decode())
    except UnicodeDecodeError:
        raise NoTelegram("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise NoTelegram(f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}") from None
    except RecursionError:
        raise NoTelegram("not JSON: nested too deeply") from None
    if not isinstance(telegram, dict):
        raise NoTelegram("no JSON object")
    for name in _NEEDED:
        if not isinstance(telegram.get(name), str):
            raise NoTelegram(f"no telegram: it has no text `{name}`")
    for name in _SECRET:
        telegram.pop(name, None)
    return telegram


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = iter(members)
        # The first name that is not the next new one has come before.
        twice = next(name for name, _ in pairs if name != next(names, None))
        raise NoTelegram(f"{safe_text(twice, 40)!r} stands in one object twice")
    return members


def _refuse_constant(text: str) -> NoReturn:
    raise NoTelegram(f"not JSON: {text} is no number")


_OWN_DECODER: Final = json.JSONDecoder(parse_int=str.encode, parse_float=str.encode, parse_constant=_refuse_constant)
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=str.encode, parse_float=str.encode, parse_constant=_refuse_constant
)


def changes(golden: object, now: object, path: MemberPath = (), which: str = "") -> Iterator[Change]:
    """Yield what differs, in the order of the golden telegram, then what is new."""
    if isinstance(golden, dict) and isinstance(now, dict):
        for name in (*golden, *(name for name in now if name not in golden)):
            one, other = golden.get(name, ABSENT), now.get(name, ABSENT)
            if one != other:
                yield from changes(one, other, (*path, name), which)
    elif path in _NAMED and _all_named(golden, _NAMED[path]) and _all_named(now, _NAMED[path]):
        for name, label, one, other in _matched(_by_name(golden, _NAMED[path]), _by_name(now, _NAMED[path])):
            yield from changes(one, other, (*path, name), label)
    elif not same(golden, now):
        yield Change(path, which, golden, now)


def _all_named(items: object, key: str) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) and isinstance(item.get(key), str) for item in items)


_Item: TypeAlias = dict[str, object]


def _by_name(items: object, key: str) -> dict[str, list[_Item]]:
    found: dict[str, list[_Item]] = {}
    for item in items if isinstance(items, list) else ():
        found.setdefault(item[key], []).append(item)
    return found


def _matched(
    golden: dict[str, list[_Item]], now: dict[str, list[_Item]]
) -> Iterator[tuple[str, str, _Item | Absent, _Item | Absent]]:
    """Yield name, which of several, and both sides; those of one name are matched by all that tells them apart."""
    for name in (*golden, *(name for name in now if name not in golden)):
        ones, others = golden.get(name, []), now.get(name, [])
        if len(ones) == 1 and len(others) == 1:
            yield name, "", ones[0], others[0]
            continue
        telling = _telling([*ones, *others]) if len(ones) > 1 or len(others) > 1 else ()
        for one, other in _closest(ones, others):
            yield name, _label(other if one is ABSENT else one, telling), one, other


def _closest(ones: list[_Item], others: list[_Item]) -> list[tuple[_Item | Absent, _Item | Absent]]:
    partners: dict[int, _Item] = {}
    left = others
    for members in _CLOSENESS:
        open_places = [place for place in range(len(ones)) if place not in partners]
        still_left = []
        for other in left:
            wanted = [other.get(member) for member in members]
            for place in open_places:
                if same([ones[place].get(member) for member in members], wanted):
                    partners[place] = other
                    open_places.remove(place)
                    break
            else:
                still_left.append(other)
        left = still_left
    matched: list[tuple[_Item | Absent, _Item | Absent]] = [
        (one, partners.get(place, ABSENT)) for place, one in enumerate(ones)
    ]
    return [*matched, *((ABSENT, other) for other in left)]


def _telling(items: Sequence[_Item]) -> tuple[str, ...]:
    """The members by which readings of one name differ."""
    return tuple(member for member in _ALIKE if not all(same(item.get(member), items[0].get(member)) for item in items))


def _label(item: _Item | Absent, telling: Iterable[str]) -> str:
    if isinstance(item, Absent):
        return ""
    values = ((member, item.get(member)) for member in telling)
    texts = ((name, value.decode() if isinstance(value, Number) else value) for name, value in values)
    return ", ".join(f"{name} {safe_text(text, 40)}" for name, text in texts if isinstance(text, str))


class Ignored:
    """Members that are left out, each with all below it: `received.source`, `readings.flow_temperature`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._paths = {name: tuple(name.split(".")) for name in names}
        self._unseen = dict(self._paths)

    def covers(self, path: MemberPath) -> bool:
        """True when a member, or what it is in, is left out."""
        return any(_fits(pattern, path) for pattern in self._paths.values())

    def look(self, telegram: dict[str, object]) -> None:
        """Notice which of the members there are."""
        found = [name for name, pattern in self._unseen.items() if _reaches(telegram, pattern, ())]
        for name in found:
            del self._unseen[name]

    @property
    def unseen(self) -> tuple[str, ...]:
        """The names of which there was no member."""
        return tuple(self._unseen)


def _fits(pattern: MemberPath, path: MemberPath) -> bool:
    return len(pattern) <= len(path) and all(
        one in (ANY, other) for one, other in zip(pattern, path[: len(pattern)], strict=True)
    )


def _reaches(value: object, pattern: MemberPath, path: MemberPath) -> bool:
    if not pattern:
        return True
    if isinstance(value, list) and path in _NAMED and _all_named(value, _NAMED[path]):
        members: Iterable[tuple[str, object]] = ((item[_NAMED[path]], item) for item in value)
    elif isinstance(value, dict):
        members = value.items()
    else:
        return False
    return any(_reaches(below, pattern[1:], (*path, name)) for name, below in members if pattern[0] in (ANY, name))
