"""Frames are built as the published examples of the standards and of real meters have them, byte for byte."""

from __future__ import annotations

import pytest
from Crypto.Cipher import AES
from Crypto.Hash import CMAC
from hypothesis import given
from hypothesis import strategies as st

from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, FrameFormat
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import (
    SYNCHRONOUS,
    TransportHeader,
    extended_link,
    extended_link_session,
    link_frame,
    session_number,
    transport_clear,
    transport_mode_5,
    transport_mode_7,
    with_crcs,
)
from protocols.wmbus.link import strip_crcs

GAS = Address.of("ELS", "12345678", 0x33, 0x03)
GAS_RECORDS = bytes.fromhex("0C1427048502046D32371F1502FD170000")
KEY_N_2_1 = bytes.fromhex("0102030405060708090A0B0C0D0E0F11")
KEY_COUNTING = bytes(range(16))
FRAME_N_2_1 = bytes.fromhex(
    "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
)


def test_gas_meter_profile_a() -> None:
    """OMS Vol. 2, Annex N.2.1."""
    header = TransportHeader(0x2A, configuration=SYNCHRONOUS)
    payload = transport_mode_5(Content.RECORDS, GAS_RECORDS, header, key=KEY_N_2_1, sender=GAS)
    assert link_frame(0x44, GAS, payload) == FRAME_N_2_1


def test_gas_meter_in_both_frame_formats() -> None:
    """OMS Vol. 2, Annex N.2.1 with its CRCs."""
    as_a = with_crcs(FRAME_N_2_1, FrameFormat.A)
    assert as_a.hex().upper() == (
        "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A"
    )
    as_b = with_crcs(FRAME_N_2_1, FrameFormat.B)
    assert as_b == b"\x30" + FRAME_N_2_1[1:] + bytes.fromhex("B853")
    assert with_crcs(FRAME_N_2_1, FrameFormat.STRIPPED) == FRAME_N_2_1


def test_radio_adapter_with_partial_encryption() -> None:
    """OMS Vol. 2, Annex N.5.3: long header, one encrypted block, clear tail, ELL I."""
    adapter = Address.of("QDS", "11223344", 0x55, 0x37)
    meter = Address.of("QDS", "55667788", 0x55, 0x08)
    header = TransportHeader(0x00, status=0x04, address=meter)
    payload = transport_mode_5(
        Content.RECORDS,
        bytes.fromhex("0B6E341200426CFE044B6E563402"),
        header,
        key=KEY_COUNTING,
        sender=adapter,
        clear=bytes.fromhex("0CFD1078563412"),
    )
    frame = link_frame(0x44, adapter, extended_link(0x00, 0x75, payload))
    assert frame.hex().upper() == (
        "304493444433221155378C00757288776655934455080004100500DFE2A782146D1513581CD2F83F39040CFD1078563412"
    )


def test_mode_7_with_short_header() -> None:
    """A gas meter of OMS profile B (jMBus test data): ELL I, AFL, MAC."""
    payload = transport_mode_7(
        Content.RECORDS,
        GAS_RECORDS,
        TransportHeader(0x75),
        key=KEY_COUNTING,
        counter=0x0AB3,
        sender=GAS,
    )
    frame = link_frame(0x44, GAS, extended_link(0x20, 0x75, payload))
    assert frame.hex().upper() == (
        "434493157856341233038C2075900F002C25B30A000021924D4F2FB66E017A75002007109058475F4BC91DF878B80A1B0F98B629024A"
        "AC727942BFC549233C0140829B93"
    )


def test_mode_7_with_long_header_and_receiver() -> None:
    """CEN/TR 17167:2018, F.3: RSP-UD with ELL III, AFL and mode 7."""
    adapter = Address.of("RAD", "11223344", 0x03, 0x37)
    payload = transport_mode_7(
        Content.RECORDS,
        GAS_RECORDS,
        TransportHeader(0x75, address=GAS),
        key=KEY_COUNTING,
        counter=0x0AB3,
        sender=adapter,
    )
    receiver = Address.from_wire(bytes.fromhex("3A63665544330A31"))
    frame = link_frame(0x08, adapter, extended_link(0x80, 0x75, payload, receiver=receiver))
    assert frame.hex().upper() == (
        "530824484433221103378E80753A63665544330A31900F002C25B30A0000AF5D74DF73A600D97278563412931533037500200710"
        "9058475F4BC91DF878B80A1B0F98B629024AAC727942BFC549233C0140829B93"
    )


