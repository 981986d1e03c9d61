"""What is in the frozen store whose header says which generation wrote each document.

It is of format 1, as the first frozen store, which was written before the header had `documents`. `python -m
tests.keystore.frozen_documents` writes it, where there is none yet.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from fieldtool.kept.session_book import DOCUMENT as SESSIONS_DOCUMENT
from fieldtool.kept.session_document import encode_sessions
from keystore.certificates.certificate_store import CertificateEvent, CertificateStore, Note
from keystore.certificates.enrolment import import_list
from keystore.certificates.wallet import Wallet
from keystore.key_change import ChangeNote, KeyChange
from keystore.model import KeyRecord, KeyRole
from keystore.vault import Vault, VaultSettings, write_backup
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.keys import RootKeys
from protocols.lorawan.sessions import Sessions
from protocols.model import Address, Key, Link, RawFrame
from tests.keystore.certificates.desks import enrolled, make_desk, requested, trusting
from tests.keystore.frozen_stores import FOLDER, MADE_AT, PASSPHRASE, RECOVERY_KEYS
from tests.keystore.made_up import CHEAP, key_of, record_of
from tests.protocols.lorawan.lorawan_bench import APP_KEY, DEV_EUI, JOIN_EUI, Filed, joining_1_0, uplink

STORE: Final = FOLDER / "format-1-documents.vault"
BACKUP: Final = FOLDER / "format-1-documents.backup"
BACKUP_PASSPHRASE: Final = "frozen backup words"
METER: Final = Address.of("KAM", "63001468", 0x1B, 0x16)
CHANGE: Final = KeyChange(METER, KeyRole.WMBUS_DEK, key_of(METER.number), key_of("next"), MADE_AT, "anna", "0123")
RECORDS: Final = (
    record_of(METER.number, label="flat 1"),
    record_of("63001475"),
    KeyRecord("21N001052", KeyRole.LORAWAN_APP_KEY, APP_KEY.value, dev_eui=DEV_EUI, join_eui=JOIN_EUI),
)
REVOKED_TAG: Final = "bert"
ACTIONS: Final = (
    *("store_created", "imported", "anchor_installed", "certificate_imported", "revocations_imported"),
    *("meter_action", "slot_added", "backed_up"),
)


def wallet() -> tuple[Wallet, Wallet, Wallet]:
    """An anchor, then two certificates and a request, then a list that revokes the first of them."""
    desk = make_desk()
    trusted = trusting(desk, MADE_AT)
    held = enrolled(desk, enrolled(desk, trusted, tag=REVOKED_TAG, now=MADE_AT), "commissioner", now=MADE_AT)
    held, _ = requested(desk, held, "installer", "cora", MADE_AT)
    desk.revoke(held.credentials[0].name, MADE_AT + timedelta(hours=1))
    listed, _ = import_list(held, desk.revocation_list(MADE_AT + timedelta(hours=1)), MADE_AT + timedelta(hours=1))
    return trusted, held, listed


def sessions() -> Sessions:
    """One session, followed from its join to the second frame."""
    follower = LorawanFollower(Filed((RootKeys(DEV_EUI, app_key=Key(APP_KEY.value, "portal")),)))
    request, accept, keys = joining_1_0(1)
    for data in (request, accept, uplink(0, keys), uplink(1, keys)):
        follower.decode(RawFrame(data, datetime(2026, 11, 20, 8, tzinfo=UTC), link=Link.LORAWAN))
    return follower.sessions


def _replaced(state: Wallet, note: Note, _: Wallet) -> tuple[Wallet, None, tuple[Note, ...]]:
    return state, None, (note,)


def write_store(path: Path) -> str:
    """Make the store; return its recovery key."""
    settings = VaultSettings(now=lambda: MADE_AT, actor="anna")
    with Vault.create(path, PASSPHRASE, CHEAP, settings=settings) as vault:
        vault.put(list(RECORDS))
        certificates = CertificateStore(vault.documents)
        events = (CertificateEvent.ANCHOR_INSTALLED, CertificateEvent.IMPORTED, CertificateEvent.REVOCATIONS_IMPORTED)
        for event, state in zip(events, wallet(), strict=True):
            certificates.change(partial(_replaced, state, Note(event, "desk")))
        vault.documents.change(SESSIONS_DOCUMENT, lambda _: (encode_sessions(sessions()), ()))
        vault.key_changes.begin(CHANGE, vault.find(METER.number)[0], ChangeNote("meter_action", "KAM 63001468", {}))
        # Slots that change keep what the header says of the documents.
        return vault.slots.add_recovery(PASSPHRASE, label="safe")


def main() -> None:
    """Write the frozen store and its backup, once."""
    if STORE.exists():
        raise SystemExit(f"{STORE.name} is frozen")
    printed = write_store(STORE)
    with RECOVERY_KEYS.open("a", encoding="ascii") as file:
        file.write(f"{STORE.name} {printed}\n")
    with Vault.open(STORE) as vault:
        vault.unlock(PASSPHRASE)
        write_backup(vault, BACKUP, BACKUP_PASSPHRASE, PASSPHRASE, CHEAP)


if __name__ == "__main__":
    main()
