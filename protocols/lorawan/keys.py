"""Keys of LoRaWAN devices by role, how they are looked up, and how they derive from each other.

(LoRaWAN 1.0.4, 6.2.5; L2 1.1, 6.1.1 and 6.2.5; TS005 remote multicast setup, 4; TS011 relay, 5)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from protocols.crypto import BLOCK, aes_ecb_encrypt
from protocols.lorawan.identifiers import on_air
from protocols.model import Address, Key

KEY_SIZE: Final = 16

V1_0: Final = "1.0"
V1_1: Final = "1.1"


@dataclass(frozen=True, slots=True)
class RootKeys:
    """The keys that a device was made with; a device of LoRaWAN 1.0.x has an AppKey only.

    `js_int_key` and `js_enc_key` are set where the NwkKey they derive from is not given. `dev_eui` is empty when it is
    not known whose keys these are. `profile` is the meter profile filed for the device, `meter` the M-Bus address of
    the meter that sends by it.
    """

    dev_eui: str = ""
    app_key: Key | None = None
    nwk_key: Key | None = None
    js_int_key: Key | None = None
    js_enc_key: Key | None = None
    gen_app_key: Key | None = None
    profile: str | None = None
    meter: Address | None = None


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The keys of one session. LoRaWAN 1.0 has one network key, which stands in all three network roles then.

    For a multicast group, `dev_addr` is its McAddr and the keys are McNwkSKey and McAppSKey.
    """

    dev_addr: str
    f_nwk_s_int_key: Key | None = None
    s_nwk_s_int_key: Key | None = None
    nwk_s_enc_key: Key | None = None
    app_s_key: Key | None = None
    version: str = V1_0
    dev_eui: str = ""
    profile: str | None = None

    @classmethod
    def of_1_0(
        cls,
        dev_addr: str,
        nwk_s_key: Key | None,
        app_s_key: Key | None,
        dev_eui: str = "",
        profile: str | None = None,
    ) -> SessionKeys:
        """The keys of a LoRaWAN 1.0.x session or of a multicast group."""
        return cls(dev_addr, nwk_s_key, nwk_s_key, nwk_s_key, app_s_key, V1_0, dev_eui, profile)

    @property
    def all(self) -> tuple[tuple[str, Key], ...]:
        """Role and key of all that are there, each key once."""
        named: tuple[tuple[str, Key | None], ...]
        if self.version == V1_0:
            named = (("NwkSKey", self.f_nwk_s_int_key), ("AppSKey", self.app_s_key))
        else:
            named = (
                ("FNwkSIntKey", self.f_nwk_s_int_key),
                ("SNwkSIntKey", self.s_nwk_s_int_key),
                ("NwkSEncKey", self.nwk_s_enc_key),
                ("AppSKey", self.app_s_key),
            )
        return tuple((role, key) for role, key in named if key is not None)

    @property
    def network_role(self) -> str:
        """What the key is called that makes the MIC."""
        return "NwkSKey" if self.version == V1_0 else "FNwkSIntKey and SNwkSIntKey"


class LorawanKeys(Protocol):
    """Where the keys of devices come from. Identifiers are lower-case hex, most significant byte first."""

    def root_keys(self, dev_eui: str) -> Sequence[RootKeys]:
        """The root keys filed for a device, best first."""

    def session_keys(self, dev_addr: str) -> Sequence[SessionKeys]:
        """The fixed session keys (ABP, multicast) filed for an address; it may be that of several devices."""


class NoKeys:
    """The look-up of someone who has none."""

    def root_keys(self, dev_eui: str) -> Sequence[RootKeys]:
        """None."""
        return ()

    def session_keys(self, dev_addr: str) -> Sequence[SessionKeys]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class GivenKeys:
    """Keys that were given with a frame: they are tried whatever the frame's addresses are."""

    roots: tuple[RootKeys, ...] = ()
    sessions: tuple[SessionKeys, ...] = ()

    def root_keys(self, dev_eui: str) -> Sequence[RootKeys]:
        """All given root keys."""
        return self.roots

    def session_keys(self, dev_addr: str) -> Sequence[SessionKeys]:
        """All given session keys."""
        return self.sessions


