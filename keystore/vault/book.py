"""Key records over sealed items: put, find, search, list, change and remove."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

from keystore.audit import AuditAction
from keystore.errors import Damaged, NotFound
from keystore.key_change import KeyChange
from keystore.matching import (
    ManufacturerFit,
    manufacturer_fit,
    normal_eui,
    number_spellings,
    split_manufacturer,
    squeezed,
    squeezed_bytes,
    wire_spellings,
)
from keystore.model import WMBUS_ROLES, KeyRecord, KeyRole, KeyStatus, Ownership, Provenance
from keystore.vault import records
from keystore.vault.merging import PutResult, PutVerdict, completed, merged, same_role
from keystore.vault.records import ItemKind, TermKind
from keystore.vault.session import VERIFY_HINT, Session
from keystore.vault.writer import Writer
from protocols.model import Address, Key
from protocols.text import safe_text

_STATUS_ORDER: Final = {KeyStatus.ACTIVE: 0, KeyStatus.SUPERSEDED: 1, KeyStatus.REVOKED: 2}
_SOURCES_NAMED: Final = 5
SOURCES_KEPT: Final = 4096
"""Provenances a book remembers: one for each file that was imported."""

Filed = tuple[int, KeyRecord]
"""An item and the record in it."""


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """The keys of an address, best first, and the records among them that belong to a meter given away.

    `revoked` are the check values of those that are not to be used any more, and not among them.
    """

    keys: tuple[Key, ...]
    transferred: tuple[KeyRecord, ...] = ()
    revoked: tuple[str, ...] = ()


class KeyBook:
    """The key records of an unlocked store."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._sources: dict[int, Provenance] = {}

    @property
    def session(self) -> Session:
        """The session it works with."""
        return self._session

    def put(self, new_records: Iterable[KeyRecord], *, dry_run: bool) -> PutResult:
        """File records in one transaction, and write down what was imported."""
        verdicts: list[PutVerdict] = []
        filed: dict[Provenance, int] = {}
        names: dict[str, None] = {}
        beside = 0
        with self._session.writing(dry_run=dry_run) as writer:
            for record in new_records:
                names[record.source.file_name or record.source.system] = None
                verdict, is_beside = self._put_one(writer, record, filed)
                verdicts.append(verdict)
                beside += is_beside
            result = PutResult(tuple(verdicts), beside)
            more = len(names) - _SOURCES_NAMED
            subject = ", ".join(islice(names, _SOURCES_NAMED)) + (f" and {more} more" if more > 0 else "")
            counts = {"new": str(result.new), "same": str(result.same), "changed": str(result.changed)}
            writer.note(AuditAction.IMPORTED, subject, **counts)
        return result

    def find(self, text: str, manufacturer: str | None, role: KeyRole | None) -> list[KeyRecord]:
        """Return the records of a meter, best first: manufacturer, status, newest."""
        hint = manufacturer or split_manufacturer(text)[0]
        with self._session.reading():
            filed = self._filed_under(_words(text)) or self._filed_under(_wire_words(text))
        found = [record for _, record in filed if role is None or record.role is role]
        return sorted(found, key=lambda r: (manufacturer_fit(r.manufacturer, hint), *_rank(r)))

    def search(self, text: str, after: int) -> tuple[list[KeyRecord], int | None]:
        """Return the records of one page that hold a text: in a number, label, order, batch or owner; as `page`."""
        needle, typed = squeezed(text), text.strip().casefold()
        rows = self._session.page(after, ItemKind.KEY_RECORD)
        found = []
        for row in rows:
            plain = self._session.unseal(*row)
            if needle.encode() not in squeezed_bytes(plain) and typed not in plain.decode(errors="replace").casefold():
                continue  # a tenth of the time of taking the record apart
            record = self._decode(plain)
            numbers = (record.number, record.serial, record.dev_eui, record.adapter, record.dev_addr)
            words = (record.label, record.order, record.batch_reference, record.owner)
            if any(needle in squeezed(number) for number in numbers) or any(typed in w.casefold() for w in words):
                found.append(record)
        return found, rows[-1][0] if rows else None

    def keys_for(self, address: Address, now: datetime) -> FoundKeys:
        """Return the wireless M-Bus keys of an address, its own before those it is only the radio adapter of."""
        usable: list[KeyRecord] = []
        revoked: dict[str, None] = {}
        for _, record in self._filed_under([(TermKind.NUMBER, address.number), (TermKind.ADAPTER, address.number)]):
            if not record.value or record.role not in WMBUS_ROLES:
                continue
            if record.status is KeyStatus.REVOKED:
                revoked[record.key_check_value] = None
            else:
                usable.append(record)
        if len(usable) > 1:  # nearly every meter has one key, and most of what asks has never been heard before
            usable.sort(key=lambda record: _fit(record, address, now))
        best: dict[bytes, KeyRecord] = {}
        for record in usable:
            best.setdefault(record.value, record)
        keys = [Key(record.value, _key_label(record)) for record in best.values()]
        transferred = [record for record in best.values() if record.ownership is Ownership.TRANSFERRED]
        return FoundKeys(tuple(keys), tuple(transferred), tuple(revoked))

    def page(self, after: int) -> tuple[list[KeyRecord], int | None]:
        """Return some records filed behind item `after`, and where the next page begins (None at the end)."""
        rows = self._session.page(after, ItemKind.KEY_RECORD)
        found = [self._decode(self._session.unseal(*row)) for row in rows]
        return found, rows[-1][0] if rows else None

    def remove(
        self, text: str, manufacturer: str | None, role: KeyRole | None, key_check_value: str | None
    ) -> tuple[KeyRecord, ...]:
        """Remove a meter's records in one transaction; return them."""

        def fits(record: KeyRecord) -> bool:
            return (
                (manufacturer is None or record.manufacturer == manufacturer)
                and (role is None or record.role is role)
                and (key_check_value is None or record.key_check_value == key_check_value.lower())
            )

        if not any(fits(record) for _, record in self._filed_under(_words(text))):
            return ()
        removed: list[KeyRecord] = []
        with self._session.writing() as writer:
            for item_id, record in self._filed_under(_words(text)):
                if fits(record):
                    writer.remove(item_id, ItemKind.KEY_RECORD, self._terms(record))
                    writer.note(AuditAction.REMOVED, record.meter_text, **_named(record))
                    removed.append(record)
        return tuple(removed)

    def confirm(self, record: KeyRecord, now: datetime) -> None:
        """Put a key that telegrams proved before the other keys of its meter and role."""
        with self._session.writing() as writer:
            rivals = [(item, one) for item, one in self._of_meter(writer, record) if same_role(one, record)]
            proved = [(item, one) for item, one in rivals if one.value == record.value]
            if not proved:
                raise NotFound(f"the key of {record.meter_text} is not in the store", "import it first")
            for item, one in rivals:
                if one.value == record.value:
                    self._change(writer, item, one, replace(one, status=KeyStatus.ACTIVE, confirmed_at=now))
                elif one.value and one.status is KeyStatus.ACTIVE:
                    self._change(writer, item, one, replace(one, status=KeyStatus.SUPERSEDED))
            writer.note(AuditAction.CONFIRMED, record.meter_text, **_named(record))

    def file(self, writer: Writer, record: KeyRecord) -> None:
        """File one record within a transaction; what is written down of it is the caller's."""
        self._put_one(writer, record, {})

    def settle(self, writer: Writer, proved: KeyRecord, change: KeyChange, now: datetime) -> None:
        """Make the key that a meter proved the active one of its role, and put the change's other key aside.

        `proved` is filed when it is not there any more. A new key that the meter never took is revoked.
        """
        never_taken = change.new_key if proved.value == change.old_key else b""
        proved = replace(proved, status=KeyStatus.ACTIVE, confirmed_at=now)
        found = False
        for item, one in self._of_meter(writer, proved):
            if not same_role(one, proved) or not one.value:
                continue
            if one.value == proved.value:
                found = True
                version = one.key_version if proved.key_version is None else proved.key_version
                new = replace(one, status=proved.status, confirmed_at=now, key_version=version)
                self._change(writer, item, one, new)
            elif one.value == never_taken:
                self._change(writer, item, one, replace(one, status=KeyStatus.REVOKED))
            elif one.status is KeyStatus.ACTIVE:
                self._change(writer, item, one, replace(one, status=KeyStatus.SUPERSEDED))
        if not found:
            self._add(writer, proved, {})

    def change(
        self,
        text: str,
        manufacturer: str | None,
        changed: Callable[[KeyRecord], KeyRecord],
        action: AuditAction,
        **detail: str,
    ) -> int:
        """Change all records of a meter in one transaction; return how many are others now."""
        count = 0
        with self._session.writing() as writer:
            found = self._filed_under(_words(text))
            for item, one in found:
                new = changed(one)
                if new != one and (manufacturer is None or one.manufacturer == manufacturer):
                    self._change(writer, item, one, new)
                    count += 1
            if not found:
                raise NotFound("no key is filed that fits", "see: fieldtool keys find NUMBER")
            writer.note(action, found[0][1].meter_text, **detail)
        return count

    def _put_one(self, writer: Writer, record: KeyRecord, filed: dict[Provenance, int]) -> tuple[PutVerdict, bool]:
        """File one record; the verdict, and whether it stands beside another key of the meter now."""
        rivals = self._of_meter(writer, record)
        if record.is_listing:
            return self._put_listing(writer, record, rivals, filed), False
        beside = False
        for item, one in rivals:
            if one.is_listing:
                record = completed(record, one)
                writer.remove(item, ItemKind.KEY_RECORD, self._terms(one))
            elif same_role(one, record):
                if one.value == record.value:
                    new = merged(one, record)
                    if new == one:
                        return PutVerdict.SAME, False
                    self._change(writer, item, one, new, filed)
                    return PutVerdict.CHANGED, False
                beside = True
        self._add(writer, record, filed)
        return (PutVerdict.CHANGED if beside else PutVerdict.NEW), beside

    def _put_listing(
        self, writer: Writer, record: KeyRecord, rivals: Sequence[Filed], filed: dict[Provenance, int]
    ) -> PutVerdict:
        """File a meter without a key: mark the keys of one that was given away; note others if nothing is known."""
        if not rivals:
            self._add(writer, record, filed)
            return PutVerdict.NEW
        changed = False
        for item, one in rivals:
            new = one
            if one.is_listing:
                new = merged(one, record)
            elif record.ownership is Ownership.TRANSFERRED:
                new = replace(one, ownership=Ownership.TRANSFERRED, owner=record.owner or one.owner)
            if new != one:
                self._change(writer, item, one, new, filed)
                changed = True
        return PutVerdict.CHANGED if changed else PutVerdict.SAME

    def _of_meter(self, writer: Writer, record: KeyRecord) -> list[Filed]:
        """Return what is filed for a record's meter; the maker's letters may be missing on either side."""
        word = (TermKind.NUMBER, record.number) if record.number else (TermKind.DEV_EUI, record.dev_eui)
        items = writer.ids(self._session.terms([word]))
        if not items:
            return []
        filed = [(item, self._decode(writer.plain(item, ItemKind.KEY_RECORD))) for item in items]
        return [
            (item, one)
            for item, one in filed
            if manufacturer_fit(one.manufacturer, record.manufacturer) is not ManufacturerFit.OTHER
        ]

    def _add(self, writer: Writer, record: KeyRecord, filed: dict[Provenance, int]) -> None:
        plain = records.encode_record(record, self._source_item(writer, record, filed))
        writer.add(ItemKind.KEY_RECORD, plain, self._terms(record))

    def _change(
        self,
        writer: Writer,
        item: int,
        old: KeyRecord,
        new: KeyRecord,
        filed: dict[Provenance, int] | None = None,
    ) -> None:
        if new.source == old.source:
            source = records.decode_record(writer.plain(item, ItemKind.KEY_RECORD)).source_item
        else:
            source = self._source_item(writer, new, {} if filed is None else filed)
        plain = records.encode_record(new, source)
        writer.replace(item, ItemKind.KEY_RECORD, plain, self._terms(old), self._terms(new))

    def _source_item(self, writer: Writer, record: KeyRecord, filed: dict[Provenance, int]) -> int:
        source = records.source_of(record)
        item = filed.get(source)
        if item is None:
            item = filed[source] = writer.add(ItemKind.SOURCE, records.encode_source(source))
            self._sources[item] = source
        return item

    def _filed_under(self, words: list[tuple[str, str]]) -> list[Filed]:
        """Return (item, record) of every record filed under one of the words, newest first."""
        filed = self._session.filed(self._session.terms(words), ItemKind.KEY_RECORD)
        found = [(item, self._decode(plain)) for item, plain in filed]
        for item, record in found:
            # A look-up row is only proven by `verify`: one that was redirected must not hand out another meter's key.
            if records.terms_of(record).isdisjoint(words):
                raise Damaged(f"item {item} is filed under a number that is not its own", VERIFY_HINT)
        return found

    def _terms(self, record: KeyRecord) -> list[bytes]:
        return self._session.terms(records.terms_of(record))

    def _decode(self, plain: bytes) -> KeyRecord:
        found = records.decode_record(plain)
        source = self._sources.get(found.source_item)
        if source is None:
            source = records.decode_source(self._session.plain(found.source_item, ItemKind.SOURCE))
            if len(self._sources) >= SOURCES_KEPT:
                self._sources.clear()
            self._sources[found.source_item] = source
        return found.record(source)


