"""The way of one wireless frame: link layer, extended link layer, AFL, transport, decryption, application.

Each step reads `Decoding` and adds to it. A `ProtocolError` ends the walk; `protocols.decode` turns it into a verdict.
"""

from __future__ import annotations

from dataclasses import replace

from protocols.application import Application, Opaque, decode_application
from protocols.decoding import Decoding
from protocols.errors import BadChecksum, BadField, Truncated, Unsupported
from protocols.mbus.tables import FILLER, MANUFACTURER_DATA
from protocols.model import Address, FrameFormat, Outcome, Rung, Status, Telegram
from protocols.plural import counted
from protocols.profiles.model import PayloadRule, Where
from protocols.wmbus.afl import parse_afl
from protocols.wmbus.ci import Content, ci_field
from protocols.wmbus.control import DOWNLINK
from protocols.wmbus.decryption import (
    CUT_NEXT,
    has_two_bytes_more,
    open_extended_link,
    open_transport,
)
from protocols.wmbus.diehl_payload import open_diehl_payload
from protocols.wmbus.ell import parse_ell
from protocols.wmbus.link import LinkFrame, LinkLayer, parse_link, size_before_last_crc, strip_crcs
from protocols.wmbus.message_mac import check_mac
from protocols.wmbus.security.diehl import SCRAMBLED_FROM, DiehlKind, diehl_frame
from protocols.wmbus.transport import TransportLayer, parse_transport, status_of

_CI_RECORDS = 0x78
"""Records without a header before them."""

MORE_FOLLOW = "; more follow in the next telegram"
UNSUPPORTED_NEXT = "keep the telegram; what it needs is named above"
NETWORK_SIZE = 2
CRC_SIZE = 2
DATA_FIELD = 0x0F
SELECTION_FOR_READOUT = 0x08
"""Bits 3-0 of a DIF, and their value in requests for one record (EN 13757-3, Table 4)."""
_NO_CRC = "2 bytes after the last record are not a record: if they are a CRC (format B), it does not fit"
_MAY_BE_DAMAGED = "the last two bytes may be a CRC of format B: if so, it does not fit and values may be wrong"
BEHIND_NETWORK = frozenset({Content.AUTHENTICATION, Content.RECORDS, Content.COMPACT, Content.FORMAT, Content.NOTHING})

_PRIOS = PayloadRule("diehl_prios", Where.MANUFACTURER)
"""How a payload is read after a CI field and a check byte that are PRIOS' own, whichever meter sends it."""

DAMAGED_NEXT = "receive it again; values before the damage are shown"

FORMAT_DETAIL = {
    FrameFormat.A: "format A, all block CRCs fit",
    FrameFormat.B: "format B, block CRCs fit",
    FrameFormat.STRIPPED: "length fits, CRCs already removed by the receiver",
}


def decode_wireless(decoding: Decoding) -> None:
    """Walk the layers of a wireless frame from the L field on."""
    _link(decoding)
    decode_layers(decoding)


def decode_layers(decoding: Decoding) -> None:
    """Walk the layers after the link layer, from the first CI field on."""
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
            ell = parse_ell(decoding.plain[: decoding.size], position)
            decoding.layers.append(ell)
            if not open_extended_link(decoding, ell):
                return
        elif content is Content.AUTHENTICATION:
            _authentication(decoding)
        elif content is Content.NETWORK:
            _network(decoding)
        else:
            decode_transport(decoding, position)
            return


def decode_message(decoding: Decoding, first: Telegram, data: bytes, afl_start: int) -> None:
    """Walk a message that was put together from fragments, from its authentication layer on.

    `first` is the telegram of the first fragment, whose layers before the AFL hold for the whole; `data` has one AFL
    at `afl_start` and the message after it.
    """
    decoding.data = decoding.plain = data
    decoding.size = len(data)
    decoding.layers = [layer for layer in first.layers if layer.end <= afl_start]
    decoding.link_address = decoding.meter = first.link_address or first.meter
    decoding.ladder.passed(Rung.FRAME, "all fragments are there")
    decoding.ladder.passed(Rung.ADDRESS, str(decoding.meter))
    decoding.afl = parse_afl(data, afl_start)
    decoding.layers.append(decoding.afl)
    decode_transport(decoding, decoding.afl.end)


