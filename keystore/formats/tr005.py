"""QR codes of LoRaWAN devices (LoRa Alliance TR005), one text a line: who the device is, and perhaps its owner token.

The code never carries an AppKey. The owner token claims the device on its maker's join server: it is kept as a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from keystore.formats.batch import ExportFile, ImportRow, ImportStream, RowVerdict, quarantined
from keystore.formats.device_rows import filled
from keystore.formats.key_text import looks_like_key
from keystore.formats.table_text import first_line, is_text, text_lines
from keystore.matching import normal_number
from keystore.model import KeyRecord, KeyRole, Provenance
from protocols.text import safe_text

SYSTEM: Final = "tr005"
_PREFIX: Final = "LW:D0:"
MAX_TEXT: Final = 4296
"""What the largest QR symbol holds (ISO/IEC 18004, version 40-L)."""

_TEXT: Final = re.compile(
    r"LW:D0:(?P<join>[0-9A-F]{16}):(?P<dev>[0-9A-F]{16}):(?P<vendor>[0-9A-F]{4})(?P<profile>[0-9A-F]{4})"
    r"(?P<rest>(?::[A-Z][^:]*)*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class DeviceTag:
    """What a QR code says: EUIs in lower-case hex, the maker's vendor and profile identifiers, token and serial."""

    join_eui: str
    dev_eui: str
    vendor: str
    profile: str
    owner_token: str = field(default="", repr=False)
    serial: str = ""


def parse(text: str) -> DeviceTag | None:
    """Return what a QR text says, None when it is not of this kind; extensions that are not known are passed over."""
    match = _TEXT.fullmatch(text.strip()) if len(text) <= MAX_TEXT else None
    if match is None:
        return None
    extensions = {part[0].upper(): part[1:] for part in match["rest"].split(":") if part}
    return DeviceTag(
        match["join"].lower(),
        match["dev"].lower(),
        match["vendor"].upper(),
        match["profile"].upper(),
        extensions.get("O", ""),
        safe_text(extensions.get("S", "")),
    )


def sniff(data: bytes) -> bool:
    """True when the first line begins as the text of such a code does."""
    return is_text(data) and first_line(data).strip().upper().startswith(_PREFIX)


def read(file: ExportFile) -> ImportStream:
    """Read texts of QR codes; a device without an owner token is quarantined, since there is nothing to keep."""
    source = file.provenance(SYSTEM)
    rows = filled(_rows(text_lines(file.data), source), file.shown_name)
    return ImportStream(source, rows, (), file.data.count(b"\n") + 1)


def _rows(lines: Iterator[tuple[int, str]], source: Provenance) -> Iterator[ImportRow]:
    for number, line in lines:
        tag = parse(line)
        if tag is None:
            yield quarantined(number, "", "the line is not the text of a LoRaWAN QR code (LW:D0:...)")
            continue
        meter = f"DevEUI {tag.dev_eui}"
        if not tag.owner_token:
            yield quarantined(
                number, meter, "a QR code carries no AppKey, and this one no owner token: nothing to keep"
            )
            continue
        serial = "" if looks_like_key(tag.serial) else tag.serial
        record = KeyRecord(
            number=normal_number(serial),
            role=KeyRole.CLAIM_TOKEN,
            value=tag.owner_token.encode("utf-8", "surrogatepass"),
            serial=serial,
            dev_eui=tag.dev_eui,
            join_eui=tag.join_eui,
            type_number=f"{tag.vendor}{tag.profile}",
            source=replace(source, row=number),
        )
        yield ImportRow(number, RowVerdict.READY, record, meter)
