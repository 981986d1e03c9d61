"""Named documents sealed in the vault beside the keys, each changed in one transaction together with the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from keystore.errors import Damaged
from keystore.vault.audit_trail import UseSession
from keystore.vault.header import decode_header
from keystore.vault.records import ItemKind, TermKind
from keystore.vault.session import VERIFY_HINT, Session, read_header
from keystore.vault.writer import Writer


class AuditNote(Protocol):
    """What a change writes into the audit log; `event` is the action."""

    @property
    def event(self) -> str:
        """The action."""
        ...

    @property
    def subject(self) -> str:
        """What it was about."""
        ...

    @property
    def detail(self) -> Mapping[str, str]:
        """Short texts by name."""
        ...


class DocumentShelf:
    """The documents of a vault, which must be unlocked."""

    def __init__(self, use: UseSession, written: Callable[[], None]) -> None:
        self._use = use
        self._written = written

    def read(self, name: str) -> bytes | None:
        """Return a document, None when there is none of that name."""
        with self._use() as session:
            return read_document(session, name)

    def change(self, name: str, step: Callable[[bytes | None], tuple[bytes, tuple[AuditNote, ...]]]) -> None:
        """Replace a document by what `step` makes of it, and append its notes to the audit log, all or nothing.
        Nothing is written when `step` raises.
        """
        with self._use() as session:
            with session.writing() as writer:
                data, notes = step(read_document(session, name))
                write_document(session, writer, name, data)
                for note in notes:
                    writer.note(note.event, note.subject, **note.detail)
            self._written()


def read_document(session: Session, name: str) -> bytes | None:
    """Return a document, None when there is none of that name."""
    found = _find(session, name)
    return None if found is None else found[1]


def write_document(session: Session, writer: Writer, name: str, data: bytes) -> None:
    """Write a document within a transaction; one that would stay as it is is not written."""
    found = _find(session, name)
    if found is not None and data == found[1]:
        return
    plain, terms = name.encode() + b"\0" + data, _terms(session, name)
    if found is None:
        writer.add(ItemKind.DOCUMENT, plain, terms)
    else:
        writer.replace(found[0], ItemKind.DOCUMENT, plain, terms, terms)
    writer.wrote_document(terms[0])


def _terms(session: Session, name: str) -> list[bytes]:
    return session.terms([(TermKind.DOCUMENT, name)])


def _find(session: Session, name: str) -> tuple[int, bytes] | None:
    """Return item and content; `Damaged` for an older row, which every key opens, in the place of the latest."""
    with session.reading():
        terms = _terms(session, name)
        session.state()  # proves the header
        written_at = decode_header(read_header(session.file)[0]).written_at(terms[0])
        items = session.ids(terms)
        if not items:
            if written_at is not None:
                raise Damaged(f"keystore {session.file.path}: a document is missing", VERIFY_HINT)
            return None
        plain = session.plain(items[0], ItemKind.DOCUMENT)
        (generation,) = session.file.connection.execute(
            "SELECT generation FROM item WHERE id = ?", (items[0],)
        ).fetchone()
    written_name, _, data = plain.partition(b"\0")
    if written_name != name.encode() or len(items) > 1:
        raise Damaged(f"item {items[0]} is filed under a name that is not its own", VERIFY_HINT)
    if written_at is not None and generation < written_at:
        message = f"keystore {session.file.path}: item {items[0]} is an older one that was put back"
        raise Damaged(message, VERIFY_HINT)
    return items[0], data
