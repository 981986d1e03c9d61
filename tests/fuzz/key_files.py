"""Key files of every format, and what can become of them: seeded, so that every case can be made again."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from keystore.formats import (
    WRITERS,
    KemVariant,
    ReadOptions,
    WriteOptions,
    devices_from_records,
    parse_mapping,
    write_export,
    write_kem,
)
from keystore.formats import handover as handover_format
from keystore.formats.kem_document import build_document
from keystore.formats.kem_envelope import encrypt
from keystore.model import KeyRole
from keystore.vault import KdfParameters
from keystore.vault.sealed_file import write_sealed
from tests.keystore.made_up import NOON, key_of, record_of

PASSWORD: Final = "12345"
CHEAP: Final = KdfParameters(64, 1, 1)
STEM: Final = "A" * 32

RECORDS: Final = (
    record_of(1, label="Küche", order="7"),
    record_of(1, role=KeyRole.GPK, role_detail="1", value=key_of("gpk")),
    record_of(2, no_key=True),
    record_of(
        "21N001052",
        role=KeyRole.LORAWAN_APP_KEY,
        value=key_of("lora"),
        manufacturer=None,
        dev_eui="70b3d5e75e000001",
        join_eui="70b3d5e75e0000ff",
    ),
)
SECRETS: Final = frozenset(record.value.hex() for record in RECORDS if record.value)

_TOKENS: Final = (
    *(b";", b",", b"\t", b"|", b'"', b"\n", b"\r\n", b"#", b"=", b":", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(
        b"sep=|\n",
        b'="1"',
        b"'",
        b"1.2E+15",
        b"1,23E+31",
        b"\xc2\xa0",
        b"\xe2\x80\xaf",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\\u0000",
    ),
    *(b"<", b"/>", b"&amp;", b"<!DOCTYPE a>", b"<Key>", b"</Key>", b"NOKEY", b"0", b"9" * 40, b"A" * 32, b"-", b"KAM"),
    *(
        b"CREATE_OTAA,",
        b"LW:D0:",
        b"name=",
        b"id=*",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"(" * 50,
        b"[" * 2000,
        b'{"a":' * 500,
    ),
)

Wrap = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Seed:
    """A good file of one format: its bytes, what is inside, and how that is put inside again once it was changed."""

    name: str
    data: bytes = field(repr=False)
    inner: bytes = field(default=b"", repr=False)
    wrap: Wrap | None = None
    password: str | None = PASSWORD


@dataclass(frozen=True, slots=True)
class Case:
    """One file to be read, of which seed it was made, and what the user says of it."""

    name: str
    data: bytes = field(repr=False)
    options: ReadOptions


def seeds() -> list[Seed]:
    """Return a good file of every format that is read."""
    made = [
        Seed(name, data)
        for name, writer in WRITERS.items()
        if not writer.sealed
        for data in write_export(name, RECORDS, WriteOptions(NOON)).files.values()
    ]
    devices = devices_from_records(RECORDS)
    for variant in KemVariant:
        document = build_document(devices, variant)
        data = write_kem(devices, PASSWORD, variant, at=NOON, member_stem=STEM)
        made.append(Seed(f"{variant} in a ZIP", data, document, _in_zip(data, lambda inner: encrypt(inner, PASSWORD))))
        made.append(Seed(f"{variant} envelope", encrypt(document, PASSWORD), document, lambda d: encrypt(d, PASSWORD)))
        made.append(Seed(f"{variant} bare", document))
    table = write_export("csv", RECORDS, WriteOptions(NOON)).files[""]
    made.append(Seed("zipped table", _zip({"keys.csv": table}), table, lambda data: _zip({"keys.csv": data})))
    made.append(Seed("UTF-16 table", table.decode("utf-8-sig").encode("utf-16")))
    made.append(Seed("QR texts", b"LW:D0:70B3D5E75E0000FF:70B3D5E75E000001:01230456:OTOKEN:S21N001052\n"))
    made.append(_workbook())
    made.append(_package())
    # The passphrase of an age file costs seconds on purpose: only what stands before it is put to the test.
    age = b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 18\n" + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n"
    made.append(Seed("age", age + bytes(64), password=None))
    return made


def cases(seed: int) -> Iterator[Case]:
    """Yield changed files without end; the same number gives the same files."""
    chance = random.Random(seed)
    good = seeds()
    mapping = parse_mapping("serial=1,key=2,dev_eui=3")
    while True:
        for one in good:
            options = ReadOptions(password=one.password, mapping=mapping if chance.random() < 0.05 else None)
            if one.wrap is not None and chance.random() < 0.7:
                data = one.wrap(_changed(one.inner, chance, good))
            else:
                data = _changed(one.data, chance, good)
                if one.name == "package":
                    # A changed header may ask for a gigabyte of memory, as an honest one may.
                    options = ReadOptions()
            yield Case(one.name, data, options)


def _changed(data: bytes, chance: random.Random, good: list[Seed]) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(changed) + 1)
        change = chance.randrange(7)
        if change == 0 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif change == 1:
            del changed[at : at + chance.choice((1, 2, 16, 200))]
        elif change == 2:
            changed[at:at] = chance.choice(_TOKENS)
        elif change == 3:
            changed[at : at + chance.randrange(4)] = chance.randbytes(chance.randrange(5))
        elif change == 4:
            changed[at:at] = changed[at : at + chance.choice((1, 30, 300))] * chance.choice((1, 2, 20))
        elif change == 5:
            del changed[at:]
        else:
            other = chance.choice(good)
            changed[at:at] = (other.inner or other.data)[: chance.randrange(200)]
    return bytes(changed)


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _in_zip(data: bytes, wrap: Wrap) -> Wrap:
    """Return what puts a changed inner document where the first member of an archive was."""
    members = _members(data)
    first = next(iter(members))
    return lambda inner: _zip({**members, first: wrap(inner)})


def _workbook() -> Seed:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Serial number", "Manufacturer", "OMS key"])
    for record in RECORDS[:2]:
        sheet.append([int(record.number), "KAM", record.value.hex()])
    out = io.BytesIO()
    book.save(out)
    members = _members(out.getvalue())
    name = "xl/worksheets/sheet1.xml"
    return Seed("workbook", out.getvalue(), members[name], lambda inner: _zip({**members, name: inner}))


def _package() -> Seed:
    def seal(plain: bytes) -> bytes:
        out = io.BytesIO()
        write_sealed(out, [plain], PASSWORD, handover_format.PURPOSE, CHEAP)
        return out.getvalue()

    plain = handover_format.plain_text(RECORDS, NOON)
    return Seed("package", seal(plain), plain, seal)
