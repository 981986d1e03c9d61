"""QR codes in pictures: written for e-mails and screens, read from files and from photos of screens.

Written as error correction Q, 6 pixels a module, a quiet zone of 4 modules, JPEG of quality 85 or PNG (figures:
docs/qr.md). Read with caps on size and on the formats that are opened at all: a picture is foreign until proven.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Final

import segno
import zxingcpp
from PIL import Image, ImageFilter, ImageOps

from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.payload import is_payload

MOST_PIXELS: Final = 40_000_000
LONGEST_PICTURE: Final = 30_000_000
"""Bytes of a picture's file; a phone's largest JPEG has about 15 million."""
LEAST_PIXELS: Final = 21
"""Along one side: the smallest QR code has so many modules."""
PIXELS_A_MODULE: Final = 6
QUIET_MODULES: Final = 4
JPEG_QUALITY: Final = 85
ERROR_CORRECTION: Final = "q"

_MAGIC: Final = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
_OTHER_FORMATS: Final = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"RIFF": "WebP",
    b"%PDF": "PDF",
    b"\0\0\1\0": "icon",
}
_BOX_TYPE: Final = slice(4, 8)
"""Where HEIC and AVIF files say `ftyp`."""
_READ_FAULTS: Final = (
    *(OSError, ValueError, SyntaxError, EOFError, OverflowError, IndexError, KeyError, TypeError, AttributeError),
    *(struct.error, zlib.error, MemoryError),
)
"""What Pillow's decoders raise for damaged files."""


def picture_format(data: bytes) -> str | None:
    """Return `JPEG` or `PNG`, another picture format's name, or None for what is no picture."""
    for magic, name in (*_MAGIC.items(), *_OTHER_FORMATS.items()):
        if data.startswith(magic):
            return name
    return "HEIC or AVIF" if data[_BOX_TYPE] == b"ftyp" else None


def write_picture(text: str, *, png: bool = False) -> bytes:
    """Return the picture of a QR code; `ValueError` when the text is too long for one."""
    try:
        code = segno.make(text, error=ERROR_CORRECTION, boost_error=False, micro=False)
    except segno.DataOverflowError:
        raise ValueError("too long for one QR code") from None
    matrix = code.matrix_iter(scale=1, border=QUIET_MODULES)
    rows = [bytes(0 if module else 255 for module in row) for row in matrix]
    small = Image.frombytes("L", (len(rows[0]), len(rows)), b"".join(rows))
    image = small.resize((small.width * PIXELS_A_MODULE, small.height * PIXELS_A_MODULE), Image.Resampling.NEAREST)
    out = io.BytesIO()
    if png:
        image.convert("1").save(out, "PNG")
    else:
        image.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return out.getvalue()


def read_picture(data: bytes) -> str:
    """Return the text of the one QR code of ours in a JPEG or PNG picture.

    Raises `CertificateRejected`: `too_large`, `unreadable` (damaged, or another format), `no_code`, `foreign_code`,
    `two_codes`.
    """
    image = _open(data)
    foreign = 0
    for variant in _variants(image):
        codes = zxingcpp.read_barcodes(variant, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]))
        ours = [code.text for code in codes if is_payload(code.text)]
        if len(ours) > 1:
            raise CertificateRejected(RejectReason.TWO_CODES, f"the picture holds {len(ours)} codes")
        if ours:
            return ours[0]
        foreign = max(foreign, len(codes))
    if foreign:
        raise CertificateRejected(
            RejectReason.FOREIGN_CODE, "the QR code in the picture is not from a certificate desk"
        )
    raise CertificateRejected(RejectReason.NO_CODE, "no QR code can be read in the picture")


def _open(data: bytes) -> Image.Image:
    if len(data) > LONGEST_PICTURE:
        raise CertificateRejected(RejectReason.TOO_LARGE, f"the picture has more than {LONGEST_PICTURE // 1000000} MB")
    name = picture_format(data)
    if name not in _MAGIC.values():
        what = f"a {name} picture" if name else "no picture"
        raise CertificateRejected(RejectReason.UNREADABLE, f"this is {what}", "use JPEG or PNG")
    try:
        with warnings.catch_warnings():
            # The size is checked below; Pillow's own warning comes at twice as many pixels.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
            pixels = image.width * image.height
            if pixels > MOST_PIXELS:
                raise _too_large(f"{pixels / 1e6:.0f}")
            return _flat(image)
    except Image.DecompressionBombError:
        raise _too_large("hundreds of") from None
    except _READ_FAULTS:
        raise CertificateRejected(RejectReason.UNREADABLE, "the picture is damaged or not complete") from None


def _too_large(millions: str) -> CertificateRejected:
    most = MOST_PIXELS // 1_000_000
    return CertificateRejected(
        RejectReason.TOO_LARGE, f"the picture has {millions} million pixels, {most} are read at most"
    )


def _flat(image: Image.Image) -> Image.Image:
    """Return the picture in grey; what is transparent becomes white, as it looks in a mail program."""
    image.load()
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("L")
    return image.convert("L")


def _variants(image: Image.Image) -> Iterator[Image.Image]:
    """Yield the picture, then what helps against a screen's pixels, a far away code, and poor light."""
    yield image
    if min(image.size) < LEAST_PIXELS:
        return
    yield ImageOps.autocontrast(image.filter(ImageFilter.GaussianBlur(1.5)), cutoff=2)
    if max(image.size) > 1600:
        yield ImageOps.autocontrast(image.reduce(max(2, max(image.size) // 1400)), cutoff=2)
    if max(image.size) < 1600:
        larger = image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)
        yield larger
        yield larger.filter(ImageFilter.UnsharpMask(radius=4, percent=250, threshold=0))
