"""What is in the frozen stores of tests/keystore/frozen: one file for each format version that was ever released.

A frozen file is never made again: every later version of the program must read it as it is. `python -m
tests.keystore.frozen_stores` writes the file of the current format, where there is none yet.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from keystore.model import KeyRecord, KeyRole, KeyStatus, Ownership, Provenance, SignatureState
from keystore.vault import Vault, VaultSettings
from tests.keystore.made_up import CHEAP, key_of, record_of

FOLDER: Final = Path(__file__).parent / "frozen"
PASSPHRASE: Final = "frozen words of nonsense"
SECOND_PASSPHRASE: Final = "other frozen words"
MADE_AT: Final = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DOCUMENT: Final = b'{"made": "for the frozen store"}'
ACTIONS_1: Final = (
    *("store_created", "imported", "imported", "confirmed", "ownership_changed", "removed"),
    *("slot_added", "slot_added", "meter_action"),
)
RECOVERY_KEYS: Final = FOLDER / "recovery-keys.txt"

_KEM2: Final = Provenance(
    "kem2", "meters.zip.kem2", "ab" * 32, "A1.kem2", 1, MADE_AT, SignatureState.VERIFIED, "anna", "CN=x"
)
_CSV: Final = Provenance("csv", "keys.csv", "cd" * 32, row=2, imported_at=MADE_AT)


def put_1() -> list[list[KeyRecord]]:
    """The records of format 1, as they were put."""
    return [
        [
            record_of("63001468", label="flat 1", meter_type="MC21", order="4711  3", source=_KEM2),
            record_of("63001475", role=KeyRole.GPK, role_detail="1", config_number="1234567890123", source=_KEM2),
            record_of("63001482", no_key=True, source=_KEM2),
            record_of("63001499", source=_KEM2),
        ],
        [
            record_of("63001468", value=key_of("newer"), source=_CSV),
            record_of("63001505", value=b"", ownership=Ownership.UNCLAIMED, batch_reference="B7", source=_CSV),
            KeyRecord(
                "21N001052",
                KeyRole.LORAWAN_APP_KEY,
                key_of("lorawan"),
                manufacturer="INT",
                serial="21 N 001052",
                dev_eui="70b3d5e75e000001",
                join_eui="70b3d5e75e000002",
                dev_addr="260b0001",
                label="Zähler im Keller",
                key_version=3,
                not_before=MADE_AT,
                not_after=MADE_AT + timedelta(days=365),
                owner="City Works",
                ownership=Ownership.CLAIMED,
                status=KeyStatus.SUPERSEDED,
                source=_CSV,
            ),
            record_of(
                "12345678", adapter="10000009", adapter_manufacturer="EXA", version=7, medium_code=4, source=_CSV
            ),
        ],
    ]


def write_1(path: Path) -> str:
    """Make a store of format 1; return its recovery key."""
    settings = VaultSettings(now=lambda: MADE_AT, actor="anna")
    with Vault.create(path, PASSPHRASE, CHEAP, settings=settings) as vault:
        for records in put_1():
            vault.put(records)
        vault.confirm(put_1()[0][0])
        vault.set_ownership("63001475", Ownership.TRANSFERRED, "City Works")
        vault.remove("63001499")
        vault.slots.add_passphrase(PASSPHRASE, SECOND_PASSPHRASE, CHEAP, label="office")
        printed = vault.slots.add_recovery(PASSPHRASE, label="safe")
        vault.documents.change("wallet", lambda _: (DOCUMENT, ()))
        vault.audit.note("meter_action", "KAM 63001468", what="reset", level="installer")
    return printed


def main() -> None:
    """Write the frozen store of the current format, once."""
    path = FOLDER / "format-1.vault"
    if path.exists():
        raise SystemExit(f"{path.name} is frozen")
    printed = write_1(path)
    with RECOVERY_KEYS.open("a", encoding="ascii") as file:
        file.write(f"format-1.vault {printed}\n")


if __name__ == "__main__":
    main()
