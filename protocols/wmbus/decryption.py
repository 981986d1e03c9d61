"""Which key opens a payload, and what is said when none does: the rungs "key" and "decryption" of the ladder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from protocols.application import Opaque
from protocols.crypto import BLOCK, key_check_value
from protocols.decoding import Decoding
from protocols.errors import BadChecksum, BadField, DecryptFailed, Truncated, Unsupported
from protocols.lookups import keys_at_hand, revoked_keys, why_unavailable
from protocols.model import Address, Key, Outcome, Rung, Security
from protocols.wmbus.ci import Content, ci_field, is_reserved
from protocols.wmbus.clear_payload import reads_as_records, surely_in_clear
from protocols.wmbus.diagnosis import extended_link_next_step, reads_whole, transport_next_step
from protocols.wmbus.ell import ENCRYPTION_AES_CTR, ENCRYPTION_NONE, PAYLOAD_CRC_SIZE, ExtendedLinkLayer
from protocols.wmbus.security import EXTENDED_LINK, MODES, Opened, Protected, SecurityMode
from protocols.wmbus.security.makers import MakerProtection, default_key, maker_protection
from protocols.wmbus.security.model import CHECK_BYTES, CHECK_BYTES_FIT
from protocols.wmbus.transport import SECURITY_NAMES, TransportLayer

CUT_NEXT = "receive it again, or check how it was captured; values before the damage are shown"

MODE_CLEAR = 0
MODE_5 = 5
MODES_OF_BLOCKS = frozenset({5, 7, 15})
"""Modes whose configuration word counts 16-byte blocks."""

_ODDS = "one wrong key in 65,536"
"""What two bytes prove."""

_BEHIND_EXTENDED_LINK = frozenset({Content.RECORDS, Content.COMPACT, Content.FORMAT, Content.AUTHENTICATION})
"""What meters send there: where it cannot be read, it is not for the key."""

_DAMAGED_OR_WRONG = (
    "receive it again: its last two bytes may be a CRC of format B that does not fit; "
    "else compare the key check value with the supplier's"
)
MODE_RESERVED_CLEAR = 6
"""Reserved, but sent by Hydrodigit water meters above clear payloads."""


def open_extended_link(decoding: Decoding, ell: ExtendedLinkLayer) -> bool:
    """Decrypt after an extended link layer; False when the rest stays encrypted."""
    data = decoding.plain[: decoding.size]
    if ell.encryption == ENCRYPTION_NONE:
        _check_payload_crc(decoding, data, ell)
        return True
    name = "ELL AES-128-CTR" if ell.encryption == ENCRYPTION_AES_CTR else f"ELL encryption {ell.encryption}"
    base = Security(mode=None, name=name, access_number=ell.acc)
    if ell.encryption != ENCRYPTION_AES_CTR:
        decoding.security = base
        leave_encrypted(decoding, name)
        raise Unsupported(f"{name} is reserved and cannot be decrypted", layer="ell", offset=ell.start)
    link_address = decoding.link_address
    if link_address is None:
        raise BadField("an encrypted frame without a sender", layer="ell", offset=ell.start)
    keys = [key for key in decoding.keys(link_address) if len(key.value) in EXTENDED_LINK.key_sizes]
    reason = open_with_first(decoding, base, keys, lambda key: _open_extended(data, link_address, ell, key))
    if reason is None:
        _doubt_key(decoding, ell)
        return True
    # One encrypted payload in 65,536 fits its CRC as received: a key that opens it is the better proof.
    if EXTENDED_LINK.in_clear(data, ell):
        _accept_clear(decoding, base, "payload CRC fits the bytes as received: the payload is already decrypted")
        return True
    next_step = extended_link_next_step(decoding, ell, link_address, keys)
    refuse(decoding, base, keys, reason, next_step=next_step)
    return False


def _open_extended(data: bytes, address: Address, ell: ExtendedLinkLayer, key: bytes) -> Opened:
    """Decrypt; a key that fits the payload CRC by chance, with a CI field behind it that nobody sends, is none."""
    opened = EXTENDED_LINK.open(data, address, ell, key)
    ci = opened.plaintext[PAYLOAD_CRC_SIZE]
    if is_reserved(ci):
        fits = f"payload CRC fits, as it does with {_ODDS}, but no message follows it: {ci_field(ci).name}"
        raise DecryptFailed(fits, layer="ell", offset=opened.start)
    return opened


def _doubt_key(decoding: Decoding, ell: ExtendedLinkLayer) -> None:
    """Remember that a key is doubtful where what it opens is not what meters send, if that cannot be read either.

    Of a damaged frame, the damage is to be looked at first.
    """
    field = ci_field(decoding.plain[ell.end])
    if decoding.security is None or decoding.ladder.failed_at(Rung.FRAME):
        return
    if field.downlink or field.content not in _BEHIND_EXTENDED_LINK:
        decoding.doubt = (
            "if no other telegram of the meter reads, compare the check value of key "
            f"{decoding.security.key_check_value} with the supplier's: two bytes prove it, which {_ODDS} fits"
        )


def _try_keys(decoding: Decoding, base: Security, keys: Sequence[Key], open_with: Callable[[bytes], Opened]) -> bool:
    """Take the first key that fits; when none does, say so and leave the payload encrypted."""
    reason = open_with_first(decoding, base, keys, open_with)
    if reason is not None:
        refuse(decoding, base, keys, reason)
    return reason is None


def open_with_first(
    decoding: Decoding, base: Security, keys: Sequence[Key], open_with: Callable[[bytes], Opened]
) -> str | None:
    """Open with the first key that fits; why the last one did not when none does, empty when there is no key."""
    reason = ""
    for key in keys:
        try:
            opened = open_with(key.value)
        except DecryptFailed as failure:
            reason = str(failure)
            continue
        except BadChecksum:
            tried = tuple(key_check_value(other.value) for other in keys[: keys.index(key) + 1])
            decoding.security = replace(base, tried=tried)
            decoding.ladder.passed(Rung.KEY, _tried(tried))
            raise
        decoding.replace_plain(opened)
        accept_key(decoding, base, key, keys, opened)
        return None
    return reason


def _check_payload_crc(decoding: Decoding, data: bytes, ell: ExtendedLinkLayer) -> None:
    if ell.session_number is not None and not EXTENDED_LINK.in_clear(data, ell):
        problem = "payload CRC of the extended link layer does not fit"
        decoding.ladder.failed(Rung.FRAME, Outcome.DAMAGED, problem, CUT_NEXT)


def open_transport(decoding: Decoding, transport: TransportLayer) -> bool:
    """Decrypt as the maker does or as the configuration field says; False when the payload stays encrypted."""
    maker = maker_protection(decoding.meter, transport)
    if maker is not None:
        return _open_maker(decoding, transport, maker)
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
    if transport.configuration is None or mode == MODE_CLEAR or _clear_under_mode_6(decoding, transport):
        if decoding.security is None:
            _not_encrypted(decoding, base if transport.configuration is not None else None)
        return True
    decoding.security = base
    handler = MODES.get(mode)
    if handler is None:
        _open_without_handler(decoding, transport, base)
        return True
    protected = _protected(decoding, transport)
    if not handler.encrypts(protected):
        _not_encrypted(decoding, base)
        return True
    clear = handler.in_clear(protected)
    if clear and decoding.already_decrypted:
        _open_decrypted(decoding, base, protected, handler)
        return True
    default = default_key(protected.address) if mode == MODE_5 else None
    keys = [key for key in candidates(decoding, at_hand=default is not None) if len(key.value) in handler.key_sizes]
    if default is not None and not keys:
        # Any meter may have another key: check bytes alone are no proof.
        if _opens_whole(decoding, base, protected, handler, (default,)):
            return True
        keys = [key for key in candidates(decoding) if len(key.value) in handler.key_sizes]
    reason = open_with_first(decoding, base, keys, lambda key: handler.open(protected, key))
    if reason is not None:
        next_step = None if clear else transport_next_step(decoding, protected, handler, keys)
        if next_step is None and has_two_bytes_more(decoding, transport):
            next_step = _DAMAGED_OR_WRONG
        refuse(decoding, base, keys, reason, clear=clear, next_step=next_step)
    return reason is None


def _open_without_handler(decoding: Decoding, transport: TransportLayer, base: Security) -> None:
    """Read a payload in the clear under a mode that nothing here opens; `Unsupported` where it is none."""
    mode = transport.security_mode
    if mode not in SECURITY_NAMES and surely_in_clear(decoding, transport):
        _not_encrypted(decoding, base)
        decoding.notes.append(
            f"configuration word names the reserved security mode {mode}; the payload is in the clear"
        )
    elif decoding.already_decrypted and reads_as_records(decoding, transport):
        _accept_clear(decoding, base, "records are in the clear: taken as already decrypted")
    else:
        leave_encrypted(decoding, f"security mode {mode}")
        raise Unsupported(
            f"security mode {mode} ({base.name}) cannot be decrypted", layer="security", offset=transport.end
        )


def has_two_bytes_more(decoding: Decoding, transport: TransportLayer) -> bool:
    """Whether the frame came without CRCs that fit, and two bytes lie after the encrypted blocks, as one would."""
    end = transport.end + BLOCK * transport.encrypted_blocks
    return transport.security_mode in MODES_OF_BLOCKS and decoding.size == end + 2 == len(decoding.frame.data)


def _open_decrypted(decoding: Decoding, base: Security, protected: Protected, handler: SecurityMode) -> None:
    """Take a payload as already decrypted: it begins with check bytes as received.

    So does one encrypted payload in 65,536, which cannot be read as it is: a key at hand that reads it is the better
    proof.
    """
    start = protected.transport.end
    as_received = Opened(start, protected.data[start:], CHECK_BYTES_FIT)
    if not reads_whole(decoding, protected.transport, as_received):
        keys = [key for key in candidates(decoding, at_hand=True) if len(key.value) in handler.key_sizes]
        with suppress(Truncated, Unsupported):
            if _opens_whole(decoding, base, protected, handler, keys):
                return
    _accept_clear(decoding, base, "check bytes are in the clear: taken as already decrypted")


def _opens_whole(
    decoding: Decoding, base: Security, protected: Protected, handler: SecurityMode, keys: Sequence[Key]
) -> bool:
    """Open with the first key under which all of the payload can be read, if any."""
    for key in keys:
        try:
            opened = handler.open(protected, key.value)
        except (BadChecksum, DecryptFailed):
            continue
        if not opened.cut and reads_whole(decoding, protected.transport, opened):
            decoding.replace_plain(opened)
            accept_key(decoding, base, key, keys, opened)
            return True
    return False


def _protected(decoding: Decoding, transport: TransportLayer) -> Protected:
    address = decoding.meter
    if address is None:
        raise BadField("an encrypted frame without an address", layer="transport", offset=transport.start)
    return Protected(
        data=decoding.plain[: decoding.size],
        # Behind a damaged block lies the rest of the frame as received, CRCs included.
        trailing=b"" if decoding.ladder.failed_at(Rung.FRAME) else decoding.plain[decoding.size :],
        address=address,
        transport=transport,
        afl=decoding.afl,
        downlink=decoding.downlink,
        received_on=decoding.frame.at.date() if decoding.frame.at is not None else None,
    )


def _open_maker(decoding: Decoding, transport: TransportLayer, maker: MakerProtection) -> bool:
    """Take off the protection of one family, with or without a key."""
    decoding.security = base = Security(mode=None, name=maker.name, access_number=transport.access_number)
    protected = _protected(decoding, transport)
    if maker.key_sizes:
        if decoding.already_decrypted and maker.in_clear(protected):
            _accept_clear(decoding, base, "check byte is in the clear: taken as already decrypted")
            return True
        keys = [key for key in candidates(decoding) if len(key.value) in maker.key_sizes]
        return _try_keys(decoding, base, keys, lambda key: maker.open(protected, key))
    opened = maker.open(protected, b"")
    decoding.replace_plain(opened)
    decoding.ladder.passed(Rung.KEY, "no key needed")
    decoding.ladder.passed(Rung.DECRYPTION, f"{maker.name}: {opened.proof}")
    return True


def _clear_under_mode_6(decoding: Decoding, transport: TransportLayer) -> bool:
    """Whether the reserved mode 6 stands above a payload in the clear: it looks like one, or there is none."""
    if transport.security_mode != MODE_RESERVED_CLEAR:
        return False
    payload = decoding.plain[transport.end : decoding.size]
    return not payload or payload.startswith(CHECK_BYTES) or surely_in_clear(decoding, transport)


def candidates(decoding: Decoding, *, at_hand: bool = False) -> list[Key]:
    """Keys filed for the meter's identity, for the application's own address, then for the sender's.

    `at_hand` leaves out those that somebody would be asked for: a passphrase is asked for where a key is needed.
    """
    addresses, look_up = _addresses(decoding), partial(keys_at_hand, decoding.keys) if at_hand else decoding.keys
    return list(dict.fromkeys(key for address in addresses if address is not None for key in look_up(address)))


def _addresses(decoding: Decoding) -> Sequence[Address | None]:
    """What a key may be filed under; of a meter whose address is no number that it bears, the printed one first."""
    identity, printed = decoding.identity, decoding.printed_number
    if identity is not None and printed is not None and printed != identity.number:
        return replace(identity, number=printed), identity, decoding.meter, decoding.link_address
    return tuple(dict.fromkeys((identity, decoding.meter, decoding.link_address)))


def _revoked(decoding: Decoding) -> list[str]:
    """Check values of the meter's keys that are not to be used any more, where the look-up knows of them."""
    addresses = [address for address in _addresses(decoding) if address is not None]
    return list(dict.fromkeys(value for address in addresses for value in revoked_keys(decoding.keys, address)))


