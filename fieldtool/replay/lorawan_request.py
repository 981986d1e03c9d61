"""One request for a LoRaWAN frame: `{"link": "lorawan", "hex", "keys": {role: hex}, "lorawan": version, ...}`.

Roles are `app_key`, `nwk_key`, `js_int_key`, `js_enc_key`, `gen_app_key` of a device and `nwk_s_key`, `app_s_key`,
`f_nwk_s_int_key`, `s_nwk_s_int_key`, `nwk_s_enc_key` of a session. Optional: `fcnt32`, `conf_fcnt`, `tx_dr`, `tx_ch`,
`dev_eui`, `join_eui`, `dev_nonce`, `join_req_type`, `plaintext_input`, `profile`, and `prior` frames, which are decoded
first for the joins and counters in them. `{"link": "lorawan-payload", "hex", "fport", "profile", "dev_eui"}` is a
payload that a network server decrypted; `keys` is a list of hex there, of the meters behind the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from fieldtool.keys.keys_text import parse_key
from protocols.lorawan.counter import ALL_HALVES
from protocols.lorawan.decoder import decode_lorawan
from protocols.lorawan.decoding import Hints
from protocols.lorawan.facts import LoraReception
from protocols.lorawan.keys import KEY_SIZE, V1_0, V1_1, GivenKeys, RootKeys, SessionKeys
from protocols.lorawan.mic import JOIN_REQUEST_TYPE
from protocols.lorawan.sessions import Sessions
from protocols.model import Key, Link, RawFrame, Telegram

LORAWAN_LINKS: Final = frozenset({Link.LORAWAN.value, Link.LORAWAN_PAYLOAD.value})

_ROOTS: Final = ("app_key", "nwk_key", "js_int_key", "js_enc_key", "gen_app_key")
_SESSION_1_0: Final = ("nwk_s_key", "app_s_key")
_SESSION_1_1: Final = ("f_nwk_s_int_key", "s_nwk_s_int_key", "nwk_s_enc_key", "app_s_key")
_ROLES: Final = frozenset((*_ROOTS, *_SESSION_1_0, *_SESSION_1_1))
_EUI_SIZE: Final = 8
_MAX_FPORT: Final = 255
_BITS_8, _BITS_16, _BITS_32 = 0xFF, 0xFFFF, 0xFFFFFFFF


def lorawan_telegram(request: Mapping[str, Any], data: bytes, prior: Sequence[bytes]) -> Telegram:
    """Decode the frame that a request asks for; `ValueError` says what is wrong with the request."""
    link = Link(request["link"])
    reception = LoraReception(
        data_rate=_integer(request, "tx_dr", _BITS_8),
        channel=_integer(request, "tx_ch", _BITS_8),
        dev_eui=_eui(request, "dev_eui"),
        fport=_integer(request, "fport", _MAX_FPORT),
        profile=_string(request, "profile"),
    )
    frame = RawFrame(data, link=link, lora=reception)
    if link is Link.LORAWAN_PAYLOAD:
        mbus_keys = _listed_keys(request.get("keys"))
        return decode_lorawan(frame, mbus_keys=lambda _: mbus_keys).telegram
    keys = _keys(request, reception, _version(request))
    hints = _hints(request)
    sessions = Sessions()
    for earlier in prior:
        sessions = decode_lorawan(
            replace(frame, data=earlier), keys, sessions, hints=replace(hints, fcnt=None), halves=ALL_HALVES
        ).sessions
    return decode_lorawan(frame, keys, sessions, hints=hints, halves=ALL_HALVES).telegram


def _hints(request: Mapping[str, Any]) -> Hints:
    plain = request.get("plaintext_input", False)
    if not isinstance(plain, bool):
        raise ValueError("plaintext_input: must be true or false")  # noqa: TRY004 - a request, not a type
    kind = _integer(request, "join_req_type", _BITS_8)
    return Hints(
        fcnt=_integer(request, "fcnt32", _BITS_32),
        conf_fcnt=_integer(request, "conf_fcnt", _BITS_32),
        dev_eui=_eui(request, "dev_eui"),
        join_eui=_eui(request, "join_eui"),
        dev_nonce=_integer(request, "dev_nonce", _BITS_16),
        request_type=JOIN_REQUEST_TYPE if kind is None else kind,
        plaintext_input=plain,
    )


def _keys(request: Mapping[str, Any], reception: LoraReception, version: str) -> GivenKeys:
    given = request.get("keys")
    if given is None:
        return GivenKeys()
    if not isinstance(given, dict):
        raise ValueError('keys: must be an object of roles and keys, as in {"app_key": ...}')  # noqa: TRY004 - a request, not a type
    unknown = sorted(set(map(str, given)) - _ROLES)
    if unknown:
        raise ValueError(f"keys: {unknown[0]!r} is no role; there are {', '.join(sorted(_ROLES))}")
    keys = {role: _key(role, text) for role, text in given.items()}
    profile = reception.profile
    roots = RootKeys(
        dev_eui=reception.dev_eui or "",
        app_key=keys.get("app_key"),
        nwk_key=keys.get("nwk_key"),
        js_int_key=keys.get("js_int_key"),
        js_enc_key=keys.get("js_enc_key"),
        gen_app_key=keys.get("gen_app_key"),
        profile=profile,
    )
    sessions = _sessions(keys, reception.dev_eui or "", profile, version)
    return GivenKeys((roots,) if keys.keys() & set(_ROOTS) else (), sessions)


def _sessions(keys: Mapping[str, Key], dev_eui: str, profile: str | None, version: str) -> tuple[SessionKeys, ...]:
    """The session that the roles make; keys of 1.1 are tried as those of a device on a 1.0 network as well."""
    found: list[SessionKeys] = []
    if keys.keys() & set(_SESSION_1_1[:3]):
        found.append(
            SessionKeys(
                "",
                f_nwk_s_int_key=keys.get("f_nwk_s_int_key"),
                s_nwk_s_int_key=keys.get("s_nwk_s_int_key"),
                nwk_s_enc_key=keys.get("nwk_s_enc_key"),
                app_s_key=keys.get("app_s_key"),
                version=V1_1,
                dev_eui=dev_eui,
                profile=profile,
            )
        )
    network = keys.get("nwk_s_key") or (keys.get("f_nwk_s_int_key") if version == V1_0 else None)
    if network is not None or ("app_s_key" in keys and not found):
        found.append(SessionKeys.of_1_0("", network, keys.get("app_s_key"), dev_eui, profile))
    return tuple(found)


def _version(request: Mapping[str, Any]) -> str:
    """The version said, else the one that the roles imply."""
    said = request.get("lorawan")
    if said is None:
        given = request.get("keys")
        return V1_1 if isinstance(given, dict) and set(given) & set(_SESSION_1_1[:3]) else V1_0
    if said not in (V1_0, V1_1):
        raise ValueError('lorawan: must be "1.0" or "1.1"')
    return str(said)


def _listed_keys(value: object) -> tuple[Key, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError("keys: must be a list for a payload")  # noqa: TRY004 - a request, not a type
    return tuple(_key(f"key {number}", text) for number, text in enumerate(value, start=1))


def _key(name: str, text: object) -> Key:
    if not isinstance(text, str):
        raise ValueError(f"{name}: must be a string of hex digits")  # noqa: TRY004 - a request, not a type
    try:
        key = parse_key(text, "given")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if len(key.value) != KEY_SIZE:
        raise ValueError(f"{name}: {len(key.value)} bytes where a LoRaWAN key has {KEY_SIZE}")
    return key


def _integer(request: Mapping[str, Any], name: str, most: int) -> int | None:
    value = request.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{name}: must be a whole number from 0 to {most}")
    return value


def _string(request: Mapping[str, Any], name: str) -> str | None:
    value = request.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name}: must be a string")
    return value


def _eui(request: Mapping[str, Any], name: str) -> str | None:
    text = _string(request, name)
    if text is None:
        return None
    plain = text.replace("-", "").replace(":", "").lower()
    try:
        size = len(bytes.fromhex(plain))
    except ValueError:
        size = 0
    if size != _EUI_SIZE:
        raise ValueError(f"{name}: must have 16 hex digits")
    return plain
