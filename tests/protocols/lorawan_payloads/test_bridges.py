"""Telegrams that bridges send in parts, and messages that payloads carry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from Crypto.Cipher import AES
from Crypto.Hash import CMAC

from protocols.lorawan.bridges import MAX_MESSAGE, Piece, add_piece, timed_telegrams
from protocols.lorawan.decoder import decode_lorawan
from protocols.lorawan.encode import Message, data_frame
from protocols.lorawan.meters import LoraMeter, named_meter
from protocols.lorawan.payload import NO_STATE, PayloadResult, PayloadState, decode_payload
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import Sessions
from protocols.model import Address, Key, Link, Outcome, RawFrame
from tests.protocols.lorawan.lorawan_bench import ROOT_1_0, Filed, failed, joining_1_0

AT = datetime(2026, 11, 20, 8, 15, 30, tzinfo=UTC)
TELEGRAM = bytes.fromhex("1444b4257856341201077a05000020" + "041331d40000")


def meter_of(name: str) -> LoraMeter:
    meter = named_meter(name)
    assert meter is not None
    return meter


def sent(
    name: str, payload: bytes, fport: int | None, state: PayloadState = NO_STATE, fcnt: int | None = None
) -> PayloadResult:
    return decode_payload(payload, 0, len(payload), fport, meter_of(name), received_at=AT, state=state, fcnt=fcnt)


def timed(flags: int, content: bytes) -> bytes:
    clock = int(AT.timestamp()).to_bytes(5, "big") if flags & 1 else b""
    return bytes((flags,)) + clock + content


def reading(result: PayloadResult, name: str) -> str:
    return next(f"{r.value} {r.unit}" for r in result.readings if r.name == name)


def test_parts_of_a_telegram_are_put_together() -> None:
    first = sent("lobaro-wmbus", timed(1, TELEGRAM[:7]), 101, fcnt=7)
    middle = sent("lobaro-wmbus", timed(0, TELEGRAM[7:15]), 101, first.state, fcnt=8)
    last = sent("lobaro-wmbus", timed(2, TELEGRAM[15:]), 101, middle.state, fcnt=9)
    assert first.ok
    assert middle.ok
    assert not middle.readings
    assert last.ok, last.problem
    assert reading(last, "volume" if not last.telegrams[0].profile else "total_volume") == "54.321 m3"
    assert last.state.pieces is None
    assert last.address == Address.of("IMT", "12345678", 1, 7)
    assert "put together from 3 uplinks" in last.notes
    assert [span.start for layer in last.layers for span in layer.spans(last.plain)] == [0]


def test_a_gap_between_parts_loses_the_telegram() -> None:
    first = sent("lobaro-wmbus", timed(1, TELEGRAM[:7]), 101, fcnt=7)
    last = sent("lobaro-wmbus", timed(2, TELEGRAM[7:]), 101, first.state, fcnt=9)
    assert last.outcome is Outcome.DAMAGED
    assert last.problem == "the message is lost: uplinks between 7 and 9 were not received"
    assert last.state.pieces is None


def test_a_counter_that_runs_over_is_no_gap() -> None:
    first = sent("lobaro-wmbus", timed(1, TELEGRAM[:7]), 101, fcnt=0xFFFFFFFF)
    assert sent("lobaro-wmbus", timed(2, TELEGRAM[7:]), 101, first.state, fcnt=0).ok


@pytest.mark.parametrize("ports", [(13, 23, 33)])
def test_parts_by_port(ports: tuple[int, int, int]) -> None:
    state = NO_STATE
    for port, content in zip(ports, (TELEGRAM[:5], TELEGRAM[5:9], TELEGRAM[9:]), strict=True):
        result = sent("lobaro-wmbus", content, port, state)
        state = result.state
    assert result.ok
    assert result.telegrams[0].data == TELEGRAM


@pytest.mark.parametrize(
    ("port", "problem"),
    [(23, "part 2 of 3 came without the ones before it"), (30, "carries no telegrams"), (None, "carries no telegrams")],
)
def test_parts_that_lack_others_are_named(port: int | None, problem: str) -> None:
    result = sent("lobaro-wmbus", TELEGRAM, port)
    assert not result.ok
    assert problem in (result.problem or "")


def test_a_part_of_another_message_is_refused() -> None:
    first = sent("lobaro-wmbus", TELEGRAM[:5], 13)
    assert "part 3 of 3 came where part 2 is due" in (sent("lobaro-wmbus", b"x", 33, first.state).problem or "")
    assert "message of 3 parts" in (sent("lobaro-wmbus", b"x", 24, first.state).problem or "")


def test_a_message_without_end_is_bounded() -> None:
    piece = Piece(1, None, first=True, last=False, header=0)
    got = add_piece(None, piece, bytes(200), None)
    for _ in range(MAX_MESSAGE // 200 + 1):
        assert got.pieces is None or len(got.pieces.data) <= MAX_MESSAGE
        got = add_piece(got.pieces, Piece(None, None, first=False, last=False, header=0), bytes(200), None)
    assert got.problem is not None


def test_a_wired_frame_in_parts() -> None:
    body = bytes.fromhex("080172" + "78563412b4250107" + "0b000000" + "041331d40000")
    wired = bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))
    first = sent("acrios-mbus", b"\x01\x02" + wired[:20], 1)
    last = sent("acrios-mbus", b"\x02\x02" + wired[20:], 1, first.state)
    assert last.ok, last.problem
    assert reading(last, "total_volume") == "54.321 m3"


def test_several_telegrams_in_one_message() -> None:
    clock = int(AT.timestamp())
    entry = bytes((len(TELEGRAM),)) + TELEGRAM
    message = clock.to_bytes(4, "little") + entry + clock.to_bytes(4, "big") + entry
    heard = timed_telegrams(message, AT)
    assert [part.at for part in heard] == [AT, AT]
    first = sent("imst-wmbus-extender", b"\x00" + message[:20], None)
    last = sent("imst-wmbus-extender", b"\x81" + message[20:], None, first.state)
    assert last.ok
    assert len(last.telegrams) == 2


@pytest.mark.parametrize("repeated", [0, 1, 2])
def test_an_uplink_that_is_sent_again_loses_no_message(repeated: int) -> None:
    wired = bytes.fromhex("6815156808017278563412b42501070b000000041331d40000")
    wired += bytes((sum(wired[4:]) & 0xFF, 0x16))
    uplinks = [bytes((number, 3)) + wired[at : at + 9] for number, at in ((1, 0), (2, 9), (3, 18))]
    state, results = PayloadState(), []
    for number in sorted([0, 1, 2, repeated]):
        results.append(sent("acrios-mbus", uplinks[number], 1, state, fcnt=7 + number))
        state = results[-1].state
    assert [result.problem for result in results] == [None] * 4
    whole = [result for result in results if result.telegrams]
    assert [reading(result, "total_volume") for result in whole] == ["54.321 m3"]


def test_another_uplink_under_the_same_counter_is_no_repetition() -> None:
    first = sent("acrios-mbus", b"\x01\x03\x68", 1, fcnt=7)
    second = sent("acrios-mbus", b"\x02\x03\x17", 1, first.state, fcnt=8)
    other = sent("acrios-mbus", b"\x02\x03\x18", 1, second.state, fcnt=8)
    assert str(other.problem).endswith("part 2 of 3 came where part 3 is due")


def test_the_length_byte_before_a_telegram_may_be_its_own() -> None:
    clock = int(AT.timestamp()).to_bytes(4, "little")
    result = sent("imst-wmbus-extender", b"\x80" + clock + TELEGRAM + clock + TELEGRAM, None)
    assert result.ok, result.problem
    assert [telegram.frame.data for telegram in result.telegrams] == [TELEGRAM] * 2


def protected(key: bytes, number: bytes, counter: int, plain: bytes, *, long: bool) -> bytes:
    """A message of profile D made with another library: OMS Vol. 2 as Kamstrup's meters apply it."""
    address = number + bytes.fromhex("2d2c3516")
    mc = counter.to_bytes(4, "little")
    derived = CMAC.new(key, b"\x00" + mc + number + b"\x07" * 7, ciphermod=AES).digest()
    nonce = address[4:6] + number + address[6:] + b"\x00" + mc[::-1]
    head = bytes.fromhex("a100ffaa" if long else "c400ff2a") + b"\x10\x01"
    first = b"\x72" if long else b"\x7a"
    cipher = AES.new(derived, AES.MODE_CCM, nonce=nonce, mac_len=8)
    cipher.update(first + head)
    text, tag = cipher.encrypt_and_digest(plain)
    return first + (address if long else b"") + head + mc + text + tag


