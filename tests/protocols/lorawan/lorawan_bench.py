"""A made-up device and network: what the tests of LoRaWAN send and expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.lorawan.decoder import Heard, decode_lorawan
from protocols.lorawan.decoding import Hints
from protocols.lorawan.encode import Acceptance, Asked, Message, data_frame, join_accept, join_request
from protocols.lorawan.facts import LoraReception
from protocols.lorawan.keys import GivenKeys, RootKeys, SessionKeys, js_int_key, session_1_0, session_1_1
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import Sessions
from protocols.model import Key, Link, RawFrame, RungState, Telegram

DEV_EUI = "0123456789abcdef"
JOIN_EUI = "70b3d57ed0000001"
DEV_ADDR = "26012f4a"
NET_ID = "000013"
JOIN_NONCE = "0000a7"
APP_KEY = Key(bytes(range(0x10, 0x20)), "portal")
NWK_KEY = Key(bytes(range(0x40, 0x50)), "portal")
ROOT_1_0 = RootKeys(DEV_EUI, app_key=APP_KEY)
ROOT_1_1 = RootKeys(DEV_EUI, app_key=APP_KEY, nwk_key=NWK_KEY)

SESSION_1_0 = SessionKeys.of_1_0(DEV_ADDR, Key(b"n" * 15 + b"1"), Key(b"a" * 15 + b"2"), DEV_EUI)
SESSION_1_1 = SessionKeys(
    DEV_ADDR, Key(b"f" * 15 + b"1"), Key(b"s" * 15 + b"2"), Key(b"e" * 15 + b"3"), Key(b"a" * 15 + b"4"), "1.1", DEV_EUI
)


@dataclass(frozen=True, slots=True)
class Filed:
    """Keys by identifier, as a keystore has them."""

    roots: tuple[RootKeys, ...] = ()
    sessions: tuple[SessionKeys, ...] = ()

    def root_keys(self, dev_eui: str) -> Sequence[RootKeys]:
        return [roots for roots in self.roots if roots.dev_eui == dev_eui]

    def session_keys(self, dev_addr: str) -> Sequence[SessionKeys]:
        return [keys for keys in self.sessions if keys.dev_addr == dev_addr]


def uplink(
    fcnt: int, keys: SessionKeys = SESSION_1_0, payload: bytes = b"\x01\x02\x03", fport: int | None = 2
) -> bytes:
    return data_frame(Message(MType.UNCONFIRMED_DATA_UP, fcnt, fport, payload), keys)


def hear(
    data: bytes,
    keys: Filed | GivenKeys | None = None,
    sessions: Sessions | None = None,
    *,
    hints: Hints | None = None,
    lora: LoraReception | None = None,
    halves: int = 64,
    frame: RawFrame | None = None,
) -> Heard:
    raw = frame or RawFrame(data, link=Link.LORAWAN, lora=lora)
    return decode_lorawan(raw, keys or Filed(), sessions or Sessions(), hints=hints or Hints(), halves=halves)


def failed(telegram: Telegram) -> dict[str, str | None]:
    """Rungs that failed, with what to do."""
    return {step.rung: step.next for step in telegram.verdict if step.state is RungState.FAILED}


def detail(telegram: Telegram, rung: str) -> str:
    """What one rung says."""
    return next(step.detail for step in telegram.verdict if step.rung == rung)


def assert_tiled(telegram: Telegram) -> None:
    """Every byte stands in exactly one span."""
    position = 0
    for span in telegram.spans:
        assert span.start == position
        assert span.end > position
        position = span.end
    assert position == len(telegram.data)


def joining_1_0(dev_nonce: int, dev_addr: str = DEV_ADDR) -> tuple[bytes, bytes, SessionKeys]:
    """Request, accept, and the session that both sides have then."""
    request = join_request(APP_KEY, JOIN_EUI, DEV_EUI, dev_nonce)
    accept = join_accept(APP_KEY, Acceptance(JOIN_NONCE, NET_ID, dev_addr, frequencies_hz=(867_100_000, 867_300_000)))
    return request, accept, session_1_0(APP_KEY, JOIN_NONCE, NET_ID, dev_nonce, dev_addr, DEV_EUI)


def joining_1_1(dev_nonce: int, dev_addr: str = DEV_ADDR) -> tuple[bytes, bytes, SessionKeys]:
    """Request, accept, and the session that both sides have then."""
    request = join_request(NWK_KEY, JOIN_EUI, DEV_EUI, dev_nonce)
    accept = join_accept(
        NWK_KEY,
        Acceptance(JOIN_NONCE, NET_ID, dev_addr, opt_neg=True),
        js_int_key(NWK_KEY, DEV_EUI),
        Asked(JOIN_EUI, dev_nonce),
    )
    keys = session_1_1(NWK_KEY, APP_KEY, JOIN_NONCE, JOIN_EUI, dev_nonce, dev_addr, DEV_EUI)
    return request, accept, keys
