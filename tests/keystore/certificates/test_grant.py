"""The critical extension: one encoding for each grant, nothing else accepted, and the least of two."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from keystore.certificates import der
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.grant import Grant, Scope, decode_grant, encode_grant
from keystore.certificates.levels import EVERYTHING, Capability

EXAMPLE = Grant(
    Capability.READ | Capability.INSTALL,
    Scope("Stadtwerke Nord", frozenset({"KAM", "ELS"}), None, (10_000_000, 20_000_000)),
)
EXAMPLE_HEX = (
    "3032 020101 030206c0 800f5374616474776572 6b65204e6f7264 a10a1303454c5313034b414d a30c020400989680020401312d00"
)

texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)
makers = st.sampled_from(["KAM", "ELS", "DME", "LUG"])
capabilities = st.integers(1, EVERYTHING.value).map(Capability)
numbers = st.tuples(st.integers(0, 99_999_999), st.integers(0, 99_999_999)).map(lambda pair: (min(pair), max(pair)))
scopes = st.builds(
    Scope,
    st.none() | texts,
    st.none() | st.frozensets(makers, min_size=1),
    st.none() | st.frozensets(texts, min_size=1, max_size=4),
    st.none() | numbers,
)
grants = st.builds(Grant, capabilities, scopes)


def test_a_grant_byte_by_byte() -> None:
    assert encode_grant(EXAMPLE).hex() == EXAMPLE_HEX.replace(" ", "")


@given(grants)
def test_what_was_written_is_read(grant: Grant) -> None:
    assert decode_grant(encode_grant(grant)) == grant


@given(grants, st.data())
def test_there_is_one_encoding_of_each_grant(grant: Grant, data: st.DataObject) -> None:
    encoded = bytearray(encode_grant(grant))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] = data.draw(st.integers(0, 255))
    try:
        read = decode_grant(bytes(encoded))
    except CertificateRejected as error:
        event(error.reason)
        return
    assert encode_grant(read) == encoded


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(CertificateRejected):
        assert encode_grant(decode_grant(data)) == data


@pytest.mark.parametrize("length", range(len(encode_grant(EXAMPLE))))
def test_a_cut_grant_is_refused(length: int) -> None:
    with pytest.raises(CertificateRejected):
        decode_grant(encode_grant(EXAMPLE)[:length])


def sequence(*parts: bytes) -> bytes:
    return der.write(der.SEQUENCE, der.write_integer(1), der.write_bits([0, 1]), *parts)


def names(tag: int, *values: bytes) -> bytes:
    return der.write(tag, *(der.write(der.PRINTABLE_STRING if tag == 0xA1 else der.UTF8_STRING, v) for v in values))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(der.write(der.SEQUENCE, der.write_integer(0), der.write_bits([0])), id="version 0"),
        pytest.param(der.write(der.SEQUENCE, der.write_integer(2), der.write_bits([0])), id="version 2"),
        pytest.param(der.write(der.SEQUENCE, b"\x02\x02\x00\x01", der.write_bits([0])), id="version with zeros"),
        pytest.param(der.write(der.SEQUENCE, der.write_integer(1), der.write_bits([])), id="nothing"),
        pytest.param(der.write(der.SEQUENCE, der.write_integer(1), der.write_bits([5])), id="bit 5"),
        pytest.param(der.write(der.SEQUENCE, der.write_integer(1), der.write_bits([0, 40])), id="bit 40"),
        pytest.param(der.write(der.SEQUENCE, der.write_integer(1), b"\x03\x02\x00\x80"), id="trailing zero bits"),
        pytest.param(der.write(der.SEQUENCE, der.write_integer(1), b"\x03\x02\x07\xff"), id="set bits behind the end"),
        pytest.param(der.write(der.SEQUENCE, der.write_bits([0])), id="no version"),
        pytest.param(sequence(b"\x05\x00"), id="a field more"),
        pytest.param(sequence() + b"\0", id="a byte more"),
        pytest.param(sequence(der.write(0x80, b"")), id="empty organisation"),
        pytest.param(sequence(der.write(0x80, b"x" * 65)), id="long organisation"),
        pytest.param(sequence(der.write(0x80, b"\xff")), id="organisation not UTF-8"),
        pytest.param(sequence(der.write(0x80, b"a\nb")), id="organisation with a control"),
        pytest.param(sequence(names(0xA1)), id="empty list"),
        pytest.param(sequence(names(0xA1, b"KAM", b"ELS")), id="unsorted"),
        pytest.param(sequence(names(0xA1, b"KAM", b"KAM")), id="twice"),
        pytest.param(sequence(names(0xA1, b"kam")), id="small letters"),
        pytest.param(sequence(names(0xA2, *(f"{n:02}".encode() for n in range(17)))), id="17 families"),
        pytest.param(sequence(names(0xA2, b"a"), names(0xA1, b"KAM")), id="wrong order"),
        pytest.param(sequence(der.write(0xA3, der.write_integer(2), der.write_integer(1))), id="range backwards"),
        pytest.param(sequence(der.write(0xA3, der.write_integer(1))), id="half a range"),
        pytest.param(sequence(der.write(0xA3, b"\x02\x01\xff", der.write_integer(1))), id="negative"),
        pytest.param(sequence(der.write(0xA3, der.write_integer(1), der.write_integer(10**8))), id="nine digits"),
        pytest.param(b"\x30\x80\x02\x01\x01\x03\x02\x06\xc0\x00\x00", id="indefinite length"),
        pytest.param(b"", id="no byte"),
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(CertificateRejected) as caught:
        decode_grant(data)
    assert caught.value.reason is RejectReason.BAD_LEVEL


@given(scopes, scopes, makers, texts, st.integers(0, 99_999_999))
def test_the_least_of_two_scopes_holds_what_both_hold(
    one: Scope, other: Scope, maker: str, family: str, number: int
) -> None:
    meter = (maker, family, f"{number:08}")
    both = not one.why_not(*meter) and not other.why_not(*meter)
    least = one.narrowed(other)
    if least is None:
        organisations = {one.organisation, other.organisation} - {None}
        assert not both or len(organisations) == 2
    else:
        assert both == (not least.why_not(*meter))


@given(grants, grants)
def test_the_least_of_two_grants_is_in_both(one: Grant, other: Grant) -> None:
    least = one.narrowed(other)
    assert least == other.narrowed(one)
    if least is not None:
        assert least.capabilities in one.capabilities
        assert least.capabilities in other.capabilities
        assert least.narrowed(one) == least


@pytest.mark.parametrize(
    ("scope", "meter", "why"),
    [
        (Scope(), (None, None, "any"), ""),
        (Scope(manufacturers=frozenset({"KAM"})), ("KAM", None, "1"), ""),
        (Scope(manufacturers=frozenset({"KAM"})), ("ELS", None, "1"), "meters of KAM"),
        (Scope(manufacturers=frozenset({"KAM"})), (None, None, "1"), "meters of KAM"),
        (Scope(families=frozenset({"kamstrup_water"})), ("KAM", "kamstrup_water", "1"), ""),
        (Scope(families=frozenset({"kamstrup_water"})), ("KAM", None, "1"), "kamstrup_water"),
        (Scope(numbers=(63_000_000, 63_999_999)), ("KAM", None, "63001468"), ""),
        (Scope(numbers=(63_000_000, 63_999_999)), ("KAM", None, "64000000"), "63000000 to 63999999"),
        (Scope(numbers=(0, 99_999_999)), ("KAM", None, "6300146a"), "00000000 to 99999999"),
        (Scope(numbers=(0, 99_999_999)), ("KAM", None, "१२३४५६७८"), "00000000 to 99999999"),
    ],
)
def test_what_lies_in_a_scope(scope: Scope, meter: tuple[str | None, str | None, str], why: str) -> None:
    told = scope.why_not(*meter)
    assert why in told
    assert bool(why) == bool(told)
