"""Why a key that was filed does not open a payload: other ways to take the key or the header that really occur.

What fits another way than the header says stays closed: the findings go into the verdict's next step, no values are
read. A way counts only when the check bytes fit and all records can be read. Called only when every key has failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from protocols.application import decode_application
from protocols.crypto import BLOCK, aes_ctr, key_check_value
from protocols.decoding import Decoding
from protocols.errors import DecryptFailed, ProtocolError
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, Key
from protocols.wmbus.ci import Content
from protocols.wmbus.ell import CC_CHANGED_BY_REPEATERS, PAYLOAD_CRC_SIZE, ExtendedLinkLayer
from protocols.wmbus.security import EXTENDED_LINK, MODES, Opened, Protected, SecurityMode
from protocols.wmbus.security.cbc_address import MODE_5
from protocols.wmbus.security.ctr_extended_link import counter_block
from protocols.wmbus.transport import TransportLayer, parse_transport

MAX_KEYS = 8
"""Keys that are tried in other ways: a meter has two or three."""

DERIVATION_BIT = 0x10
"""Bit 4 of the configuration field extension: keys are derived for every message, or used as they are."""

_OTHER_MODES = {5: 7, 7: 5, 15: 5}
"""Security modes that are taken for one another, by what the header says."""

_ZERO_VECTOR = "with an initial vector of zeros, as in security mode 4"
_NOT_DERIVED = "as it is, without the derivation that the header announces"
_DERIVED = "with the derivation that the header does not announce"
_PAYLOAD_CI = frozenset((0x72, 0x78, 0x79, 0x7A))
"""CI fields that meters send after an encrypted extended link layer; a wrong key shows one in 64 times."""

_ASK_THE_MAKER = "ask the maker which of the two is right, and keep this telegram"


@dataclass(frozen=True, slots=True)
class Way:
    """Another way to read a message: in words, what to do if it is the right one, and how to open with a key."""

    words: str
    advice: str
    open: Callable[[bytes], Opened]


def transport_next_step(
    decoding: Decoding, protected: Protected, handler: SecurityMode, keys: Sequence[Key]
) -> str | None:
    """What to do about a payload that no key opens as its transport header says; None when no other way fits."""
    announced = Way("", "", lambda key: handler.open(protected, key))

    def reads(opened: Opened) -> bool:
        return reads_whole(decoding, protected.transport, opened)

    return _next_step(keys, announced, tuple(_transport_ways(decoding, protected, handler)), reads)


def extended_link_next_step(
    decoding: Decoding, ell: ExtendedLinkLayer, address: Address, keys: Sequence[Key]
) -> str | None:
    """The same for a payload that the extended link layer encrypts."""
    data = decoding.plain[: decoding.size]
    announced = Way("", "", lambda key: EXTENDED_LINK.open(data, address, ell, key))
    ways = (
        Way(
            "with the bits of CC that a repeater changes",
            "receive the meter directly: the repeater on the way changes its telegrams",
            lambda key: _open_with_all_of_cc(data, address, ell, key),
        ),
    )

    last_crc = Way(
        "the frame without its last two bytes, which look like a CRC of format B that does not fit",
        "receive it again",
        lambda key: EXTENDED_LINK.open(data[:-PAYLOAD_CRC_SIZE], address, ell, key),
    )

    def reads(opened: Opened) -> bool:
        plain = data[: opened.start] + opened.plaintext
        return reads_whole(decoding, parse_transport(plain, ell.end), opened)

    found = _next_step(keys, announced, (*(ways if ell.cc & CC_CHANGED_BY_REPEATERS else ()), last_crc), reads)
    return found or _damaged_next_step(decoding, ell, address, keys)


def _damaged_next_step(decoding: Decoding, ell: ExtendedLinkLayer, address: Address, keys: Sequence[Key]) -> str | None:
    """What to do when a payload begins as one under a key, and its CRC does not fit all the same."""
    data = decoding.plain[: decoding.size]
    block = counter_block(address, ell.cc, ell.session_number or 0)
    for key in keys[:MAX_KEYS]:
        begin = aes_ctr(key.value, block, data[ell.crypt_start : ell.crypt_start + PAYLOAD_CRC_SIZE + 1])
        if begin[-1] in _PAYLOAD_CI:
            return (
                f"receive it again: with key {key_check_value(key.value)} the payload begins as it should, so that the "
                "frame may be damaged; else compare the key check value with the supplier's"
            )
    return None


def _next_step(keys: Sequence[Key], announced: Way, ways: Sequence[Way], reads: Callable[[Opened], bool]) -> str | None:
    for key in keys[:MAX_KEYS]:
        check_value = key_check_value(key.value)
        backwards = key.value[::-1]
        if _fits(announced, backwards, reads):
            return f"key {check_value} fits with its bytes reversed: file it the other way round"
        for way in ways:
            if _fits(way, key.value, reads):
                return f"key {check_value} fits {way.words}: {way.advice}"
            if _fits(way, backwards, reads):
                return (
                    f"key {check_value} fits {way.words}, its bytes reversed: file it the other way round; {way.advice}"
                )
    return None


def _fits(way: Way, key: bytes, reads: Callable[[Opened], bool]) -> bool:
    try:
        return reads(way.open(key))
    except (ProtocolError, ValueError):
        return False


def _transport_ways(decoding: Decoding, protected: Protected, handler: SecurityMode) -> Iterator[Way]:
    for words, message in _other_addresses(decoding, protected):
        yield Way(words, _ASK_THE_MAKER, lambda key, message=message: handler.open(message, key))  # type: ignore[misc]
    other = MODES.get(_OTHER_MODES.get(handler.number, -1))
    if other is not None:
        yield Way(
            f"under security mode {other.number}, not {handler.number} as the header says",
            _ASK_THE_MAKER,
            lambda key: other.open(protected, key),
        )
    if handler.number == MODE_5.number:
        yield Way(_ZERO_VECTOR, _ASK_THE_MAKER, lambda key: MODE_5.open_with(protected, key, bytes(BLOCK)))
    extension = protected.transport.extension
    if extension:
        flipped = bytes((extension[0] ^ DERIVATION_BIT,)) + extension[1:]
        message = replace(protected, transport=replace(protected.transport, extension=flipped))
        words = _NOT_DERIVED if extension[0] & DERIVATION_BIT else _DERIVED
        yield Way(words, _ASK_THE_MAKER, lambda key: handler.open(message, key))


def _other_addresses(decoding: Decoding, protected: Protected) -> Iterator[tuple[str, Protected]]:
    """The sender's address in place of the meter's own, and the other way round."""
    for address in dict.fromkeys((decoding.link_address, decoding.meter)):
        if address is not None and address != protected.address:
            yield f"with the address {address} of the sender", replace(protected, address=address)


def _open_with_all_of_cc(data: bytes, address: Address, ell: ExtendedLinkLayer, key: bytes) -> Opened:
    block = address.to_wire() + bytes((ell.cc,)) + (ell.session_number or 0).to_bytes(4, "little") + bytes(3)
    plaintext = aes_ctr(key, block, data[ell.crypt_start :])
    if crc16_en13757(plaintext[PAYLOAD_CRC_SIZE:]) != int.from_bytes(plaintext[:PAYLOAD_CRC_SIZE], "little"):
        raise DecryptFailed("payload CRC does not fit", layer="ell", offset=ell.crypt_start)
    return Opened(ell.crypt_start, plaintext, "payload CRC fits")


def reads_whole(decoding: Decoding, transport: TransportLayer, opened: Opened) -> bool:
    """Whether all of the decrypted payload can be read."""
    end = opened.start + len(opened.plaintext)
    plain = decoding.plain[: opened.start] + opened.plaintext + decoding.plain[end : decoding.size]
    size = end if opened.cut else max(decoding.size, end) - opened.tag_size
    address = decoding.identity or decoding.meter
    profile = decoding.profiles.find(address) if address is not None else None
    payloads = profile.payloads if profile is not None else ()
    application = decode_application(transport.ci_field, plain, transport.end, size, decoding.formats, payloads)
    if application.problem is not None:
        return False
    return bool(application.records) or application.content is Content.FORMAT
