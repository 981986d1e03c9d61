"""Decoders of proprietary payloads: pure functions, one file a family.

`PAYLOADS` maps the name that a profile gives in `[[payload]]` to the function, imported when it is first used.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from protocols.profiles.payloads.model import Item, Payload, PayloadDecoder

PAYLOADS: dict[str, str] = {
    "diehl_prios": "protocols.profiles.payloads.diehl:decode_prios",
}


@cache
def payload_decoder(name: str) -> PayloadDecoder:
    """Return a decoder by name; `KeyError` for names that are not in `PAYLOADS`."""
    module, _, function = PAYLOADS[name].partition(":")
    return cast(PayloadDecoder, getattr(import_module(module), function))


__all__ = ["PAYLOADS", "Item", "Payload", "PayloadDecoder", "payload_decoder"]
