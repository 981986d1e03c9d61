"""The columns of key tables: which header says what, and what becomes of two that say the same."""

from __future__ import annotations

import pytest

from keystore.formats import ImportBatch, read_export, write_csv
from keystore.formats.csv_columns import _SYNONYMS, Column, KeyColumn, header_of, meaning_of
from keystore.model import KeyRole
from tests.keystore.made_up import NOON, key_of, record_of

KEY = key_of("csv").hex().upper()
OTHER_KEY = key_of("other").hex()


def read(text: str | bytes) -> ImportBatch:
    return read_export(text.encode() if isinstance(text, str) else text, "keys.csv", imported_at=NOON)


@pytest.mark.parametrize("own", ["Meter no", "Zählernummer", "Device ID", "Målernummer"])
@pytest.mark.parametrize("plain", ["Serial number", "Seriennummer", "Fabrik-Nr."])
def test_a_makers_serial_counts_before_a_number_that_may_be_the_operators(own: str, plain: str) -> None:
    for header, line in ((f"{own};{plain}", "87654321;63001468"), (f"{plain};{own}", "63001468;87654321")):
        batch = read(f"{header};AES key\n{line};{KEY}\n")
        assert [record.number for record in batch.ready] == ["63001468"]
        (warning,) = batch.warnings
        assert own in warning
        assert plain in warning


@pytest.mark.parametrize("qualified", ["AES key (old)", "Key (previous)", "AES-Schlüssel [alt]"])
@pytest.mark.parametrize("bare", ["AES key", "Key"])
def test_a_column_that_says_no_more_than_key_counts_before_one_with_an_addition(qualified: str, bare: str) -> None:
    for header, keys in ((f"{qualified};{bare}", f"{OTHER_KEY};{KEY}"), (f"{bare};{qualified}", f"{KEY};{OTHER_KEY}")):
        batch = read(f"Serial number;{header}\n63001468;{keys}\n")
        assert [record.value for record in batch.ready] == [key_of("csv")]
        (warning,) = batch.warnings
        assert f"{qualified}, is not read" in warning
    for number in ("Serial number", "Meter no"):
        batch = read(f"Serial number (module);{number};Key\n11111111;63001468;{KEY}\n")
        assert [record.number for record in batch.ready] == ["63001468"]
    numbered = read(f"ID;Serial number (as printed);Key\n1;63001468;{KEY}\n")
    assert [record.number for record in numbered.ready] == ["63001468"]


def test_a_column_of_keys_that_is_not_read_is_said() -> None:
    twice = read(f"Serial number;AES key;AES key\n63001468;{KEY};{OTHER_KEY}\n")
    assert [record.value for record in twice.ready] == [key_of("csv")]
    assert twice.warnings == (
        "column 3, AES key, is not read: the key is taken from column 2, AES key; if that is wrong, give --map",
    )
    counted = read(f"Serial number;Key;AES key\n63001468;1;{KEY}\n")
    assert [record.value for record in counted.ready] == [key_of("csv")]
    unknown = read(f"Serial number;AES key;Secret key 9\n63001468;{KEY};{OTHER_KEY}\n")
    assert unknown.warnings == ("column 3, Secret key 9, is not read; if that is wrong, give --map",)
    assert not read(f"ID;Serial number;AES key;Note\n1;63001468;{KEY};x\n").warnings


def test_an_encryption_key_opens_telegrams_whatever_keys_are_beside_it() -> None:
    keys = [key_of(name).hex() for name in ("ek", "ak", "bk")]
    batch = read(f"Serial no;Encryption key;Authentication key;Broadcast key\n63001468;{';'.join(keys)}\n")
    assert [record.role for record in batch.ready] == [
        KeyRole.WMBUS_DEK,
        KeyRole.DLMS_AUTHENTICATION,
        KeyRole.DLMS_BROADCAST,
    ]


@pytest.mark.parametrize("header", ["Radio adapter", "Funkmodulnummer", "Radio ID", "Funkadresse"])
def test_the_radio_adapter_of_a_meter_is_kept_beside_its_number(header: str) -> None:
    (beside,) = read(f"{header};Meter no;Key\nTCH 1234567;63001468;{KEY}\n").ready
    assert (beside.number, beside.adapter, beside.adapter_manufacturer) == ("63001468", "", None)
    (beside,) = read(f"{header};Meter no;Key\nTCH01234567;63001468;{KEY}\n").ready
    assert (beside.number, beside.adapter, beside.adapter_manufacturer) == ("63001468", "01234567", "TCH")
    (padded,) = read(f"{header};Meter no;Key\n1234567;63001468;{KEY}\n").ready
    assert (padded.number, padded.adapter) == ("63001468", "01234567")
    (unknown,) = read(f"{header};Meter no;Key\n-;63001468;{KEY}\n").rows
    (lost,) = read(f"{header};Meter no;Key\n1.2E+07;63001468;{KEY}\n").rows
    assert (unknown.warnings, lost.warnings) == ((), ("the radio adapter's number cannot be read: left out",))
    (itself,) = read(f"{header};Meter no;Key\n63001468;63001468;{KEY}\n").ready
    assert (itself.number, itself.adapter) == ("63001468", "")
    (alone,) = read(f"{header};Key\n63001468;{KEY}\n").ready
    (numbered,) = read(f"ID;{header};Key\n1;63001468;{KEY}\n").ready
    assert (alone.number, numbered.number) == ("63001468", "63001468")


