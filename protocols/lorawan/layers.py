"""The layers of a PHYPayload and what each of their bytes means; texts are made only when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from protocols.lorawan.facts import MacCommand, MicState
from protocols.lorawan.fctrl import FOPTS_LENGTH, flags
from protocols.lorawan.identifiers import DevAddr
from protocols.lorawan.phy import (
    CF_LIST_SIZE,
    DataFrame,
    JoinAccept,
    JoinRequest,
    MType,
    RejoinRequest,
)
from protocols.lorawan.ports import PORTS
from protocols.model import Span

Field = tuple[int, str, str, str]
"""Size, name, meaning, clause."""

APPLICATION: Final = "application"
ENCRYPTED: Final = "encrypted"
UNKNOWN: Final = "unknown"

_MIC_WORDS: Final = {
    MicState.VERIFIED: "integrity code, fits",
    MicState.HALF_VERIFIED: "integrity code, the half that could be checked fits",
    MicState.FAILED: "integrity code, does not fit",
    MicState.NOT_CHECKED: "integrity code, not checked",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One layer: `describe` gives the fields that tile it."""

    name: str
    start: int
    end: int
    describe: Callable[[bytes], tuple[Field, ...]]

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """The leaves; bytes that `describe` leaves over are one more."""
        spans: list[Span] = []
        at = self.start
        for size, name, meaning, clause in self.describe(plain):
            end = min(at + size, self.end)
            if end > at:
                spans.append(Span(at, end, self.name, name, meaning, clause))
            at = end
        if at < self.end:
            spans.append(Span(at, self.end, self.name, "bytes", "no meaning known"))
        return tuple(spans)


def mhdr() -> Part:
    """MHDR, the first byte."""

    def describe(plain: bytes) -> tuple[Field, ...]:
        return ((1, "MHDR", f"{MType(plain[0] >> 5).text}, major version {plain[0] & 3}", "L2 1.1, 4.2"),)

    return Part("mhdr", 0, 1, describe)


def fhdr(frame: DataFrame) -> Part:
    """DevAddr, FCtrl, FCnt."""

    def describe(plain: bytes) -> tuple[Field, ...]:
        address = DevAddr.of(frame.dev_addr)
        network = f", {address.network}" if address is not None else ""
        names = " ".join(flags(frame.fctrl, uplink=frame.uplink)) or "no flags"
        return (
            (4, "DevAddr", f"{frame.dev_addr}{network}", "L2 1.1, 4.3.1.1"),
            (1, "FCtrl", f"{names}, FOpts of {frame.fctrl & FOPTS_LENGTH} bytes", "L2 1.1, 4.3.1.2"),
            (2, "FCnt", f"{frame.fcnt}, the lower 16 bits", "L2 1.1, 4.3.1.5"),
        )

    return Part("fhdr", 1, 8, describe)


def fport(at: int) -> Part:
    """FPort."""

    def describe(plain: bytes) -> tuple[Field, ...]:
        meaning = PORTS.get(plain[at], "application")
        return ((1, "FPort", f"{plain[at]}, {meaning}", "L2 1.1, 4.3.2"),)

    return Part("fport", at, at + 1, describe)


def commands(name: str, start: int, end: int, found: tuple[MacCommand, ...]) -> Part:
    """MAC commands, in FOpts or on FPort 0."""

    def fields() -> Iterator[Field]:
        for command in found:
            words = ", ".join(f"{field} {value}" for field, value in command.fields)
            yield command.end - command.start, command.name, words or f"CID {command.cid:02X}", "L2 1.1, 5"

    def describe(plain: bytes) -> tuple[Field, ...]:
        return tuple(fields())

    return Part(name, start, end, describe)


def mic(start: int, end: int, state: MicState) -> Part:
    """The MIC at the end."""

    def describe(plain: bytes) -> tuple[Field, ...]:
        return ((4, "MIC", _MIC_WORDS[state], "L2 1.1, 4.4"),)

    return Part("mic", start, end, describe)


def join_request(request: JoinRequest) -> Part:
    """JoinEUI, DevEUI, DevNonce."""

    def describe(plain: bytes) -> tuple[Field, ...]:
        return (
            (8, "JoinEUI", request.join_eui, "L2 1.1, 6.2.2"),
            (8, "DevEUI", request.dev_eui, "L2 1.1, 6.2.2"),
            (2, "DevNonce", str(request.dev_nonce), "L2 1.1, 6.2.2"),
        )

    return Part("join_request", 1, 19, describe)


def rejoin_request(request: RejoinRequest, end: int) -> Part:
    """Type, NetID or JoinEUI, DevEUI, RJcount."""

    def describe(plain: bytes) -> tuple[Field, ...]:
        clause = "L2 1.1, 6.2.4"
        network: Field = (3, "NetID", request.net_id or "", clause)
        server: Field = (8, "JoinEUI", request.join_eui or "", clause)
        return (
            (1, "type", f"rejoin request of type {request.type}", clause),
            network if request.net_id is not None else server,
            (8, "DevEUI", request.dev_eui, clause),
            (2, "RJcount", str(request.rj_count), clause),
        )

    return Part("rejoin_request", 1, end, describe)


def join_accept(accept: JoinAccept) -> Part:
    """JoinNonce, NetID, DevAddr, DLSettings, RxDelay and CFList, decrypted."""

    def describe(plain: bytes) -> tuple[Field, ...]:
        clause = "L2 1.1, 6.2.3"
        settings = accept.dl_settings
        network = "a 1.1 network, " if accept.opt_neg else ""
        return (
            (3, "JoinNonce", accept.join_nonce, clause),
            (3, "NetID", accept.net_id, clause),
            (4, "DevAddr", accept.dev_addr, clause),
            (1, "DLSettings", f"{network}RX1 offset {settings >> 4 & 7}, RX2 data rate {settings & 15}", clause),
            (1, "RxDelay", f"{accept.rx_delay_s} s", clause),
            (CF_LIST_SIZE, "CFList", _cf_list(accept), clause),
        )

    return Part("join_accept", 1, 1 + len(accept.body), describe)


def _cf_list(accept: JoinAccept) -> str:
    if accept.frequencies_hz:
        return ", ".join(f"{hz / 1e6:.1f} MHz" for hz in accept.frequencies_hz if hz)
    if accept.channel_masks:
        return "channel masks " + " ".join(f"{word:04X}" for word in accept.channel_masks)
    return "channels of a type that is not known"
