"""Key records over sealed items: put, find, list and remove."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keystore.errors import Damaged
from keystore.matching import (
    ManufacturerFit,
    manufacturer_fit,
    normal_eui,
    number_spellings,
    split_manufacturer,
)
from keystore.model import WMBUS_ROLES, KeyRecord, KeyRole, KeyStatus, Provenance
from keystore.vault import records
from keystore.vault.records import ItemKind, TermKind
from keystore.vault.session import VERIFY_HINT, Session, Writer
from protocols.model import Address, Key
from protocols.text import safe_text

_STATUS_ORDER: Final = {KeyStatus.ACTIVE: 0, KeyStatus.SUPERSEDED: 1, KeyStatus.REVOKED: 2}


class PutVerdict(StrEnum):
    """What became of one record that was put."""

    NEW = "new"
    SAME = "same"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class PutResult:
    """One verdict for each record put, in order: new, same (not stored again), changed (kept beside the older key)."""

    verdicts: tuple[PutVerdict, ...]

    @property
    def new(self) -> int:
        """How many keys were not there yet."""
        return self.verdicts.count(PutVerdict.NEW)

    @property
    def same(self) -> int:
        """How many were there already."""
        return self.verdicts.count(PutVerdict.SAME)

    @property
    def changed(self) -> int:
        """How many differ from a key filed for the same meter and role; both are kept, the newest comes first."""
        return self.verdicts.count(PutVerdict.CHANGED)


class KeyBook:
    """The key records of an unlocked store."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._sources: dict[int, Provenance] = {}

    def put(self, new_records: Iterable[KeyRecord], *, dry_run: bool) -> PutResult:
        """File records in one transaction."""
        verdicts: list[PutVerdict] = []
        filed: dict[Provenance, int] = {}
        with self._session.writing(dry_run=dry_run) as writer:
            for record in new_records:
                verdict = self._verdict(record)
                verdicts.append(verdict)
                if verdict is not PutVerdict.SAME:
                    self._add(writer, record, filed)
        return PutResult(tuple(verdicts))

    def find(self, text: str, manufacturer: str | None, role: KeyRole | None) -> list[KeyRecord]:
        """Return the records of a meter, best first: manufacturer, status, newest."""
        hint = manufacturer or split_manufacturer(text)[0]
        found = [record for _, record in self._filed_under(_words(text)) if role is None or record.role is role]
        return sorted(found, key=lambda r: (manufacturer_fit(r.manufacturer, hint), _STATUS_ORDER[r.status]))

    def keys_for(self, address: Address) -> tuple[Key, ...]:
        """Return the wireless M-Bus keys of an address, best first."""
        usable = [
            record
            for _, record in self._filed_under([(TermKind.NUMBER, address.number)])
            if record.value and record.role in WMBUS_ROLES and record.status is not KeyStatus.REVOKED
        ]
        usable.sort(key=lambda r: (manufacturer_fit(r.manufacturer, address.manufacturer), _STATUS_ORDER[r.status]))
        return tuple(Key(record.value, _key_label(record)) for record in usable)

    def page(self, after: int) -> tuple[list[KeyRecord], int | None]:
        """Return some records filed behind item `after`, and where the next page begins (None at the end)."""
        rows = self._session.page(after, ItemKind.KEY_RECORD)
        found = [self._decode(self._session.unseal(*row)) for row in rows]
        return found, rows[-1][0] if rows else None

    def remove(self, text: str, manufacturer: str | None, role: KeyRole | None, key_check_value: str | None) -> int:
        """Remove a meter's records in one transaction; return how many."""
        removed = 0
        with self._session.writing() as writer:
            for item_id, record in self._filed_under(_words(text)):
                if (
                    (manufacturer is None or record.manufacturer == manufacturer)
                    and (role is None or record.role is role)
                    and (key_check_value is None or record.key_check_value == key_check_value.lower())
                ):
                    writer.remove(item_id, ItemKind.KEY_RECORD, self._terms(records.terms_of(record)))
                    removed += 1
        return removed

    def _verdict(self, record: KeyRecord) -> PutVerdict:
        """Compare with what is filed for the same meter and role; the maker's letters may be missing on either side."""
        word = (TermKind.NUMBER, record.number) if record.number else (TermKind.DEV_EUI, record.dev_eui)
        verdict = PutVerdict.NEW
        for _, filed in self._filed_under([word]):
            if (filed.role, filed.role_detail) != (record.role, record.role_detail):
                continue
            if manufacturer_fit(filed.manufacturer, record.manufacturer) is ManufacturerFit.OTHER:
                continue
            if filed.value == record.value:
                return PutVerdict.SAME
            verdict = PutVerdict.CHANGED
        return verdict

    def _add(self, writer: Writer, record: KeyRecord, filed: dict[Provenance, int]) -> None:
        source = records.source_of(record)
        source_item = filed.get(source)
        if source_item is None:
            source_item = filed[source] = writer.add(ItemKind.SOURCE, records.encode_source(source))
        terms = self._terms(records.terms_of(record))
        writer.add(ItemKind.KEY_RECORD, records.encode_record(record, source_item), terms)

    def _filed_under(self, words: list[tuple[str, str]]) -> list[tuple[int, KeyRecord]]:
        """Return (item, record) of every record filed under one of the words, newest first."""
        found = [(item_id, self._record(item_id)) for item_id in self._session.ids(self._terms(words))]
        for item_id, record in found:
            # Look-up rows are not sealed: one that was redirected must not hand out another meter's key.
            if records.terms_of(record).isdisjoint(words):
                raise Damaged(f"item {item_id} is filed under a number that is not its own", VERIFY_HINT)
        return found

    def _terms(self, words: Iterable[tuple[str, str]]) -> list[bytes]:
        return [self._session.term(kind, text) for kind, text in words]

    def _record(self, item_id: int) -> KeyRecord:
        return self._decode(self._session.plain(item_id, ItemKind.KEY_RECORD))

    def _decode(self, plain: bytes) -> KeyRecord:
        source_item = records.source_item_of(plain)
        source = self._sources.get(source_item)
        if source is None:
            source = records.decode_source(self._session.plain(source_item, ItemKind.SOURCE))
            self._sources[source_item] = source
        return records.decode_record(plain, source)


def _words(text: str) -> list[tuple[str, str]]:
    """Return the look-up words a typed number may mean: number, printed serial, DevEUI."""
    words = [(kind, number) for number in number_spellings(text) for kind in (TermKind.NUMBER, TermKind.SERIAL)]
    with suppress(ValueError):
        words.append((TermKind.DEV_EUI, normal_eui(text)))
    return words


def _key_label(record: KeyRecord) -> str:
    """Name where a key came from, for the verdict of a telegram: `KAM wmbus_dek from meters.zip.kem2`."""
    maker = f"{record.manufacturer} " if record.manufacturer else ""
    return safe_text(f"{maker}{record.role_text} from {record.source.file_name or record.source.system}")
