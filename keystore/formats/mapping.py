"""Which column holds what, as the user says: `serial=3,key=7` or `serial=Zaehler,key=Geheimnis`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn, header_key, meaning_of
from keystore.formats.key_text import shown_text
from keystore.model import KeyRole, parse_role

MAX_COLUMNS: Final = 1000

ColumnPlace = int | str
"""A column's number, from 1, or its header text."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What each named column holds; columns that are not named are passed over.

    Raises `ValueError` when two columns hold the same, or when none says which meter or none is a key.
    """

    places: tuple[tuple[ColumnMeaning, ColumnPlace], ...]

    def __post_init__(self) -> None:
        meanings = [meaning for meaning, _ in self.places]
        if len(set(meanings)) < len(meanings):
            raise ValueError("two columns are mapped to the same")
        if not {Column.SERIAL, Column.DEV_EUI}.intersection(meanings):
            raise ValueError("no column is mapped to serial or dev_eui")
        if not any(isinstance(meaning, KeyColumn) for meaning in meanings):
            raise ValueError("no column is mapped to a key")

    @property
    def needs_header(self) -> bool:
        """True when a column is named by its header text."""
        return any(isinstance(place, str) for _, place in self.places)

    @property
    def last_number(self) -> int:
        """The highest column number, 0 when all are named by text."""
        return max((place for _, place in self.places if isinstance(place, int)), default=0)

    def columns(self, header: Sequence[str]) -> tuple[ColumnMeaning | None, ...] | None:
        """Return what each column of a table holds, None when its header lacks one that is mapped."""
        texts = [header_key(text) for text in header]
        found: dict[int, ColumnMeaning] = {}
        for meaning, place in self.places:
            if isinstance(place, int):
                found[place - 1] = meaning
            elif (wanted := header_key(place)) in texts:
                found[texts.index(wanted)] = meaning
            else:
                return None
        return tuple(found.get(index) for index in range(max(len(texts), max(found) + 1)))

    def as_texts(self) -> dict[str, ColumnPlace]:
        """Return the mapping as it is kept in a file: name of what is held, and where."""
        return {_name_of(meaning): place for meaning, place in self.places}


def parse_mapping(text: str) -> ColumnMapping:
    """Return the mapping of `serial=3,key=7`; `ValueError` says what is wrong with it."""
    places: dict[str, ColumnPlace] = {}
    for part in text.split(","):
        name, equals, place = part.partition("=")
        if not (equals and name.strip() and place.strip()):
            raise ValueError("a mapping is written as in serial=3,key=7")
        if name.strip() in places:
            raise ValueError(f"{shown_text(name.strip())} is mapped twice")
        places[name.strip()] = _place(place.strip())
    return mapping_of(places)


def mapping_of(places: Mapping[str, ColumnPlace]) -> ColumnMapping:
    """Return the mapping of names to columns; `ValueError` says what is wrong with it."""
    for place in places.values():
        if isinstance(place, int) and not 1 <= place <= MAX_COLUMNS:
            raise ValueError(f"columns are numbered 1 to {MAX_COLUMNS}")
    return ColumnMapping(tuple((_meaning(name), place) for name, place in places.items()))


def _place(text: str) -> ColumnPlace:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else text


def _meaning(name: str) -> ColumnMeaning:
    """Return what a name stands for: a column, a role (`gpk:1`), or any header text that is known."""
    with suppress(ValueError):
        return Column(name)
    with suppress(ValueError):
        role, detail = parse_role(name)
        return KeyColumn(role, detail)
    meaning = meaning_of(name)
    if meaning is None:
        known = [*Column, *KeyRole, "key"]
        near = get_close_matches(name, known, n=1)
        raise ValueError(f"there is no column {shown_text(name)}" + (f": did you mean {near[0]}?" if near else ""))
    return meaning


def _name_of(meaning: ColumnMeaning) -> str:
    if isinstance(meaning, Column):
        return str(meaning)
    return f"{meaning.role}:{meaning.detail}" if meaning.detail else str(meaning.role)
