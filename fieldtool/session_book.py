"""LoRaWAN sessions that were followed from a join, kept sealed in the vault: a new start goes on where the last ended.

Kept are the keys and counters of sessions, and of devices their DevNonces and addresses; not kept are sessions with
fixed keys, which the key records give, and messages that a bridge had sent only in part.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.keys import SessionKeys
from protocols.lorawan.sessions import Device, Session, Sessions
from protocols.model import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from keystore.vault.documents import DocumentShelf

DOCUMENT: Final = "lorawan sessions"
FORMAT_VERSION: Final = 1
KEY_LABEL: Final = "session of a join"

_KEYS: Final = ("f_nwk_s_int_key", "s_nwk_s_int_key", "nwk_s_enc_key", "app_s_key")
_COUNTERS: Final = ("fcnt_up", "fcnt_down", "a_fcnt_down", "confirmed_up", "confirmed_down")

_log = logging.getLogger(__name__)


class SessionBook:
    """Reads and writes the sessions of a store; `shelf` gives None while there is no store that is unlocked."""

    def __init__(self, shelf: Callable[[], DocumentShelf | None]) -> None:
        self._shelf = shelf
        self._open = False
        self._kept = b""

    def follow(self, follower: LorawanFollower) -> None:
        """Bring the sessions of a decoder in step with the store: none while it is locked, the kept ones afterwards."""
        shelf = self._shelf()
        if shelf is None:
            if self._open:
                self._open = False
                follower.resume(Sessions())
        elif not self._open:
            self._open = True
            follower.resume(self._read(shelf))

    def keep(self, follower: LorawanFollower) -> None:
        """Write the sessions into the store, when they changed and it is unlocked; a failure is logged."""
        from keystore.errors import KeystoreError

        shelf = self._shelf()
        if shelf is None or not self._open:
            return
        data = encode_sessions(follower.sessions)
        if data == self._kept:
            return
        try:
            shelf.change(DOCUMENT, lambda _: (data, ()))
            self._kept = data
        except KeystoreError as error:
            _log.warning("sessions are not kept: %s", error.message)

    def _read(self, shelf: DocumentShelf) -> Sessions:
        from keystore.errors import KeystoreError

        try:
            self._kept = shelf.read(DOCUMENT) or encode_sessions(Sessions())
            return decode_sessions(self._kept)
        except (KeystoreError, ValueError) as error:
            _log.warning("sessions kept earlier are not used: %s", type(error).__name__)
            return Sessions()


def encode_sessions(sessions: Sessions) -> bytes:
    """Return joined sessions and devices as JSON; it holds keys."""
    document = {
        "v": FORMAT_VERSION,
        "sessions": [_session(session) for session in sessions.sessions if session.joined],
        "devices": [_device(device) for device in sessions.devices],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def decode_sessions(data: bytes) -> Sessions:
    """Return what `encode_sessions` wrote; `ValueError`, which repeats nothing of it, for anything else."""
    try:
        document = json.loads(data)
        if document["v"] != FORMAT_VERSION:
            raise ValueError("another version")  # noqa: TRY301 - one place answers for all that can be wrong
        # The newest session of an address was written first, and is the one to be put last.
        return Sessions.of(
            (_parse_session(members) for members in reversed(document["sessions"])),
            (_parse_device(members) for members in document["devices"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("no sessions of this format") from None


def _session(session: Session) -> dict[str, object]:
    keys = session.keys
    return {
        "dev_addr": keys.dev_addr,
        "dev_eui": keys.dev_eui,
        "version": keys.version,
        "profile": keys.profile,
        "keys": {name: key.value.hex() for name in _KEYS if (key := getattr(keys, name)) is not None},
        "last_up": session.last_up.hex(),
        **{name: getattr(session, name) for name in _COUNTERS},
    }


def _parse_session(members: Mapping[str, Any]) -> Session:
    keys = {name: Key(bytes.fromhex(text), KEY_LABEL) for name, text in members["keys"].items() if name in _KEYS}
    return Session(
        SessionKeys(
            members["dev_addr"],
            **keys,
            version=members["version"],
            dev_eui=members["dev_eui"],
            profile=members["profile"],
        ),
        **{name: members[name] for name in _COUNTERS},
        last_up=bytes.fromhex(members["last_up"]),
        joined=True,
    )


def _device(device: Device) -> dict[str, object]:
    return {
        "dev_eui": device.dev_eui,
        "dev_nonces": device.dev_nonces,
        "dev_addrs": device.dev_addrs,
        "join_eui": device.join_eui,
    }


def _parse_device(members: Mapping[str, Any]) -> Device:
    return Device(
        members["dev_eui"], tuple(members["dev_nonces"]), tuple(members["dev_addrs"]), join_eui=members["join_eui"]
    )
