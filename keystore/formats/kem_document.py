"""The decrypted XML of KEM (`MetersInOrder`) and KEM2 (`Devices`): devices with their keys, in and out.

Element names are those that public readers agree on; the nesting of KEM2 is not public, so elements are read by local
name at any depth below the device. No real KEM2 file was at hand: what is written is compatible with public readers.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from xml.etree.ElementTree import Element

from keystore.formats.safe_xml import descendants, local_name, namespace, text_below
from protocols.text import safe_text

XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"


class KemVariant(StrEnum):
    """The two generations of the key file; the value is the file name suffix."""

    KEM = "kem"
    KEM2 = "kem2"


@dataclass(frozen=True, slots=True)
class KemKey:
    """A key as named in the file (`DEK`, `GPK1`, `PK2` ...) and its hex text, not yet checked."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KemDevice:
    """One meter of a key file; texts are as in the file, empty where it says nothing."""

    serial_number: str
    keys: tuple[KemKey, ...]
    customer_number: str = ""
    order: str = ""
    name: str = ""
    consumption_type: str = ""
    config_number: str = ""
    program_number: str = ""
    type_number: str = ""
    manufacturer: str = "KAM"


@dataclass(frozen=True, slots=True)
class _Names:
    """What one generation calls its elements; `fields` pairs element and `KemDevice` attribute in written order."""

    root: str
    device: str
    key_list: str
    schema_version: str
    fields: tuple[tuple[str, str], ...]
    after_keys: tuple[tuple[str, str], ...]


_NAMES: Final = {
    KemVariant.KEM: _Names(
        root="MetersInOrder",
        device="Meter",
        key_list="EncKeys",
        schema_version="2.0",
        fields=(("MeterNo", "customer_number"), ("SerialNo", "serial_number")),
        after_keys=(
            ("MeterName", "name"),
            ("ConsumptionType", "consumption_type"),
            ("ConfigNo", "config_number"),
            ("ProgramNo", "program_number"),
            ("TypeNo", "type_number"),
            ("VendorId", "manufacturer"),
        ),
    ),
    KemVariant.KEM2: _Names(
        root="Devices",
        device="Device",
        key_list="Keys",
        schema_version="1.0",
        fields=(
            ("ManufacturerId", "manufacturer"),
            ("SerialNumber", "serial_number"),
            ("CustomerDeviceNumber", "customer_number"),
            ("OrderNumber", "order"),
            ("ShortName", "name"),
            ("ConsumptionTypeName", "consumption_type"),
            ("ConfigNumber", "config_number"),
            ("ProgramNumber", "program_number"),
            ("TypeNumber", "type_number"),
        ),
        after_keys=(),
    ),
}


def variant_of(root: Element) -> KemVariant | None:
    """Return the generation of a decrypted document, None when it is something else."""
    return next((variant for variant, names in _NAMES.items() if names.root == local_name(root)), None)


def is_signed(root: Element) -> bool:
    """True when the document carries an XML signature; where a real one would stand is not public."""
    return any(local_name(e) == "Signature" and namespace(e) == XMLDSIG for e in root.iter())


def read_devices(root: Element, variant: KemVariant) -> Iterator[KemDevice]:
    """Yield the devices of a decrypted document, in order."""
    names = _NAMES[variant]
    order = root.get("orderid", "")
    for element in descendants(root, names.device):
        texts = {
            attribute: text_below(element, tag, names.device) for tag, attribute in (*names.fields, *names.after_keys)
        }
        yield KemDevice(keys=tuple(_keys(element, names)), **{"order": order, **texts})


def build_document(devices: Iterable[KemDevice], variant: KemVariant, order: str = "") -> bytes:
    """Return the decrypted document as the portal writes it: UTF-8, no BOM, no declaration, no whitespace, DEK first.

    An empty customer number becomes the serial number: one public reader fails on an empty one.
    """
    names = _NAMES[variant]
    attributes = f' orderid="{_escape(order)}"' if variant is KemVariant.KEM else ""
    body = "".join(_device(device, variant, names) for device in devices)
    return f'<{names.root}{attributes} schemaVersion="{names.schema_version}">{body}</{names.root}>'.encode()


def _keys(device: Element, names: _Names) -> Iterator[KemKey]:
    # A device may stand in a device: its keys are its own.
    for container in descendants(device, names.key_list, names.device):
        for child in container:
            if local_name(child) == "Key":
                name = text_below(child, "Name") or text_below(child, "Type") or child.get("Type") or child.get("Name")
                yield KemKey(safe_text(name or ""), text_below(child, "Value"))
            elif local_name(child):
                yield KemKey(safe_text(local_name(child)), (child.text or "").strip())


def _device(device: KemDevice, variant: KemVariant, names: _Names) -> str:
    keys = sorted(device.keys, key=lambda key: key.name != "DEK")
    if variant is KemVariant.KEM:
        key_list = "".join(_element(key.name, key.text) for key in keys)
    else:
        key_list = "".join(f"<Key>{_element('Name', key.name)}{_element('Value', key.text)}</Key>" for key in keys)
    parts = [_element(tag, _field(device, attribute)) for tag, attribute in names.fields]
    parts.append(f"<{names.key_list}>{key_list}</{names.key_list}>")
    parts += [_element(tag, _field(device, attribute)) for tag, attribute in names.after_keys]
    return f"<{names.device}>{''.join(parts)}</{names.device}>"


def _field(device: KemDevice, attribute: str) -> str:
    text: str = getattr(device, attribute)
    return text or (device.serial_number if attribute == "customer_number" else "")


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{_escape(text)}</{tag}>"


def _escape(text: str) -> str:
    return html.escape(safe_text(text))
