"""The format document against the code, and a second reader, written from the document alone, against real stores."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keystore.audit import AuditAction, AuditEntry
from keystore.model import KeyRecord, KeyRole, KeyStatus, Ownership, Provenance
from keystore.passphrase_policy import PolicyName
from keystore.vault import SlotKind, Vault, kdf, primitives, records
from keystore.vault.header import Header, decode_header, encode_header, header_checksum
from keystore.vault.kdf import KdfParameters
from keystore.vault.primitives import StoreState
from keystore.vault.recovery import parse_recovery_key
from keystore.vault.slots import Credential, Slot, slot_key
from tests.keystore import independent_reader
from tests.keystore.made_up import CHEAP, NOON, PASSPHRASE, key_of, record_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "keystore-format.md").read_text(encoding="utf-8")
DOCUMENT_PASSPHRASE = "correct horse battery staple"
DOCUMENT_RECOVERY_KEY = re.findall(r"`((?:[0-9A-Z]{5}-){7}[0-9A-Z]{5})`", DOCUMENT)[0]
PURPOSES = ("index", "data", "set", "header", "audit", "chain", "file", "witness")
GIVEN = (
    *("store_id", "salt", "root", "slot_nonce", "recovery_salt", "recovery_nonce"),
    *("nonce_item_1", "nonce_item_2", "nonce_entry_1", "nonce_entry_2"),
)


def document_vectors() -> dict[str, bytes]:
    block = DOCUMENT.rpartition("## Known answers")[2].split("```")[1]
    joined = re.sub(r"\n  ", "", block)
    return {name: bytes.fromhex(value) for name, value in re.findall(r"^(\w+) = ?([0-9a-f]+)$", joined, re.MULTILINE)}


VECTORS = document_vectors()


def vectors_of_the_code() -> dict[str, bytes]:
    """What the code makes of the document's random bytes."""
    given = {name: VECTORS[name] for name in GIVEN}
    store_id, root = given["store_id"], given["root"]
    bytes_in_order = iter([given["salt"], given["slot_nonce"], given["recovery_salt"], given["recovery_nonce"]])
    parameters = KdfParameters(memory_kib=8192, iterations=3, lanes=4)
    made_at = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    slots = [
        Slot.seal(
            credential,
            root,
            store_id,
            slot_id=slot_id,
            parameters=cost,
            created_at=made_at,
            random_bytes=lambda _: next(bytes_in_order),
        )
        for slot_id, credential, cost in (
            (1, Credential.passphrase(DOCUMENT_PASSPHRASE), parameters),
            (2, Credential.recovery_key(DOCUMENT_RECOVERY_KEY), None),
        )
    ]
    keys = primitives.derive_subkeys(root, store_id)
    body = encode_header(Header(store_id, made_at, tuple(slots)))
    made = {
        **given,
        "kek": kdf.derive(DOCUMENT_PASSPHRASE, given["salt"], parameters),
        "wrapped": slots[0].wrapped,
        "recovery_bytes": parse_recovery_key(DOCUMENT_RECOVERY_KEY),
        "recovery_kek": slot_key(Credential.recovery_key(DOCUMENT_RECOVERY_KEY), given["recovery_salt"], None),
        "recovery_wrapped": slots[1].wrapped,
        **{f"{purpose}_key": getattr(keys, purpose) for purpose in PURPOSES},
        "header_body": body,
        "header_checksum": header_checksum(body),
        "header_mac": primitives.header_mac(keys, body),
        "term_number_63001468": primitives.term(keys, "number", "63001468"),
    }
    source = Provenance("kem2", "meters.zip.kem2", row=1)
    record = KeyRecord("63001468", value=bytes(range(16)), manufacturer="KAM", serial="63001468", source=source)
    plain = {1: records.encode_source(records.source_of(record)), 2: records.encode_record(record, 1)}
    set_hash = 0
    for item, text in plain.items():
        aad, nonce = primitives.item_aad(store_id, item, item, 2), given[f"nonce_item_{item}"]
        sealed = nonce + AESGCM(keys.data).encrypt(nonce, text, aad)
        digest = primitives.item_digest(keys, item, item, 2, sealed)
        set_hash = primitives.add_digest(set_hash, digest)
        made |= {f"aad_item_{item}": aad, f"plain_item_{item}": text, f"sealed_item_{item}": sealed}
        made[f"digest_item_{item}"] = digest.to_bytes(32, "big")
    lookup = primitives.lookup_digest(keys, made["term_number_63001468"], 2)
    set_hash = primitives.add_digest(set_hash, lookup)
    made["digest_lookup"] = lookup.to_bytes(32, "big")
    entries = [
        AuditEntry(1, made_at, AuditAction.STORE_CREATED, "keys.vault", "anna"),
        AuditEntry(2, made_at, AuditAction.IMPORTED, "meters.zip.kem2", "anna", {"new": "1"}),
    ]
    link = bytes(32)
    for entry in entries:
        nonce = given[f"nonce_entry_{entry.number}"]
        text = records.encode_entry(entry)
        aad = primitives.entry_aad(store_id, entry.number, entry.number)
        sealed = nonce + AESGCM(keys.audit).encrypt(nonce, text, aad)
        link = primitives.chain_link(keys, link, entry.number, entry.number, sealed)
        made |= {f"plain_entry_{entry.number}": text, f"sealed_entry_{entry.number}": sealed}
        made[f"link_{entry.number}"] = link
    state = StoreState(2, items=2, records=1, lookups=1, audit_entries=2, set_hash=set_hash, audit_head=link)
    made |= {"set_hash": set_hash.to_bytes(32, "big"), "state_mac": primitives.state_mac(keys, state, body)}
    return made


