"""The primary VIF table (EN 13757-3:2018, Table 10 and 11)."""

from __future__ import annotations

from protocols.mbus.tables import Coding, VifCode, VifRange, one_each, vif_table

CLAUSE = "EN 13757-3, primary VIF table"

EXTENSION_FB = 0x7B
EXTENSION_FD = 0x7D
EXTENSION_EF = 0x6F
"""With bit 7 set these announce that the true VIF is the next byte, of another table; EF's table is reserved."""

PLAIN_TEXT = 0x7C
ANY = 0x7E
MANUFACTURER_SPECIFIC = 0x7F

RANGES = (
    VifRange(0x00, 8, "energy", "Wh", -3, Coding.COUNTER),
    VifRange(0x08, 8, "energy", "J", 0, Coding.COUNTER),
    VifRange(0x10, 8, "volume", "m3", -6, Coding.COUNTER),
    VifRange(0x18, 8, "mass", "kg", -3, Coding.COUNTER),
    *one_each(0x20, "on_time", coding=Coding.COUNTER),
    *one_each(0x24, "operating_time", coding=Coding.COUNTER),
    VifRange(0x28, 8, "power", "W", -3),
    VifRange(0x30, 8, "power", "J/h", 0),
    VifRange(0x38, 8, "volume_flow", "m3/h", -6),
    VifRange(0x40, 8, "volume_flow", "m3/min", -7),
    VifRange(0x48, 8, "volume_flow", "m3/s", -9),
    VifRange(0x50, 8, "mass_flow", "kg/h", -3),
    VifRange(0x58, 4, "flow_temperature", "C", -3),
    VifRange(0x5C, 4, "return_temperature", "C", -3),
    VifRange(0x60, 4, "temperature_difference", "K", -3),
    VifRange(0x64, 4, "external_temperature", "C", -3),
    VifRange(0x68, 4, "pressure", "bar", -3),
    VifRange(0x6C, 1, "date", coding=Coding.DATE),
    VifRange(0x6D, 1, "datetime", coding=Coding.TIMEPOINT),
    VifRange(0x6E, 1, "hca_units", coding=Coding.COUNTER),
    *one_each(0x70, "averaging_duration", coding=Coding.COUNTER),
    *one_each(0x74, "actuality_duration", coding=Coding.COUNTER),
    VifRange(0x78, 1, "fabrication_number", coding=Coding.DIGITS),
    VifRange(0x79, 1, "identification", coding=Coding.DIGITS),
    VifRange(0x7A, 1, "bus_address", coding=Coding.UNSIGNED),
    VifRange(PLAIN_TEXT, 1, "plain_text_unit"),
    VifRange(ANY, 1, "any", coding=Coding.OPAQUE),
    VifRange(MANUFACTURER_SPECIFIC, 1, "manufacturer_specific", coding=Coding.OPAQUE),
)

PRIMARY: dict[int, VifCode] = vif_table(RANGES, CLAUSE)