@pytest.mark.parametrize(
    ("number", "key"),
    [
        *(("SERIENNUMMER", "Schluessel"), ("Zaehlernummer", "AES-Schluessel"), ("N° de série", "Clé AES")),
        *(("Målernummer", "Krypteringsnøgle"), ("Maalernummer", "Krypteringsnoegle"), ("Meternummer", "Sleutel")),
        *(("Mätarnummer", "AES-nyckel"), ("Matricola", "Chiave AES"), ("Numer seryjny", "Klucz AES")),
        *(("Gerätenr.", "Schlüssel (hex)"), ("Meter ID", "AES Key [HEX]"), ("Sériové číslo", "AES klíč")),
    ],
)
def test_headers_as_keyboards_and_portals_write_them(number: str, key: str) -> None:
    (record,) = read(f"{number};{key}\n63001468;{KEY}\n").ready
    assert (record.number, record.value) == ("63001468", key_of("csv"))


@pytest.mark.parametrize("header", ["Number", "ID", "Nummer", "Zähler", "numéro"])
def test_a_vague_header_is_the_number_where_no_other_column_is(header: str) -> None:
    (alone,) = read(f"{header};Key\n63001468;{KEY}\n").ready
    (beside,) = read(f"{header};Serial number;Key\n1;63001468;{KEY}\n").ready
    assert (alone.number, beside.number) == ("63001468", "63001468")


def test_the_delimiter_that_knows_most_columns_wins() -> None:
    (record,) = read(f"Serial number;Key;Label, Name;Order\n63001468;{KEY};a, b;7\n").ready
    assert (record.order, record.label) == ("7", "")


def test_every_synonym_is_understood_in_any_spelling() -> None:
    for meaning, texts in _SYNONYMS.items():
        for text in texts:
            for spelling in (text, text.upper(), f" {text.replace(' ', '_')} ", text.title().replace(" ", "-")):
                assert meaning_of(spelling) == meaning, spelling
    everything = [text for texts in _SYNONYMS.values() for text in texts]
    assert len({meaning_of(text) for text in everything}) == len(_SYNONYMS)
    assert len(everything) == len(set(everything))


def test_headers_that_are_written_are_read_back() -> None:
    for role in KeyRole:
        detail = {KeyRole.GPK: "60", KeyRole.PK: "1", KeyRole.OTHER: "HAN port"}.get(role, "")
        meaning = meaning_of(header_of(role, detail))
        assert isinstance(meaning, KeyColumn)
        if role in {KeyRole.SIGFOX_PAC, KeyRole.CLAIM_TOKEN}:
            assert meaning == KeyColumn(KeyRole.OTHER, str(role))
        else:
            assert meaning == KeyColumn(role, detail)


def test_a_second_header_with_other_columns_counts_from_there() -> None:
    gpk = key_of("gpk").hex()
    sections = (
        f"Serial;Key;GPK1\n1111111;{KEY};\nSerial;Key;GPK1\n22222222;{KEY};\n\n",
        f"Serial;GPK1;Key\n63001468;{gpk};{OTHER_KEY}\n",
    )
    text = "".join(sections)
    batch = read(text)
    assert [(one.number, one.role_text, one.value) for one in batch.ready] == [
        ("01111111", "wmbus_dek", key_of("csv")),
        ("22222222", "wmbus_dek", key_of("csv")),
        ("63001468", "gpk:1", key_of("gpk")),
        ("63001468", "wmbus_dek", key_of("other")),
    ]
    assert not batch.quarantined


def test_a_radio_adapter_is_written_and_read_back() -> None:
    with_maker = record_of(1, adapter="01234567", adapter_manufacturer="TCH")
    batch = read(write_csv([with_maker, record_of(2, adapter="0123456a")]))
    assert [(one.adapter, one.adapter_manufacturer) for one in batch.ready] == [("01234567", "TCH"), ("0123456a", None)]


def test_columns_are_an_enum_of_their_own() -> None:
    assert meaning_of("nothing of ours") is None
    assert meaning_of("Serial No.") is Column.SERIAL
    assert meaning_of("N° de série") is Column.SERIAL
