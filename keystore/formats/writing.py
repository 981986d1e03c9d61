"""Every file that keys can leave in: which records it has a place for, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from keystore.formats import (
    age,
    chirpstack,
    csv_writer,
    firefly,
    handover,
    kem,
    lora_devices,
    maker_id_key,
    miromico,
    the_things_stack_csv,
    the_things_stack_json,
    thingpark,
    wanesy,
    wmbusmeters,
)
from keystore.formats.csv_columns import KEY_HEADERS
from keystore.formats.kem_document import KemVariant
from keystore.model import KEY_LENGTHS, WMBUS_ROLES, KeyRecord, KeyRole, KeyStatus, Ownership

Holds = Callable[[KeyRecord], bool]


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What the user says of a file to be written: its own password, its delimiter, and when it is made."""

    at: datetime
    password: str = field(default="", repr=False)
    delimiter: str = ";"


Write = Callable[[Sequence[KeyRecord], WriteOptions], Mapping[str, bytes]]
"""Returns contents by file name; a format of one file has no name for it."""


@dataclass(frozen=True, slots=True)
class Writer:
    """One format: what it is in a few words, its usual suffix, and whether it is sealed under a password.

    `choose` leaves out what has no place beside another key of the same device.
    """

    title: str
    suffix: str
    holds: Holds
    write: Write
    sealed: bool = False
    one_file_a_meter: bool = False
    choose: Callable[[Iterable[KeyRecord]], list[KeyRecord]] = list


@dataclass(frozen=True, slots=True)
class Written:
    """A file, or several by name, ready to be put somewhere; `left_out` counts keys that the format cannot hold."""

    files: Mapping[str, bytes] = field(repr=False)
    keys: int
    meters: int
    left_out: int


def chosen(records: Sequence[KeyRecord], *, transferred: bool = False) -> list[KeyRecord]:
    """Return the records that may leave: with a key or known to need none, in use, and of meters not given away."""
    return [
        record
        for record in records
        if not record.is_listing
        and record.status is KeyStatus.ACTIVE
        and (transferred or record.ownership is not Ownership.TRANSFERRED)
    ]


def write_export(name: str, records: Sequence[KeyRecord], options: WriteOptions) -> Written:
    """Write records in a format of `WRITERS`; nothing leaves this function but the bytes.

    Raises `ValueError` for a password that the format cannot have, and `ImportRejected` where an optional package is
    missing.
    """
    writer = WRITERS[name]
    held = writer.choose(record for record in records if writer.holds(record))
    meters = {(record.manufacturer, record.number, record.dev_eui) for record in held}
    return Written(writer.write(held, options), len(held), len(meters), len(records) - len(held))


def _in_table(record: KeyRecord) -> bool:
    has_column = record.role in KEY_HEADERS or (record.role is KeyRole.OTHER and bool(record.role_detail))
    return has_column and (record.no_key or len(record.value) in KEY_LENGTHS)


def _is_wmbus(record: KeyRecord) -> bool:
    return record.is_radio_number and record.role in WMBUS_ROLES


def _kem(variant: KemVariant) -> Write:
    def write(records: Sequence[KeyRecord], options: WriteOptions) -> Mapping[str, bytes]:
        orders = {record.order for record in records}
        order = orders.pop() if len(orders) == 1 else ""
        devices = kem.devices_from_records(records)
        return {"": kem.write(devices, options.password, variant, order=order, at=options.at)}

    return write


def _plain(write: Callable[[Sequence[KeyRecord]], bytes]) -> Write:
    return lambda records, options: {"": write(records)}


def _meter_files(records: Sequence[KeyRecord], options: WriteOptions) -> Mapping[str, bytes]:
    files: dict[str, bytes] = {}
    for record in records:
        name, number = wmbusmeters.file_name(record), 2
        while name in files:
            name, number = f"{wmbusmeters.file_name(record)}_{number}", number + 1
        files[name] = wmbusmeters.write(record)
    return files


WRITERS: Final[dict[str, Writer]] = {
    "kem": Writer("Kamstrup KEM", ".zip.kem", kem.holds, _kem(KemVariant.KEM), sealed=True),
    "kem2": Writer("Kamstrup KEM2", ".zip.kem2", kem.holds, _kem(KemVariant.KEM2), sealed=True),
    "csv": Writer(
        "table with the columns of a key portal",
        ".csv",
        _in_table,
        lambda records, options: {"": csv_writer.write(records, delimiter=options.delimiter, bom=True)},
    ),
    "the_things_stack_csv": Writer(
        "The Things Stack, CSV",
        ".csv",
        lora_devices.is_root_or_session_key,
        _plain(the_things_stack_csv.write),
        choose=lora_devices.latest,
    ),
    "the_things_stack_json": Writer(
        "The Things Stack, JSON",
        ".json",
        lora_devices.is_root_or_session_key,
        _plain(the_things_stack_json.write),
        choose=lora_devices.latest,
    ),
    "chirpstack_csv": Writer(
        "ChirpStack, CSV", ".csv", chirpstack.holds, _plain(chirpstack.write), choose=chirpstack.choose
    ),
    "thingpark_csv": Writer(
        "ThingPark, CSV", ".csv", thingpark.holds, _plain(thingpark.write), choose=lora_devices.latest
    ),
    "wanesy_csv": Writer(
        "Wanesy, CSV", ".csv", lora_devices.is_key_of_1_0, _plain(wanesy.write), choose=lora_devices.latest
    ),
    "firefly_json": Writer(
        "Firefly, JSON", ".json", lora_devices.is_key_of_1_0, _plain(firefly.write), choose=lora_devices.latest
    ),
    "miromico_csv": Writer(
        "Miromico, CSV", ".csv", lora_devices.is_key_of_1_0, _plain(miromico.write), choose=lora_devices.latest
    ),
    "wmbusmeters": Writer("meter files of wmbusmeters, a folder", "", _is_wmbus, _meter_files, one_file_a_meter=True),
    "maker_id_key": Writer(
        "lines of MAKER;NUMBER;KEY",
        ".txt",
        _is_wmbus,
        _plain(lambda records: b"".join(map(maker_id_key.write, records))),
    ),
    "handover": Writer(
        "sealed package for another store",
        ".keys",
        lambda record: True,
        lambda records, options: {"": handover.write(records, options.password, options.at)},
        sealed=True,
    ),
    "age": Writer(
        "table sealed with age",
        ".csv.age",
        _in_table,
        lambda records, options: {"": age.seal(csv_writer.write(records, bom=True), options.password, "the export")},
        sealed=True,
    ),
}
"""Formats by name; what each holds is put to the test by reading it back."""