def _derived(root: bytes, prefix: int, *parts: bytes) -> bytes:
    return aes_ecb_encrypt(root, (bytes((prefix,)) + b"".join(parts)).ljust(BLOCK, b"\0"))


def _key(root: Key, prefix: int, *parts: bytes) -> Key:
    return Key(_derived(root.value, prefix, *parts), root.label)


def session_1_0(
    root: Key,
    join_nonce: str,
    net_id: str,
    dev_nonce: int,
    dev_addr: str,
    dev_eui: str = "",
    profile: str | None = None,
) -> SessionKeys:
    """Derive the session of a network of LoRaWAN 1.0.x; `root` is AppKey, or NwkKey of a 1.1 device there."""
    block = (on_air(join_nonce, 3), on_air(net_id, 3), dev_nonce.to_bytes(2, "little"))
    return SessionKeys.of_1_0(dev_addr, _key(root, 0x01, *block), _key(root, 0x02, *block), dev_eui, profile)


def session_1_1(
    nwk_key: Key,
    app_key: Key | None,
    join_nonce: str,
    join_eui: str,
    dev_nonce: int,
    dev_addr: str,
    dev_eui: str = "",
    profile: str | None = None,
) -> SessionKeys:
    """Derive the session of a network of LoRaWAN 1.1; `dev_nonce` is RJcount after a rejoin. No AppSKey without AppKey.

    `join_eui` is taken at whatever length it has: one library is known to use the NetID in its place.
    """
    block = (on_air(join_nonce, 3), bytes.fromhex(join_eui)[::-1], dev_nonce.to_bytes(2, "little"))
    return SessionKeys(
        dev_addr,
        f_nwk_s_int_key=_key(nwk_key, 0x01, *block),
        s_nwk_s_int_key=_key(nwk_key, 0x03, *block),
        nwk_s_enc_key=_key(nwk_key, 0x04, *block),
        app_s_key=None if app_key is None else _key(app_key, 0x02, *block),
        version=V1_1,
        dev_eui=dev_eui,
        profile=profile,
    )


def js_enc_key(nwk_key: Key, dev_eui: str) -> Key:
    """The key that encrypts answers to rejoin requests."""
    return _key(nwk_key, 0x05, on_air(dev_eui, 8))


def js_int_key(nwk_key: Key, dev_eui: str) -> Key:
    """The key of the MIC of 1.1 join accepts and of rejoin requests of type 1."""
    return _key(nwk_key, 0x06, on_air(dev_eui, 8))


def root_wor_s_key(nwk_s_enc_key: Key) -> Key:
    """The root of the relay keys; from NwkSKey in LoRaWAN 1.0.x (TS011)."""
    return _key(nwk_s_enc_key, 0x01)


def wor_session_keys(root: Key, dev_addr: str) -> tuple[Key, Key]:
    """WorSIntKey and WorSEncKey of a device behind a relay (TS011)."""
    wire = on_air(dev_addr, 4)
    return _key(root, 0x01, wire), _key(root, 0x02, wire)


def mc_root_key(root: Key, version: str) -> Key:
    """McRootKey from GenAppKey (LoRaWAN 1.0.x) or AppKey (1.1) (TS005)."""
    return _key(root, 0x20 if version == V1_1 else 0x00)


def mc_ke_key(mc_root: Key) -> Key:
    """The key that protects McKey on its way to the device (TS005)."""
    return _key(mc_root, 0x00)


def mc_key(ke_key: Key, encrypted: bytes) -> Key:
    """McKey from its encrypted form, 16 bytes as in McGroupSetupReq (TS005)."""
    return Key(aes_ecb_encrypt(ke_key.value, encrypted), ke_key.label)


def mc_session(key: Key, mc_addr: str) -> SessionKeys:
    """The session of a multicast group from McKey (TS005)."""
    wire = on_air(mc_addr, 4)
    return SessionKeys.of_1_0(mc_addr, _key(key, 0x02, wire), _key(key, 0x01, wire))
