"""Decoders of makers' own LoRaWAN payloads: pure functions, one file a family.

`PAYLOADS` maps the name that a meter file gives as its decoder to the function, imported when it is first used.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from protocols.lorawan.payloads.draft import BinaryDecoder, BinaryPayload

PAYLOADS: dict[str, str] = {
    "adeunis_mono": "adeunis:decode_mono",
    "adeunis_pme": "adeunis:decode_pme",
    "adeunis_tri": "adeunis:decode_tri",
    "arad": "arad:decode_arad",
    "axioma_e3": "axioma:decode_e3",
    "axioma_w1": "axioma:decode_w1",
    "bmeters_iwm": "bmeters:decode_iwm",
    "dezem_harvy2": "dezem:decode_harvy2",
    "dragino_cpl01": "dragino:decode_cpl01",
    "dragino_sw3l": "dragino:decode_sw3l",
    "dzg_loramod": "dzg:decode_loramod",
    "easymeter_lr10": "easymeter:decode_lr10",
    "ebz_dd3": "ebz:decode_dd3",
    "elvaco_cmi": "elvaco:decode_cmi",
    "elv_lw_esi": "elv:decode_lw_esi",
    "emu_professional": "emu:decode_professional",
    "ewattch_squid": "ewattch:decode_squid",
    "fludia_fm432": "fludia:decode_fm432",
    "gavazzi_uwp": "gavazzi:decode_uwp",
    "gossen_energymid": "gossen:decode_energymid",
    "gwf_h200": "gwf:decode_h200",
    "gwf_lrw10": "gwf:decode_lrw10",
    "holley_e73": "holley:decode_e73",
    "innotas_modularis": "innotas:decode_modularis",
    "iotfactory_gateway": "iotfactory:decode_gateway",
    "klax": "klax:decode_klax",
    "lobaro_edl21": "lobaro:decode_edl21",
    "lobaro_modbus": "lobaro:decode_modbus",
    "mcci_4811": "mcci:decode_4811",
    "mbus_records": "bare_records:decode_records",
    "milesight_channels": "milesight:decode_channels",
    "nas_cm3010": "nas:decode_cm3010",
    "nas_cm3060": "nas:decode_cm3060",
    "nas_um3023": "nas:decode_um3023",
    "quandify_cubicmeter": "quandify:decode_cubicmeter",
    "redz_lkm": "redz:decode_lkm",
    "sensus_pollutherm": "sensus:decode_pollutherm",
    "talkpool_oy1320": "talkpool:decode_oy1320",
    "vega_sgve": "vega:decode_sgve",
    "vutility_hotdrop": "vutility:decode_hotdrop",
    "watteco_report": "watteco:decode_report",
    "yobiiq_dsmr": "yobiiq:decode_dsmr",
    "yobiiq_em": "yobiiq:decode_em",
    "zenner_edc": "zenner:decode_edc",
    "zenner_sp": "zenner:decode_sp",
}


@cache
def binary_payload_decoder(name: str) -> BinaryDecoder:
    """Return a decoder by name; `KeyError` for names that are not in `PAYLOADS`."""
    module, _, function = PAYLOADS[name].partition(":")
    return cast(BinaryDecoder, getattr(import_module(f"{__name__}.{module}"), function))


__all__ = ["PAYLOADS", "BinaryDecoder", "BinaryPayload", "binary_payload_decoder"]
