"""From a frame to a telegram: `decode()` never raises and always terminates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from protocols.application import Application, Opaque
from protocols.decoding import Decoding
from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated, Unsupported
from protocols.mbus.compact import FormatLibrary, shipped_formats
from protocols.mbus.wired import LAYER as WIRED_LAYER
from protocols.model import Address, Key, KeyLookup, Link, Outcome, Quality, RawFrame, Rung, Telegram
from protocols.profiles.apply import Interpretation, interpret
from protocols.profiles.registry import ProfileRegistry, shipped_profiles
from protocols.wired import decode_wired, is_wired
from protocols.wmbus.decoder import decode_message, decode_wireless
from protocols.wmbus.fragments import joined
from protocols.wmbus.link import may_lack_crcs

MAX_FRAME = 4096
"""Longest input looked at: 15 wired frames of 261 bytes, far above any radio frame of 290 with CRCs."""

_FAILURES: tuple[tuple[type[ProtocolError], Outcome, str], ...] = (
    (Unsupported, Outcome.UNSUPPORTED, "keep the telegram; what it needs is named above"),
    (BadChecksum, Outcome.DAMAGED, "receive it again; check antenna and distance if it happens often"),
    (Truncated, Outcome.DAMAGED, "receive it again, or check how it was captured"),
    (BadField, Outcome.DAMAGED, "check whether this is a wireless M-Bus frame at all"),
)

_WIRED_NEXT: dict[type[ProtocolError], str] = {
    BadChecksum: "read it again; check cable, baud rate and whether two meters answer at once",
    BadField: "check whether this is an M-Bus frame at all",
}
"""The next thing to do about a damaged wired frame, where it differs."""

_RUNG_OF_LAYER = {
    "link": Rung.FRAME,
    WIRED_LAYER: Rung.FRAME,
    "ell": Rung.FRAME,
    "transport": Rung.FRAME,
    "afl": Rung.DECRYPTION,
    "security": Rung.DECRYPTION,
}


def no_keys(address: Address) -> Sequence[Key]:
    """The key look-up of someone who has none."""
    return ()


def decode(
    frame: RawFrame | bytes,
    keys: KeyLookup = no_keys,
    *,
    formats: FormatLibrary | None = None,
    profiles: ProfileRegistry | None = None,
    already_decrypted: bool = False,
) -> Telegram:
    """Decode one frame, whatever it holds.

    `keys` is asked for the application's own address first, then for the sender's. `formats` are the compact-frame
    formats known so far (default: those shipped), `profiles` the meter profiles (default: those shipped).
    `already_decrypted` accepts payloads that lie in the clear under a header that says encrypted. Nothing is
    remembered between calls: hand the telegram to `learn()` for the formats that it teaches. LoRaWAN frames are read
    without keys of their own here: `protocols.lorawan.decoder` takes those, and the sessions.
    """
    raw = RawFrame(frame) if isinstance(frame, bytes) else frame
    if raw.link is not Link.MBUS:
        # LoRaWAN payloads carry whole wireless M-Bus telegrams, so that package imports this module.
        from protocols.lorawan.decoder import decode_lorawan

        return decode_lorawan(raw, mbus_keys=keys).telegram
    telegram = _decoded(raw, _walk, keys, formats, profiles, already_decrypted=already_decrypted)
    if flawless(telegram) or raw.frame_format or is_wired(raw.data) or not may_lack_crcs(raw.data):
        return telegram
    other = _decoded(raw, _walk_without_crcs, keys, formats, profiles, already_decrypted=already_decrypted)
    return other if flawless(other) else telegram


def decode_fragments(
    pieces: tuple[Telegram, ...],
    keys: KeyLookup = no_keys,
    *,
    formats: FormatLibrary | None = None,
    profiles: ProfileRegistry | None = None,
    already_decrypted: bool = False,
) -> Telegram:
    """Decode a message from all its fragments, in order, as `Fragments.add` hands them over; as total as `decode`.

    `Telegram.data` is the message as if it had been sent in one frame, `Telegram.frame` the fragments' bytes one
    after the other with the reception of the last.
    """
    raw = replace(pieces[-1].frame, data=b"".join(piece.frame.data for piece in pieces))

    def walk(decoding: Decoding) -> None:
        data, afl_start = joined(pieces)
        decode_message(decoding, pieces[0], data, afl_start)
        decoding.notes.append(f"put together from {len(pieces)} fragments")

    return _decoded(raw, walk, keys, formats, profiles, already_decrypted=already_decrypted)


def _decoded(
    frame: RawFrame,
    walk: Callable[[Decoding], None],
    keys: KeyLookup,
    formats: FormatLibrary | None,
    profiles: ProfileRegistry | None,
    *,
    already_decrypted: bool,
) -> Telegram:
    decoding = Decoding(
        frame=frame,
        keys=keys,
        formats=shipped_formats() if formats is None else formats,
        profiles=shipped_profiles() if profiles is None else profiles,
        already_decrypted=already_decrypted,
    )
    try:
        walk(decoding)
    except ProtocolError as problem:
        _fail(decoding, problem)
    if decoding.doubt is not None:
        decoding.ladder.advise(decoding.doubt)
    _cover_rest(decoding)
    return _telegram(decoding, interpret(decoding.records, decoding.status, decoding.profile))


def learn(formats: FormatLibrary, telegram: Telegram) -> FormatLibrary:
    """Return `formats` with what a full or format frame teaches; the same object when there is nothing new."""
    if not telegram.ok or not telegram.layers:
        return formats
    for layer in telegram.layers:
        if isinstance(layer, Application) and layer.format_headers:
            return formats.learn(layer.format_headers)
    return formats


def flawless(telegram: Telegram) -> bool:
    """Whether a telegram decoded with nothing to remark."""
    return telegram.ok and not telegram.notes


def _walk_without_crcs(decoding: Decoding) -> None:
    decoding.crcs_removed = True
    decode_wireless(decoding)


def unknown_format(telegram: Telegram) -> int | None:
    """The signature of the format that a compact frame needs and nobody has taught yet, None for all others."""
    for layer in telegram.layers:
        if isinstance(layer, Application):
            return layer.unknown_signature(telegram.plain)
    return None


def _walk(decoding: Decoding) -> None:
    data = decoding.frame.data
    if not data:
        raise Truncated("no bytes at all", layer="link", offset=0)
    if len(data) > MAX_FRAME:
        raise BadField(f"{len(data)} bytes are more than any frame has", layer="link", offset=MAX_FRAME)
    if decoding.frame.frame_format is None and is_wired(data):
        decode_wired(decoding)
    else:
        decode_wireless(decoding)


def _fail(decoding: Decoding, problem: ProtocolError) -> None:
    rung = _RUNG_OF_LAYER.get(problem.layer, Rung.RECORDS)
    for kind, outcome, next_step in _FAILURES:
        if isinstance(problem, kind):
            if problem.layer == WIRED_LAYER:
                next_step = _WIRED_NEXT.get(kind, next_step)
            decoding.ladder.failed(rung, outcome, str(problem), next_step)
            return
    decoding.ladder.failed(rung, Outcome.DAMAGED, str(problem), "receive it again")


def _cover_rest(decoding: Decoding) -> None:
    """Make the layers cover every byte: what no layer took is shown as bytes."""
    if not decoding.data:
        decoding.data = decoding.plain = decoding.frame.data
        decoding.size = len(decoding.data)
    if decoding.position < decoding.size:
        decoding.layers.append(Opaque("unknown", decoding.position, decoding.size, "not decoded"))
    decoding.layers += decoding.footers
    if decoding.position < len(decoding.data):
        decoding.layers.append(Opaque("trailer", decoding.position, len(decoding.data), "bytes after the frame"))


def _telegram(decoding: Decoding, interpretation: Interpretation) -> Telegram:
    ladder = decoding.ladder
    if ladder.outcome is Outcome.OK:
        ladder.passed(Rung.PLAUSIBILITY, plausibility([reading.quality for reading in interpretation.readings]))
    meter, link_address = decoding.meter, decoding.link_address
    return Telegram(
        frame=decoding.frame,
        data=decoding.data,
        plain=decoding.plain,
        outcome=ladder.outcome,
        problem=ladder.problem,
        verdict=ladder.steps,
        layers=tuple(decoding.layers),
        meter=meter,
        link_address=None if link_address == meter else link_address,
        identity=decoding.identity,
        printed_number=decoding.printed_number,
        message=decoding.message,
        security=decoding.security,
        status=interpretation.status,
        records=decoding.records,
        readings=interpretation.readings,
        profile=interpretation.profile,
        notes=tuple(decoding.notes),
    )


def plausibility(qualities: Sequence[Quality]) -> str:
    """What the last rung says of the readings of a telegram that decoded."""
    bad = sum(quality is not Quality.GOOD for quality in qualities)
    if not qualities:
        return "nothing to check"
    return f"{bad} of {len(qualities)} values marked not good by the meter" if bad else "all values valid"
