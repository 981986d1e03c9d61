"""The audit log inside the vault: append-only, each entry sealed and linked to the one before it.

Whoever has the root key can write a new log from the first entry on; then its head is another one. `head` is meant to
be noted elsewhere (on the installer's report, in the witness file), where it cannot be changed with the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import permutations

from keystore.audit import AuditEntry, AuditReport
from keystore.errors import KeystoreError
from keystore.vault import primitives
from keystore.vault.database import faults_named
from keystore.vault.primitives import DIGEST_BYTES, StoreState
from keystore.vault.session import Session

_MAX_SWAPPED = 32
"""Altered entries among which swaps are looked for."""

UseSession = Callable[[], AbstractContextManager[Session]]
"""Hands out the session of an unlocked vault under its lock; raises `Locked`."""


class AuditTrail:
    """The audit log of a vault: to append to, to read and to verify; the vault must be unlocked."""

    def __init__(self, use: UseSession, written: Callable[[], None]) -> None:
        self._use = use
        self._written = written

    def note(self, action: str, subject: str = "", /, **detail: str) -> None:
        """Append an entry, in a transaction of its own; it is on the disk when this returns.

        `subject` is the meter, file or slot; the details are short texts. Neither may hold a key or a passphrase.
        """
        with self._use() as session:
            with session.writing() as writer:
                writer.note(action, subject, **detail)
            self._written()

    def entries(self, after: int = 0) -> Iterator[AuditEntry]:
        """Yield the entries after number `after`, oldest first."""
        while True:
            with self._use() as session:
                rows = session.entry_rows(after)
                page = [session.open_entry(number, generation, sealed) for number, generation, sealed, _ in rows]
            yield from page
            if not rows:
                return
            after = rows[-1][0]

    @property
    def head(self) -> tuple[int, str]:
        """How many entries there are, and the last link in hex: it identifies the whole log."""
        with self._use() as session:
            state = session.state()
        return state.audit_entries, state.audit_head.hex()

    def verify(self) -> AuditReport:
        """Check every entry and its place."""
        with self._use() as session, faults_named(session.file.path):
            connection = session.file.connection
            connection.execute("BEGIN")
            try:
                return check_log(session, session.state())
            except KeystoreError as error:
                return AuditReport(0, (error.message,))
            finally:
                connection.execute("ROLLBACK")


def check_log(session: Session, state: StoreState | None) -> AuditReport:
    """Check that every entry of the log is the one that was written, in its place, and that none is missing."""
    problems: list[str] = []
    altered: dict[int, tuple[object, object]] = {}
    before, expected, last, count = bytes(DIGEST_BYTES), 1, 0, 0
    while rows := session.entry_rows(last):
        for number, generation, sealed, link in rows:
            last = number
            count += 1
            gap = number != expected
            if gap:
                problems.append(_missing(expected, number - 1))
            expected = number + 1
            try:
                session.open_entry(number, generation, sealed)
            except KeystoreError:
                altered[number] = generation, sealed
            before = _next_link(session, before, number, generation, sealed)
            if not isinstance(link, bytes) or not primitives.same_bytes(link, before):
                if not gap and number not in altered:
                    problems.append(f"entry {number} does not follow the one before it")
                # From here on the chain as stored is followed: one wrong link is one problem.
                before = link if isinstance(link, bytes) and len(link) == DIGEST_BYTES else before
    problems += _altered(session, altered)
    if state is not None and (last, before) != (state.audit_entries, state.audit_head):
        if last < state.audit_entries:
            problems.append(_missing(last + 1, state.audit_entries))
        else:
            problems.append("the log does not end where the store says")
    return AuditReport(count, tuple(problems))


def _next_link(session: Session, before: bytes, number: int, generation: object, sealed: object) -> bytes:
    if isinstance(generation, int) and 0 <= generation < 1 << 63 and isinstance(sealed, bytes) and number > 0:
        return primitives.chain_link(session.keys, before, number, generation, sealed)
    return bytes(DIGEST_BYTES)


def _missing(first: int, last: int) -> str:
    if last < first:
        return f"an entry numbered {last + 1} does not belong to the log"
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _altered(session: Session, altered: dict[int, tuple[object, object]]) -> list[str]:
    """Say of each altered entry whether it is another one in its place."""
    texts = {number: f"entry {number} was altered" for number in altered}
    for place, number in permutations(list(altered)[:_MAX_SWAPPED], 2):
        try:
            session.open_entry(number, *altered[place])
        except KeystoreError:
            continue
        texts[place] = f"entry {number} is in the place of entry {place}"
    return list(texts.values())