def _not_encrypted(decoding: Decoding, security: Security | None) -> None:
    decoding.security = security or Security(mode=None, name="none")
    decoding.ladder.passed(Rung.KEY, "no key needed")
    decoding.ladder.passed(Rung.DECRYPTION, "payload is not encrypted")


def accept_key(decoding: Decoding, base: Security, key: Key, keys: Sequence[Key], opened: Opened) -> None:
    """Say which of the `keys` opened the payload, and what proves it; a block that is cut is damage."""
    check_value = key_check_value(key.value)
    decoding.ladder.passed(Rung.KEY, key_detail(key))
    if opened.cut:
        detail = f"{base.name}: {opened.proof}, but the last encrypted block is cut and cannot be decrypted"
        decoding.ladder.failed(Rung.DECRYPTION, Outcome.DAMAGED, detail, CUT_NEXT)
    decoding.ladder.passed(Rung.DECRYPTION, f"{base.name}: {opened.proof}")
    tried = tuple(key_check_value(k.value) for k in keys[: keys.index(key) + 1])
    decoding.security = replace(base, key_check_value=check_value, authenticated=opened.authenticated, tried=tried)


def key_detail(key: Key) -> str:
    """What the rung "key" says of a key that fits."""
    return f"key {key_check_value(key.value)}{f' ({key.label})' if key.label else ''}"


