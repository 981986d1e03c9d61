"""What was heard of LoRaWAN devices, as JSON: sessions followed from a join with their keys, counters of fixed ones.

Of sessions with fixed keys the document holds a key check value in place of keys: those are with the key records, and a
key that was revoked or deleted there is not kept alive here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from protocols.crypto import key_check_value
from protocols.lorawan.bridges import PayloadState, Pieces
from protocols.lorawan.decoder import NO_KEYS
from protocols.lorawan.keys import LorawanKeys, SessionKeys
from protocols.lorawan.sessions import MAX_NONCES, NO_STATE, Device, Session, Sessions
from protocols.model import Address, Key

FORMAT_VERSION: Final = 2
READABLE_VERSIONS: Final = (1, 2)
"""Version 1 had neither times, nor sessions with fixed keys, nor what payloads mean for the next one."""

KEY_LABEL: Final = "session of a join"
MAX_FIXED: Final = 10_000
"""Sessions with fixed keys that are kept, those heard last; each costs a look-up of its keys when it is taken up."""

_KEYS: Final = ("f_nwk_s_int_key", "s_nwk_s_int_key", "nwk_s_enc_key", "app_s_key")
_COUNTERS: Final = ("fcnt_up", "fcnt_down", "a_fcnt_down", "confirmed_up", "confirmed_down")
_LISTS: Final = ("sessions", "fixed", "devices")

Entry: TypeAlias = dict[str, Any]
_Document: TypeAlias = dict[str, list[Entry]]


def encode_sessions(sessions: Sessions) -> bytes:
    """Return sessions and devices as JSON; it holds keys."""
    return _written(
        {
            "sessions": [_joined(session) for session in sessions.sessions if session.joined],
            "fixed": [_fixed(session) for session in sessions.sessions if not session.joined],
            "devices": [_device(device) for device in sessions.devices],
        }
    )


def decode_sessions(data: bytes, keys: LorawanKeys = NO_KEYS) -> Sessions:
    """Return what `encode_sessions` wrote, as heard earlier; sessions with fixed keys where `keys` still has those.

    `ValueError`, which repeats nothing of it, for anything else.
    """
    document = _read(data)
    try:
        # The newest session of an address was written first, and is the one to be put last.
        sessions = [_parse_joined(members) for members in reversed(document["sessions"])]
        sessions += [session for members in reversed(document["fixed"]) for session in _parse_fixed(members, keys)]
        return Sessions.of(sessions, map(_parse_device, document["devices"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("no sessions of this format") from None


def merge_sessions(before: bytes | None, sessions: Sessions, resumed: Sessions) -> bytes:
    """Return the document `before` with what this run has heard, which began with `resumed`.

    What somebody else has written in the meantime stays, and what is known to be older takes the place of nothing:
    neither a second program nor a capture of last year sets a counter back.
    """
    kept = _usable(before)
    joined = _by_device(_joined(session) for session in sessions.sessions if session.joined)
    kept_joined = _by_device(kept["sessions"])
    heard = {session.keys.dev_eui for session in sessions.sessions if session.joined and not session.earlier}
    newer = {dev_eui for dev_eui in heard if not _is_older(joined[dev_eui], kept_joined.get(dev_eui, ()))}
    fixed = {_place(one): one for one in map(_fixed, _fixed_heard(sessions))}
    kept_fixed = {_place(one): one for one in kept["fixed"]}
    changed = {
        place: one
        for place, one in fixed.items()
        if place not in kept_fixed or not _is_older([one], [kept_fixed[place]])
    }
    all_fixed = sorted({**kept_fixed, **changed}.values(), key=lambda one: one.get("heard_at") or "", reverse=True)
    kept_devices = {one["dev_eui"]: one for one in kept["devices"]}
    devices = {
        device.dev_eui: _merged_device(
            kept_devices.get(device.dev_eui), _device(device), device.dev_eui in heard - newer
        )
        for device in sessions.devices
        if device != resumed.device(device.dev_eui)
    }
    return _written(
        {
            "sessions": [one for dev_eui in newer for one in joined[dev_eui]]
            + [one for one in kept["sessions"] if one["dev_eui"] not in newer],
            "fixed": all_fixed[:MAX_FIXED],
            "devices": list({**kept_devices, **devices}.values()),
        }
    )


def _fixed_heard(sessions: Sessions) -> Iterator[Session]:
    return (session for session in sessions.sessions if not session.joined and not session.earlier)


def _usable(data: bytes | None) -> _Document:
    """A document that can be gone on with; an empty one in place of one that nobody could read."""
    if data is not None:
        try:
            decode_sessions(data)
            return _read(data)
        except ValueError:
            pass
    return {name: [] for name in _LISTS}


def _read(data: bytes) -> _Document:
    try:
        document = json.loads(data)
        if document["v"] not in READABLE_VERSIONS:
            raise ValueError("another version")  # noqa: TRY301 - one place answers for all that can be wrong
        return {name: list(document.get(name, ()) if name == "fixed" else document[name]) for name in _LISTS}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("no sessions of this format") from None


def _written(document: _Document) -> bytes:
    return json.dumps({"v": FORMAT_VERSION, **document}, separators=(",", ":")).encode()


def _by_device(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry["dev_eui"], []).append(entry)
    return found


def _place(entry: Entry) -> tuple[str, str, str]:
    return entry["dev_addr"], entry["dev_eui"], entry["check"]


def _is_older(entries: Iterable[Entry], than: Iterable[Entry]) -> bool:
    """Whether all of some sessions were heard before the last of others; not, when a time is not known."""
    ours: list[str] = [entry.get("heard_at") or "" for entry in entries]
    theirs: list[str] = [entry.get("heard_at") or "" for entry in than]
    return all(ours) and max(ours) < max(theirs, default="")


def _merged_device(kept: Entry | None, ours: Entry, ours_is_older: bool) -> Entry:
    if kept is None:
        return ours
    nonces = [*kept["dev_nonces"], *(nonce for nonce in ours["dev_nonces"] if nonce not in kept["dev_nonces"])]
    last, other = (kept, ours) if ours_is_older else (ours, kept)
    return {
        **last,
        "dev_nonces": nonces[-MAX_NONCES:],
        "join_eui": last["join_eui"] or other["join_eui"],
        "last_request_at": max(filter(None, (kept.get("last_request_at"), ours["last_request_at"])), default=None),
    }


def _session(session: Session) -> Entry:
    return {
        "last_up": session.last_up.hex(),
        "heard_at": _time(session.heard_at),
        "payload": _state(session.payload_state),
        **{name: getattr(session, name) for name in _COUNTERS},
    }


def _joined(session: Session) -> Entry:
    keys = session.keys
    return {
        "dev_addr": keys.dev_addr,
        "dev_eui": keys.dev_eui,
        "version": keys.version,
        "profile": keys.profile,
        "keys": {name: key.value.hex() for name in _KEYS if (key := getattr(keys, name)) is not None},
        **_session(session),
    }


def _fixed(session: Session) -> Entry:
    keys = session.keys
    return {"dev_addr": keys.dev_addr, "dev_eui": keys.dev_eui, "check": _check(keys), **_session(session)}


def _check(keys: SessionKeys) -> str:
    """What tells sessions of one address apart, without their keys."""
    return "-".join(key_check_value(key.value) for _, key in keys.all)


def _parse_session(keys: SessionKeys, members: Mapping[str, Any], *, joined: bool) -> Session:
    return Session(
        keys,
        **{name: members[name] for name in _COUNTERS},
        last_up=bytes.fromhex(members["last_up"]),
        joined=joined,
        payload_state=_parse_state(members.get("payload")),
        heard_at=_parse_time(members.get("heard_at")),
        earlier=True,
    )


def _parse_joined(members: Mapping[str, Any]) -> Session:
    values = {name: Key(bytes.fromhex(text), KEY_LABEL) for name, text in members["keys"].items() if name in _KEYS}
    keys = SessionKeys(
        members["dev_addr"],
        **values,
        version=members["version"],
        dev_eui=members["dev_eui"],
        profile=members["profile"],
    )
    return _parse_session(keys, members, joined=True)


def _parse_fixed(members: Mapping[str, Any], keys: LorawanKeys) -> Iterator[Session]:
    dev_addr, dev_eui, check = members["dev_addr"], members["dev_eui"], members["check"]
    for filed in keys.session_keys(dev_addr):
        if filed.dev_addr == dev_addr and filed.dev_eui == dev_eui and _check(filed) == check:
            yield _parse_session(filed, members, joined=False)
            return


def _device(device: Device) -> Entry:
    return {
        "dev_eui": device.dev_eui,
        "dev_nonces": list(device.dev_nonces),
        "dev_addrs": list(device.dev_addrs),
        "join_eui": device.join_eui,
        "last_request_at": _time(device.last_request_at),
        "payload": _state(device.payload_state),
    }


def _parse_device(members: Mapping[str, Any]) -> Device:
    return Device(
        members["dev_eui"],
        tuple(members["dev_nonces"]),
        tuple(members["dev_addrs"]),
        join_eui=members["join_eui"],
        last_request_at=_parse_time(members.get("last_request_at")),
        payload_state=_parse_state(members.get("payload")),
        earlier=True,
    )


def _state(state: PayloadState) -> Entry | None:
    if state == NO_STATE:
        return None
    address, pieces = state.address, state.pieces
    return {
        "address": None if address is None else address.to_wire().hex(),
        "pieces": None
        if pieces is None
        else {
            "data": pieces.data.hex(),
            "next_part": pieces.next_part,
            "total": pieces.total,
            "fcnt": pieces.fcnt,
            "clock": _time(pieces.clock),
            "rssi_dbm": pieces.rssi_dbm,
            "count": pieces.count,
        },
    }


def _parse_state(members: Mapping[str, Any] | None) -> PayloadState:
    if members is None:
        return NO_STATE
    address, pieces = members["address"], members["pieces"]
    return PayloadState(
        None if address is None else Address.from_wire(bytes.fromhex(address)),
        None
        if pieces is None
        else Pieces(
            bytes.fromhex(pieces["data"]),
            pieces["next_part"],
            pieces["total"],
            pieces["fcnt"],
            _parse_time(pieces["clock"]),
            pieces["rssi_dbm"],
            pieces["count"],
        ),
    )


def _time(moment: datetime | None) -> str | None:
    """A time in UTC, always as long, so that later ones are greater."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
