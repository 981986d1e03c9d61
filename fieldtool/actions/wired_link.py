"""The field link over wired or optical M-Bus: selection by secondary address, fragments in SND-UD, answers by REQ-UD2.

A meter that was named by its primary address is read out there once for its identity; everything after that goes to
the secondary address, so that a new primary address does not cut the session that sets it.
"""

from __future__ import annotations

import secrets
from typing import Final

from fieldtool.actions.errors import LinkSilent, WrongMeter
from fieldtool.actions.links import LinkContext, MeterChoice
from fieldtool.actions.read_out import more_follows
from fieldtool.actions.wired_master import CHECK_LINE, LineSettings, WiredMaster
from fieldtool.errors import UsageError
from fieldtool.sources.serial_port import PARITY_EVEN, open_port
from fieldtool.sources.url import ReceiverUrl
from protocols.actions.fragments import (
    CI_FROM_METER,
    CI_TO_METER,
    MOST_FRAGMENTS,
    WIRED_PAYLOAD,
    Reassembly,
    cut,
    parse_fragment,
)
from protocols.decode import decode, no_keys
from protocols.errors import ProtocolError
from protocols.mbus.wired import (
    ADDRESS_SECONDARY,
    FCB,
    REQ_UD2,
    SND_NKE,
    SND_UD,
    Acknowledge,
    LongFrame,
    ShortFrame,
    toggled,
)
from protocols.media import manufacturer_code
from protocols.model import Address, KeyLookup

CI_SELECT: Final = 0x52
CI_READ_OUT: Final = frozenset({0x72, 0x73, 0x78, 0x7A})
"""Application answers of a read-out; the fixed structure of old meters among them."""
WILDCARD: Final = b"\xff"
MOST_PARTS: Final = 16
EXCHANGES: Final = 2
"""A message is sent, and once more after a new selection when its answer does not come."""

BAUDS: Final = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
DEFAULT_BAUD: Final = 2400
LONGEST_TIMEOUT_S: Final = 60.0
OPTICAL: Final = "optical"


