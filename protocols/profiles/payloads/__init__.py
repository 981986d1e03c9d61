"""Decoders of proprietary payloads: pure functions, one file a family.

`PAYLOADS` maps the name that a profile gives in `[[payload]]` to the function, imported when it is first used.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from protocols.profiles.payloads.model import Item, Payload, PayloadDecoder

PAYLOADS: dict[str, str] = {
    "bfw_240": "protocols.profiles.payloads.bfw:decode_bfw_240",
    "apator_at_wmbus_16_2": "protocols.profiles.payloads.apator:decode_at_wmbus_16_2",
    "apator_at_wmbus_08": "protocols.profiles.payloads.apator:decode_at_wmbus_08",
    "apator_at_wmbus_17_2": "protocols.profiles.payloads.apator:decode_at_wmbus_17_2",
    "apator_e_itn": "protocols.profiles.payloads.apator:decode_e_itn",
    "apator_na_1": "protocols.profiles.payloads.apator:decode_na_1",
    "bmeters_hydroclima": "protocols.profiles.payloads.bmeters:decode_hydroclima",
    "bmeters_hydrodigit": "protocols.profiles.payloads.bmeters:decode_hydrodigit",
    "bmeters_rfm_tx1": "protocols.profiles.payloads.bmeters:decode_rfm_tx1",
    "qundis_walk_by": "protocols.profiles.payloads.qundis:decode_walk_by",
    "diehl_prios": "protocols.profiles.payloads.diehl:decode_prios",
    "ei_head_word": "protocols.profiles.payloads.ei:decode_head_word",
    "gwf_block": "protocols.profiles.payloads.gwf:decode_gwf_block",
    "techem_allocator": "protocols.profiles.payloads.techem:decode_allocator",
    "techem_heat_kwh": "protocols.profiles.payloads.techem:decode_heat_kwh",
    "techem_heat_mj": "protocols.profiles.payloads.techem:decode_heat_mj",
    "techem_mk_radio_3a": "protocols.profiles.payloads.techem:decode_mk_radio_3a",
    "techem_smoke_detector": "protocols.profiles.payloads.techem:decode_smoke_detector",
    "techem_water": "protocols.profiles.payloads.techem:decode_water",
    "zenner_0b": "protocols.profiles.payloads.zenner:decode_zenner_0b",
}


@cache
def payload_decoder(name: str) -> PayloadDecoder:
    """Return a decoder by name; `KeyError` for names that are not in `PAYLOADS`."""
    module, _, function = PAYLOADS[name].partition(":")
    return cast(PayloadDecoder, getattr(import_module(module), function))


__all__ = ["PAYLOADS", "Item", "Payload", "PayloadDecoder", "payload_decoder"]
