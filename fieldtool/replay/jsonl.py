"""One request a line in, one telegram a line out: `decode --jsonl`.

A request is `{"id", "hex", "at", "key" | "keys", "prior": [hex ...], "already_decrypted"}`; other members are ignored.
For every line there is exactly one answer, whatever the line holds. With `"link": "lorawan"` or `"lorawan-payload"`,
see `fieldtool.replay.lorawan_request`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fieldtool.export.telegram_json import telegram_json
from fieldtool.keys.keys_text import parse_key
from fieldtool.replay.lorawan_request import LORAWAN_LINKS, lorawan_telegram
from protocols.captures.hex_lines import LINE_LIMIT, parse_hex
from protocols.captures.times import TIME, utc_of
from protocols.learned import LearnedDecoder
from protocols.model import Key, KeyLookup, RawFrame, Telegram
from protocols.plausibility import Judge, with_findings

MAX_PRIOR: Final = 64
"""Telegrams that may be decoded before the one asked for."""

MAX_KEYS: Final = 64
"""Keys that may be tried for one line."""

_EMPTY: Final = (
    '"ok": false, "outcome": "damaged", "problem": {problem}, "verdict": [], "received": {received}, "meter": null, '
    '"link_address": null, "message": null, "security": null, "status": null, "profile": null, "readings": [], '
    '"notes": [], "findings": [], "hex": null'
)
_NOT_RECEIVED: Final = '{"at": null, "source": "", "mode": null, "rssi_dbm": null}'


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of output without its end, and whether the telegram decoded."""

    text: str
    ok: bool


class _Refused(Exception):
    """A line that is no request: what is wrong with it."""


def answer(line: str, decoder: LearnedDecoder) -> Answer:
    """Decode what one line asks for."""
    id_json = None
    try:
        request = _request(line)
        if "id" in request:
            id_json = _dumped(request["id"])
        data = _hex(request.get("hex"), "hex")
        if _link(request) in LORAWAN_LINKS:
            telegram = _lorawan(request, data)
            return Answer(telegram_json(telegram, id_json), telegram.ok)
        at = _at(request)
        keys = _lookup(_keys(request))
        flag = request.get("already_decrypted", False)
        if not isinstance(flag, bool):
            raise _Refused("already_decrypted: must be true or false")  # noqa: TRY301 - one place answers them all
        judge = Judge()
        for number, prior in enumerate(_list(request, "prior", MAX_PRIOR), start=1):
            judge.judge(decoder.decode(_hex(prior, f"prior {number}"), keys, already_decrypted=flag))
    except _Refused as refusal:
        return Answer(_refusal(id_json, str(refusal)), ok=False)
    telegram = decoder.decode(RawFrame(data, at=at), keys, already_decrypted=flag)
    telegram = with_findings(telegram, judge.judge(telegram))
    return Answer(telegram_json(telegram, id_json), telegram.ok)


def _lorawan(request: dict[str, Any], data: bytes) -> Telegram:
    prior = [_hex(text, f"prior {number}") for number, text in enumerate(_list(request, "prior", MAX_PRIOR), start=1)]
    try:
        return lorawan_telegram(request, data, prior)
    except ValueError as error:
        raise _Refused(str(error)) from None


def _request(line: str) -> dict[str, Any]:
    if len(line) > LINE_LIMIT:
        raise _Refused(f"the line is longer than {LINE_LIMIT} characters")
    text = line.removeprefix("\ufeff")
    if not text.strip():
        raise _Refused("the line is empty")
    try:
        request = json.loads(text)
    except json.JSONDecodeError as error:
        # The text of the error quotes nothing of the line, which may hold a key.
        raise _Refused(f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}") from None
    except RecursionError:
        raise _Refused("not JSON: nested too deeply") from None
    except ValueError:
        # The only other thing that `json` refuses is an integer that Python does not convert.
        raise _Refused(f"a number of more than {sys.get_int_max_str_digits()} digits") from None
    if not isinstance(request, dict):
        raise _Refused("the line is no JSON object")
    return request


def _dumped(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except RecursionError:
        raise _Refused("id: nested too deeply") from None
    except ValueError:
        raise _Refused("id: holds a number that JSON has not") from None


def _hex(value: object, name: str) -> bytes:
    if value is None:
        raise _Refused(f"{name}: missing")
    if not isinstance(value, str):
        raise _Refused(f"{name}: must be a string of hex digits")
    try:
        return parse_hex(value)
    except ValueError as error:
        raise _Refused(f"{name}: {error}") from None


def _at(request: dict[str, Any]) -> datetime | None:
    """When the telegram was received, in UTC; None when the line does not say."""
    text = request.get("at")
    if text is None:
        return None
    match = TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise _Refused("at: must be a time, as in 2026-11-20T08:15:30Z")
    try:
        return utc_of(match)
    except ValueError as error:
        raise _Refused(f"at: {error}") from None


def _link(request: dict[str, Any]) -> str | None:
    """What the line says that its bytes are; None when it does not say."""
    link = request.get("link")
    if link is not None and not isinstance(link, str):
        raise _Refused("link: must be a string")
    return link


def _list(request: dict[str, Any], name: str, limit: int) -> list[object]:
    value = request.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Refused(f"{name}: must be a list")
    if len(value) > limit:
        raise _Refused(f"{name}: {len(value)} are too many, at most {limit}")
    return value


def _keys(request: dict[str, Any]) -> list[Key]:
    texts = _list(request, "keys", MAX_KEYS)
    if request.get("key") not in (None, ""):
        texts = [request["key"], *texts]
    return [_key(text, number) for number, text in enumerate(texts, start=1)]


def _key(text: object, number: int) -> Key:
    if not isinstance(text, str):
        raise _Refused(f"key {number}: must be a string of hex digits")
    try:
        return parse_key(text, "given")
    except ValueError as error:
        raise _Refused(f"key {number}: {error}") from None


def _lookup(keys: Iterable[Key]) -> KeyLookup | None:
    given = tuple(keys)
    return (lambda _: given) if given else None


def _refusal(id_json: str | None, problem: str) -> str:
    ident = "" if id_json is None else f'"id": {id_json}, '
    return "{" + ident + _EMPTY.format(problem=json.dumps(problem), received=_NOT_RECEIVED) + "}"
