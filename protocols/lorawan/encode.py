"""Building PHYPayloads of LoRaWAN 1.0.x and 1.1; the inverse of the parsers beside it.

All functions are pure, take identifiers as printed, and raise `ValueError` for values that do not fit their fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from construct import ConstructError, Struct

from protocols.lorawan.cipher import close_join_accept, crypt_fopts, crypt_payload, fopts_use
from protocols.lorawan.fctrl import ACK, fctrl_of
from protocols.lorawan.identifiers import on_air
from protocols.lorawan.keys import V1_1, SessionKeys
from protocols.lorawan.mic import (
    DOWN,
    JOIN_REQUEST_TYPE,
    UP,
    block_0,
    block_1,
    data_mic,
    join_accept_mic,
    join_accept_mic_1_1,
    request_mic,
    uplink_mic_1_1,
)
from protocols.lorawan.phy import (
    CF_LIST_FREQUENCIES,
    CF_LIST_MASKS,
    CF_LIST_TYPE_FREQUENCIES,
    CF_LIST_TYPE_MASKS,
    FHDR,
    FPORT_MAC,
    FREQUENCY_STEP_HZ,
    JOIN_ACCEPT,
    JOIN_REQUEST,
    MAX_PHY,
    MIC_SIZE,
    REJOIN_SCHEMAS,
    UPLINKS,
    MType,
)
from protocols.model import Key

OPT_NEG: Final = 0x80
CF_LIST_FREQUENCY_COUNT: Final = 5
CF_LIST_MASK_COUNT: Final = 7
_NO_MIC: Final = bytes(MIC_SIZE)


@dataclass(frozen=True, slots=True)
class Message:
    """A data message before encryption. `fcnt` is the 32-bit counter; `flags` are FCtrl bits by name.

    `fopts` are MAC commands in clear. `conf_fcnt`, `data_rate` and `channel` go into the MIC of LoRaWAN 1.1.
    """

    mtype: MType
    fcnt: int
    fport: int | None = None
    payload: bytes = field(default=b"", repr=False)
    fopts: bytes = b""
    flags: tuple[str, ...] = ()
    conf_fcnt: int = 0
    data_rate: int = 0
    channel: int = 0


def data_frame(message: Message, keys: SessionKeys) -> bytes:
    """Encrypt and sign a data message; the session's keys must be there that it needs (L2 1.1, 4.3 and 4.4)."""
    if not 0 <= message.fcnt < 1 << 32:
        raise ValueError(f"a frame counter has 32 bits: {message.fcnt}")
    if message.fport is None and message.payload:
        raise ValueError("a payload needs an FPort")
    if message.fport == FPORT_MAC and message.fopts:
        raise ValueError("MAC commands stand either in FOpts or on FPort 0")
    direction = UP if message.mtype in UPLINKS else DOWN
    wire = on_air(keys.dev_addr, 4)
    fopts = message.fopts
    if fopts and keys.version == V1_1:
        use = fopts_use(direction, message.fport)
        fopts = crypt_fopts(_need(keys.nwk_s_enc_key, "NwkSEncKey"), direction, wire, message.fcnt, fopts, use)
    fctrl = fctrl_of(message.flags, len(fopts), uplink=direction == UP)
    header = {"dev_addr": wire, "fctrl": fctrl, "fcnt": message.fcnt & 0xFFFF}
    frame = bytes((message.mtype << 5,)) + FHDR.build(header) + fopts
    if message.fport is not None:
        frame += bytes((message.fport,)) + _encrypted(message, keys, direction, wire)
    if len(frame) + MIC_SIZE > MAX_PHY:
        raise ValueError(f"{len(frame) + MIC_SIZE} bytes are more than a LoRa packet has")
    return frame + _data_mic(message, keys, direction, wire, frame, acknowledges=bool(fctrl & ACK))


def _encrypted(message: Message, keys: SessionKeys, direction: int, wire: bytes) -> bytes:
    if not message.payload:
        return b""
    mac = message.fport == FPORT_MAC
    key = _need(keys.nwk_s_enc_key, "NwkSEncKey") if mac else _need(keys.app_s_key, "AppSKey")
    return crypt_payload(key, direction, wire, message.fcnt, message.payload)


def _data_mic(
    message: Message, keys: SessionKeys, direction: int, wire: bytes, frame: bytes, *, acknowledges: bool
) -> bytes:
    conf_fcnt = message.conf_fcnt & 0xFFFF if acknowledges and keys.version == V1_1 else 0
    if keys.version != V1_1:
        b0 = block_0(direction, wire, message.fcnt, len(frame))
        return data_mic(_need(keys.f_nwk_s_int_key, "NwkSKey"), b0, frame)
    s_key = _need(keys.s_nwk_s_int_key, "SNwkSIntKey")
    if direction == DOWN:
        return data_mic(s_key, block_0(direction, wire, message.fcnt, len(frame), conf_fcnt), frame)
    b0 = block_0(direction, wire, message.fcnt, len(frame))
    b1 = block_1(wire, message.fcnt, len(frame), conf_fcnt, message.data_rate, message.channel)
    return uplink_mic_1_1(_need(keys.f_nwk_s_int_key, "FNwkSIntKey"), s_key, b0, b1, frame)


