"""QR codes in pictures: what is read, what is refused and why; a small seeded part of the gauntlet of docs/qr.md."""

from __future__ import annotations

import io
import zlib
from contextlib import suppress
from random import Random

import pytest
import segno
from PIL import Image

from benchmarks.qr_damage import DAMAGES
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.intake import read_anything
from keystore.certificates.payload import PayloadKind, write_payload
from keystore.certificates.picture import picture_format, read_picture, write_picture

TEXT = write_payload(PayloadKind.CERTIFICATE, Random(1).randbytes(900))
SHORT = write_payload(PayloadKind.TOKEN, Random(2).randbytes(90))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def saved(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def foreign(text: str = "https://example.org/") -> Image.Image:
    out = io.BytesIO()
    segno.make(text).save(out, kind="png", scale=6)
    return opened(out.getvalue())


def beside(*images: Image.Image) -> Image.Image:
    canvas = Image.new(
        "RGB", (sum(image.width for image in images) + 40, max(image.height for image in images)), "white"
    )
    at = 0
    for image in images:
        canvas.paste(image, (at, 0))
        at += image.width + 20
    return canvas


def reason(data: bytes) -> RejectReason:
    with pytest.raises(CertificateRejected) as caught:
        read_picture(data)
    assert caught.value.message
    assert caught.value.hint
    return caught.value.reason


@pytest.mark.parametrize("png", [False, True])
@pytest.mark.parametrize("size", [1, 90, 300, 487, 700, 1100, 1400])
def test_every_size_of_code_is_written_and_read(size: int, png: bool) -> None:
    text = write_payload(PayloadKind.CERTIFICATE, Random(size).randbytes(size))
    data = write_picture(text, png=png)
    assert picture_format(data) == ("PNG" if png else "JPEG")
    assert read_picture(data) == text


def test_a_text_that_no_code_can_hold() -> None:
    with pytest.raises(ValueError, match="too long"):
        write_picture(write_payload(PayloadKind.REVOCATIONS, Random(1).randbytes(1700)))


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_pictures_are_read(name: str) -> None:
    damage = DAMAGES[name]
    for seed, text in enumerate((TEXT, SHORT)):
        image = opened(write_picture(text)).convert("L")
        assert read_picture(saved(damage(image, Random(f"{name} {seed}")), "JPEG", quality=75)) == text


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
@pytest.mark.parametrize("inverted", [False, True])
def test_turned_and_inverted(turned: int, inverted: bool) -> None:
    image = opened(write_picture(TEXT)).rotate(turned, expand=True)
    if inverted:
        image = Image.eval(image, lambda value: 255 - value)
    assert read_picture(saved(image)) == TEXT


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_every_mode_of_picture(mode: str) -> None:
    image = opened(write_picture(SHORT)).convert(mode)
    assert read_picture(saved(image, "JPEG" if mode == "CMYK" else "PNG")) == SHORT


def test_a_code_on_a_transparent_ground() -> None:
    code = opened(write_picture(SHORT)).convert("L")
    image = Image.new("RGBA", code.size, (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), mask=code.point(lambda value: 255 if value < 128 else 0))
    assert read_picture(saved(image)) == SHORT


def test_a_foreign_code_beside_ours_does_no_harm() -> None:
    assert read_picture(saved(beside(foreign(), opened(write_picture(SHORT))))) == SHORT


@pytest.mark.parametrize("texts", [(TEXT, SHORT), (SHORT, SHORT)], ids=["two", "twice the same"])
def test_two_codes_in_one_picture(texts: tuple[str, str]) -> None:
    image = beside(*(opened(write_picture(text)) for text in texts))
    assert reason(saved(image)) is RejectReason.TWO_CODES


def test_a_foreign_picture() -> None:
    assert reason(saved(foreign())) is RejectReason.FOREIGN_CODE
    assert reason(saved(foreign("WIFI:S:net;P:secret;;"))) is RejectReason.FOREIGN_CODE
    noise = Image.frombytes("L", (400, 300), Random(3).randbytes(120_000))
    assert reason(saved(noise)) is RejectReason.NO_CODE
    assert reason(saved(Image.new("RGB", (1, 1)))) is RejectReason.NO_CODE


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of a size that it says, with rows that are all alike: 60 million pixels in 60 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    packer = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = width.to_bytes(4) + height.to_bytes(4) + bytes((1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8000, 7500), (40_000, 40_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)])
def test_a_bomb_is_not_opened(size: tuple[int, int]) -> None:
    rows = 7500 if size == (8000, 7500) else 1
    bomb = png_bomb(size[0] if size[0] < 10_000 else 8, rows)
    head = size[0].to_bytes(4) + size[1].to_bytes(4) + bytes((1, 0, 0, 0, 0))
    declared = bomb[:16] + head + zlib.crc32(b"IHDR" + head).to_bytes(4) + bomb[33:]
    assert len(declared) < 100_000
    assert reason(declared) is RejectReason.TOO_LARGE


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", RejectReason.UNREADABLE, id="empty"),
        pytest.param(b"GIF89a" + bytes(20), RejectReason.UNREADABLE, id="GIF"),
        pytest.param(b"\0\0\0\x18ftypheic" + bytes(20), RejectReason.UNREADABLE, id="HEIC"),
        pytest.param(b"%PDF-1.7", RejectReason.UNREADABLE, id="PDF"),
        pytest.param(b"\xff\xd8\xff" + bytes(30), RejectReason.UNREADABLE, id="JPEG of zeros"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(30), RejectReason.UNREADABLE, id="PNG of zeros"),
        pytest.param(b"\xff\xd8\xff" + bytes(30_000_001), RejectReason.TOO_LARGE, id="31 MB"),
    ],
)
def test_what_is_no_picture_of_ours(data: bytes, expected: RejectReason) -> None:
    assert reason(data) is expected


@pytest.mark.parametrize("png", [False, True])
def test_pictures_cut_and_altered_anywhere_are_read_or_refused(png: bool) -> None:
    data = write_picture(SHORT, png=png)
    random = Random(4)
    for _ in range(60):
        altered = bytearray(data[: random.randrange(len(data))] if random.random() < 0.4 else data)
        for _ in range(random.randrange(6)):
            if altered:
                altered[random.randrange(len(altered))] = random.randrange(256)
        with suppress(CertificateRejected):
            assert read_picture(bytes(altered)) == SHORT


def test_a_picture_of_something_else_says_where_it_belongs() -> None:
    with pytest.raises(CertificateRejected, match="this is a token for a request, not a certificate") as caught:
        read_anything(write_picture(SHORT), PayloadKind.CERTIFICATE)
    assert caught.value.reason is RejectReason.WRONG_KIND
    assert "certs request" in caught.value.hint
