"""What the columns of key tables are called: header synonyms in the languages that portals and people use."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keystore.model import KeyRole

_SQUEEZED: Final = re.compile(r"[\s_./()#°-]+")


class Column(StrEnum):
    """What a column that is no key holds."""

    SERIAL = "serial"
    MANUFACTURER = "manufacturer"
    DEV_EUI = "dev_eui"
    JOIN_EUI = "join_eui"
    DEV_ADDR = "dev_addr"
    VERSION = "version"
    MEDIUM = "medium"
    TYPE = "type"
    TYPE_NUMBER = "type_number"
    CONFIG_NUMBER = "config_number"
    ORDER = "order"
    BATCH_REFERENCE = "batch_reference"
    LABEL = "label"
    CLAIM_STATUS = "claim_status"
    OWNER = "owner"
    TRANSFERRED_TO = "transferred_to"


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column that holds keys: their role, and which of several."""

    role: KeyRole
    detail: str = ""


ColumnMeaning = Column | KeyColumn

_SYNONYMS: Final[dict[ColumnMeaning, tuple[str, ...]]] = {
    Column.SERIAL: (
        *("serial", "serial number", "serial no", "sn", "s/n", "meter no", "meter number", "meter id", "meter"),
        *("device id", "device number", "id", "id number", "identification number", "seriennummer", "zählernummer"),
        *("zähler", "zähler nr", "serien nr", "gerätenummer", "geräte nr", "fabriknummer", "numéro de série"),
        *("numéro compteur", "serienummer", "målernummer", "mätarnummer", "numero di serie", "número de serie"),
        *("number", "nummer", "numéro", "número", "numero"),
    ),
    Column.MANUFACTURER: (
        *("manufacturer", "manufacturer id", "manufacturer code", "mfct", "man", "maker", "vendor", "vendor id"),
        *("hersteller", "fabricant", "producent", "tillverkare", "produttore", "fabricante"),
    ),
    Column.DEV_EUI: ("deveui", "device eui"),
    Column.JOIN_EUI: ("joineui", "appeui", "application eui"),
    Column.DEV_ADDR: ("devaddr", "device address"),
    Column.VERSION: ("version", "generation"),
    Column.MEDIUM: ("medium", "medium code", "media"),
    Column.TYPE: ("type", "device type", "meter type", "model", "typ", "gerätetyp"),
    Column.TYPE_NUMBER: ("type number", "type no", "article number", "artikelnummer"),
    Column.CONFIG_NUMBER: ("config number", "config no", "configuration"),
    Column.ORDER: ("order", "order no", "order number", "auftrag", "auftragsnummer", "bestellnummer"),
    Column.BATCH_REFERENCE: ("batch reference", "batch", "charge"),
    Column.LABEL: ("label", "name", "description", "bezeichnung"),
    Column.CLAIM_STATUS: ("claim status", "claimed"),
    Column.OWNER: ("owner", "organisation", "organization", "eigentümer", "propriétaire", "ejer", "ägare"),
    Column.TRANSFERRED_TO: ("transferred to",),
    KeyColumn(KeyRole.WMBUS_DEK): (
        *("key", "aes key", "aes128 key", "aes 128 key", "aes", "encryption key", "decryption key", "oms key", "dek"),
        *("wmbus key", "wireless mbus key", "m-bus key", "radio key", "aes-schlüssel", "schlüssel", "funkschlüssel"),
        *("oms schlüssel", "clé", "clé aes", "clé de chiffrement", "nøgle", "nyckel", "chiave", "clave"),
    ),
    KeyColumn(KeyRole.PRIOS64): ("prios key", "prios"),
    KeyColumn(KeyRole.LORAWAN_APP_KEY): ("appkey", "application key", "otaa key", "lora key", "lorawan key"),
    KeyColumn(KeyRole.LORAWAN_NWK_KEY): ("nwkkey", "network key"),
    KeyColumn(KeyRole.LORAWAN_NWK_S_KEY): ("nwkskey", "network session key"),
    KeyColumn(KeyRole.LORAWAN_APP_S_KEY): ("appskey", "application session key"),
    KeyColumn(KeyRole.LORAWAN_GEN_APP_KEY): ("genappkey",),
    KeyColumn(KeyRole.LORAWAN_F_NWK_S_INT_KEY): ("fnwksintkey",),
    KeyColumn(KeyRole.LORAWAN_S_NWK_S_INT_KEY): ("snwksintkey",),
    KeyColumn(KeyRole.LORAWAN_NWK_S_ENC_KEY): ("nwksenckey",),
    KeyColumn(KeyRole.DLMS_MASTER): ("dlms master key", "master key"),
    KeyColumn(KeyRole.DLMS_AUTHENTICATION): ("dlms authentication key", "authentication key"),
    KeyColumn(KeyRole.DLMS_ENCRYPTION): ("dlms encryption key", "global unicast encryption key"),
    KeyColumn(KeyRole.DLMS_BROADCAST): ("dlms broadcast key", "global broadcast encryption key"),
    KeyColumn(KeyRole.OPTICAL): ("optical key", "optical password"),
    KeyColumn(KeyRole.SIGFOX_PAC): ("pac", "device pac", "sigfox pac"),
}
"""Header texts by meaning, in any spelling: case, blanks, `_`, `-` and accents do not count."""

