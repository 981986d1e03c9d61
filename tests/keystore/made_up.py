"""Made-up records, keys and passphrases for the tests of the keystore."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from keystore.model import KeyRecord, KeyRole, Provenance
from keystore.vault import KdfParameters
from protocols.model import Address

PASSPHRASE = "four words of nonsense"
CHEAP = KdfParameters(memory_kib=64, iterations=1, lanes=1)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def key_of(name: object) -> bytes:
    """Return a key that is the same in every run."""
    return hashlib.sha256(f"key of {name}".encode()).digest()[:16]


def record_of(number: int | str, **fields: Any) -> KeyRecord:  # noqa: ANN401 - as `KeyRecord` takes them
    """Return a wireless M-Bus key record of a Kamstrup meter, unless `fields` say otherwise."""
    text = f"{number:08d}" if isinstance(number, int) else number
    no_key = fields.get("no_key", False)
    defaults: dict[str, Any] = {
        "role": KeyRole.WMBUS_DEK,
        "value": b"" if no_key else key_of(text),
        "manufacturer": "KAM",
        "serial": text,
        "source": Provenance("kem2", "meters.zip.kem2", row=1, imported_at=NOON),
    }
    return KeyRecord(text, **{**defaults, **fields})


def address_of(number: int | str, manufacturer: str = "KAM") -> Address:
    """Return the radio address of a meter."""
    return Address.of(manufacturer, f"{number:08d}" if isinstance(number, int) else number, 0x1B, 0x16)
