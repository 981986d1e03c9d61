"""The wallet is read for every question about a level; its certificates are read once, and few enough are kept."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import pytest

from keystore.certificates import wallet as wallet_module
from keystore.certificates.certificate import FieldCertificate, read_certificate
from keystore.certificates.certificate_store import CertificateStore
from keystore.certificates.standing import standing_of
from keystore.certificates.wallet import CERTIFICATES_KEPT, decode_wallet, encode_wallet
from tests.keystore.certificates.desks import START, DocumentsInMemory, enrolled, make_desk, trusting

CREDENTIALS = 5


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The certificates that are really read, from a beginning at which none is kept."""
    seen: list[bytes] = []

    def reading(data: bytes) -> FieldCertificate:
        seen.append(data)
        return read_certificate(data)

    wallet_module._read_certificate.cache_clear()
    monkeypatch.setattr(wallet_module, "read_certificate", reading)
    yield seen
    wallet_module._read_certificate.cache_clear()


def test_a_certificate_is_read_once_however_often_the_wallet_is(read: list[bytes]) -> None:
    desk = make_desk()
    wallet = trusting(desk)
    for number in range(CREDENTIALS):
        wallet = enrolled(desk, wallet, tag=f"anna {number}")
    documents = DocumentsInMemory()
    store = CertificateStore(documents)
    store.change(lambda _: (wallet, None, ()))
    assert read == []
    for _ in range(3):
        loaded = store.load()
        assert loaded == wallet
        assert standing_of(loaded, START).grant == standing_of(wallet, START).grant
    assert len(read) == len(set(read))
    assert set(read) >= {one.certificate.data for one in wallet.credentials}
    store.change(lambda before: (enrolled(desk, before, tag="berta"), None, ()))
    newest = store.load().credentials[-1]
    assert newest.tag == "berta"
    assert read[-1] == newest.certificate.data
    assert len(read) == len(set(read))


def test_not_more_certificates_are_kept_than_it_says(read: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_desk().anchor.certificate
    monkeypatch.setattr(wallet_module, "read_certificate", lambda _: made)
    for number in range(CERTIFICATES_KEPT + 10):
        wallet_module._certificate(b64encode(number.to_bytes(2)).decode())
    assert wallet_module._read_certificate.cache_info().currsize == CERTIFICATES_KEPT


def test_one_altered_byte_is_another_certificate(read: list[bytes]) -> None:
    desk = make_desk()
    document = encode_wallet(enrolled(desk, trusting(desk)))
    first = decode_wallet(document)
    certificate = first.credentials[0].certificate.data
    altered = certificate[:-1] + bytes((certificate[-1] ^ 1,))
    again = decode_wallet(document.replace(b64encode(certificate), b64encode(altered)))
    assert again.credentials[0].certificate.data == altered
    assert first.credentials[0].certificate.data == certificate
