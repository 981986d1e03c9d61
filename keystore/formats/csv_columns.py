"""What the columns of key tables are called: header synonyms in the languages that portals and people use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from keystore.model import KeyRole

_SQUEEZED: Final = re.compile(r"[\s_./()\[\]:#°º'\u2019-]+")
_UNIT: Final = re.compile(r"\s*[(\[][^)\]]*[)\]]\s*$")
_TRANSCRIBED: Final = (
    ("aa", "a"),
    ("ae", "a"),
    ("oe", "o"),
    ("ue", "u"),
    ("ø", "o"),
    ("æ", "a"),
    ("å", "a"),
    ("ł", "l"),
)
"""Letters that are written otherwise where a keyboard, a spreadsheet or a portal does not have them."""


class Column(StrEnum):
    """What a column that is no key holds."""

    SERIAL = "serial"
    ADAPTER = "adapter"
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
        *("device id", "device number", "device no", "id", "id number", "identification number", "seriennummer"),
        *("zählernummer", "zähler id", "zähler", "zähler nr", "serien nr", "gerätenummer", "geräte nr", "geräte id"),
        *("fabriknummer", "fabrik nr", "herstellnummer", "identnummer", "ident nr", "numéro de série", "n° de série"),
        *("numéro compteur", "numéro de compteur", "n° compteur", "serienummer", "serienr", "fabrikationsnummer"),
        *("målernummer", "måler nr", "måler", "mätarnummer", "mätare", "meternummer", "numero di serie", "matricola"),
        *("número de serie", "número de contador", "numer seryjny", "nr seryjny", "numer fabryczny", "nr fabryczny"),
        *("sériové číslo", "výrobní číslo", "sarjanumero", "number", "nummer", "numéro", "número", "numero"),
    ),
    Column.ADAPTER: (
        *("adapter", "radio adapter", "radio module", "radio module number", "radio module no", "radio module id"),
        *("radio id", "radio number", "radio address", "wmbus id", "wmbus address", "funkmodul", "funkmodulnummer"),
        *("funkmodul nr", "funkadapter", "funkadresse", "funknummer", "funk id", "funkaufsatz", "radiomodul"),
        *("module radio", "radio modul nr"),
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
        *("aes128 schlüssel", "oms schlüssel", "funk key", "entschlüsselungsschlüssel", "clé", "clé aes", "clé radio"),
        *("clé de chiffrement", "nøgle", "aes nøgle", "krypteringsnøgle", "dekrypteringsnøgle", "nyckel", "aes nyckel"),
        *("krypteringsnyckel", "sleutel", "aes sleutel", "encryptiesleutel", "chiave", "chiave aes", "clave"),
        *("clave aes", "klucz", "klucz aes", "klíč", "aes klíč", "avain", "krypteringsnøkkel", "nøkkel"),
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
    KeyColumn(KeyRole.DLMS_MASTER): ("dlms master key", "master key", "dlms kek"),
    KeyColumn(KeyRole.DLMS_AUTHENTICATION): ("dlms authentication key", "authentication key", "gak"),
    KeyColumn(KeyRole.DLMS_ENCRYPTION): ("dlms encryption key", "global unicast encryption key", "guek"),
    KeyColumn(KeyRole.DLMS_BROADCAST): (
        *("dlms broadcast key", "broadcast key", "global broadcast encryption key", "gbek"),
    ),
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


def _transcribed(squeezed: str) -> str:
    for letters, letter in _TRANSCRIBED:
        squeezed = squeezed.replace(letters, letter)
    return squeezed


_MEANINGS: Final = {header_key(text): meaning for meaning, texts in _SYNONYMS.items() for text in texts}
_OTHERWISE: Final = {_transcribed(text): meaning for text, meaning in _MEANINGS.items()}


class Plainness(IntEnum):
    """How plainly a header names what its column holds; smaller is plainer."""

    PLAIN = 0
    OWN = 1
    """A number or key that may be somebody else's: an operator gives meters numbers of his own."""
    QUALIFIED = 2
    """Something stands in brackets behind it: `Key (hex)` is the key, `Key (old)` is not where there is a `Key`."""
    VAGUE = 3
    """A meter's number only where no other column is one: `ID` may count the lines."""


_VAGUE_HEADERS: Final = ("id", "meter", "zähler", "måler", "mätare", "number", "nummer", "numéro", "número", "numero")
_OWN_HEADERS: Final = (
    *("meter no", "meter number", "meter id", "device id", "device number", "device no", "id number", "zählernummer"),
    *("zähler nr", "zähler id", "gerätenummer", "geräte nr", "geräte id", "numéro compteur", "numéro de compteur"),
    *("n° compteur", "målernummer", "måler nr", "mätarnummer", "meternummer", "número de contador"),
    *("key", "aes", "schlüssel", "clé", "nøgle", "nøkkel", "nyckel", "sleutel", "chiave", "clave", "klucz", "klíč"),
    "avain",
)
_PLAINNESS: Final = {
    _transcribed(header_key(text)): plainness
    for plainness, texts in ((Plainness.VAGUE, _VAGUE_HEADERS), (Plainness.OWN, _OWN_HEADERS))
    for text in texts
}
_KEY_WORDS: Final = ("key", "schlussel", "nogle", "nyckel", "sleutel", "chiave", "klucz")


def plainness_of(header: str) -> Plainness:
    """Return how plainly a header names a meter's number or key, to choose between two columns of one meaning."""
    bare = _UNIT.sub("", header)
    plainness = _PLAINNESS.get(_transcribed(header_key(bare)), Plainness.PLAIN)
    return plainness if bare == header else max(plainness, Plainness.QUALIFIED)


def speaks_of_a_key(header: str) -> bool:
    """True for a header that promises a key, known or not."""
    squeezed = _transcribed(header_key(header))
    return any(word in squeezed for word in _KEY_WORDS)


def meanings_of(headers: Sequence[str]) -> list[ColumnMeaning | None]:
    """Return what the columns under these headers hold, read together; None where a text is not known."""
    meanings = [meaning_of(header) for header in headers]
    if _has_number(headers, meanings):
        return meanings
    # Where nothing else names the meter, its radio number is the number.
    return [Column.SERIAL if meaning is Column.ADAPTER else meaning for meaning in meanings]


def meaning_of(header: str) -> ColumnMeaning | None:
    """Return what a column of that header holds, None when its text is not known."""
    squeezed = header_key(header)
    if match := _NUMBERED_KEY.fullmatch(squeezed):
        return KeyColumn(_NUMBERED_ROLES[match[1]], match[2])
    if match := _OTHER_KEY.fullmatch(header):
        return KeyColumn(KeyRole.OTHER, match[1].strip())
    for text in (squeezed, header_key(_UNIT.sub("", header))):
        meaning = _MEANINGS.get(text) or _OTHERWISE.get(_transcribed(text))
        if meaning is not None:
            return meaning
    return None


def header_of(role: KeyRole, detail: str) -> str:
    """Return the header written for a role, one that `meaning_of` reads back."""
    if role not in KEY_HEADERS:
        return f"other:{detail or role}"
    return f"{KEY_HEADERS[role]}{detail}"


def _has_number(headers: Sequence[str], meanings: Sequence[ColumnMeaning | None]) -> bool:
    return any(
        meaning is Column.SERIAL and plainness_of(header) is not Plainness.VAGUE
        for header, meaning in zip(headers, meanings, strict=True)
    )