def _link(decoding: Decoding) -> None:
    raw = decoding.frame.data
    frame = (
        LinkFrame(raw, FrameFormat.STRIPPED) if decoding.crcs_removed else strip_crcs(raw, decoding.frame.frame_format)
    )
    decoding.data = decoding.plain = frame.data + frame.trailing
    decoding.size = len(frame.data)
    link = parse_link(frame.data)
    decoding.layers.append(link)
    decoding.link_address = decoding.meter = link.address
    decoding.message = link.control_name
    decoding.downlink = link.control_name in DOWNLINK
    if frame.trailing and frame.problem is None:
        decoding.notes.append(f"{counted(len(frame.trailing), 'byte')} after the frame ignored")
    if frame.problem is not None:
        decoding.ladder.failed(Rung.FRAME, Outcome.DAMAGED, str(frame.problem), CUT_NEXT)
    elif frame.missing:
        decoding.ladder.failed(
            Rung.FRAME,
            Outcome.DAMAGED,
            f"frame is cut: {frame.missing} of {frame.data[0] + 1} bytes are missing",
            CUT_NEXT,
        )
    else:
        decoding.ladder.passed(Rung.FRAME, FORMAT_DETAIL[frame.format])
    decoding.ladder.passed(Rung.ADDRESS, str(link.address))


def _network(decoding: Decoding) -> None:
    """Step over the network layer: its CI field and one byte, where a layer that is known follows them."""
    start = decoding.position
    end = start + NETWORK_SIZE
    if end >= decoding.size or ci_field(decoding.plain[end]).content not in BEHIND_NETWORK:
        raise Unsupported("network layer of a kind that is not known here", layer="transport", offset=start)
    decoding.layers.append(Opaque("nwl", start, end, "network layer", "EN 13757-5"))


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
        decoding.ladder.passed(Rung.ADDRESS, address_detail(decoding.meter, decoding.link_address))
    decoding.status = status_of(transport)
    diehl = diehl_frame(decoding.plain[: decoding.size], transport.ci, transport.configuration)
    if diehl is not None:
        decoding.identity, decoding.printed_number = diehl.identity, diehl.printed_number
        decoding.layers = [
            replace(layer, identity=diehl.identity) if isinstance(layer, LinkLayer) else layer
            for layer in decoding.layers
        ]
        decoding.ladder.passed(Rung.ADDRESS, f"{decoding.link_address}, number on the meter {diehl.printed_number}")
        if diehl.kind is DiehlKind.REAL_DATA and transport.end < SCRAMBLED_FROM <= decoding.size:
            # After CI 71 the maker sends no alarm, but records as after CI 7A, and a header without a known meaning.
            decoding.layers.append(Opaque("transport", transport.end, SCRAMBLED_FROM, "header of the maker's own"))
            transport = replace(transport, ci=_CI_RECORDS, end=SCRAMBLED_FROM)
    sent = decoding.plain
    opened = open_transport(decoding, transport) if diehl is None else open_diehl_payload(decoding, transport, diehl)
    if opened:
        check_mac(decoding, transport, sent)
        _application(decoding, transport)