def vectors_of_the_second_reader() -> dict[str, bytes]:
    """The same with the functions of the independent reader, as far as it has them."""
    reader = independent_reader
    store_id, root = VECTORS["store_id"], VECTORS["root"]
    kek = reader.derive_kek(DOCUMENT_PASSPHRASE, VECTORS["salt"], 8192, 3, 4)
    secret = reader.recovery_bytes(DOCUMENT_RECOVERY_KEY)
    recovery_kek = reader.hkdf(secret, VECTORS["recovery_salt"], "slot recovery")
    keys = {f"{purpose}_key": reader.hkdf(root, store_id, purpose) for purpose in PURPOSES}
    body, set_key = VECTORS["header_body"], keys["set_key"]
    made = {
        "kek": kek,
        "wrapped": AESGCM(kek).encrypt(VECTORS["slot_nonce"], root, reader.slot_aad(store_id, 1, "passphrase")),
        "recovery_bytes": secret,
        "recovery_kek": recovery_kek,
        "recovery_wrapped": AESGCM(recovery_kek).encrypt(
            VECTORS["recovery_nonce"], root, reader.slot_aad(store_id, 2, "recovery")
        ),
        **keys,
        "header_mac": reader.mac(keys["header_key"], body),
        "term_number_63001468": reader.look_up_term(keys["index_key"], "number", "63001468"),
    }
    lookup = reader.lookup_digest(set_key, made["term_number_63001468"], 2)
    total, link = lookup, bytes(32)
    made["digest_lookup"] = lookup.to_bytes(32, "big")
    for item in (1, 2):
        sealed, aad = VECTORS[f"sealed_item_{item}"], reader.item_aad(store_id, item, item, 2)
        digest = reader.item_digest(set_key, item, item, 2, sealed)
        total += digest
        made[f"aad_item_{item}"] = aad
        made[f"plain_item_{item}"] = AESGCM(keys["data_key"]).decrypt(sealed[:12], sealed[12:], aad)
        made[f"digest_item_{item}"] = digest.to_bytes(32, "big")
        entry, aad = VECTORS[f"sealed_entry_{item}"], reader.entry_aad(store_id, item, item)
        made[f"plain_entry_{item}"] = AESGCM(keys["audit_key"]).decrypt(entry[:12], entry[12:], aad)
        link = made[f"link_{item}"] = reader.mac(keys["chain_key"], link + reader.u64(item, item) + entry)
    made["set_hash"] = (total % (1 << 256)).to_bytes(32, "big")
    made["state_mac"] = reader.state_mac(set_key, (2, 2, 1, 1, 2), made["set_hash"], link, body)
    return made


def test_the_documents_vectors_are_what_the_code_makes() -> None:
    assert vectors_of_the_code() == VECTORS


