"""The nouns of the keystore: key record, role, ownership, provenance, key check value."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import protocols.crypto
from keystore.matching import RADIO_NUMBER

KEY_LENGTHS = (8, 16, 24, 32)
"""DES and PRIOS, AES-128, AES-192, AES-256."""

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
    LORAWAN_F_NWK_S_INT_KEY = "lorawan_f_nwk_s_int_key"
    LORAWAN_S_NWK_S_INT_KEY = "lorawan_s_nwk_s_int_key"
    LORAWAN_NWK_S_ENC_KEY = "lorawan_nwk_s_enc_key"
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

LORAWAN_ROLES = frozenset(role for role in KeyRole if role.startswith("lorawan_"))
"""Roles of the keys of LoRaWAN devices and sessions."""


class KeyStatus(StrEnum):
    """Whether a key is to be used: tried, tried last, never tried."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class Ownership(StrEnum):
    """Whose a meter is, as the portal that its record came from says it."""

    UNKNOWN = "unknown"
    CLAIMED = "claimed"
    UNCLAIMED = "unclaimed"
    """Listed by the portal, but its key is handed out only after a claim."""
    TRANSFERRED = "transferred"
    """Given to somebody else since: the key is kept, and every use of it is audited."""


KEYLESS_OWNERSHIPS = (Ownership.UNCLAIMED, Ownership.TRANSFERRED)
"""Ownerships whose rows may come without a key."""


class SignatureState(StrEnum):
    """What is known of the authenticity of an imported file; a KEM file is never more than `unsigned`."""

    UNSIGNED = "unsigned"
    NOT_VERIFIED = "not_verified"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a key record came from: system, file, row and when.

    `system` is the format or portal in one word; `file_sha256` the hex digest of the file as received; `member` the
    name inside an archive; `row` counts from 1 as the file's own lines or devices do. `imported_by` is the user's name
    on the computer, `signer` what is known of the certificate that signed the file: its subject, or its fingerprint.
    """

    system: str
    file_name: str = ""
    file_sha256: str = ""
    member: str = ""
    row: int | None = None
    imported_at: datetime | None = None
    signature: SignatureState = SignatureState.UNSIGNED
    imported_by: str = ""
    signer: str = ""

    def at_row(self, row: int) -> Provenance:
        """Return the same with a row; every record that is read out of a store needs it."""
        return Provenance(
            self.system,
            self.file_name,
            self.file_sha256,
            self.member,
            row,
            self.imported_at,
            self.signature,
            self.imported_by,
            self.signer,
        )


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key of one meter, with what is known of the meter and of the key's origin; never shows the key.

    `number` identifies the meter in normal form (`keystore.matching.normal_number`): eight hex digits as on the air, or
    the printed serial in upper case without separators when the meter has no such number. `serial` is what the file
    printed. `manufacturer` is three letters, `medium_code` the device type of EN 13757-7. `adapter` is the number, in
    normal form, of the radio adapter that sends for the meter, and `adapter_manufacturer` its maker. `dev_addr` is the
    LoRaWAN address of a session, eight hex digits.

    `no_key` says that the meter is known to send unencrypted, which is something else than an unknown key. `value` is
    empty then, and for meters that a portal lists as `unclaimed` or `transferred` without handing out their key.

    `key_version` is the number that the meter sends of the key in use; `not_before` and `not_after` are aware UTC and
    both inclusive. `confirmed_at` is when telegrams last proved the key. `owner` is the organisation that owns the
    meter, or that it was transferred to.

    Raises `ValueError` when value, `no_key` and ownership contradict each other, when nothing identifies the meter, or
    when DevEUI, JoinEUI or DevAddr are none.
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
    adapter: str = ""
    adapter_manufacturer: str | None = None
    dev_addr: str = ""
    key_version: int | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    confirmed_at: datetime | None = None
    owner: str = ""
    ownership: Ownership = Ownership.UNKNOWN

    def __post_init__(self) -> None:
        if bool(self.value) == self.no_key and not (self.is_listing and self.ownership in KEYLESS_OWNERSHIPS):
            raise ValueError("a key record has either a key or the no_key flag")
        if not (self.number or self.dev_eui):
            raise ValueError("a key record needs a meter number or a DevEUI")
        if self.dev_eui and not _EUI.fullmatch(self.dev_eui):
            raise ValueError("a DevEUI has 16 lower-case hex digits")
        if self.join_eui and not _EUI.fullmatch(self.join_eui):
            raise ValueError("a JoinEUI has 16 lower-case hex digits")
        if self.dev_addr and not RADIO_NUMBER.fullmatch(self.dev_addr):
            raise ValueError("a DevAddr has 8 lower-case hex digits")

    @property
    def has_key(self) -> bool:
        """True when there is a key, whatever may be done with it."""
        return bool(self.value)

    @property
    def is_listing(self) -> bool:
        """True for a meter that a portal lists without handing out its key."""
        return not self.value and not self.no_key

    def is_valid_at(self, moment: datetime) -> bool:
        """True when the key is in the time for which it was issued; always, when nothing is known of that."""
        return (self.not_before is None or self.not_before <= moment) and (
            self.not_after is None or moment <= self.not_after
        )

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
        return RADIO_NUMBER.fullmatch(self.number) is not None

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
