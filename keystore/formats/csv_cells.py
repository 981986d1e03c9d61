"""Cells of key tables, and what spreadsheets do to them: lost zeros, separators, `="..."`, scientific notation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from keystore.matching import NUMBER_DIGITS, normal_number, split_manufacturer
from protocols.media import MEDIA
from protocols.plural import counted

_EXCEL_TEXT: Final = re.compile(r'="([^"]*)"|=([0-9]+)')
_WRAPPINGS: Final = frozenset("='\ufeff")
_SCIENTIFIC: Final = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE]\+\d+|[+-]?\d+[.,]\d+[eE]\d+")
_GROUPED: Final = re.compile(r"\d{1,3}(?:([ \u00a0\u202f\u2009'\u2019.,])\d{3})(?:\1\d{3})*")
_LABEL: Final = re.compile(r"[0-9]([A-Za-z]{3})[0-9A-Fa-f]{2}([0-9]{8})")
"""Medium, maker, block and number as on labels (DIN 43863-5), of which maker and number are in the address."""

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?")
_NOT_A_NUMBER: Final = frozenset(
    {"true", "false", "wahr", "falsch", "#n/a", "#name?", "#ref!", "#value!", "#num!", "#null!"}
)
"""What a spreadsheet shows for a truth value or an error."""
_DECIMAL: Final = re.compile(r"\d+[.,]\d+")
_ADDRESS_MARKS: Final = re.compile(r"[\s:.-]+")
_DEV_ADDR: Final = re.compile(r"[0-9a-f]{8}")
_MAKER: Final = re.compile(r"[A-Za-z]{3}")
_HEX_BYTE: Final = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{1,2})[hH]?")
_MEDIA_BY_NAME: Final = {name: code for code, name in MEDIA.items()}


def cell_text(cell: str) -> str:
    """Return a cell without what was put around it to keep a spreadsheet from changing it."""
    text = cell.strip()
    if not text or text[0] not in _WRAPPINGS:
        return text
    text = text.strip("\ufeff")
    if match := _EXCEL_TEXT.fullmatch(text):
        text = (match[1] or match[2] or "").strip()
    return text.removeprefix("'").strip()


def is_scientific(text: str) -> bool:
    """True for `1.23457E+15`: digits are lost, the cell cannot be used."""
    return _SCIENTIFIC.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class SerialCell:
    """A serial as printed, the number it is filed under, the maker before it, and what was changed on the way."""

    printed: str
    number: str
    manufacturer: str | None
    warnings: tuple[str, ...]


def serial_cell(text: str, *, on_air: bool, thousands: str | None = None) -> SerialCell:
    """Read a serial cell; `on_air` says that it is an identification number, which has eight digits.

    Other serials are free text of the maker and are never padded. `thousands` is the separator to take out of grouped
    digits when it is known, else any usual one is. `ValueError` when digits were lost.
    """
    if len(text) == NUMBER_DIGITS and text.isascii() and text.isdigit():
        return SerialCell(text, text, None, ())
    warnings: list[str] = []
    if is_scientific(text):
        raise ValueError("the serial number was turned into scientific notation: its digits are lost")
    if _DATE.fullmatch(text):
        raise ValueError("the serial number was turned into a date: its digits are lost")
    if text.casefold() in _NOT_A_NUMBER:
        raise ValueError("the serial number is a spreadsheet's truth value or error: its digits are lost")
    grouped = _GROUPED.fullmatch(text) if thousands is None else _grouped_by(thousands).fullmatch(text)
    if grouped:
        text = "".join(c for c in text if c.isdigit())
        warnings.append("thousands separators were taken out of the serial number")
    elif _DECIMAL.fullmatch(text):
        raise ValueError("the serial number was turned into a decimal number")
    label = _LABEL.fullmatch(_ADDRESS_MARKS.sub("", text)) if on_air else None
    manufacturer, digits = (label[1].upper(), label[2]) if label else split_manufacturer(text)
    number = normal_number(digits)
    if on_air and number.isascii() and number.isdigit() and len(number) < NUMBER_DIGITS:
        warnings.append(f"the serial number has {counted(len(number), 'digit')}: filed with leading zeros")
        number = number.zfill(NUMBER_DIGITS)
    return SerialCell(text, number, manufacturer, tuple(warnings))


@lru_cache(maxsize=8)
def _grouped_by(mark: str) -> re.Pattern[str]:
    """Return what digits look like in groups; a blank is a blank, of whatever width and whether it breaks or not."""
    marks = r"\s" if mark.isspace() else re.escape(mark)
    return re.compile(rf"\d{{1,3}}(?:{marks}\d{{3}})+")


def manufacturer_cell(text: str) -> str:
    """Return the three letters; `ValueError` for anything else."""
    if not _MAKER.fullmatch(text):
        raise ValueError("the manufacturer is not three letters: left out")
    return text.upper()


def version_cell(text: str) -> int:
    """Return a version byte: decimal digits, or hex with letters, `0x` or `h`; `ValueError` for anything else."""
    value = int(text) if text.isascii() and text.isdigit() else _hex_byte(text)
    if not 0 <= value <= 0xFF:
        raise ValueError("the version is not a byte: left out")
    return value


def dev_addr_cell(text: str) -> str:
    """Return a LoRaWAN device address as eight lower-case hex digits; `ValueError` for anything else."""
    digits = _ADDRESS_MARKS.sub("", text).lower().removeprefix("0x")
    if not _DEV_ADDR.fullmatch(digits):
        raise ValueError("the device address is not eight hex digits: left out")
    return digits


def medium_cell(text: str) -> int:
    """Return a device type by its name or as a version is written; `ValueError` for anything else."""
    named = _MEDIA_BY_NAME.get(text.casefold())
    if named is not None:
        return named
    try:
        return version_cell(text)
    except ValueError:
        raise ValueError("the medium is not known: left out") from None


def _hex_byte(text: str) -> int:
    match = _HEX_BYTE.fullmatch(text)
    if match is None:
        raise ValueError("the version is not a byte: left out")
    return int(match[1], 16)
