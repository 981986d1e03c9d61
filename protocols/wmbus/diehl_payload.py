"""The protection of Diehl and the makers that it bought: which key takes it off, and what is said when none does."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.decoding import Decoding
from protocols.errors import DecryptFailed, Unsupported
from protocols.model import Key, Outcome, Rung, Security
from protocols.wmbus.decryption import CUT_NEXT, accept_key, candidates, leave_encrypted, open_with_first, refuse
from protocols.wmbus.diagnosis import reads_whole
from protocols.wmbus.diehl_cut_off import cut_off, missing_text
from protocols.wmbus.security import Opened
from protocols.wmbus.security.diehl import (
    KEY_SIZE,
    PUBLIC_KEYS,
    DiehlFrame,
    DiehlKind,
    as_received,
    open_diehl,
    reads_as_volumes,
)
from protocols.wmbus.transport import TransportLayer


def open_diehl_payload(decoding: Decoding, transport: TransportLayer, diehl: DiehlFrame) -> bool:
    """Take off a maker's own protection: with a key, public or filed, or none where the payload is not scrambled.

    A check byte fits by chance once in 128 or 256 telegrams: what can be read beyond it comes first. Where a public key
    gives volumes that a water meter can show, or records, no filed key is asked for: a keystore may stay locked.
    """
    data = decoding.plain[: decoding.size]
    base = Security(mode=None, name=str(diehl.kind), access_number=transport.access_number)
    if diehl.kind is DiehlKind.SCRAMBLED:
        decoding.security = base
        leave_encrypted(decoding, base.name)
        raise Unsupported(f"how {diehl.kind} is read is not published", layer="security", offset=transport.end)
    clear = as_received(data, diehl.kind)
    if clear is not None and decoding.already_decrypted:
        return _accept_unscrambled(decoding, base)
    public = [Key(value, "the maker's public key") for value in PUBLIC_KEYS]
    real_data = diehl.kind is DiehlKind.REAL_DATA

    def proves(opened: Opened) -> bool:
        return reads_whole(decoding, transport, opened) if real_data else reads_as_volumes(opened.plaintext)

    def certain(key: bytes) -> Opened:
        opened = open_diehl(data, diehl.kind, key)
        if not proves(opened):
            raise DecryptFailed("only the check byte fits", layer="security", offset=opened.start)
        return opened

    keys = [*_diehl_keys(decoding, at_hand=True), *public] if real_data else public
    unproved = open_with_first(decoding, base, keys, certain)
    if unproved is None:
        return True
    if clear is not None and proves(clear):
        return _accept_unscrambled(decoding, base)
    if real_data and _open_cut_off(decoding, base, keys):
        return True
    filed = _diehl_keys(decoding)
    keys = [*filed, *public]
    # Only records prove a key for real data: where they are damaged, only a filed key is accepted.
    believed = filed if real_data else keys
    reason = open_with_first(decoding, base, believed, lambda key: open_diehl(data, diehl.kind, key))
    if reason is not None and clear is not None and not real_data:
        return _accept_unscrambled(decoding, base)
    if reason is None or (real_data and _open_cut_off(decoding, base, filed)):
        return True
    missing = missing_text(decoding) if real_data else ""
    refuse(decoding, base, keys, missing or reason or unproved, next_step=CUT_NEXT if missing else None)
    return False


def _open_cut_off(decoding: Decoding, base: Security, keys: Sequence[Key]) -> bool:
    """Open real data that end too early, where that is sure."""
    cut = cut_off(decoding, keys)
    if cut is None:
        return False
    decoding.ladder.failed(Rung.DECRYPTION, Outcome.DAMAGED, f"{base.name}: {cut.why}", CUT_NEXT)
    if cut.key is None:
        return _accept_unscrambled(decoding, base)
    decoding.replace_plain(cut.opened)
    accept_key(decoding, base, cut.key, keys, cut.opened)
    return True


def _diehl_keys(decoding: Decoding, *, at_hand: bool = False) -> list[Key]:
    return [key for key in candidates(decoding, at_hand=at_hand) if len(key.value) == KEY_SIZE]


def _accept_unscrambled(decoding: Decoding, base: Security) -> bool:
    decoding.security = base
    decoding.ladder.passed(Rung.KEY, "no key needed")
    decoding.ladder.passed(Rung.DECRYPTION, "payload is not scrambled, check byte fits")
    return True
