"""The header of a store: damage, newer formats and hostile parameters are told before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from keystore.errors import Damaged, NewerFormat, WorkFactorTooHigh
from keystore.vault import Vault
from keystore.vault.header import header_checksum
from tests.keystore.made_up import CHEAP, PASSPHRASE
from tests.keystore.raw_store import raw


def test_an_older_header_does_not_fit_the_newer_state(vault: Vault, store_path: Path) -> None:
    with raw(store_path) as connection:
        header = connection.execute("SELECT * FROM header").fetchone()
    vault.slots.change_passphrase(PASSPHRASE, "new words", CHEAP)
    vault.close()
    with raw(store_path) as connection:
        connection.execute("UPDATE header SET body=?, checksum=?, mac=?", header[1:])
    with Vault.open(store_path) as again, pytest.raises(Damaged):
        again.unlock(PASSPHRASE)


def test_every_flipped_byte_of_the_header_is_found_before_the_passphrase_is_blamed(filled: Path) -> None:
    with raw(filled) as connection:
        (body,) = connection.execute("SELECT body FROM header").fetchone()
    for offset in range(0, len(body), 7):
        changed = bytearray(body)
        changed[offset] ^= 0x04
        with raw(filled) as connection:
            connection.execute("UPDATE header SET body = ?", (bytes(changed),))
        with pytest.raises(Damaged):
            Vault.open(filled)


def rewrite_header(path: Path, old: bytes, new: bytes) -> None:
    """Change the header as somebody would who can also repair its checksum."""
    with raw(path) as connection:
        (body,) = connection.execute("SELECT body FROM header").fetchone()
        assert old in body
        body = body.replace(old, new)
        connection.execute("UPDATE header SET body = ?, checksum = ?", (body, header_checksum(body)))


def test_a_newer_format_is_told(filled: Path) -> None:
    rewrite_header(filled, b'"format":1', b'"format":2')
    with pytest.raises(NewerFormat):
        Vault.open(filled)


def test_a_newer_format_with_more_tables_is_told_as_such(filled: Path) -> None:
    with raw(filled) as connection:
        connection.execute("CREATE TABLE later (id INTEGER PRIMARY KEY)")
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(NewerFormat):
        Vault.open(filled)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"memory_kib":64', b'"memory_kib":4194304'),
        (b'"iterations":1', b'"iterations":4294967295'),
    ],
    ids=["memory", "passes"],
)
def test_a_hostile_work_factor_is_refused_before_any_work(filled: Path, old: bytes, new: bytes) -> None:
    rewrite_header(filled, old, new)
    with pytest.raises(WorkFactorTooHigh):
        Vault.open(filled)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"lanes":1', b'"lanes":0'),
        (b'"memory_kib":64', b'"memory_kib":-64'),
        (b'"memory_kib":64', b'"memory_kib":true'),
        (b'"salt":"', b'"salt":"00'),
        (b'"slots":[', b'"slots":[7,'),
        (b'"slots":', b'"doors":'),
        (b'"format":1', b'"format":0'),
        (b'"format":1', b'"format":"1"'),
        (b"}", b""),
    ],
)
def test_a_senseless_header_is_damaged(filled: Path, old: bytes, new: bytes) -> None:
    rewrite_header(filled, old, new)
    with pytest.raises(Damaged):
        Vault.open(filled)


def test_a_header_altered_by_somebody_without_the_root_key_is_found_at_unlock(filled: Path) -> None:
    rewrite_header(filled, b'"label":""', b'"label":"mine"')
    with Vault.open(filled) as vault, pytest.raises(Damaged, match="altered"):
        vault.unlock(PASSPHRASE)


def test_a_slot_of_an_unknown_kind_is_passed_over(filled: Path) -> None:
    rewrite_header(filled, b'"slots":[', b'"slots":[{"id":7,"kind":"smartcard","service":"x"},')
    with Vault.open(filled) as vault:
        assert vault.info.slots == ("smartcard", "passphrase")
        with pytest.raises(Damaged, match="altered"):
            vault.unlock(PASSPHRASE)


def test_what_a_locked_store_says_of_itself_cannot_steer_a_terminal(filled: Path) -> None:
    rewrite_header(filled, b'"slots":[', b'"slots":[{"id":7,"kind":"\\u001b[31mcard"},')
    rewrite_header(filled, b'"policy":"', b'"policy":"\\u202e')
    with Vault.open(filled) as vault:
        shown = (*vault.info.slots, vault.info.policy)
    assert shown[0].endswith("[31mcard")
    assert all(text.isprintable() for text in shown)
