"""JSON from outside: the objects of a list, or of objects one after the other, without holding them all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from keystore.errors import ImportReason, ImportRejected

MAX_JSON_BYTES: Final = 64 * 1024 * 1024

_BEGINNING: Final = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\[\]{\"0-9-])")
_BLANKS: Final = " \t\r\n"
_BETWEEN: Final = _BLANKS + ","


def looks_like_json(data: bytes) -> bool:
    """True for what begins as a JSON object or list does, whether or not it can be read to its end."""
    return _BEGINNING.match(data[:4096].decode("utf-8-sig", "replace")) is not None


def first_object(data: bytes) -> Mapping[str, Any]:
    """Return the first object, to tell formats apart; empty when it is no JSON object."""
    text = data[:MAX_JSON_BYTES].decode("utf-8-sig", "replace").lstrip()
    if text[:1] not in {"{", "["}:
        return {}
    try:
        found = next(_objects(text), {})
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def objects(data: bytes, thing: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a file; anything else between them is yielded as an empty object.

    Raises `ImportRejected`: TOO_LARGE, or DAMAGED where it cannot be read on.
    """
    if len(data) > MAX_JSON_BYTES:
        raise ImportRejected(ImportReason.TOO_LARGE, f"{thing} is larger than {MAX_JSON_BYTES >> 20} MiB", "split it")
    try:
        for found in _objects(data.decode("utf-8-sig")):
            yield found if isinstance(found, dict) else {}
    except (ValueError, RecursionError):
        raise ImportRejected(ImportReason.DAMAGED, f"{thing} is not readable JSON", "fetch the file again") from None


def text_at(document: Mapping[str, Any], *path: str) -> str:
    """Return the text (or number, as text) at a path of names, empty when there is none."""
    found: object = document
    for name in path:
        if not isinstance(found, dict):
            return ""
        found = found.get(name)
    if isinstance(found, str):
        return found.strip()
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else ""


def _objects(text: str) -> Iterator[object]:
    decoder = json.JSONDecoder()
    at, end = _skip(text, 0, _BLANKS), len(text)
    listed = text.startswith("[", at)
    if listed:
        at += 1
    while (at := _skip(text, at, _BETWEEN if listed else _BLANKS)) < end:
        if listed and text[at] == "]":
            if _skip(text, at + 1, _BLANKS) < end:
                raise ValueError("something follows the list")
            return
        found, at = decoder.raw_decode(text, at)
        yield found
    if listed:
        raise ValueError("the list has no end")


def _skip(text: str, at: int, passed: str) -> int:
    while at < len(text) and text[at] in passed:
        at += 1
    return at
