"""The extension table FD and its second level FD FD (EN 13757-3:2018, Tables 12 and 13)."""

from __future__ import annotations

from protocols.mbus.tables import Coding, VifCode, VifRange, one_each, vif_table

CLAUSE = "EN 13757-3, extension table FD"
SECOND_LEVEL_CLAUSE = "EN 13757-3, extension table FD FD"

SECOND_LEVEL = 0x7D
"""The true VIF is one byte further on."""

RANGES = (
    VifRange(0x00, 4, "credit", "currency", -3),
    VifRange(0x04, 4, "debit", "currency", -3),
    VifRange(0x08, 1, "message_identification", coding=Coding.UNSIGNED),
    VifRange(0x09, 1, "device_type", coding=Coding.DEVICE_TYPE),
    VifRange(0x0A, 1, "manufacturer", coding=Coding.MANUFACTURER),
    VifRange(0x0B, 1, "parameter_set", coding=Coding.UNSIGNED),
    VifRange(0x0C, 1, "model_version", coding=Coding.UNSIGNED),
    VifRange(0x0D, 1, "hardware_version", coding=Coding.UNSIGNED),
    VifRange(0x0E, 1, "firmware_version", coding=Coding.UNSIGNED),
    VifRange(0x0F, 1, "software_version", coding=Coding.UNSIGNED),
    VifRange(0x10, 1, "customer_location", coding=Coding.DIGITS),
    VifRange(0x11, 1, "customer", coding=Coding.DIGITS),
    VifRange(0x12, 1, "access_code_user", coding=Coding.UNSIGNED),
    VifRange(0x13, 1, "access_code_operator", coding=Coding.UNSIGNED),
    VifRange(0x14, 1, "access_code_system_operator", coding=Coding.UNSIGNED),
    VifRange(0x15, 1, "access_code_developer", coding=Coding.UNSIGNED),
    VifRange(0x16, 1, "password", coding=Coding.UNSIGNED),
    VifRange(0x17, 1, "error_flags", coding=Coding.BITS),
    VifRange(0x18, 1, "error_mask", coding=Coding.BITS),
    VifRange(0x19, 1, "security_key", coding=Coding.SECRET),
    VifRange(0x1A, 1, "digital_output", coding=Coding.BITS),
    VifRange(0x1B, 1, "digital_input", coding=Coding.BITS),
    VifRange(0x1C, 1, "baud_rate", "Bd", coding=Coding.UNSIGNED),
    VifRange(0x1D, 1, "response_delay", "bit", coding=Coding.UNSIGNED),
    VifRange(0x1E, 1, "retry", coding=Coding.UNSIGNED),
    VifRange(0x1F, 1, "remote_control", coding=Coding.BITS),
    VifRange(0x20, 1, "first_cyclic_storage", coding=Coding.UNSIGNED),
    VifRange(0x21, 1, "last_cyclic_storage", coding=Coding.UNSIGNED),
    VifRange(0x22, 1, "storage_block_size", coding=Coding.UNSIGNED),
    VifRange(0x23, 1, "tariff_subunit_descriptor", coding=Coding.UNSIGNED),
    *one_each(0x24, "storage_interval", "s min h d month year", Coding.UNSIGNED),
    VifRange(0x2A, 1, "operator_data", coding=Coding.UNSIGNED),
    VifRange(0x2B, 1, "time_point_second", "s", coding=Coding.UNSIGNED),
    *one_each(0x2C, "duration_since_readout", coding=Coding.UNSIGNED),
    VifRange(0x30, 1, "tariff_start", coding=Coding.TIMEPOINT),
    *one_each(0x31, "tariff_duration", "min h d"),
    *one_each(0x34, "tariff_period", "s min h d month year"),
    VifRange(0x3A, 1, "dimensionless"),
    VifRange(0x3B, 1, "wireless_container", coding=Coding.RAW),
    *one_each(0x3C, "transmission_period"),
    VifRange(0x40, 16, "voltage", "V", -9),
    VifRange(0x50, 16, "current", "A", -12),
    VifRange(0x60, 1, "reset_counter", coding=Coding.COUNTER),
    VifRange(0x61, 1, "cumulation_counter", coding=Coding.COUNTER),
    VifRange(0x62, 1, "control_signal"),
    VifRange(0x63, 1, "day_of_week"),
    VifRange(0x64, 1, "week_number"),
    VifRange(0x65, 1, "day_change_time"),
    VifRange(0x66, 1, "parameter_activation_state", coding=Coding.UNSIGNED),
    VifRange(0x67, 1, "supplier_information"),
    *one_each(0x68, "duration_since_cumulation", "h d month year", Coding.UNSIGNED),
    *one_each(0x6C, "battery_operating_time", "h d month year", Coding.UNSIGNED),
    VifRange(0x70, 1, "battery_change", coding=Coding.TIMEPOINT),
    VifRange(0x71, 1, "rf_level", "dBm"),
    # The bit layouts of types K and L are not given unambiguously by any source at hand: their bytes are handed on.
    VifRange(0x72, 1, "daylight_saving", coding=Coding.RAW),
    VifRange(0x73, 1, "listening_window", coding=Coding.RAW),
    VifRange(0x74, 1, "battery_lifetime_remaining", "d", coding=Coding.UNSIGNED),
    VifRange(0x75, 1, "meter_stops", coding=Coding.UNSIGNED),
    VifRange(0x76, 1, "manufacturer_container", coding=Coding.RAW),
)

FD: dict[int, VifCode] = vif_table(RANGES, CLAUSE)

SECOND_LEVEL_RANGES = (
    VifRange(0x00, 1, "selected_application", coding=Coding.UNSIGNED),
    *one_each(0x02, "battery_lifetime_remaining", "month year", Coding.UNSIGNED),
    VifRange(0x3E, 1, "moisture_level", "%"),
)

FD_FD: dict[int, VifCode] = vif_table(SECOND_LEVEL_RANGES, SECOND_LEVEL_CLAUSE)
