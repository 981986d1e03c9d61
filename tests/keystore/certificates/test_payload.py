"""Base45 and what stands in codes and texts."""

from __future__ import annotations

import zlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystore.certificates import base45
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.payload import LONGEST_PAYLOAD, PayloadKind, find_payload, read_payload, write_payload

TEXT = write_payload(PayloadKind.CERTIFICATE, bytes(range(256)) * 2)


@pytest.mark.parametrize(
    ("data", "text"), [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")]
)
def test_examples_of_rfc_9285(data: bytes, text: str) -> None:
    assert base45.encode(data) == text
    assert base45.decode(text) == data


@pytest.mark.parametrize("text", ["A", "GGW", "ABCD", "ab", "::", "BB8_", "ZZZ"])
def test_what_is_no_base45(text: str) -> None:
    with pytest.raises(ValueError, match="character"):
        base45.decode(text)


@given(st.binary(max_size=300))
def test_base45_round_trip(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


@given(st.sampled_from(PayloadKind), st.binary(min_size=1, max_size=2000))
def test_payload_round_trip(kind: PayloadKind, data: bytes) -> None:
    found = read_payload(write_payload(kind, data))
    assert (found.kind, found.data) == (kind, data)
    assert repr(data)[2:-1] not in repr(found) or len(data) < 4


@pytest.mark.parametrize("width", [20, 64, 76])
def test_a_text_that_a_mail_program_wrapped(width: int) -> None:
    lines = [TEXT[at : at + width] for at in range(0, len(TEXT), width)]
    for end in ("\n", "\r\n"):
        found = find_payload("Dear Anna,\nhere it is:\n\n" + end.join(lines) + f"{end}{end}Regards\n")
        assert found is not None
        assert found.data == bytes(range(256)) * 2


@pytest.mark.parametrize("at", [5, 20, 100, len(TEXT) - 1])
def test_a_lost_or_changed_character_is_told(at: int) -> None:
    for text in (TEXT[:at] + TEXT[at + 1 :], TEXT[:at] + ("B" if TEXT[at] == "A" else "A") + TEXT[at + 1 :]):
        with pytest.raises(CertificateRejected) as caught:
            find_payload(text)
        assert caught.value.reason is RejectReason.UNREADABLE


def test_two_codes_in_one_text() -> None:
    with pytest.raises(CertificateRejected) as caught:
        find_payload(f"{TEXT}\n{TEXT}")
    assert caught.value.reason is RejectReason.TWO_CODES


def test_a_prefix_within_a_code_is_no_second_code() -> None:
    """A code that reads well is one code, whatever characters it happens to hold."""
    for seed in range(3000):
        text = write_payload(PayloadKind.TOKEN, seed.to_bytes(2))
        assert find_payload(text) is not None
    data = base45.decode("MTC1:A")
    deflater = zlib.compressobj(level=0)
    stored = deflater.compress(b"x" + data) + deflater.flush()
    text = PayloadKind.TOKEN + base45.encode(stored)
    found = find_payload(text)
    assert found is not None
    assert "MTC1:" in text[5:] or found.data == b"x" + data


def test_nothing_in_a_text() -> None:
    assert find_payload("hello") is None
    assert find_payload("") is None


def test_a_bomb_ends_early() -> None:
    bomb = PayloadKind.CERTIFICATE + base45.encode(zlib.compress(bytes(50_000_000), 9))
    with pytest.raises(CertificateRejected) as caught:
        read_payload(bomb)
    assert caught.value.reason is RejectReason.TOO_LARGE
    assert len(read_payload(write_payload(PayloadKind.TOKEN, b"x" * LONGEST_PAYLOAD)).data) == LONGEST_PAYLOAD
    longest = Random(1).randbytes(LONGEST_PAYLOAD)
    assert read_payload(write_payload(PayloadKind.TOKEN, longest)).data == longest
    with pytest.raises(CertificateRejected) as caught:
        find_payload(PayloadKind.TOKEN + "A" * 10_000_000)
    assert caught.value.reason is RejectReason.TOO_LARGE


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(zlib.compress(b"")[:-1], id="cut"),
        pytest.param(zlib.compress(b""), id="empty"),
        pytest.param(zlib.compress(b"abc") + b"\0", id="bytes behind"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x30\x82", id="not deflated"),
    ],
)
def test_damaged_streams(packed: bytes) -> None:
    with pytest.raises(CertificateRejected) as caught:
        read_payload(PayloadKind.CERTIFICATE + base45.encode(packed))
    assert caught.value.reason is RejectReason.UNREADABLE