_NUMBERED_KEY: Final = re.compile(r"(gpk|pk)(\d{1,3})")
_NUMBERED_ROLES: Final = {"gpk": KeyRole.GPK, "pk": KeyRole.PK}
_OTHER_KEY: Final = re.compile(r"\s*other:(\S.*)", re.IGNORECASE)

KEY_HEADERS: Final = {
    KeyRole.WMBUS_DEK: "OMS key",
    KeyRole.PRIOS64: "PRIOS key",
    KeyRole.LORAWAN_APP_KEY: "AppKey",
    KeyRole.LORAWAN_NWK_KEY: "NwkKey",
    KeyRole.LORAWAN_NWK_S_KEY: "NwkSKey",
    KeyRole.LORAWAN_APP_S_KEY: "AppSKey",
    KeyRole.LORAWAN_GEN_APP_KEY: "GenAppKey",
    KeyRole.LORAWAN_F_NWK_S_INT_KEY: "FNwkSIntKey",
    KeyRole.LORAWAN_S_NWK_S_INT_KEY: "SNwkSIntKey",
    KeyRole.LORAWAN_NWK_S_ENC_KEY: "NwkSEncKey",
    KeyRole.DLMS_MASTER: "DLMS master key",
    KeyRole.DLMS_AUTHENTICATION: "DLMS authentication key",
    KeyRole.DLMS_ENCRYPTION: "DLMS encryption key",
    KeyRole.DLMS_BROADCAST: "DLMS broadcast key",
    KeyRole.OPTICAL: "Optical key",
    KeyRole.GPK: "GPK",
    KeyRole.PK: "PK",
}
"""Header texts that are written, by role; `GPK` and `PK` are followed by their number, other roles by `other:`."""


def header_key(header: str) -> str:
    """Return the part of a header text by which it is compared."""
    decomposed = unicodedata.normalize("NFKD", header.casefold())
    return _SQUEEZED.sub("", "".join(c for c in decomposed if not unicodedata.combining(c)))


_MEANINGS: Final = {header_key(text): meaning for meaning, texts in _SYNONYMS.items() for text in texts}


_VAGUE: Final = frozenset(map(header_key, ("id", "meter", "zähler", "number", "nummer", "numéro", "número", "numero")))
"""Headers of a meter's number, where no other column says more plainly that it is that."""


def is_vague(header: str) -> bool:
    """True for a header that names a meter's number only where nothing else does: not `ID` beside `Serial number`."""
    return header_key(header) in _VAGUE


def meaning_of(header: str) -> ColumnMeaning | None:
    """Return what a column of that header holds, None when its text is not known."""
    squeezed = header_key(header)
    if match := _NUMBERED_KEY.fullmatch(squeezed):
        return KeyColumn(_NUMBERED_ROLES[match[1]], match[2])
    if match := _OTHER_KEY.fullmatch(header):
        return KeyColumn(KeyRole.OTHER, match[1].strip())
    return _MEANINGS.get(squeezed)


def header_of(role: KeyRole, detail: str) -> str:
    """Return the header written for a role, one that `meaning_of` reads back."""
    if role not in KEY_HEADERS:
        return f"other:{detail or role}"
    return f"{KEY_HEADERS[role]}{detail}"