def test_a_short_header_is_opened_with_the_identity_of_the_long_one() -> None:
    key, number = bytes(range(16)), bytes.fromhex("11223344")
    long = protected(key, number, 5, bytes.fromhex("0413") + (1234).to_bytes(4, "little"), long=True)
    short = protected(key, number, 6, bytes.fromhex("4413") + (1200).to_bytes(4, "little"), long=False)
    meter = meter_of("kamstrup-oms")

    def keys(address: Address) -> list[Key]:
        return [Key(key)] if address.number == "44332211" else []

    alone = decode_payload(short, 0, len(short), 4, meter, keys=keys)
    assert alone.outcome is Outcome.NO_KEY
    assert "installation message" in (alone.next or "")
    opened = decode_payload(long, 0, len(long), 6, meter, keys=keys)
    assert opened.ok, opened.problem
    assert reading(opened, "total_volume") == "1.234 m3"
    later = decode_payload(short, 0, len(short), 4, meter, keys=keys, state=opened.state)
    assert later.ok, later.problem
    assert later.security is not None
    assert later.security.authenticated
    assert reading(later, "total_volume") == "1.200 m3"
    wrong = decode_payload(short, 0, len(short), 4, meter, keys=lambda _: [Key(bytes(16))], state=opened.state)
    assert wrong.outcome is Outcome.WRONG_KEY
    assert not wrong.readings


