"""`decode()`: outcomes, verdicts and what is kept, over published telegrams and every kind of damage."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.decode import decode, learn
from protocols.mbus.compact import FormatLibrary, shipped_formats
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, FrameFormat, Key, KeyLookup, Outcome, Rung, RungState, Telegram
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link import strip_crcs

# OMS Vol. 2, Annex N.2.1: gas meter, security mode 5, short header.
OMS_GAS = bytes.fromhex(
    "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
)
OMS_GAS_KEY = bytes.fromhex("0102030405060708090A0B0C0D0E0F11")
COUNTING_KEY = bytes(range(16))

# OMS Vol. 2, Annex N.5.3: heat cost allocator behind a radio adapter, one encrypted block and a clear tail.
OMS_ADAPTER = bytes.fromhex(
    "304493444433221155378C00757288776655934455080004100500DFE2A782146D1513581CD2F83F39040CFD1078563412"
)
# OMS Vol. 2, Annex N.5.2: ACC-NR, header without application data.
OMS_ACC_NR = bytes.fromhex("194793444433221155378C20758B8877665593445508FF040000")
# CEN/TR 17167:2018, F.3: RSP-UD with ELL III, AFL with CMAC and security mode 7, long header.
CEN_MODE_7 = bytes.fromhex(
    "530824484433221103378E80753A63665544330A31900F002C25B30A0000AF5D74DF73A600D9"
    "72785634129315330375002007109058475F4BC91DF878B80A1B0F98B629024AAC727942BFC549233C0140829B93"
)
# EN 13757-3, G.5.3: full and compact frame with short header, here behind a link header of our own.
LINK = bytes.fromhex("449315785634123303")
G5_FULL = bytes.fromhex("7A010000000202D20402152E16022A3423")
G5_FORMAT = bytes.fromhex("6A0100000008313B02020215022A")
G5_COMPACT = bytes.fromhex("7B01000000313B42A6D2042E163423")

NO_FORMATS = FormatLibrary()


def framed(payload: bytes) -> bytes:
    body = LINK + payload
    return bytes((len(body),)) + body


def filed(*values: bytes) -> KeyLookup:
    def lookup(address: Address) -> Sequence[Key]:
        return tuple(Key(value) for value in values)

    return lookup


def states(telegram: Telegram) -> str:
    """One letter a rung: p passed, f failed, n not reached."""
    return "".join(step.state.value[0] for step in telegram.verdict)


def failed_step(telegram: Telegram) -> tuple[Rung, str, str | None]:
    step = next(step for step in telegram.verdict if step.state is RungState.FAILED)
    return step.rung, step.detail, step.next


def values(telegram: Telegram) -> dict[str, object]:
    return {reading.name: reading.value for reading in telegram.readings}


def assert_tiled(telegram: Telegram) -> None:
    position = 0
    for span in telegram.spans:
        assert span.start == position, span
        assert span.end > span.start, span
        position = span.end
    assert position == len(telegram.data)


def test_mode_5_as_published() -> None:
    telegram = decode(OMS_GAS, filed(OMS_GAS_KEY))
    assert telegram.outcome is Outcome.OK
    assert states(telegram) == "pppppp"
    assert telegram.meter == Address.of("ELS", "12345678", 0x33, 0x03)
    assert telegram.link_address is None
    assert values(telegram)["volume"] == Decimal("28504.27")
    assert telegram.security is not None
    assert (telegram.security.mode, telegram.security.authenticated) == (5, False)
    assert telegram.security.access_number == 0x2A
    assert telegram.status is not None
    assert telegram.status.raw == 0
    assert_tiled(telegram)


def test_partial_encryption_takes_the_meters_own_address() -> None:
    telegram = decode(OMS_ADAPTER, filed(COUNTING_KEY))
    assert telegram.outcome is Outcome.OK
    assert telegram.meter == Address.of("QDS", "55667788", 0x55, 0x08)
    assert telegram.link_address == Address.of("QDS", "11223344", 0x55, 0x37)
    assert [record.value for record in telegram.records if record.quantity == "hca_units"] == [1234, 23456]
    assert telegram.records[-1].data == bytes.fromhex("78563412")
    assert_tiled(telegram)


def test_keys_are_asked_for_the_meter_before_the_adapter() -> None:
    asked: list[str] = []

    def lookup(address: Address) -> Sequence[Key]:
        asked.append(address.number)
        return (Key(COUNTING_KEY),) if address.number == "11223344" else ()

    assert decode(OMS_ADAPTER, lookup).ok
    assert asked == ["55667788", "11223344"]


def test_mode_7_with_mac_as_published() -> None:
    telegram = decode(CEN_MODE_7, filed(COUNTING_KEY))
    assert telegram.outcome is Outcome.OK
    assert telegram.security is not None
    assert (telegram.security.mode, telegram.security.authenticated) == (7, True)
    assert telegram.security.message_counter == 0xAB3
    assert values(telegram)["volume"] == Decimal("28504.27")
    assert_tiled(telegram)


@pytest.mark.parametrize("offset", [32, 60, 83], ids=["MAC", "first block", "last block"])
def test_an_altered_mode_7_message_gives_no_values(offset: int) -> None:
    altered = bytearray(CEN_MODE_7)
    altered[offset] ^= 1
    telegram = decode(bytes(altered), filed(COUNTING_KEY))
    assert telegram.outcome in (Outcome.DAMAGED, Outcome.WRONG_KEY)
    assert telegram.readings == ()
    assert failed_step(telegram)[0] is Rung.DECRYPTION


def test_header_without_application_data() -> None:
    telegram = decode(OMS_ACC_NR)
    assert (telegram.outcome, telegram.readings) == (Outcome.OK, ())
    assert telegram.status is not None
    assert telegram.status.flags == ("power_low",)


def test_no_key_names_the_meter_and_the_next_step() -> None:
    telegram = decode(OMS_GAS)
    assert telegram.outcome is Outcome.NO_KEY
    assert states(telegram) == "ppfnnn"
    rung, detail, next_step = failed_step(telegram)
    assert rung is Rung.KEY
    assert "12345678" in detail
    assert next_step is not None
    assert "import" in next_step
    assert telegram.readings == ()
    assert_tiled(telegram)


def test_wrong_key_gives_no_values_and_names_what_was_tried() -> None:
    telegram = decode(OMS_GAS, filed(COUNTING_KEY, bytes(16)))
    assert telegram.outcome is Outcome.WRONG_KEY
    assert states(telegram) == "pppfnn"
    assert telegram.records == ()
    assert telegram.readings == ()
    assert telegram.security is not None
    assert len(telegram.security.tried) == 2
    assert all(value in (telegram.problem or "") for value in telegram.security.tried)


def test_the_fitting_one_of_several_keys_is_found() -> None:
    telegram = decode(OMS_GAS, filed(bytes(16), COUNTING_KEY, OMS_GAS_KEY))
    assert telegram.ok
    assert telegram.security is not None
    assert len(telegram.security.tried) == 3
    assert telegram.security.tried[-1] == telegram.security.key_check_value


def test_a_key_of_another_size_is_not_tried() -> None:
    telegram = decode(OMS_GAS, filed(bytes(8)))
    assert telegram.outcome is Outcome.NO_KEY


PLAIN_GAS = OMS_GAS[:15] + bytes.fromhex("2F2F0C1427048502046D32371F1502FD1700002F2F2F2F2F2F2F2F2F2F2F2F2F")


def test_payload_in_the_clear_is_refused_unless_asked_for() -> None:
    refused = decode(PLAIN_GAS)
    assert refused.outcome is Outcome.NO_KEY
    assert refused.readings == ()
    assert "--already-decrypted" in (failed_step(refused)[2] or "")
    accepted = decode(PLAIN_GAS, already_decrypted=True)
    assert accepted.ok
    assert accepted.security is not None
    assert accepted.security.already_decrypted
    assert values(accepted)["volume"] == Decimal("28504.27")


@pytest.mark.parametrize("mode", [1, 4, 8, 9, 13])
def test_a_payload_that_was_decrypted_elsewhere_is_read_under_modes_that_are_not_known_here(mode: int) -> None:
    head = bytes.fromhex("44 9315785634123303 7A2A00 20") + bytes((mode,))
    records, garbage = bytes.fromhex("2F2F 0C1427048502"), bytes(range(100, 108))
    frames = [bytes((len(head + payload),)) + head + payload for payload in (records, garbage)]
    assert [decode(frame).outcome for frame in frames] == [Outcome.UNSUPPORTED] * 2
    told = [decode(frame, already_decrypted=True) for frame in frames]
    assert [telegram.outcome for telegram in told] == [Outcome.OK, Outcome.UNSUPPORTED]
    assert [str(reading.value) for reading in told[0].readings] == ["28504.27"]
    assert told[0].security is not None
    assert told[0].security.already_decrypted


def test_compact_frame_is_read_after_its_full_frame() -> None:
    first = decode(framed(G5_COMPACT), formats=NO_FORMATS)
    assert first.outcome is Outcome.UNSUPPORTED
    assert "3B31" in (first.problem or "")
    full = decode(framed(G5_FULL), formats=NO_FORMATS)
    formats = learn(NO_FORMATS, full)
    compact = decode(framed(G5_COMPACT), formats=formats)
    assert compact.ok
    assert [record.value for record in compact.records] == [record.value for record in full.records]
    assert learn(formats, full) is formats
    for telegram in (first, full, compact):
        assert_tiled(telegram)


def test_format_frame_teaches_its_compact_frame() -> None:
    formats = learn(NO_FORMATS, decode(framed(G5_FORMAT), formats=NO_FORMATS))
    assert decode(framed(G5_COMPACT), formats=formats).ok


def test_damaged_telegrams_teach_nothing() -> None:
    cut = decode(framed(G5_FULL)[:-2], formats=NO_FORMATS)
    assert cut.outcome is Outcome.DAMAGED
    assert learn(NO_FORMATS, cut) is NO_FORMATS


def test_values_before_a_cut_are_kept() -> None:
    telegram = decode(framed(G5_FULL)[:-2], formats=NO_FORMATS)
    assert telegram.outcome is Outcome.DAMAGED
    assert len(telegram.records) == 2
    assert "2 of" in (telegram.problem or "")
    assert_tiled(telegram)


@pytest.mark.parametrize(
    ("payload", "outcome", "words"),
    [
        ("A0112233", Outcome.UNSUPPORTED, "maker's own"),
        ("7C" + "00" * 12 + "0102", Outcome.UNSUPPORTED, "DLMS"),
        ("7A00000001AABBCCDD", Outcome.UNSUPPORTED, "mode 1"),
        ("900400400000", Outcome.UNSUPPORTED, "fragment"),
        ("8C20018C2001", Outcome.DAMAGED, "second"),
        ("7A00", Outcome.DAMAGED, "header"),
        ("8D2001", Outcome.DAMAGED, "extended link layer"),
        ("90FF", Outcome.DAMAGED, "authentication"),
        ("7A00000000041300", Outcome.DAMAGED, ""),
    ],
    ids=["maker's own", "DLMS", "mode 1", "fragment", "ELL twice", "cut header", "cut ELL", "cut AFL", "cut record"],
)
def test_what_cannot_be_read_is_named(payload: str, outcome: Outcome, words: str) -> None:
    telegram = decode(framed(bytes.fromhex(payload)))
    assert telegram.outcome is outcome
    assert words in (telegram.problem or "")
    assert_tiled(telegram)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x44", bytes(5000)], ids=["empty", "one", "C", "huge"])
def test_scraps(data: bytes) -> None:
    telegram = decode(data)
    assert telegram.outcome is Outcome.DAMAGED
    assert telegram.data == data
    assert_tiled(telegram)


@settings(max_examples=400)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes(data: bytes, already_decrypted: bool) -> None:
    telegram = decode(data, filed(COUNTING_KEY), already_decrypted=already_decrypted)
    assert_tiled(telegram)
    assert telegram.ok == (telegram.problem is None)


@settings(max_examples=400)
@given(st.sampled_from([OMS_GAS, OMS_ADAPTER, CEN_MODE_7, PLAIN_GAS, framed(G5_FULL)]), st.data())
def test_any_mutation(telegram: bytes, data: st.DataObject) -> None:
    mutated = bytearray(telegram)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(mutated)))
    decoded = decode(bytes(mutated[:cut]), filed(COUNTING_KEY, OMS_GAS_KEY), already_decrypted=True)
    assert_tiled(decoded)


def test_no_key_appears_in_a_telegram() -> None:
    for lookup in (filed(OMS_GAS_KEY), filed(COUNTING_KEY)):
        assert OMS_GAS_KEY.hex() not in repr(decode(OMS_GAS, lookup)).lower()
        assert repr(OMS_GAS_KEY) not in repr(decode(OMS_GAS, lookup))


def test_shipped_formats_stay_as_they_are() -> None:
    before = len(shipped_formats())
    learn(shipped_formats(), decode(framed(G5_FULL)))
    assert len(shipped_formats()) == before


def test_network_layer_is_stepped_over() -> None:
    telegram = decode(framed(bytes.fromhex("811D") + G5_FULL))
    assert telegram.ok
    assert [layer.name for layer in telegram.layers] == ["link", "nwl", "transport", "application"]
    assert_tiled(telegram)


def test_an_unknown_network_layer_is_named() -> None:
    telegram = decode(framed(bytes.fromhex("810102030405")))
    assert telegram.outcome is Outcome.UNSUPPORTED
    assert "network layer" in (telegram.problem or "")


def test_a_frame_without_crcs_that_ends_like_one_in_format_b() -> None:
    """One stripped frame in 65,536 ends with what would be its CRC in format B; only one of the readings decodes."""
    front = bytes.fromhex("1E44C5145780482000047A0100000004061027000001FD1700025A")
    frame = bytes((len(front) + 1,)) + front[1:]
    frame += crc16_en13757(frame).to_bytes(2, "big")
    assert strip_crcs(frame).format is FrameFormat.B
    telegram = decode(frame)
    assert (telegram.outcome, telegram.data) == (Outcome.OK, frame)
    assert "flow_temperature" in [reading.name for reading in telegram.readings]
    shorter = bytes((len(frame) - 5,)) + frame[1:-4]
    assert decode(with_crcs(shorter, FrameFormat.B)).data == shorter