def _accept_clear(decoding: Decoding, base: Security, detail: str) -> None:
    decoding.ladder.passed(Rung.KEY, "no key needed")
    decoding.ladder.passed(Rung.DECRYPTION, detail)
    decoding.notes.append("header says encrypted, payload is in the clear")
    decoding.security = replace(base, already_decrypted=True)


def refuse(
    decoding: Decoding,
    base: Security,
    keys: Sequence[Key],
    reason: str,
    *,
    clear: bool = False,
    next_step: str | None = None,
) -> None:
    """Say why the payload stays encrypted: no key, or none that fits; `next_step` where one fits in another way."""
    tried = tuple(key_check_value(key.value) for key in keys)
    decoding.security = replace(base, tried=tried)
    number = decoding.printed_number or (decoding.meter.number if decoding.meter else "this meter")
    if clear:
        decoding.ladder.failed(
            Rung.DECRYPTION,
            Outcome.WRONG_KEY if keys else Outcome.NO_KEY,
            "header says encrypted, but the payload looks like plain text",
            "decode with --already-decrypted if the capture was decrypted before",
        )
    elif not keys:
        decoding.ladder.failed(Rung.KEY, Outcome.NO_KEY, *_why_no_key(decoding, base.name, number))
    else:
        decoding.ladder.passed(Rung.KEY, _tried(tried))
        decoding.ladder.failed(
            Rung.DECRYPTION,
            Outcome.WRONG_KEY,
            f"{_tried(tried)} does not decrypt: {reason}" if len(tried) == 1 else f"none of {_tried(tried)}: {reason}",
            next_step or f"compare the key check value with the supplier's, or import the key of {number} again",
        )
    leave_encrypted(decoding, base.name)


