"""The journal of key changes in the vault: begun before anything is sent, settled by what the meter proves.

While a change is open its new key is filed as superseded: tried last, and not exported as the meter's key. Begin and
settle are one transaction each, with the key records, the journal and the audit log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from keystore.errors import AlreadyExists, NotFound
from keystore.key_change import MOST_CHANGES, ChangeNote, KeyChange, decode_changes, encode_changes
from keystore.model import KeyRecord, KeyStatus, Provenance
from keystore.vault.audit_trail import UseSession
from keystore.vault.book import KeyBook
from keystore.vault.documents import read_document, write_document
from keystore.vault.session import Session
from keystore.vault.writer import Writer
from protocols.model import Address

DOCUMENT: Final = "key_changes"
SYSTEM: Final = "key_change"
"""The system in the provenance of keys that were made here."""


class KeyChangeDesk:
    """The open key changes of a vault, which must be unlocked."""

    def __init__(self, use: UseSession, written: Callable[[], None]) -> None:
        self._use = use
        self._written = written

    def pending(self) -> tuple[KeyChange, ...]:
        """Return the changes that are not settled."""
        with self._use() as session:
            return _journal(session)

    def pending_for(self, address: Address) -> KeyChange | None:
        """Return the open change of a meter; None when there is none."""
        return next((one for one in self.pending() if one.is_of(address)), None)

    def begin(self, change: KeyChange, filed: KeyRecord, note: ChangeNote) -> None:
        """Open a change and file its new key beside `filed`, the record of the old one.

        Raises `AlreadyExists` while another change of the meter is open.
        """
        source = Provenance(SYSTEM, imported_at=change.begun_at, imported_by=change.begun_by)
        record = replace(
            filed,
            value=change.new_key,
            status=KeyStatus.SUPERSEDED,
            manufacturer=filed.manufacturer or change.address.manufacturer,
            source=source,
            key_version=None,
            confirmed_at=None,
            not_before=None,
            not_after=None,
        )

        def step(session: Session, writer: Writer) -> None:
            changes = _journal(session)
            if any(one.is_of(change.address) for one in changes):
                raise AlreadyExists(
                    f"a key change of {change.meter_text} is not settled yet",
                    f"ask the meter: fieldtool meter recover --at LINK --meter {change.address.number}",
                )
            if len(changes) >= MOST_CHANGES:
                raise AlreadyExists(f"{MOST_CHANGES} key changes are not settled yet", "settle them first")
            write_document(session, writer, DOCUMENT, encode_changes((*changes, change)))
            KeyBook(session).file(writer, record)
            writer.note(note.event, note.subject, **note.detail)

        self._transaction(step)

    def settle(self, change: KeyChange, proved: bytes, key_version: int | None, note: ChangeNote) -> None:
        """Close a change with the key that the meter proved: the new one, the old one, or another one.

        The proved key becomes the active one. The others stay: superseded when the meter had them, revoked when it
        never did. Raises `NotFound` when the change was settled meanwhile.
        """

        def step(session: Session, writer: Writer) -> None:
            changes = _journal(session)
            if change not in changes:
                raise NotFound(f"the key change of {change.meter_text} is settled already", "see: fieldtool audit list")
            left = tuple(one for one in changes if one != change)
            write_document(session, writer, DOCUMENT, encode_changes(left))
            moment = session.clerk.now()
            KeyBook(session).settle(writer, _record(change, proved, key_version), change, moment)
            writer.note(note.event, note.subject, **note.detail)

        self._transaction(step)

    def _transaction(self, step: Callable[[Session, Writer], None]) -> None:
        with self._use() as session:
            with session.writing() as writer:
                step(session, writer)
            self._written()


def _record(change: KeyChange, proved: bytes, key_version: int | None) -> KeyRecord:
    """The proved key as a record, for the case that somebody removed it from the store meanwhile."""
    return KeyRecord(
        number=change.address.number,
        role=change.role,
        value=proved,
        manufacturer=change.address.manufacturer,
        version=change.address.version,
        medium_code=change.address.medium_code,
        source=Provenance(SYSTEM, imported_at=change.begun_at, imported_by=change.begun_by),
        key_version=key_version,
    )


def _journal(session: Session) -> tuple[KeyChange, ...]:
    data = read_document(session, DOCUMENT)
    return () if data is None else decode_changes(data)