class WiredLink:
    """One meter on a wired line or under an optical head; see `FieldLink`."""

    longest_message: Final = MOST_FRAGMENTS * WIRED_PAYLOAD

    def __init__(self, master: WiredMaster, meter: MeterChoice, keys: KeyLookup = no_keys) -> None:
        self._master = master
        self._meter = meter
        self._keys = keys
        self._selected: Address | None = None
        self._send, self._request = SND_UD, REQ_UD2
        self._number = secrets.randbelow(256)

    def exchange(self, message: bytes) -> bytes:
        """Carry a message and return the answer.

        The message goes again, under the same number, when its answer does not come: a meter that had it already
        answers the same and does nothing twice.
        """
        self._number = (self._number + 1) % 256
        for attempt in range(EXCHANGES):
            if self._selected is None or attempt:
                self._select()
            try:
                return self._exchange_once(message)
            except LinkSilent:
                if attempt + 1 == EXCHANGES:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def read_out(self) -> list[bytes]:
        """Return all parts of a read-out; a selection goes before, so that the first part comes first."""
        self._select()
        parts: list[bytes] = []
        while len(parts) < MOST_PARTS:
            parts.append(self._part(ADDRESS_SECONDARY))
            if not more_follows(parts[-1], self._keys):
                break
        return parts

    def cancel(self) -> None:
        """Nothing: an answer on a wire comes within seconds, or not at all."""

    def close(self) -> None:
        """Close the port."""
        self._master.close()

    def _exchange_once(self, message: bytes) -> bytes:
        for fragment in cut(message, CI_TO_METER, self._number):
            frame = fragment.to_bytes()
            self._acknowledged(LongFrame(self._send, ADDRESS_SECONDARY, frame[0], frame[1:]))
        reassembly = Reassembly()
        for _ in range(MOST_FRAGMENTS):
            answer = self._answer()
            if answer.ci != CI_FROM_METER:
                raise self._silent(f"answers with CI {answer.ci:02X}, which is not a message of the field link")
            try:
                whole = reassembly.take(parse_fragment(bytes((answer.ci,)) + answer.data))
            except ProtocolError as error:
                raise self._silent(f"sent an answer that cannot be read: {error}") from error
            if whole is not None:
                return whole
        raise self._silent("never ends its answer")

    def _acknowledged(self, frame: LongFrame) -> None:
        self._master.require(frame, Acknowledge, f"meter {self._meter}")
        self._send = toggled(self._send)

    def _answer(self, address: int = ADDRESS_SECONDARY) -> LongFrame:
        answer = self._master.require(ShortFrame(self._request, address), LongFrame, f"meter {self._meter}")
        self._request = toggled(self._request)
        return answer

    def _select(self) -> None:
        """Begin anew: no selection, no frame counts, then the one meter."""
        if self._selected is not None:
            self._forget(ADDRESS_SECONDARY)
        elif self._meter.primary is not None:
            self._meet(self._meter.primary)
        self._address()
        if self._selected is None:
            meter = self._identity(self._part(ADDRESS_SECONDARY))
            if not self._meter.fits(meter):
                raise WrongMeter(f"{self._master.target}: meter {meter} answers, not {self._meter}", CHECK_LINE)
            self._selected = meter
            # With every digit of its address now, and from the first part of the read-out again.
            self._address()

    def _address(self) -> None:
        """Select the meter; counts begin at 1 behind it."""
        selection = LongFrame(SND_UD, ADDRESS_SECONDARY, CI_SELECT, self._secondary_address())
        if self._master.ask(selection, Acknowledge) is None:
            raise self._silent("does not answer to its number")
        self._send, self._request = SND_UD | FCB, REQ_UD2 | FCB

    def _meet(self, primary: int) -> None:
        """Find out which meter answers to a primary address."""
        self._forget(primary)
        self._request = REQ_UD2 | FCB
        self._selected = self._identity(self._part(primary))

    def _forget(self, address: int) -> None:
        """Let the slave forget frame counts and selection; a meter that is not selected says nothing to it."""
        self._master.ask(ShortFrame(SND_NKE, address), Acknowledge, attempts=1)

    def _part(self, address: int) -> bytes:
        """Return the next part of a read-out."""
        answer = self._answer(address)
        if answer.ci not in CI_READ_OUT:
            raise self._silent(f"answers with CI {answer.ci:02X}, which is not a read-out")
        return answer.to_bytes()

    def _secondary_address(self) -> bytes:
        if self._selected is not None:
            return self._selected.to_transport()
        letters = self._meter.manufacturer
        maker = WILDCARD * 2 if letters is None else manufacturer_code(letters).to_bytes(2, "little")
        return bytes.fromhex(self._meter.number)[::-1] + maker + WILDCARD * 2

    def _identity(self, frame: bytes) -> Address:
        meter = decode(frame).meter
        if meter is None:
            raise self._silent("does not say which meter it is")
        return meter

    def _silent(self, what: str) -> LinkSilent:
        return LinkSilent(f"{self._master.target}: meter {self._meter} {what}", CHECK_LINE)


def open_link(url: ReceiverUrl, meter: MeterChoice, context: LinkContext) -> WiredLink:
    """Open a wired or optical link; `UsageError` for options that do not fit, `ReceiverError` for the port."""
    baud = _number(url, "baud", DEFAULT_BAUD)
    timeout_s = _number(url, "timeout", 0.0)
    if baud not in BAUDS:
        raise UsageError(f"{url}: no line has {baud:g} baud", f"known: {', '.join(map(str, BAUDS))}")
    if not 0 <= timeout_s <= LONGEST_TIMEOUT_S:
        raise UsageError(f"{url}: a timeout of {timeout_s:g} s", f"up to {LONGEST_TIMEOUT_S:g} seconds")
    settings = LineSettings(int(baud), url.kind == OPTICAL, timeout_s or None)
    port = open_port(url.target, settings.baud, parity=PARITY_EVEN)
    return WiredLink(WiredMaster(port, settings), meter, context.keys)


def _number(url: ReceiverUrl, name: str, default: float) -> float:
    try:
        return float(url.options.get(name, default))
    except ValueError:
        raise UsageError(f"{url}: {name} is not a number", f"as in mbus:///dev/ttyUSB0?{name}={default:g}") from None
