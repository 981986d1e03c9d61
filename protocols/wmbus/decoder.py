"""The way of one wireless frame: link layer, extended link layer, AFL, transport, decryption, application.

Each step reads `Decoding` and adds to it. A `ProtocolError` ends the walk; `protocols.decode` turns it into a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocols.application import Opaque, decode_application
from protocols.crypto import key_check_value
from protocols.errors import BadField, DecryptFailed, Truncated, Unsupported
from protocols.mbus.compact import FormatLibrary
from protocols.model import Address, Key, KeyLookup, Layer, Outcome, RawFrame, Record, Rung, Security, Status
from protocols.verdict import Ladder
from protocols.wmbus.afl import AuthenticationLayer, parse_afl
from protocols.wmbus.ci import Content, ci_field
from protocols.wmbus.control import DOWNLINK
from protocols.wmbus.ell import ENCRYPTION_AES_CTR, ENCRYPTION_NONE, ExtendedLinkLayer, parse_ell
from protocols.wmbus.link import FrameFormat, parse_link, strip_crcs
from protocols.wmbus.security import EXTENDED_LINK, MODES, Opened, Protected
from protocols.wmbus.transport import SECURITY_NAMES, TransportLayer, parse_transport, status_of

MODE_CLEAR = 0
MODE_RESERVED_CLEAR = 6
"""Reserved, but sent by Hydrodigit water meters with clear payloads."""

UNSUPPORTED_NEXT = "keep the telegram; what it needs is named above"
DAMAGED_NEXT = "receive it again; values before the damage are shown"

FORMAT_DETAIL = {
    FrameFormat.A: "format A, all block CRCs fit",
    FrameFormat.B: "format B, block CRCs fit",
    FrameFormat.STRIPPED: "length fits, CRCs already removed by the receiver",
}


@dataclass(slots=True)
class Decoding:
    """What is known so far of one frame; becomes a `Telegram`.

    `data` is the frame without CRCs, with trailing bytes; `size` is where the frame proper ends. `plain` is `data`
    with decrypted regions replaced. `footer` is a layer that stands behind the application layer.
    """

    frame: RawFrame
    keys: KeyLookup
    formats: FormatLibrary
    already_decrypted: bool = False
    ladder: Ladder = field(default_factory=Ladder)
    data: bytes = b""
    size: int = 0
    plain: bytes = b""
    layers: list[Layer] = field(default_factory=list)
    link_address: Address | None = None
    meter: Address | None = None
    downlink: bool = False
    afl: AuthenticationLayer | None = None
    footer: Layer | None = None
    security: Security | None = None
    status: Status | None = None
    records: tuple[Record, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def position(self) -> int:
        """Offset behind the last layer."""
        return self.layers[-1].end if self.layers else 0

    def replace_plain(self, opened: Opened) -> None:
        """Put decrypted bytes in their place."""
        end = opened.start + len(opened.plaintext)
        self.plain = self.plain[: opened.start] + opened.plaintext + self.plain[end:]
        self.size = max(self.size, end)
        self.notes.extend(opened.notes)


def decode_wireless(decoding: Decoding) -> None:
    """Walk the layers of a wireless frame from the L field on."""
    _link(decoding)
    seen: set[Content] = set()
    while True:
        position = decoding.position
        if position >= decoding.size:
            raise Truncated("frame ends before a CI field", layer="transport", offset=position)
        content = ci_field(decoding.plain[position]).content
        if content in seen:
            raise BadField(f"a second {content} in one frame", layer="transport", offset=position)
        seen.add(content)
        if content is Content.EXTENDED_LINK:
            if not _extended_link(decoding):
                return
        elif content is Content.AUTHENTICATION:
            _authentication(decoding)
        else:
            decode_transport(decoding, position)
            return


def _link(decoding: Decoding) -> None:
    frame = strip_crcs(decoding.frame.data)
    decoding.data = decoding.plain = frame.data + frame.trailing
    decoding.size = len(frame.data)
    link = parse_link(frame.data)
    decoding.layers.append(link)
    decoding.link_address = decoding.meter = link.address
    decoding.downlink = link.control_name in DOWNLINK
    if frame.trailing:
        decoding.notes.append(f"{len(frame.trailing)} bytes behind the frame ignored")
    if frame.missing:
        decoding.ladder.failed(
            Rung.FRAME,
            Outcome.DAMAGED,
            f"frame is cut: {frame.missing} of {frame.data[0] + 1} bytes are missing",
            "receive it again, or check how it was captured; values before the cut are shown",
        )
    else:
        decoding.ladder.passed(Rung.FRAME, FORMAT_DETAIL[frame.format])
    decoding.ladder.passed(Rung.ADDRESS, str(link.address))


def _extended_link(decoding: Decoding) -> bool:
    """Read the layer and decrypt behind it; False when the rest stays encrypted."""
    data = decoding.plain[: decoding.size]
    ell = parse_ell(data, decoding.position)
    decoding.layers.append(ell)
    if ell.encryption == ENCRYPTION_NONE:
        _check_payload_crc(decoding, data, ell)
        return True
    name = "ELL AES-128-CTR" if ell.encryption == ENCRYPTION_AES_CTR else f"ELL encryption {ell.encryption}"
    base = Security(mode=None, name=name, access_number=ell.acc)
    if ell.encryption != ENCRYPTION_AES_CTR:
        decoding.security = base
        _leave_encrypted(decoding, name)
        raise Unsupported(f"{name} is reserved and cannot be decrypted", layer="ell", offset=ell.start)
    link_address = decoding.link_address
    if link_address is None:
        raise BadField("an encrypted frame without a sender", layer="ell", offset=ell.start)
    if EXTENDED_LINK.in_clear(data, ell):
        _accept_clear(decoding, base, "payload CRC fits the bytes as received: the payload is already decrypted")
        return True
    keys = [key for key in decoding.keys(link_address) if len(key.value) in EXTENDED_LINK.key_sizes]
    for key in keys:
        try:
            opened = EXTENDED_LINK.open(data, link_address, ell, key.value)
        except DecryptFailed:
            continue
        decoding.replace_plain(opened)
        _accept_key(decoding, base, key, keys, "payload CRC fits")
        return True
    _refuse(decoding, base, keys, "payload CRC does not fit")
    return False


def _check_payload_crc(decoding: Decoding, data: bytes, ell: ExtendedLinkLayer) -> None:
    if ell.session_number is not None and not EXTENDED_LINK.in_clear(data, ell):
        decoding.notes.append("payload CRC of the extended link layer does not fit")


def _authentication(decoding: Decoding) -> None:
    afl = parse_afl(decoding.plain[: decoding.size], decoding.position)
    decoding.layers.append(afl)
    decoding.afl = afl
    if afl.fragment or afl.more_fragments:
        decoding.layers.append(Opaque("fragment", afl.end, decoding.size, f"fragment {afl.fragment} of a message"))
        raise Unsupported(
            f"fragment {afl.fragment} of a message: it can be read only together with the others",
            layer="afl",
            offset=afl.start,
        )


def decode_transport(decoding: Decoding, position: int) -> None:
    """Read transport header at `position`, decrypt, and hand over to the application layer."""
    transport = parse_transport(decoding.plain[: decoding.size], position)
    decoding.layers.append(transport)
    if transport.address is not None:
        decoding.meter = transport.address
        decoding.ladder.passed(Rung.ADDRESS, _address_detail(decoding))
    decoding.status = status_of(transport)
    if _decrypt(decoding, transport):
        _application(decoding, transport)


def _application(decoding: Decoding, transport: TransportLayer) -> None:
    application = decode_application(
        transport.ci_field,
        decoding.plain,
        transport.end,
        decoding.size,
        decoding.meter.manufacturer if decoding.meter else "its maker",
        decoding.formats,
    )
    decoding.layers.append(application)
    decoding.records = application.records
    decoding.notes.extend(application.notes)
    problem = application.problem
    if problem is None:
        decoding.ladder.passed(Rung.RECORDS, _count(len(application.records), transport.ci_field.name))
    elif isinstance(problem, Unsupported):
        decoding.ladder.failed(Rung.RECORDS, Outcome.UNSUPPORTED, str(problem), UNSUPPORTED_NEXT)
    else:
        decoding.ladder.failed(Rung.RECORDS, Outcome.DAMAGED, str(problem), DAMAGED_NEXT)


def _count(records: int, frame_name: str) -> str:
    return f"{frame_name}: {records} {'record' if records == 1 else 'records'}"


def _address_detail(decoding: Decoding) -> str:
    if decoding.link_address is None or decoding.link_address == decoding.meter:
        return str(decoding.meter)
    return f"{decoding.meter}, sent through {decoding.link_address}"


def _decrypt(decoding: Decoding, transport: TransportLayer) -> bool:
    """Decrypt as the configuration field says; False when the payload stays encrypted."""
    mode = transport.security_mode
    counter = decoding.afl.mcr if decoding.afl else None
    if counter is None and transport.counter is not None:
        counter = int.from_bytes(transport.counter, "little")
    base = Security(
        mode=mode,
        name=SECURITY_NAMES.get(mode, "reserved"),
        access_number=transport.access_number,
        message_counter=counter,
    )
    if transport.configuration is None or mode in (MODE_CLEAR, MODE_RESERVED_CLEAR):
        if decoding.security is None:
            _not_encrypted(decoding, base if transport.configuration is not None else None)
        return True
    decoding.security = base
    handler = MODES.get(mode)
    if handler is None:
        _leave_encrypted(decoding, f"security mode {mode}")
        raise Unsupported(
            f"security mode {mode} ({base.name}) cannot be decrypted", layer="security", offset=transport.end
        )
    address = decoding.meter
    if address is None:
        raise BadField("an encrypted frame without an address", layer="transport", offset=transport.start)
    protected = Protected(
        data=decoding.plain[: decoding.size],
        trailing=decoding.plain[decoding.size :],
        address=address,
        transport=transport,
        afl=decoding.afl,
        downlink=decoding.downlink,
    )
    if not handler.encrypts(protected):
        _not_encrypted(decoding, base)
        return True
    clear = handler.in_clear(protected)
    if clear and decoding.already_decrypted:
        _accept_clear(decoding, base, "check bytes stand there in the clear: taken as already decrypted")
        return True
    keys = [key for key in _candidates(decoding) if len(key.value) in handler.key_sizes]
    for key in keys:
        try:
            opened = handler.open(protected, key.value)
        except DecryptFailed:
            continue
        decoding.replace_plain(opened)
        proof = "MAC fits" if opened.authenticated else "check bytes 2F2F fit"
        _accept_key(decoding, base, key, keys, proof, authenticated=opened.authenticated)
        return True
    _refuse(decoding, base, keys, "check bytes 2F2F do not appear", clear=clear)
    return False


def _candidates(decoding: Decoding) -> list[Key]:
    """Keys filed for the application's own address, then for the sender's."""
    keys: list[Key] = []
    for address in (decoding.meter, decoding.link_address):
        if address is not None:
            keys.extend(key for key in decoding.keys(address) if key not in keys)
    return keys


def _not_encrypted(decoding: Decoding, security: Security | None) -> None:
    decoding.security = security or Security(mode=None, name="none")
    decoding.ladder.passed(Rung.KEY, "no key needed")
    decoding.ladder.passed(Rung.DECRYPTION, "payload is not encrypted")


def _accept_key(
    decoding: Decoding, base: Security, key: Key, keys: Sequence[Key], proof: str, *, authenticated: bool = False
) -> None:
    check_value = key_check_value(key.value)
    label = f" ({key.label})" if key.label else ""
    decoding.ladder.passed(Rung.KEY, f"key {check_value}{label}")
    decoding.ladder.passed(Rung.DECRYPTION, f"{base.name}: {proof}")
    decoding.security = Security(
        mode=base.mode,
        name=base.name,
        key_check_value=check_value,
        authenticated=authenticated,
        access_number=base.access_number,
        message_counter=base.message_counter,
        tried=tuple(key_check_value(k.value) for k in keys[: keys.index(key) + 1]),
    )


def _accept_clear(decoding: Decoding, base: Security, detail: str) -> None:
    decoding.ladder.passed(Rung.KEY, "no key needed")
    decoding.ladder.passed(Rung.DECRYPTION, detail)
    decoding.notes.append("header says encrypted, payload is in the clear")
    decoding.security = Security(
        mode=base.mode,
        name=base.name,
        access_number=base.access_number,
        message_counter=base.message_counter,
        already_decrypted=True,
    )


def _refuse(decoding: Decoding, base: Security, keys: Sequence[Key], reason: str, *, clear: bool = False) -> None:
    """Say why the payload stays encrypted: no key, or none that fits."""
    tried = tuple(key_check_value(key.value) for key in keys)
    decoding.security = Security(
        mode=base.mode,
        name=base.name,
        access_number=base.access_number,
        message_counter=base.message_counter,
        tried=tried,
    )
    number = decoding.meter.number if decoding.meter else "this meter"
    if clear:
        decoding.ladder.failed(
            Rung.DECRYPTION,
            Outcome.WRONG_KEY if keys else Outcome.NO_KEY,
            "header says encrypted, but the payload looks like plain text",
            "decode with --already-decrypted if the capture was decrypted before",
        )
    elif not keys:
        decoding.ladder.failed(
            Rung.KEY,
            Outcome.NO_KEY,
            f"encrypted with {base.name}, and no key is filed for {number}",
            f"import the key of {number} from its portal's export",
        )
    else:
        decoding.ladder.passed(Rung.KEY, _tried(tried))
        decoding.ladder.failed(
            Rung.DECRYPTION,
            Outcome.WRONG_KEY,
            f"{_tried(tried)} does not decrypt: {reason}" if len(tried) == 1 else f"none of {_tried(tried)}: {reason}",
            f"compare the key check value with the supplier's, or import the key of {number} again",
        )
    _leave_encrypted(decoding, base.name)


def _tried(check_values: Sequence[str]) -> str:
    return ("key " if len(check_values) == 1 else "keys ") + ", ".join(check_values)


def _leave_encrypted(decoding: Decoding, name: str) -> None:
    if decoding.position < decoding.size:
        decoding.layers.append(Opaque("encrypted", decoding.position, decoding.size, f"encrypted payload ({name})"))