def test_the_documents_vectors_are_what_the_second_reader_makes() -> None:
    made = vectors_of_the_second_reader()
    assert made == {name: VECTORS[name] for name in made}
    assert VECTORS.keys() - made.keys() <= {
        *GIVEN,
        *("header_body", "header_checksum", "sealed_item_1", "sealed_item_2", "sealed_entry_1", "sealed_entry_2"),
    }


def test_the_documents_header_is_read_back() -> None:
    header = decode_header(VECTORS["header_body"])
    first, second = header.known_slots
    assert first.open(Credential.passphrase(DOCUMENT_PASSPHRASE), header.store_id) == VECTORS["root"]
    assert first.open(Credential.passphrase("another"), header.store_id) is None
    assert second.open(Credential.recovery_key(DOCUMENT_RECOVERY_KEY), header.store_id) == VECTORS["root"]


def test_the_document_names_every_role_and_field() -> None:
    for word in (*KeyRole, *KeyStatus, *Ownership, *PolicyName, *SlotKind, *AuditAction):
        assert f"`{word}`" in DOCUMENT, word
    for name in records._RECORD_FIELDS | records._SOURCE_FIELDS | records._ENTRY_FIELDS:
        assert f"`{name}`" in DOCUMENT, name


def test_the_second_reader_reads_a_store_of_ours(vault: Vault, store_path: Path) -> None:
    source = Provenance("kem2", "meters.zip.kem2", row=3, imported_at=NOON)
    vault.put([record_of(number) for number in range(5)])
    vault.put(
        [
            record_of("21N001052", serial="21N 001052", dev_eui="70b3d5e75e000001", label="Zähler", source=source),
            record_of(7, no_key=True),
        ]
    )
    vault.remove("2")
    vault.slots.change_passphrase(PASSPHRASE, "schl\u00fcssel", CHEAP)
    vault.close()
    contents = independent_reader.read_store(store_path, "schlu\u0308ssel")
    assert [record["number"] for record in contents.records] == [
        *("00000000", "00000001", "00000003", "00000004"),
        *("21N001052", "00000007"),
    ]
    assert contents.records[0]["value"] == key_of("00000000").hex()
    assert contents.records[4]["label"] == "Zähler"
    assert contents.records[4]["row"] == 3
    assert contents.records[5]["no_key"] is True
    assert contents.sources[contents.records[4]["source"]] == {
        "v": 1,
        "system": "kem2",
        "signature": "unsigned",
        "file_name": "meters.zip.kem2",
        "imported_at": NOON.isoformat(),
    }
    assert contents.generation == 5
    assert contents.sealed
    assert [entry["action"] for entry in contents.audit] == [
        *("store_created", "imported", "imported", "removed", "slot_changed")
    ]


def test_the_second_reader_opens_with_a_recovery_key(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1)])
    printed = vault.slots.add_recovery(PASSPHRASE)
    vault.close()
    assert len(independent_reader.read_store(store_path, printed, "recovery").records) == 1


def test_the_second_reader_compares_every_byte(filled: Path) -> None:
    original = filled.read_bytes()
    for offset in range(50, len(original), 997):
        filled.write_bytes(original[:offset] + bytes([original[offset] ^ 0x10]) + original[offset + 1 :])
        with pytest.raises(Exception):  # noqa: B017, PT011 - what it is depends on the byte
            independent_reader.read_store(filled, PASSPHRASE)


def test_the_second_reader_notices_alteration_too(vault: Vault, store_path: Path) -> None:
    vault.put([record_of(1), record_of(2)])
    vault.close()
    with pytest.raises(InvalidTag):
        independent_reader.read_store(store_path, "not it")
    connection = sqlite3.connect(store_path)
    with connection:
        connection.execute("DELETE FROM item WHERE id = 2")
    connection.close()
    with pytest.raises(independent_reader.Refused):
        independent_reader.read_store(store_path, PASSPHRASE)


def test_the_second_reader_knows_nothing_of_the_first() -> None:
    source = Path(independent_reader.__file__).read_text(encoding="utf-8")
    assert not re.search(r"^\s*(?:from|import) (?:keystore|protocols|tests)", source, re.MULTILINE)
    assert len(source.splitlines()) < 200
