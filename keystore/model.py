"""The nouns of the keystore: key record, role, provenance, key check value."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import protocols.crypto

KEY_LENGTHS = (8, 16, 24, 32)
"""DES and PRIOS, AES-128, AES-192, AES-256."""

_RADIO_NUMBER = re.compile(r"[0-9a-f]{8}")
_EUI = re.compile(r"[0-9a-f]{16}")
_NUMBERED_ROLES_SEPARATOR = ":"


class KeyRole(StrEnum):
    """What a key is for; `KeyRecord.role_detail` says which of several, or the name of an `other` one."""

    WMBUS_DEK = "wmbus_dek"
    GPK = "gpk"
    PK = "pk"
    PRIOS64 = "prios64"
    LORAWAN_APP_KEY = "lorawan_app_key"
    LORAWAN_NWK_KEY = "lorawan_nwk_key"
    LORAWAN_NWK_S_KEY = "lorawan_nwk_s_key"
    LORAWAN_APP_S_KEY = "lorawan_app_s_key"
    LORAWAN_GEN_APP_KEY = "lorawan_gen_app_key"
    DLMS_MASTER = "dlms_master"
    DLMS_AUTHENTICATION = "dlms_authentication"
    DLMS_ENCRYPTION = "dlms_encryption"
    DLMS_BROADCAST = "dlms_broadcast"
    OPTICAL = "optical"
    SIGFOX_PAC = "sigfox_pac"
    CLAIM_TOKEN = "claim_token"  # noqa: S105 - the name of a role
    OTHER = "other"


WMBUS_ROLES = (KeyRole.WMBUS_DEK, KeyRole.PRIOS64)
"""Roles whose keys open wireless M-Bus telegrams."""


class KeyStatus(StrEnum):
    """Whether a key is to be used: tried, tried last, never tried."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class SignatureState(StrEnum):
    """What is known of the authenticity of an imported file; a KEM file is never more than `unsigned`."""

    UNSIGNED = "unsigned"
    NOT_VERIFIED = "not_verified"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a key record came from: system, file, row and when.

    `system` is the format or portal in one word; `file_sha256` the hex digest of the file as received; `member` the
    name inside an archive; `row` counts from 1 as the file's own lines or devices do.
    """

    system: str
    file_name: str = ""
    file_sha256: str = ""
    member: str = ""
    row: int | None = None
    imported_at: datetime | None = None
    signature: SignatureState = SignatureState.UNSIGNED


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key of one meter, with what is known of the meter and of the key's origin; never shows the key.

    `number` identifies the meter in normal form (`keystore.matching.normal_number`): eight hex digits as on the air, or
    the printed serial in upper case without separators when the meter has no such number. `serial` is what the file
    printed. `manufacturer` is three letters, `medium_code` the device type of EN 13757-7. `no_key` says that the meter
    is known to send unencrypted, which is something else than an unknown key; `value` is empty then, and only then.

    Raises `ValueError` when value and `no_key` contradict each other, when nothing identifies the meter,
    or when the DevEUI is none.
    """

    number: str
    role: KeyRole = KeyRole.WMBUS_DEK
    value: bytes = field(default=b"", repr=False)
    role_detail: str = ""
    no_key: bool = False
    manufacturer: str | None = None
    version: int | None = None
    medium_code: int | None = None
    serial: str = ""
    dev_eui: str = ""
    join_eui: str = ""
    label: str = ""
    meter_type: str = ""
    type_number: str = ""
    config_number: str = ""
    order: str = ""
    batch_reference: str = ""
    status: KeyStatus = KeyStatus.ACTIVE
    source: Provenance = Provenance("unknown")

    def __post_init__(self) -> None:
        if self.no_key == bool(self.value):
            raise ValueError("a key record has either a key or the no_key flag")
        if not (self.number or self.dev_eui):
            raise ValueError("a key record needs a meter number or a DevEUI")
        if self.dev_eui and not _EUI.fullmatch(self.dev_eui):
            raise ValueError("a DevEUI has 16 lower-case hex digits")

    @property
    def role_text(self) -> str:
        """The role with its detail: `wmbus_dek`, `gpk:1`, `other:optical head`."""
        return f"{self.role}{_NUMBERED_ROLES_SEPARATOR}{self.role_detail}" if self.role_detail else str(self.role)

    @property
    def key_check_value(self) -> str:
        """The key check value, or an empty string for a meter without a key."""
        return key_check_value(self.value) if self.value else ""

    @property
    def is_radio_number(self) -> bool:
        """True when `number` can stand in a wireless M-Bus address."""
        return _RADIO_NUMBER.fullmatch(self.number) is not None

    @property
    def meter_text(self) -> str:
        """The meter in one word or two: `KAM 63001468`, `21N001052`, `DevEUI 70b3d5...`."""
        if not self.number:
            return f"DevEUI {self.dev_eui}"
        return f"{self.manufacturer} {self.number}" if self.manufacturer else self.number


def parse_role(text: str) -> tuple[KeyRole, str]:
    """Return role and detail of `role_text`; `ValueError` for a role that does not exist."""
    name, _, detail = text.partition(_NUMBERED_ROLES_SEPARATOR)
    return KeyRole(name), detail


def key_check_value(key: bytes) -> str:
    """Return six hex digits that identify a key without showing it.

    Keys that AES takes, and doubled DES keys: as on every screen, `protocols.crypto.key_check_value`. Secrets of other
    lengths: the first 3 bytes of HMAC-SHA-256(secret, 16 zero bytes).
    """
    if len(key) in KEY_LENGTHS:
        return protocols.crypto.key_check_value(key)
    return hmac.digest(key, bytes(16), hashlib.sha256)[:3].hex()
