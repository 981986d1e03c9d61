"""Whether a store is, row for row, what was written: deletion, swap, duplication, alteration and roll-back of rows."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from keystore.errors import KeystoreError
from keystore.model import Provenance
from keystore.vault import primitives, records
from keystore.vault.database import faults_named
from keystore.vault.primitives import StoreState
from keystore.vault.records import ItemKind
from keystore.vault.session import Session

MAX_PROBLEMS: Final = 100
"""Problems listed one by one; the rest is counted."""


class ProblemKind(StrEnum):
    """What is wrong with a store."""

    FILE = "file"
    STATE = "state"
    ITEM = "item"
    COUNT = "count"
    SET = "set"
    LOOKUP = "lookup"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in a sentence without content; `item` is the row it is about."""

    kind: ProblemKind
    text: str
    item: int | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify` counted and what it found wrong; `more` problems were found beyond those listed."""

    generation: int | None
    items: int
    records: int
    problems: tuple[Problem, ...]
    more: int = 0

    @property
    def ok(self) -> bool:
        """True when the store is, row for row, what was written."""
        return not self.problems


class _Findings:
    """The problems found so far, capped."""

    def __init__(self) -> None:
        self.listed: list[Problem] = []
        self.more = 0

    def add(self, kind: ProblemKind, text: str, item: int | None = None) -> None:
        """Note a problem."""
        if len(self.listed) < MAX_PROBLEMS:
            self.listed.append(Problem(kind, text, item))
        else:
            self.more += 1


@dataclass(slots=True)
class _Tally:
    """What was found in the rows: counts, set hash, look-up words that belong to them."""

    items: int = 0
    records: int = 0
    set_hash: int = 0
    lookups: int = 0


def verify_session(
    session: Session, connection: sqlite3.Connection, path: Path, least_generation: int | None = None
) -> VerifyReport:
    """Check file, state, every item and every look-up word; damage is reported, not raised.

    An older copy of the whole file is consistent in itself: only `least_generation`, kept elsewhere, tells it.
    Writers of other processes wait meanwhile, so that all that is compared belongs to one moment.
    """
    findings = _Findings()
    with faults_named(path):
        connection.execute("BEGIN")
        try:
            _check_file(connection, findings)
            state = _check_state(session, findings, least_generation)
            tally = _check_items(session, connection, findings)
            (lookups,) = connection.execute("SELECT count(*) FROM lookup").fetchone()
            (rows,) = connection.execute("SELECT count(*) FROM item").fetchone()
        finally:
            connection.execute("ROLLBACK")
    if rows != tally.items:
        findings.add(ProblemKind.ITEM, f"{rows - tally.items} rows were not written by this program")
    if lookups != tally.lookups:
        findings.add(ProblemKind.LOOKUP, f"{lookups} look-up words are there, the records have {tally.lookups}")
    if state is not None:
        _compare(state, tally, findings)
    generation = None if state is None else state.generation
    return VerifyReport(generation, tally.items, tally.records, tuple(findings.listed), findings.more)


def _check_file(connection: sqlite3.Connection, findings: _Findings) -> None:
    for (line,) in connection.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})"):
        if line != "ok":
            findings.add(ProblemKind.FILE, "the database file is inconsistent")


def _check_state(session: Session, findings: _Findings, least_generation: int | None) -> StoreState | None:
    try:
        state = session.state()
    except KeystoreError as error:
        findings.add(ProblemKind.STATE, error.message)
        return None
    if least_generation is not None and state.generation < least_generation:
        text = f"the store has seen {state.generation} writes, but had seen {least_generation} before: an older copy"
        findings.add(ProblemKind.OLDER, text)
    return state


def _check_items(session: Session, connection: sqlite3.Connection, findings: _Findings) -> _Tally:
    tally = _Tally()
    sources: dict[int, Provenance] = {}
    last = 0
    while page := session.page(last):
        for item_id, kind, generation, sealed in page:
            tally.items += 1
            try:
                plain = session.unseal(item_id, kind, generation, sealed)
                digest = primitives.item_digest(session.keys, item_id, kind, generation, sealed)
                tally.set_hash = primitives.add_digest(tally.set_hash, digest)
                _check_item(session, connection, tally, sources, item_id, kind, plain)
            except _BadLookup as error:
                findings.add(ProblemKind.LOOKUP, str(error), item_id)
            except KeystoreError as error:
                findings.add(ProblemKind.ITEM, error.message, item_id)
        last = page[-1][0]
    return tally


class _BadLookup(Exception):
    """A record cannot be found by one of its words."""


def _check_item(
    session: Session,
    connection: sqlite3.Connection,
    tally: _Tally,
    sources: dict[int, Provenance],
    item_id: int,
    kind: int,
    plain: bytes,
) -> None:
    if kind == ItemKind.SOURCE:
        sources[item_id] = records.decode_source(plain)
        return
    tally.records += 1
    source_item = records.source_item_of(plain)
    if source_item not in sources:
        sources[source_item] = records.decode_source(session.plain(source_item, ItemKind.SOURCE))
    words = records.terms_of(records.decode_record(plain, sources[source_item]))
    tally.lookups += len(words)
    for word in words:
        key = (session.term(*word), item_id)
        if connection.execute("SELECT 1 FROM lookup WHERE term = ? AND item = ?", key).fetchone() is None:
            raise _BadLookup(f"item {item_id} is not found under its {word[0]}")


def _compare(state: StoreState, tally: _Tally, findings: _Findings) -> None:
    if (state.items, state.records) != (tally.items, tally.records):
        text = f"{tally.records} of {state.records} key records and {tally.items} of {state.items} items are there"
        findings.add(ProblemKind.COUNT, text)
    if state.set_hash != tally.set_hash:
        findings.add(ProblemKind.SET, "the rows are not those last written: some were removed, altered or put back")
