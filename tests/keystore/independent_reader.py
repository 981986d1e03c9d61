"""A second reader of the keystore format, written from docs/keystore-format.md alone: it imports nothing of ours."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CONTEXT = b"fieldtool keystore 1 "
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Refused(Exception):
    """The file is not what the document describes."""


@dataclass(frozen=True)
class Contents:
    """What a store holds: records, sources by item id, audit log, generation; sealed when every byte was compared."""

    records: list[dict[str, Any]]
    sources: dict[int, dict[str, Any]]
    audit: list[dict[str, Any]]
    generation: int
    sealed: bool


def derive_kek(passphrase: str, salt: bytes, memory_kib: int, iterations: int, lanes: int) -> bytes:
    kdf = Argon2id(salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory_kib)
    return kdf.derive(unicodedata.normalize("NFC", passphrase).encode())


def hkdf(secret: bytes, salt: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=salt, info=CONTEXT + purpose.encode() + b"\0").derive(secret)


def mac(key: bytes, message: bytes, size: int = 32) -> bytes:
    return hashlib.blake2b(message, key=key, digest_size=size).digest()


def u64(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "big") for number in numbers)


def slot_aad(store_id: bytes, slot_id: int, kind: str) -> bytes:
    return CONTEXT + b"slot\0" + store_id + slot_id.to_bytes(4, "big") + kind.encode()


def row_head(item: int, kind: int, generation: int) -> bytes:
    return u64(item) + kind.to_bytes(1, "big") + u64(generation)


def item_aad(store_id: bytes, item: int, kind: int, generation: int) -> bytes:
    return CONTEXT + b"item\0" + store_id + row_head(item, kind, generation)


def entry_aad(store_id: bytes, number: int, generation: int) -> bytes:
    return CONTEXT + b"audit\0" + store_id + u64(number, generation)


def look_up_term(index_key: bytes, kind: str, text: str) -> bytes:
    return mac(index_key, kind.encode() + b"\0" + text.encode(), 16)


def item_digest(set_key: bytes, item: int, kind: int, generation: int, sealed: bytes) -> int:
    return int.from_bytes(mac(set_key, b"item\0" + row_head(item, kind, generation) + sealed), "big")


def lookup_digest(set_key: bytes, term: bytes, item: int) -> int:
    return int.from_bytes(mac(set_key, b"lookup\0" + term + u64(item)), "big")


def state_mac(set_key: bytes, counts: tuple[int, ...], set_hash: bytes, head: bytes, body: bytes) -> bytes:
    return mac(set_key, b"state\0" + u64(*counts) + set_hash + head + hashlib.sha256(body).digest())


def normal_form(text: str) -> str:
    prefixed = re.fullmatch(r"[A-Za-z]{3}[ ._/-]*([0-9]{8})", text.strip())
    text = re.sub(r"[\s.:_/-]+", "", prefixed[1] if prefixed else text)
    return text.lower() if re.fullmatch(r"[0-9A-Fa-f]{8}", text) else text.upper()


def words(record: dict[str, Any]) -> set[tuple[str, str]]:
    number, serial = record["number"], normal_form(record.get("serial", ""))
    found = {("number", number), *((kind, record.get(kind, "")) for kind in ("dev_eui", "adapter", "dev_addr"))}
    if serial != number:
        found.add(("serial", serial))
    return {(kind, text) for kind, text in found if text}


def recovery_bytes(printed: str) -> bytes:
    values = [ALPHABET.index(character) for character in printed.replace("-", "")]
    number = 0
    for place, value in enumerate(values):
        if place % 5 < 4:
            number = number * 32 + value
    return number.to_bytes(20, "big")


def open_root(header: dict[str, Any], secret: str, kind: str) -> bytes:
    store_id = bytes.fromhex(header["store_id"])
    for slot in header["slots"]:
        if slot["kind"] != kind:
            continue
        salt, nonce, wrapped = (bytes.fromhex(slot[name]) for name in ("salt", "nonce", "wrapped"))
        if kind == "passphrase":
            kek = derive_kek(secret, salt, slot["memory_kib"], slot["iterations"], slot["lanes"])
        else:
            kek = hkdf(recovery_bytes(secret), salt, f"slot {kind}")
        return AESGCM(kek).decrypt(nonce, wrapped, slot_aad(store_id, slot["id"], kind))
    raise Refused("no such slot")


def read_store(path: Path, secret: str, kind: str = "passphrase") -> Contents:
    """Return everything after every check of the document; `Refused` or `InvalidTag` when one fails."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return _read(connection, path, secret, kind)
    finally:
        connection.close()