def join_request(key: Key, join_eui: str, dev_eui: str, dev_nonce: int) -> bytes:
    """Ask to join; `key` is AppKey, or NwkKey for LoRaWAN 1.1 (L2 1.1, 6.2.2)."""
    fields = {
        "mhdr": MType.JOIN_REQUEST << 5,
        "join_eui": on_air(join_eui, 8),
        "dev_eui": on_air(dev_eui, 8),
        "dev_nonce": dev_nonce,
        "mic": _NO_MIC,
    }
    message = _built(JOIN_REQUEST, fields)[:-MIC_SIZE]
    return message + request_mic(key.value, message)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a network grants: `opt_neg` makes it a 1.1 answer. At most five frequencies, or seven channel masks."""

    join_nonce: str
    net_id: str
    dev_addr: str
    dl_settings: int = 0
    rx_delay: int = 1
    frequencies_hz: Sequence[int] = ()
    channel_masks: Sequence[int] = ()
    opt_neg: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that a 1.1 answer is for: type (FF for a join request), JoinEUI, DevNonce or RJcount."""

    join_eui: str
    dev_nonce: int
    type: int = JOIN_REQUEST_TYPE


def join_accept(key: Key, accept: Acceptance, js_int_key: Key | None = None, asked: Asked | None = None) -> bytes:
    """Answer a join or rejoin request; `key` encrypts: AppKey, NwkKey, or JSEncKey after a rejoin (L2 1.1, 6.2.3)."""
    mhdr = MType.JOIN_ACCEPT << 5
    plain = _built(
        JOIN_ACCEPT,
        {
            "mhdr": mhdr,
            "join_nonce": on_air(accept.join_nonce, 3),
            "net_id": on_air(accept.net_id, 3),
            "dev_addr": on_air(accept.dev_addr, 4),
            "dl_settings": accept.dl_settings | (OPT_NEG if accept.opt_neg else 0),
            "rx_delay": accept.rx_delay,
        },
    ) + _cf_list(accept)
    if accept.opt_neg:
        if js_int_key is None or asked is None:
            raise ValueError("a 1.1 join accept needs JSIntKey and the request that it answers")
        mic = join_accept_mic_1_1(js_int_key.value, asked.type, asked.join_eui, asked.dev_nonce, mhdr, plain[1:])
    else:
        mic = join_accept_mic(key.value, mhdr, plain[1:])
    return close_join_accept(key.value, plain + mic)


def _cf_list(accept: Acceptance) -> bytes:
    if accept.frequencies_hz:
        steps = [hz // FREQUENCY_STEP_HZ for hz in accept.frequencies_hz]
        steps += [0] * (CF_LIST_FREQUENCY_COUNT - len(steps))
        return _built(CF_LIST_FREQUENCIES, {"frequencies": steps, "type": CF_LIST_TYPE_FREQUENCIES})
    if accept.channel_masks:
        masks = [*accept.channel_masks] + [0] * (CF_LIST_MASK_COUNT - len(accept.channel_masks))
        return _built(CF_LIST_MASKS, {"masks": masks, "type": CF_LIST_TYPE_MASKS})
    return b""


def rejoin_request(key: Key, kind: int, network: str, dev_eui: str, rj_count: int) -> bytes:
    """Ask to join anew; `network` is the NetID for types 0 and 2 and the JoinEUI for type 1 (L2 1.1, 6.2.4).

    `key` is SNwkSIntKey for types 0 and 2, JSIntKey for type 1.
    """
    schema = REJOIN_SCHEMAS.get(kind)
    if schema is None:
        raise ValueError(f"there is no rejoin request of type {kind}")
    fields = {
        "mhdr": MType.REJOIN_REQUEST << 5,
        "type": kind,
        "dev_eui": on_air(dev_eui, 8),
        "rj_count": rj_count,
        "mic": _NO_MIC,
    }
    if kind == 1:
        fields["join_eui"] = on_air(network, 8)
    else:
        fields["net_id"] = on_air(network, 3)
    message = _built(schema, fields)[:-MIC_SIZE]
    return message + request_mic(key.value, message)


def proprietary(body: bytes, trailer: bytes = _NO_MIC) -> bytes:
    """A proprietary frame: MHDR, anything, four bytes by convention."""
    return bytes((MType.PROPRIETARY << 5,)) + body + trailer


def _built(schema: Struct, fields: dict[str, object]) -> bytes:
    try:
        return bytes(schema.build(fields))
    except ConstructError as error:
        raise ValueError(f"a field does not fit its message: {error}") from None


def _need(key: Key | None, role: str) -> bytes:
    if key is None:
        raise ValueError(f"the session has no {role}")
    return key.value