def _why_no_key(decoding: Decoding, protection: str, number: str) -> tuple[str, str]:
    """Say why there is no key to try, and what to do."""
    unavailable = why_unavailable(decoding.keys)
    if unavailable is not None:
        return f"encrypted with {protection}, and no key can be looked up: {unavailable.reason}", unavailable.next
    revoked = _revoked(decoding)
    if revoked:
        are = "are" if len(revoked) > 1 else "is"
        return (
            f"encrypted with {protection}, and {_tried(revoked)} of {number} {are} revoked",
            f"import the new key of {number}; to use the old one again, mark it as active",
        )
    lacking = f"no key is filed for {number}"
    for other in candidates(decoding)[:1]:
        lacking = f"the key of {number} has {len(other.value)} bytes, which is the wrong size"
    return f"encrypted with {protection}, and {lacking}", f"import the key of {number} from its portal's export"


def _tried(check_values: Sequence[str]) -> str:
    return ("key " if len(check_values) == 1 else "keys ") + ", ".join(check_values)


def leave_encrypted(decoding: Decoding, name: str) -> None:
    """Show the rest of the frame as payload that stays encrypted; `name` is that of its protection."""
    if decoding.position < decoding.size:
        decoding.layers.append(Opaque("encrypted", decoding.position, decoding.size, f"encrypted payload ({name})"))