def test_extended_link_session_opened_by_a_second_implementation() -> None:
    """EN 13757-4, 13.2.11: a counter block of sender, CC, SN; payload CRC first, low byte first."""
    meter = Address.of("KAM", "63001468", 0x1B, 0x16)
    records = bytes.fromhex("02FF20710004130819000044130819000061 5B7F616713")
    number = session_number(3, 1755085, encrypted=True)
    payload = extended_link_session(
        0x20, 0x91, number, transport_clear(Content.RECORDS, records), sender=meter, key=KEY_COUNTING
    )
    frame = link_frame(0x44, meter, payload)
    assert frame[10:17] == bytes.fromhex("8D2091") + number.to_bytes(4, "little")
    counter = frame[2:10] + frame[11:12] + frame[13:17] + bytes(3)
    opened = AES.new(KEY_COUNTING, AES.MODE_CTR, nonce=b"", initial_value=counter).decrypt(frame[17:])
    assert opened[2:] == b"\x78" + records
    assert opened[:2] == crc16_en13757(opened[2:]).to_bytes(2, "little")


def test_extended_link_session_without_encryption() -> None:
    """ELL II and IV in the clear: the payload CRC stands low byte first and covers what follows it."""
    receiver = Address.of("XYZ", "33445566", 0x0A, 0x31)
    number = session_number(0, 0, encrypted=False)
    plain = extended_link_session(0x20, 1, number, b"123456789", sender=GAS)
    assert plain.hex().upper() == "8D200100000000B7C2" + b"123456789".hex()
    routed = extended_link_session(0x20, 1, number, b"123456789", sender=GAS, receiver=receiver)
    assert routed.hex().upper() == "8F20013A63665544330A3100000000B7C2" + b"123456789".hex()


def test_access_message_without_data() -> None:
    """OMS Vol. 2, Annex N.5.2: ACC-NR with ELL I and long header."""
    adapter = Address.of("QDS", "11223344", 0x55, 0x37)
    meter = Address.of("QDS", "55667788", 0x55, 0x08)
    payload = transport_clear(Content.NOTHING, b"", TransportHeader(0xFF, status=0x04, address=meter))
    frame = link_frame(0x47, adapter, extended_link(0x20, 0x75, payload))
    assert frame.hex().upper() == "194793444433221155378C20758B8877665593445508FF040000"


@given(st.binary(min_size=1, max_size=150), st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1))
def test_mode_7_opens_with_another_library(records: bytes, key: bytes, counter: int) -> None:
    layers = transport_mode_7(
        Content.RECORDS, records, TransportHeader(9), key=key, counter=counter, sender=GAS, clear=b"\x02\xfd\x17\x00"
    )
    counter_wire = counter.to_bytes(4, "little")
    keys = []
    for derivation in (0, 1):
        kdf = CMAC.new(key, ciphermod=AES)
        kdf.update(bytes((derivation,)) + counter_wire + bytes.fromhex("78563412") + b"\x07" * 7)
        keys.append(kdf.digest())
    mac = CMAC.new(keys[1], ciphermod=AES)
    mac.update(layers[4:9] + layers[17:])
    assert mac.digest()[:8] == layers[9:17]
    size = layers[20] & 0xF0
    plaintext = AES.new(keys[0], AES.MODE_CBC, iv=bytes(16)).decrypt(layers[23 : 23 + size])
    assert plaintext.rstrip(b"\x2f") == (b"\x2f\x2f" + records).rstrip(b"\x2f")


@given(st.binary(max_size=240), st.sampled_from([FrameFormat.A, FrameFormat.B]))
def test_crcs_come_off_again(payload: bytes, frame_format: FrameFormat) -> None:
    frame = link_frame(0x44, GAS, b"\x78" + payload)
    stripped = strip_crcs(with_crcs(frame, frame_format))
    assert stripped.data == frame
    assert stripped.format is frame_format
    assert stripped.trailing == b""


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="L 256"):
        link_frame(0x44, GAS, bytes(247))
    with pytest.raises(ValueError, match="L counts to 255"):
        with_crcs(link_frame(0x44, GAS, bytes(245)), FrameFormat.B)
    with pytest.raises(ValueError, match="disagree"):
        with_crcs(FRAME_N_2_1[:-1], FrameFormat.A)
    with pytest.raises(ValueError, match="counts to 15"):
        transport_mode_5(Content.RECORDS, bytes(240), TransportHeader(0), key=KEY_COUNTING, sender=GAS)
    with pytest.raises(ValueError, match="does not fit"):
        transport_clear(Content.RECORDS, b"", TransportHeader(256))
    with pytest.raises(ValueError, match="no CI field"):
        transport_clear(Content.NOTHING, b"")
    with pytest.raises(ValueError, match="message counter"):
        transport_mode_7(Content.RECORDS, b"", TransportHeader(0), key=KEY_COUNTING, counter=2**32, sender=GAS)
    with pytest.raises(ValueError, match="session 16"):
        session_number(16, 0, encrypted=False)
    with pytest.raises(ValueError, match="there is no key"):
        extended_link_session(0, 0, session_number(0, 0, encrypted=True), b"", sender=GAS)
