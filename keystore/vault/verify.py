"""Whether a store is, row for row and byte for byte, what was written.

The quick way adds up the digests of all rows: when the sum is the one in the MACed state, every row is the one last
written, and none needs to be opened. Only when it is not, rows are opened one by one to name those that are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keystore.errors import KeystoreError
from keystore.vault import primitives, records
from keystore.vault.audit_trail import check_log
from keystore.vault.database import faults_named
from keystore.vault.primitives import StoreState
from keystore.vault.records import ItemKind
from keystore.vault.seal import check_seal
from keystore.vault.session import PAGE_ITEMS, Session
from protocols.plural import counted

MAX_PROBLEMS: Final = 100
"""Problems listed one by one; the rest is counted."""

_MAX_INTEGER: Final = 1 << 63


class ProblemKind(StrEnum):
    """What is wrong with a store."""

    FILE = "file"
    SEAL = "seal"
    STATE = "state"
    ITEM = "item"
    COUNT = "count"
    SET = "set"
    LOOKUP = "lookup"
    AUDIT = "audit"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in a sentence without content; `item` is the row it is about."""

    kind: ProblemKind
    text: str
    item: int | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify` counted and what it found wrong; `more` problems were found beyond those listed.

    `sealed` tells whether the bytes that belong to no row were compared too.
    """

    generation: int | None
    items: int
    records: int
    problems: tuple[Problem, ...]
    more: int = 0
    audit_entries: int = 0
    sealed: bool = False

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
    """What was found in the rows."""

    items: int = 0
    records: int = 0
    lookups: int = 0
    set_hash: int = 0


def verify_session(session: Session, least_generation: int | None = None) -> VerifyReport:
    """Check file, state, every row and the audit log; damage is reported, not raised.

    An older copy of the whole file is consistent in itself: only `least_generation`, kept elsewhere, tells it.
    Writers of other processes wait meanwhile, so that all that is compared belongs to one moment.
    """
    findings = _Findings()
    connection, path = session.file.connection, session.file.path
    with faults_named(path):
        connection.execute("BEGIN")
        try:
            state = _check_state(session, findings, least_generation)
            sealed = _check_bytes(session, state, findings)
            tally = _count(session, findings)
            if state is None or not _agrees(state, tally):
                _name_bad_rows(session, findings)
            if state is not None:
                _compare(state, tally, findings)
            log = check_log(session, state)
        finally:
            connection.execute("ROLLBACK")
    for text in log.problems:
        findings.add(ProblemKind.AUDIT, text)
    generation = None if state is None else state.generation
    return VerifyReport(
        generation, tally.items, tally.records, tuple(findings.listed), findings.more, log.entries, sealed
    )


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


def _check_bytes(session: Session, state: StoreState | None, findings: _Findings) -> bool:
    """Compare the file with its seal, or, when it was not sealed after its last write, ask SQLite about its pages."""
    file = session.file
    try:
        seal = check_seal(file.connection, file.path, file.bytes, session.keys.file)
    except KeystoreError as error:
        findings.add(ProblemKind.SEAL, error.message)
        return False
    if seal.damaged:
        findings.add(ProblemKind.SEAL, "the seal of the file is damaged")
    is_current = state is not None and seal.generation == state.generation
    if is_current and seal.fits:
        return True
    if is_current:
        findings.add(ProblemKind.SEAL, "the file is not, byte for byte, what was sealed")
    elif state is not None and seal.generation is not None and seal.generation > state.generation:
        findings.add(ProblemKind.SEAL, f"the file was sealed at write {seal.generation}, after the last that it holds")
    for (line,) in file.connection.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})"):
        if line != "ok":
            findings.add(ProblemKind.FILE, "the database file is inconsistent")
    return False


def _count(session: Session, findings: _Findings) -> _Tally:
    """Add up the digests of all rows, as far as they can be rows of a store."""
    tally = _Tally()
    keys = session.keys
    connection = session.file.connection
    total = strange = 0
    cursor = connection.execute("SELECT id, kind, generation, sealed FROM item")
    while rows := cursor.fetchmany(PAGE_ITEMS):
        for item_id, kind, generation, sealed in rows:
            if _is_item(item_id, kind, generation, sealed):
                total += primitives.item_digest(keys, item_id, kind, generation, sealed)
                tally.records += kind == ItemKind.KEY_RECORD
            else:
                strange += 1
        tally.items += len(rows)
    cursor = connection.execute("SELECT term, item FROM lookup")
    while rows := cursor.fetchmany(PAGE_ITEMS):
        for term, item_id in rows:
            if isinstance(term, bytes) and isinstance(item_id, int) and 0 < item_id < _MAX_INTEGER:
                total += primitives.lookup_digest(keys, term, item_id)
            else:
                strange += 1
        tally.lookups += len(rows)
    if strange:
        findings.add(ProblemKind.ITEM, f"not written by this program: {counted(strange, 'row')}")
    tally.set_hash = primitives.add_digest(0, total)
    return tally


def _is_item(item_id: object, kind: object, generation: object, sealed: object) -> bool:
    """SQLite stores any type in any column: a row written behind our back may hold what cannot be packed."""
    return (
        (isinstance(item_id, int) and 0 < item_id < _MAX_INTEGER)
        and (isinstance(kind, int) and 0 <= kind <= 0xFF)
        and (isinstance(generation, int) and 0 <= generation < _MAX_INTEGER)
        and isinstance(sealed, bytes)
    )


def _agrees(state: StoreState, tally: _Tally) -> bool:
    counted = (tally.items, tally.records, tally.lookups, tally.set_hash)
    return counted == (state.items, state.records, state.lookups, state.set_hash)


def _name_bad_rows(session: Session, findings: _Findings) -> None:
    """Open every row, and look every record up by each of its words."""
    connection = session.file.connection
    expected = 0
    last = 0
    while page := session.page(last):
        for item_id, kind, generation, sealed in page:
            try:
                plain = session.unseal(item_id, kind, generation, sealed)
                if kind == ItemKind.KEY_RECORD:
                    expected += _check_record(session, findings, item_id, plain)
                elif kind == ItemKind.SOURCE:
                    records.decode_source(plain)
                else:
                    expected += kind == ItemKind.DOCUMENT
            except KeystoreError as error:
                findings.add(ProblemKind.ITEM, error.message, item_id)
        last = page[-1][0]
    (lookups,) = connection.execute("SELECT count(*) FROM lookup").fetchone()
    if lookups != expected:
        findings.add(ProblemKind.LOOKUP, f"{lookups} look-up words are there, the records have {expected}")


def _check_record(session: Session, findings: _Findings, item_id: int, plain: bytes) -> int:
    """Look a record up by each of its words; return how many it has."""
    taken_apart = records.decode_record(plain)
    source = records.decode_source(session.plain(taken_apart.source_item, ItemKind.SOURCE))
    words = records.terms_of(taken_apart.record(source))
    for word in words:
        key = (*session.terms([word]), item_id)
        found = session.file.connection.execute("SELECT 1 FROM lookup WHERE term = ? AND item = ?", key).fetchone()
        if found is None:
            findings.add(ProblemKind.LOOKUP, f"item {item_id} is not found under its {word[0]}", item_id)
    return len(words)


def _compare(state: StoreState, tally: _Tally, findings: _Findings) -> None:
    if (state.items, state.records) != (tally.items, tally.records):
        text = f"{tally.records} of {state.records} key records and {tally.items} of {state.items} items are there"
        findings.add(ProblemKind.COUNT, text)
    if state.lookups != tally.lookups:
        findings.add(ProblemKind.COUNT, f"{tally.lookups} of {state.lookups} look-up words are there")
    if state.set_hash != tally.set_hash:
        findings.add(ProblemKind.SET, "the rows are not those last written: some were removed, altered or put back")
