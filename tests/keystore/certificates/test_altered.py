"""No byte of a certificate, a list or a request can be altered without being refused, and nothing else happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystore.certificates.certificate import read_certificate
from keystore.certificates.errors import CertificateRejected
from keystore.certificates.request import read_request
from keystore.certificates.revocation import check_list, read_list
from keystore.certificates.verification import verify_chain
from tests.keystore.certificates.desks import START, make_desk, requested, trusting

DESK = make_desk()
PENDING = requested(DESK, trusting(DESK))[1]
ANSWER = DESK.answer(PENDING.request, START)
DESK.revoke("anna", START)
LIST = DESK.revocation_list(START)
ISSUER = ANSWER.issuer
ANCHORS = [DESK.anchor.certificate]


def check_leaf(data: bytes) -> None:
    verify_chain(read_certificate(data), [ISSUER], ANCHORS, START)


def check_issuer(data: bytes) -> None:
    verify_chain(ANSWER.certificate, [read_certificate(data)], ANCHORS, START)


def check_revocations(data: bytes) -> None:
    check_list(read_list(data), ISSUER)


CHECKS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "leaf": (ANSWER.certificate.data, check_leaf),
    "issuer": (ISSUER.data, check_issuer),
    "list": (LIST, check_revocations),
    "request": (PENDING.request, read_request),
}


def alterations(data: bytes) -> Iterator[bytes]:
    """Each byte changed in three ways, left out and doubled; cut at each length."""
    random = Random(len(data))
    for place, byte in enumerate(data):
        for value in {byte ^ 1, byte ^ 0x80, random.randrange(256)} - {byte}:
            yield data[:place] + bytes((value,)) + data[place + 1 :]
        yield data[:place] + data[place + 1 :]
        yield data[:place] + bytes((byte,)) + data[place:]
        yield data[:place]
    yield data + b"\0"


@pytest.mark.parametrize("name", CHECKS)
def test_every_alteration_is_refused(name: str) -> None:
    data, check = CHECKS[name]
    check(data)
    accepted = []
    for altered in alterations(data):
        with suppress(CertificateRejected):
            check(altered)
            accepted.append(altered.hex())
    assert accepted == []


@pytest.mark.parametrize("name", CHECKS)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(CertificateRejected):
        CHECKS[name][1](data)