@pytest.mark.parametrize("filed", [True, False])
def test_a_short_header_is_opened_with_the_identity_that_is_filed(*, filed: bool) -> None:
    key, number = bytes(range(16)), bytes.fromhex("11223344")
    short = protected(key, number, 6, bytes.fromhex("4413") + (1200).to_bytes(4, "little"), long=False)
    address = Address.from_transport(number + bytes.fromhex("2d2c3516"))
    roots = replace(ROOT_1_0, profile="kamstrup-oms", meter=address if filed else None)
    request, accept, session = joining_1_0(1)
    sessions = Sessions()
    for data in (request, accept, data_frame(Message(MType.UNCONFIRMED_DATA_UP, 0, 4, short), session)):
        heard = decode_lorawan(
            RawFrame(data, link=Link.LORAWAN), Filed((roots,)), sessions, mbus_keys=lambda _: [Key(key)]
        )
        sessions = heard.sessions
    assert heard.telegram.outcome is (Outcome.OK if filed else Outcome.NO_KEY)
    assert [str(one.value) for one in heard.telegram.readings] == (["1.200"] if filed else [])
    assert (sessions.device(roots.dev_eui).payload_state.address == address) is filed
    if not filed:
        assert "manufacturer, number, version and medium" in str(failed(heard.telegram))


def test_an_identity_that_is_filed_and_proves_wrong_is_not_kept() -> None:
    short = protected(bytes(16), bytes.fromhex("11223344"), 6, bytes.fromhex("441300000000"), long=False)
    roots = replace(ROOT_1_0, profile="kamstrup-oms", meter=Address.of("KAM", "99999999", 1, 7))
    request, accept, session = joining_1_0(1)
    sessions = Sessions()
    for data in (request, accept, data_frame(Message(MType.UNCONFIRMED_DATA_UP, 0, 4, short), session)):
        heard = decode_lorawan(
            RawFrame(data, link=Link.LORAWAN), Filed((roots,)), sessions, mbus_keys=lambda _: [Key(bytes(16))]
        )
        sessions = heard.sessions
    assert heard.telegram.outcome is Outcome.WRONG_KEY
    assert sessions.device(roots.dev_eui).payload_state.address is None


def test_payloads_that_say_themselves_what_they_are() -> None:
    result = decode_payload(TELEGRAM, 0, len(TELEGRAM), 5, None)
    assert result.ok
    assert result.address == Address.of("IMT", "12345678", 1, 7)
    assert "integra-aquastream" in {item.meter for item in result.suggestions}


def test_unknown_payloads_are_suggested_with_evidence() -> None:
    payload = bytes.fromhex("9d590c880004001aa94607")  # lora.md, 7.2
    result = decode_payload(payload, 0, len(payload), 1, None)
    assert result.outcome is Outcome.UNSUPPORTED
    assert not result.readings
    assert result.suggestions[0].meter == "arad-sonata"
    assert "9D at byte 0" in result.suggestions[0].evidence
    assert "arad-sonata" in (result.next or "")


def test_an_empty_payload_is_nothing() -> None:
    assert decode_payload(b"abc", 2, 2, None, None).ok
    assert decode_payload(b"abc", 7, 2, 1, meter_of("axioma-w1")).ok


@pytest.mark.parametrize(
    ("meter", "fport", "payload"),
    [
        ("axioma-w1", 101, "04FF891331FD17041344FF891344134D931E206201"),
        ("axioma-w1", 103, "80D1846630"),
        ("elvaco-cmi4111", 2, b'\x07{"E":"12","U":"kWh","ID":"70969798"}'.hex()),
        ("elvaco-cmi41xx", 2, "250C06354100000C789897967002FD170000"),
        ("dzg-loramod", 8, "0001A22A00000080D18466CF010000"),
        (
            "iotfactory-mbus",
            10,
            "A00216 00".replace(" ", "") + "80D18466" + "00" + "08122121" + "0200" + "0C0454000000",
        ),
        ("lobaro-modbus", 3, "006684D180" + "080103021234" + "000001"),
        ("lobaro-wmbus", 101, "03006684D1800102030405060708"),
        ("lobaro-wmbus", 12, "2E44B4250102"),
        ("dezem-harvy2", 10, "0600" + "00" * 8 + "F0" + "66"),
    ],
)
def test_what_says_itself_of_which_family_it_is_is_suggested(meter: str, fport: int, payload: str) -> None:
    data = bytes.fromhex(payload)
    result = decode_payload(data, 0, len(data), fport, None)
    assert meter in {item.meter for item in result.suggestions}, result.suggestions


def test_one_byte_is_no_bytes() -> None:
    assert sent("axioma-w1", bytes(3), 103).problem == "the payload ends 1 byte early: 3 bytes"
    assert sent("lobaro-wmbus", bytes(1), 101).problem == "a piece of 1 byte, 2 are needed"
