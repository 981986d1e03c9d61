"""A second reader of the keystore format, written from docs/keystore-format.md alone: it imports nothing of ours."""

from __future__ import annotations

import hashlib
import hmac
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


class Refused(Exception):
    """The file is not what the document describes."""


@dataclass(frozen=True)
class Contents:
    """What a store holds: its records, their sources by item id, the generation."""

    records: list[dict[str, Any]]
    sources: dict[int, dict[str, Any]]
    generation: int


def derive_kek(passphrase: str, salt: bytes, memory_kib: int, iterations: int, lanes: int) -> bytes:
    kdf = Argon2id(salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory_kib)
    return kdf.derive(unicodedata.normalize("NFC", passphrase).encode())


def slot_aad(store_id: bytes, slot_id: int) -> bytes:
    return CONTEXT + b"slot\0" + store_id + slot_id.to_bytes(4, "big")


def item_aad(store_id: bytes, item: int, kind: int, generation: int) -> bytes:
    return CONTEXT + b"item\0" + store_id + row_head(item, kind, generation)


def row_head(item: int, kind: int, generation: int) -> bytes:
    return item.to_bytes(8, "big") + kind.to_bytes(1, "big") + generation.to_bytes(8, "big")


def subkey(root: bytes, store_id: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=store_id, info=CONTEXT + purpose.encode() + b"\0").derive(root)


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def look_up_term(index_key: bytes, kind: str, text: str) -> bytes:
    return mac(index_key, kind.encode() + b"\0" + text.encode())[:16]


def item_digest(set_key: bytes, item: int, kind: int, generation: int, sealed: bytes) -> int:
    return int.from_bytes(mac(set_key, b"item\0" + row_head(item, kind, generation) + sealed), "big")


def state_mac(set_key: bytes, generation: int, items: int, records: int, set_hash: bytes, body: bytes) -> bytes:
    counts = b"".join(number.to_bytes(8, "big") for number in (generation, items, records))
    return mac(set_key, b"state\0" + counts + set_hash + hashlib.sha256(body).digest())


def normal_form(text: str) -> str:
    prefixed = re.fullmatch(r"[A-Za-z]{3}[ ._/-]*([0-9]{8})", text.strip())
    text = re.sub(r"[\s.:_/-]+", "", prefixed[1] if prefixed else text)
    return text.lower() if re.fullmatch(r"[0-9A-Fa-f]{8}", text) else text.upper()


def words(record: dict[str, Any]) -> set[tuple[str, str]]:
    number, serial = record["number"], normal_form(record.get("serial", ""))
    found = {("number", number), ("dev_eui", record.get("dev_eui", ""))}
    if serial != number:
        found.add(("serial", serial))
    return {(kind, text) for kind, text in found if text}


def open_root(header: dict[str, Any], passphrase: str) -> bytes:
    store_id = bytes.fromhex(header["store_id"])
    for slot in header["slots"]:
        if slot["kind"] != "passphrase":
            continue
        salt = bytes.fromhex(slot["salt"])
        kek = derive_kek(passphrase, salt, slot["memory_kib"], slot["iterations"], slot["lanes"])
        nonce, wrapped = bytes.fromhex(slot["nonce"]), bytes.fromhex(slot["wrapped"])
        return AESGCM(kek).decrypt(nonce, wrapped, slot_aad(store_id, slot["id"]))
    raise Refused("no passphrase slot")


def read_store(path: Path, passphrase: str) -> Contents:
    """Return all records after every check of the document; `Refused` or `InvalidTag` when one fails."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return _read(connection, passphrase)
    finally:
        connection.close()


def _read(connection: sqlite3.Connection, passphrase: str) -> Contents:
    if connection.execute("PRAGMA application_id").fetchone() != (0x46544B53,):
        raise Refused("application id")
    body, checksum, header_mac = connection.execute("SELECT body, checksum, mac FROM header WHERE id = 1").fetchone()
    header = json.loads(body)
    if header["format"] != 1 or hashlib.sha256(body).digest() != checksum:
        raise Refused("header")
    store_id = bytes.fromhex(header["store_id"])
    root = open_root(header, passphrase)
    index, data, set_key = (subkey(root, store_id, purpose) for purpose in ("index", "data", "set"))
    if mac(subkey(root, store_id, "header"), body) != header_mac:
        raise Refused("header mac")
    plain: dict[int, tuple[int, dict[str, Any]]] = {}
    total = 0
    for item, kind, generation, sealed in connection.execute("SELECT id, kind, generation, sealed FROM item"):
        text = AESGCM(data).decrypt(sealed[:12], sealed[12:], item_aad(store_id, item, kind, generation))
        plain[item] = kind, json.loads(text)
        total += item_digest(set_key, item, kind, generation, sealed)
    sources = {item: content for item, (kind, content) in plain.items() if kind == 1}
    records = {item: content for item, (kind, content) in plain.items() if kind == 2}
    generation = _check_state(connection, set_key, body, len(plain), len(records), total % (1 << 256))
    expected = {(look_up_term(index, *word), item) for item, record in records.items() for word in words(record)}
    if set(connection.execute("SELECT term, item FROM lookup")) != expected:
        raise Refused("look-up words")
    return Contents([records[item] for item in sorted(records)], sources, generation)


def _check_state(
    connection: sqlite3.Connection, set_key: bytes, body: bytes, items: int, records: int, total: int
) -> int:
    row = connection.execute("SELECT generation, items, records, set_hash, mac FROM state WHERE id = 1").fetchone()
    generation, state_items, state_records, set_hash, found_mac = row
    if state_mac(set_key, generation, state_items, state_records, set_hash, body) != found_mac:
        raise Refused("state mac")
    if (state_items, state_records, int.from_bytes(set_hash, "big")) != (items, records, total):
        raise Refused("the rows are not the set that was written")
    return int(generation)