def _rank(record: KeyRecord) -> tuple[int, float]:
    confirmed = record.confirmed_at.timestamp() if record.confirmed_at is not None else 0.0
    return _STATUS_ORDER[record.status], -confirmed


def _fit(record: KeyRecord, address: Address, now: datetime) -> tuple[object, ...]:
    """Return how well a record fits an address; smaller is better."""
    own = record.number == address.number
    maker = record.manufacturer if own else record.adapter_manufacturer
    other_kind = (record.version not in (None, address.version)) + (
        record.medium_code not in (None, address.medium_code)
    )
    fit = manufacturer_fit(maker, address.manufacturer)
    return not own, fit, other_kind, not record.is_valid_at(now), *_rank(record)


def _words(text: str) -> list[tuple[str, str]]:
    """Return the look-up words a typed number may mean: number, serial, adapter, DevEUI, DevAddr."""
    kinds = (TermKind.NUMBER, TermKind.SERIAL, TermKind.ADAPTER, TermKind.DEV_ADDR)
    words = [(kind, number) for number in number_spellings(text) for kind in kinds]
    with suppress(ValueError):
        words.append((TermKind.DEV_EUI, normal_eui(text)))
    return words


def _wire_words(text: str) -> list[tuple[str, str]]:
    """Return the words a number means that was copied from the bytes of a frame, lowest byte first."""
    kinds = (TermKind.NUMBER, TermKind.ADAPTER, TermKind.DEV_EUI, TermKind.DEV_ADDR)
    return [(kind, number) for number in wire_spellings(text) for kind in kinds]


def _named(record: KeyRecord) -> dict[str, str]:
    named = {"role": record.role_text, "key_check_value": record.key_check_value, "ownership": str(record.ownership)}
    return {name: text for name, text in named.items() if text and text != Ownership.UNKNOWN}


def _key_label(record: KeyRecord) -> str:
    """Name where a key came from, for the verdict of a telegram: `KAM wmbus_dek from meters.zip.kem2`."""
    maker = f"{record.manufacturer} " if record.manufacturer else ""
    given_away = ", transferred away" if record.ownership is Ownership.TRANSFERRED else ""
    return safe_text(f"{maker}{record.role_text} from {record.source.file_name or record.source.system}{given_away}")
