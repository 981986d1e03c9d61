"""What is told of a LoRaWAN frame: by the radio that heard it, and by the frame itself.

EUIs, DevAddr, NetID and nonces are lower-case hex, most significant byte first, as they are printed; the air carries
them the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class LoraReception:
    """What a gateway, a stick or a network server says of a frame beside its bytes.

    `data_rate` and `channel` are the indexes that the MIC of LoRaWAN 1.1 covers (L2 1.1, 4.4). `dev_eui`, `dev_addr`,
    `fport` and `fcnt` are filled by network servers, which hand over decrypted payloads; `profile` by whoever knows
    the kind of device.
    """

    data_rate: int | None = None
    channel: int | None = None
    frequency_hz: int | None = None
    spreading_factor: int | None = None
    bandwidth_hz: int | None = None
    snr_db: float | None = None
    dev_eui: str | None = None
    dev_addr: str | None = None
    fport: int | None = None
    fcnt: int | None = None
    profile: str | None = None


class MicState(StrEnum):
    """What the message integrity code proved."""

    VERIFIED = "verified"
    HALF_VERIFIED = "half_verified"
    FAILED = "failed"
    NOT_CHECKED = "not_checked"


class CounterSource(StrEnum):
    """How the upper half of a 32-bit frame counter was found; the air carries only the lower one."""

    GIVEN = "given"
    SESSION = "session"
    SEARCH = "search"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class MacCommand:
    """One MAC command: identifier, name with its direction (`LinkADRAns`), payload, and its fields in words.

    `start:end` is where it lies in the bytes that it was read from.
    """

    cid: int
    name: str
    payload: bytes
    fields: tuple[tuple[str, str], ...] = ()
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class LorawanFacts:
    """What a LoRaWAN frame says, with what its keys gave.

    `fcnt` is the 32-bit counter where `fcnt_source` says how it was found, else the 16 bits of the air. `plaintext` is
    the decrypted FRMPayload, None while it is encrypted. `rj_count` and `rejoin_type` belong to rejoin requests,
    `frequencies_hz` and `channel_masks` to the CFList of a join accept. `version` is the LoRaWAN version that the keys
    imply, `1.0` or `1.1`. `medium` is what the device's profile says it measures, `suggestions` name profiles that a
    device of unknown kind may have, each with the evidence.
    """

    mtype: str = ""
    version: str | None = None
    dev_addr: str | None = None
    dev_eui: str | None = None
    join_eui: str | None = None
    dev_nonce: int | None = None
    join_nonce: str | None = None
    net_id: str | None = None
    fcnt: int | None = None
    fcnt_source: CounterSource | None = None
    fport: int | None = None
    flags: tuple[str, ...] = ()
    mic: MicState = MicState.NOT_CHECKED
    plaintext: bytes | None = field(default=None, repr=False)
    mac_commands: tuple[MacCommand, ...] = ()
    rejoin_type: int | None = None
    rj_count: int | None = None
    rx_delay_s: int | None = None
    frequencies_hz: tuple[int, ...] = ()
    channel_masks: tuple[int, ...] = ()
    medium: str | None = None
    suggestions: tuple[tuple[str, str], ...] = ()

    @property
    def mic_ok(self) -> bool | None:
        """True when the whole MIC fits, False when no key fits, None when it could not be checked in full."""
        return _MIC_OK.get(self.mic)

    @property
    def device(self) -> str | None:
        """The device as people name it: DevEUI when known, else DevAddr."""
        return self.dev_eui or self.dev_addr


_MIC_OK = {MicState.VERIFIED: True, MicState.FAILED: False}