def _read(connection: sqlite3.Connection, path: Path, secret: str, kind: str) -> Contents:
    if connection.execute("PRAGMA application_id").fetchone() != (0x46544B53,):
        raise Refused("application id")
    body, checksum, header_mac = connection.execute("SELECT body, checksum, mac FROM header WHERE id = 1").fetchone()
    header = json.loads(body)
    if header["format"] != 1 or hashlib.sha256(body).digest() != checksum:
        raise Refused("header")
    store_id = bytes.fromhex(header["store_id"])
    root = open_root(header, secret, kind)
    index, data, set_key = (hkdf(root, store_id, purpose) for purpose in ("index", "data", "set"))
    if mac(hkdf(root, store_id, "header"), body) != header_mac:
        raise Refused("header mac")
    plain: dict[int, tuple[int, dict[str, Any]]] = {}
    total = 0
    for item, item_kind, generation, sealed in connection.execute("SELECT id, kind, generation, sealed FROM item"):
        text = AESGCM(data).decrypt(sealed[:12], sealed[12:], item_aad(store_id, item, item_kind, generation))
        plain[item] = item_kind, json.loads(text) if item_kind < 3 else {"name": text.partition(b"\0")[0].decode()}
        total += item_digest(set_key, item, item_kind, generation, sealed)
    sources = {item: content for item, (item_kind, content) in plain.items() if item_kind == 1}
    records = {item: content for item, (item_kind, content) in plain.items() if item_kind == 2}
    expected = {(look_up_term(index, *word), item) for item, record in records.items() for word in words(record)}
    expected |= {(look_up_term(index, "document", d["name"]), item) for item, (k, d) in plain.items() if k == 3}
    if set(connection.execute("SELECT term, item FROM lookup")) != expected:
        raise Refused("look-up words")
    total += sum(lookup_digest(set_key, term, item) for term, item in expected)
    state = connection.execute("SELECT * FROM state WHERE id = 1").fetchone()[1:]
    counts, (set_hash, head, found_mac) = state[:5], state[5:]
    if state_mac(set_key, counts, set_hash, head, body) != found_mac:
        raise Refused("state mac")
    audit, last = _read_audit(connection, root, store_id)
    found = (len(plain), len(records), len(expected), len(audit), (total % (1 << 256)).to_bytes(32, "big"), last)
    if (*counts[1:], set_hash, head) != found:
        raise Refused("the rows are not the set that was written")
    sealed_now = _check_seal(connection, path, hkdf(root, store_id, "file"), counts[0])
    return Contents([records[item] for item in sorted(records)], sources, audit, counts[0], sealed_now)


def _read_audit(connection: sqlite3.Connection, root: bytes, store_id: bytes) -> tuple[list[dict[str, Any]], bytes]:
    audit_key, chain_key = hkdf(root, store_id, "audit"), hkdf(root, store_id, "chain")
    entries: list[dict[str, Any]] = []
    link = bytes(32)
    for number, generation, sealed, stored in connection.execute("SELECT * FROM audit ORDER BY number"):
        link = mac(chain_key, link + u64(number, generation) + sealed)
        if number != len(entries) + 1 or link != stored:
            raise Refused("audit chain")
        text = AESGCM(audit_key).decrypt(sealed[:12], sealed[12:], entry_aad(store_id, number, generation))
        entries.append(json.loads(text))
    return entries, link


def _check_seal(connection: sqlite3.Connection, path: Path, file_key: bytes, generation: int) -> bool:
    (seal,) = connection.execute("SELECT body FROM seal WHERE id = 1").fetchone()
    (root_page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'seal'").fetchone()
    end = root_page * connection.execute("PRAGMA page_size").fetchone()[0]
    content = path.read_bytes()
    if seal[8:24] != mac(file_key, b"generation\0" + seal[:8])[:16] or content[end - 56 : end] != seal:
        raise Refused("seal")
    if int.from_bytes(seal[:8], "big") != generation:
        return False
    if mac(file_key, b"file\0" + content[: end - 56] + bytes(56) + content[end:]) != seal[24:]:
        raise Refused("the file is not what was sealed")
    return True