def _application(decoding: Decoding, transport: TransportLayer) -> None:
    address = decoding.identity or decoding.meter
    decoding.profile = decoding.profiles.find(address) if address is not None else None
    application = _read_application(decoding, transport)
    # What has a footer of its own, a wired frame's checksum or a tag, ends there and not with a CRC.
    if isinstance(application.problem, Truncated) and not decoding.cut and not decoding.footers:
        application = _without_last_crc(decoding, transport, application)
    elif not decoding.footers and not decoding.downlink and _ends_in_selection(decoding, application):
        no_record = BadChecksum(_NO_CRC, layer="application", offset=decoding.size - CRC_SIZE)
        application = replace(application, records=application.records[:-1], problem=no_record)
    decoding.layers.append(application)
    if decoding.cut:
        end = decoding.size + decoding.cut
        decoding.layers.append(Opaque("encrypted", decoding.size, end, "encrypted block that is cut"))
    if application.flags or application.content is Content.MANUFACTURER:
        decoding.status = _status_with(decoding.status, application)
    decoding.records = application.records
    decoding.notes.extend(application.notes)
    if application.problem is None and _may_be_damaged(decoding, transport, application):
        decoding.notes.append(_MAY_BE_DAMAGED)
    problem = application.problem
    if problem is None:
        more = MORE_FOLLOW if application.more_follows(decoding.plain) else ""
        decoding.ladder.passed(Rung.RECORDS, _count(len(application.records), transport.ci_field.name) + more)
    elif isinstance(problem, Unsupported):
        decoding.ladder.failed(Rung.RECORDS, Outcome.UNSUPPORTED, str(problem), UNSUPPORTED_NEXT)
    else:
        damaged_before = decoding.ladder.outcome is Outcome.DAMAGED
        next_step = CUT_NEXT if damaged_before else DAMAGED_NEXT
        decoding.ladder.failed(Rung.RECORDS, Outcome.DAMAGED, str(problem), next_step)


def _may_be_damaged(decoding: Decoding, transport: TransportLayer, application: Application) -> bool:
    """Whether two bytes behind the encrypted blocks are no fillers and no maker's data, and nothing proves the message.

    Some meters send two such bytes, which look like a CRC that does not fit.
    """
    if not has_two_bytes_more(decoding, transport) or decoding.security is None or decoding.security.authenticated:
        return False
    start = decoding.size - CRC_SIZE
    across = [(record.start, record.end) for record in application.records] + [application.tail or (start, start)]
    return any(begin < start < end for begin, end in across) or decoding.plain[start] not in (FILLER, MANUFACTURER_DATA)


def _ends_in_selection(decoding: Decoding, application: Application) -> bool:
    """Whether the last two bytes read as a record selected for readout, which meters do not send: a CRC may."""
    if application.problem is not None or not application.records or not decoding.may_hold_crc:
        return False
    last, start = application.records[-1], decoding.size - CRC_SIZE
    selects = last.header[:1] and last.header[0] & DATA_FIELD == SELECTION_FOR_READOUT
    return bool(selects) and last.start == start and last.header == decoding.plain[start : decoding.size]


def _read_application(decoding: Decoding, transport: TransportLayer) -> Application:
    payloads = decoding.profile.payloads if decoding.profile is not None else ()
    if decoding.identity is not None:
        payloads = (*payloads, _PRIOS)
    return decode_application(
        transport.ci_field, decoding.plain, transport.end, decoding.size, decoding.formats, payloads
    )


def _without_last_crc(decoding: Decoding, transport: TransportLayer, application: Application) -> Application:
    """Read it again without the CRC of the last block, where that is what ended it early.

    Where the last two bytes would be that CRC and do not fit, the problem says so; they are no proof of a CRC.
    """
    fitting = size_before_last_crc(decoding.data)
    size = decoding.size - CRC_SIZE if fitting is None else fitting
    is_cut = len(decoding.data) <= decoding.data[0]
    if size < transport.end or (fitting is None and (is_cut or not decoding.may_hold_crc)):
        return application
    before, decoding.size = decoding.size, size
    again = _read_application(decoding, transport)
    if again.problem is not None:
        decoding.size = before
        return application
    if fitting is None:
        decoding.size = before
        problem = BadChecksum(_NO_CRC, layer="application", offset=size)
        return replace(application, problem=problem) if again.records else application
    decoding.notes.append("the receiver left the CRC of the last block in the frame")
    return again


def _status_with(status: Status | None, application: Application) -> Status | None:
    """Add the alarms of a proprietary payload to the status byte's."""
    if status is not None:
        return Status(status.raw, (*status.flags, *application.flags))
    return Status(None, application.flags) if application.problem is None else None


def _count(records: int, frame_name: str) -> str:
    return f"{frame_name}: {counted(records, 'record')}"


def address_detail(meter: Address | None, link_address: Address | None) -> str:
    """What the rung "address" says of the meter's own address and the sender's."""
    return str(meter) if link_address in (None, meter) else f"{meter}, sent through {link_address}"
