"""The messages of the guarded session, to and from bytes.

This "field link" is the simulated meter's own and no vendor's: docs/field-link.md. A message is a type byte and its
fields; integers are big-endian; nothing may follow the last field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, TypeAlias

from protocols.actions.list_marks import MARK_LENGTH, MOST_MARKS, ListMark
from protocols.actions.results import ResultCode
from protocols.crypto import aes_cmac
from protocols.errors import BadField, ProtocolError, Truncated, Unsupported
from protocols.model import Address
from protocols.text import safe_text

LAYER: Final = "field link"
VERSION: Final = 1
NONCE_LENGTH: Final = 16
SESSION_LENGTH: Final = 4
CHALLENGE_LENGTH: Final = 32
MAC_LENGTH: Final = 16
ADDRESS_LENGTH: Final = 8
LONGEST_MESSAGE: Final = 16 * 1024
MOST_CERTIFICATES: Final = 4
MOST_LISTS: Final = 4
LONGEST_DETAIL: Final = 80
"""Bytes of UTF-8."""
NO_COUNTER: Final = 0xFF
"""Reconfigurations left, of a meter that does not count them."""
NO_SESSION: Final = bytes(SESSION_LENGTH)
NO_MAC: Final = bytes(MAC_LENGTH)

_SIGNATURE_LABEL: Final = b"fieldtool action v1\0"
_WHICH_KEY_LABEL: Final = b"fieldtool which key"


@dataclass(frozen=True, slots=True)
class Hello:
    """The tool opens a session."""

    TYPE: ClassVar[int] = 1
    tool_nonce: bytes

    def to_bytes(self) -> bytes:
        """Return the message; `ValueError` when a field does not fit."""
        return bytes((self.TYPE, VERSION)) + _exactly(self.tool_nonce, NONCE_LENGTH)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The meter's answer to `Hello`; good for one `Proof` within `lifetime_s`.

    `meter_time` is the meter's clock in seconds since 1970, `lists` are the revocation lists that it holds, at most
    `MOST_MARKS` of them.
    """

    TYPE: ClassVar[int] = 2
    session_id: bytes
    challenge: bytes
    meter: Address
    meter_time: int
    lifetime_s: int
    reconfigurations_left: int
    lists: tuple[ListMark, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the message; `ValueError` when a field does not fit, or there are too many lists."""
        if len(self.lists) > MOST_MARKS:
            raise ValueError(f"a challenge names at most {MOST_MARKS} lists")
        return b"".join(
            (
                bytes((self.TYPE, VERSION)),
                _exactly(self.session_id, SESSION_LENGTH),
                _exactly(self.challenge, CHALLENGE_LENGTH),
                self.meter.to_wire(),
                _number(self.meter_time, 4),
                _number(self.lifetime_s, 2),
                _number(self.reconfigurations_left, 1),
                _number(len(self.lists), 1),
                *(mark.to_bytes() for mark in self.lists),
            )
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """The tool's command with the proof that it may: certificates (leaf first, anchor left out) and signature (DER).

    `lists` are revocation lists that are newer than the meter's.
    """

    TYPE: ClassVar[int] = 3
    session_id: bytes
    command: bytes = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)
    lists: tuple[bytes, ...] = field(repr=False)
    signature: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """Return the message; `ValueError` when a field does not fit, or the message is too long."""
        if not 1 <= len(self.certificates) <= MOST_CERTIFICATES or len(self.lists) > MOST_LISTS:
            raise ValueError(f"a proof has 1 to {MOST_CERTIFICATES} certificates and at most {MOST_LISTS} lists")
        message = b"".join(
            (
                bytes((self.TYPE,)),
                _exactly(self.session_id, SESSION_LENGTH),
                _counted(self.command, 2),
                _number(len(self.certificates), 1),
                *(_counted(certificate, 2) for certificate in self.certificates),
                _number(len(self.lists), 1),
                *(_counted(one, 2) for one in self.lists),
                _counted(self.signature, 1),
            )
        )
        if len(message) > LONGEST_MESSAGE:
            raise ValueError(f"a message has at most {LONGEST_MESSAGE} bytes, this one {len(message)}")
        return message


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command: code, a word more about it, and the application bytes of an answer, if any.

    `mac` is made with the key that the meter holds after the command, over `body` and the session that is answered
    (`session_bytes`; nothing when none was open); zeros from a meter without a key.
    """

    TYPE: ClassVar[int] = 4
    session_id: bytes
    code: ResultCode
    detail: str = ""
    reconfigurations_left: int = NO_COUNTER
    reply: bytes = field(default=b"", repr=False)
    mac: bytes = field(default=NO_MAC, repr=False)

    @property
    def body(self) -> bytes:
        """Everything in the message that the MAC covers."""
        return b"".join(
            (
                bytes((self.TYPE,)),
                _exactly(self.session_id, SESSION_LENGTH),
                bytes((self.code,)),
                _counted(self.detail.encode(), 1, LONGEST_DETAIL),
                _number(self.reconfigurations_left, 1),
                _counted(self.reply, 2),
            )
        )

    def to_bytes(self) -> bytes:
        """Return the message; `ValueError` when a field does not fit."""
        return self.body + _exactly(self.mac, MAC_LENGTH)

    def mac_of(self, key: bytes, session: bytes = b"") -> bytes:
        """Return the MAC under a key, as the answer in a session; the tool makes it too, and compares."""
        return aes_cmac(key, self.body + session)

    def sealed(self, key: bytes | None, session: bytes = b"") -> Result:
        """Return the result with its MAC."""
        return self if key is None else replace(self, mac=self.mac_of(key, session))


@dataclass(frozen=True, slots=True)
class WhichKey:
    """The tool asks which key the meter holds."""

    TYPE: ClassVar[int] = 5
    nonce: bytes

    def to_bytes(self) -> bytes:
        """Return the message; `ValueError` when the nonce does not fit."""
        return bytes((self.TYPE,)) + _exactly(self.nonce, NONCE_LENGTH)


@dataclass(frozen=True, slots=True)
class KeyProof:
    """The meter's answer to `WhichKey`: `proof` is made with the key that it holds, zeros without one."""

    TYPE: ClassVar[int] = 6
    nonce: bytes
    key_version: int
    proof: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """Return the message; `ValueError` when a field does not fit."""
        return b"".join(
            (
                bytes((self.TYPE,)),
                _exactly(self.nonce, NONCE_LENGTH),
                _number(self.key_version, 1),
                _exactly(self.proof, MAC_LENGTH),
            )
        )


Message: TypeAlias = Hello | Challenge | Proof | Result | WhichKey | KeyProof


def signed_bytes(tool_nonce: bytes, challenge: Challenge, command: bytes) -> bytes:
    """Return what the tool signs (ECDSA with P-256 and SHA-256) and the meter verifies."""
    return b"".join(
        (
            _SIGNATURE_LABEL,
            _exactly(tool_nonce, NONCE_LENGTH),
            _exactly(challenge.session_id, SESSION_LENGTH),
            _exactly(challenge.challenge, CHALLENGE_LENGTH),
            challenge.meter.to_wire(),
            _counted(command, 2),
        )
    )


def session_bytes(tool_nonce: bytes, challenge: Challenge) -> bytes:
    """Return what ties an answer to one session: the random bytes of both sides. A session id is too short for it."""
    return _exactly(tool_nonce, NONCE_LENGTH) + _exactly(challenge.challenge, CHALLENGE_LENGTH)


def key_proof(key: bytes, nonce: bytes, meter: Address, key_version: int) -> bytes:
    """Return the proof that a meter holds `key`; the tool makes it too, and compares in constant time."""
    return aes_cmac(key, b"".join((_WHICH_KEY_LABEL, nonce, meter.to_wire(), bytes((key_version,)))))


def parse_message(data: bytes) -> Message:
    """Return the message that the bytes are.

    Raises `Truncated`, `BadField`, or `Unsupported` for an unknown type or version; nothing else.
    """
    if not data:
        raise Truncated("no message: there are no bytes", layer=LAYER, offset=0)
    if len(data) > LONGEST_MESSAGE:
        raise BadField(f"a message has at most {LONGEST_MESSAGE} bytes", layer=LAYER, offset=LONGEST_MESSAGE)
    read = _READERS.get(data[0])
    if read is None:
        raise Unsupported(f"message type {data[0]} is not known", layer=LAYER, offset=0)
    reader = _Reader(data, 1)
    message = read(reader)
    reader.end()
    return message


class _Reader:
    """Takes fields off a message, never more than there is."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self._data):
            raise Truncated("the message ends inside a field", layer=LAYER, offset=len(self._data))
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length))

    def counted(self, length: int) -> bytes:
        return self.take(self.number(length))

    def several(self, least: int, most: int) -> tuple[bytes, ...]:
        return tuple(self.counted(2) for _ in range(self.count(least, most)))

    def count(self, least: int, most: int) -> int:
        count = self.number(1)
        if not least <= count <= most:
            raise self.bad(f"{count} items, allowed are {least} to {most}")
        return count

    def version(self) -> None:
        version = self.number(1)
        if version != VERSION:
            raise Unsupported(f"version {version} of the field link is not known", layer=LAYER, offset=1)

    def end(self) -> None:
        if self.position != len(self._data):
            raise self.bad(f"{len(self._data) - self.position} bytes after the message")

    def bad(self, what: str) -> ProtocolError:
        return BadField(what, layer=LAYER, offset=self.position)


def _read_hello(reader: _Reader) -> Message:
    reader.version()
    return Hello(reader.take(NONCE_LENGTH))


def _read_challenge(reader: _Reader) -> Message:
    reader.version()
    return Challenge(
        reader.take(SESSION_LENGTH),
        reader.take(CHALLENGE_LENGTH),
        Address.from_wire(reader.take(ADDRESS_LENGTH)),
        meter_time=reader.number(4),
        lifetime_s=reader.number(2),
        reconfigurations_left=reader.number(1),
        lists=tuple(ListMark.from_bytes(reader.take(MARK_LENGTH)) for _ in range(reader.count(0, MOST_MARKS))),
    )


def _read_proof(reader: _Reader) -> Message:
    return Proof(
        reader.take(SESSION_LENGTH),
        reader.counted(2),
        reader.several(1, MOST_CERTIFICATES),
        reader.several(0, MOST_LISTS),
        reader.counted(1),
    )


def _read_result(reader: _Reader) -> Message:
    session_id, number = reader.take(SESSION_LENGTH), reader.number(1)
    try:
        code = ResultCode(number)
    except ValueError:
        raise reader.bad(f"result code {number} is not known") from None
    detail = reader.counted(1)
    if len(detail) > LONGEST_DETAIL:
        raise reader.bad(f"a detail has at most {LONGEST_DETAIL} bytes")
    try:
        text = detail.decode()
    except UnicodeDecodeError:
        raise reader.bad("the detail is not UTF-8 text") from None
    if safe_text(text) != text:
        raise reader.bad("the detail holds characters that cannot be shown")
    return Result(session_id, code, text, reader.number(1), reader.counted(2), reader.take(MAC_LENGTH))


def _read_which_key(reader: _Reader) -> Message:
    return WhichKey(reader.take(NONCE_LENGTH))


def _read_key_proof(reader: _Reader) -> Message:
    return KeyProof(reader.take(NONCE_LENGTH), reader.number(1), reader.take(MAC_LENGTH))


_READERS: Final[dict[int, Callable[[_Reader], Message]]] = {
    Hello.TYPE: _read_hello,
    Challenge.TYPE: _read_challenge,
    Proof.TYPE: _read_proof,
    Result.TYPE: _read_result,
    WhichKey.TYPE: _read_which_key,
    KeyProof.TYPE: _read_key_proof,
}


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise ValueError(f"a field of {length} bytes cannot hold {len(data)}")
    return data


def _number(number: int, length: int) -> bytes:
    try:
        return number.to_bytes(length)
    except OverflowError:
        raise ValueError(f"{number} does not fit a field of {length} bytes") from None


def _counted(data: bytes, length: int, most: int | None = None) -> bytes:
    if most is not None and len(data) > most:
        raise ValueError(f"a field of at most {most} bytes cannot hold {len(data)}")
    return _number(len(data), length) + data
