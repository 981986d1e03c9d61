"""Record headers: registers, scale, modifiers, plain text, and what is no header."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest

from protocols.errors import BadField, Truncated
from protocols.mbus.header import interpret, parse_header
from protocols.model import Function, Quality


def header(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize(
    ("text", "storage", "tariff", "subunit", "function"),
    [
        ("0413", 0, 0, 0, Function.INSTANTANEOUS),
        ("4413", 1, 0, 0, Function.INSTANTANEOUS),
        ("844014", 0, 0, 1, Function.INSTANTANEOUS),  # Kamstrup MC 403: input A
        ("84804014", 0, 0, 2, Function.INSTANTANEOUS),
        ("8C0413", 8, 0, 0, Function.INSTANTANEOUS),
        ("8490810003", 32, 1, 0, Function.INSTANTANEOUS),  # EN 13757-3, F.2.6
        ("C68181006D", 35, 0, 0, Function.INSTANTANEOUS),  # EN 13757-3, F.2.6
        ("C4002A", 1, 0, 0, Function.INSTANTANEOUS),
        ("92013B", 2, 0, 0, Function.MAXIMUM),
        ("A1015B", 2, 0, 0, Function.MINIMUM),
        ("3C22", 0, 0, 0, Function.ERROR),
        ("84FFFFFFFFFFFFFFFFFF7F03", (1 << 41) - 2, (1 << 20) - 1, (1 << 10) - 1, Function.INSTANTANEOUS),
    ],
)
def test_registers(text: str, storage: int, tariff: int, subunit: int, function: Function) -> None:
    parsed = interpret(header(text))
    assert (parsed.storage, parsed.tariff, parsed.subunit) == (storage, tariff, subunit)
    assert parsed.function is function


@dataclass(frozen=True)
class Scale:
    text: str
    quantity: str
    unit: str
    exponent: int
    modifiers: tuple[str, ...] = ()


# The data points of OMS Vol. 2, Annex B: name, header (DIF 0C or 04), exponent relative to the unit shown.
OMS_DATA_POINTS = {
    "EW01": Scale("0C00", "energy", "kWh", -6),
    "EW02": Scale("0CFB00", "energy", "kWh", 2),
    "EW03": Scale("0CFB807D", "energy", "kWh", 5),
    "EW04": Scale("0C803C", "energy", "kWh", -6, ("backward_flow",)),
    "EW06": Scale("0CFB80FD3C", "energy", "kWh", 5, ("backward_flow",)),
    "EW07": Scale("0C80FC10", "energy", "kWh", -6, ("absolute_flow",)),
    "EW09": Scale("0CFB80FDFC10", "energy", "kWh", 5, ("absolute_flow",)),
    "EJ03": Scale("0CFB887D", "energy", "MJ", 5),
    "VM01": Scale("0C10", "volume", "m3", -6),
    "VM02": Scale("0C907D", "volume", "m3", -3),
    "VM03": Scale("0C903A", "volume", "m3", -6, ("uncorrected",)),
    "VM05": Scale("0C903E", "volume", "m3", -6, ("base_conditions",)),
    "VM08": Scale("0C90FD3B", "volume", "m3", -3, ("forward_flow",)),
    "VF02": Scale("0CB83A", "volume_flow", "m3/h", -6, ("uncorrected",)),
    "PW03": Scale("0CFB78", "cumulative_maximum_power", "kW", -6),
    "PW08": Scale("0CA8FC0C", "power", "kW", -6, ("delta_import_export",)),
    "PR02": Scale("0CE8F33E", "pressure", "bar", -6, ("base_conditions",)),
    "PR06": Scale("0CE8C873", "pressure", "bar", -6, ("limit_upper",)),
    "PR08": Scale("0CE8C073", "pressure", "bar", -6, ("limit_lower",)),
    "VV02": Scale("0CFDC0FC02", "voltage", "V", -9, ("phase_l2",)),
    "CA04": Scale("0CFDD0FC04", "current", "A", -12, ("neutral",)),
    "PD01": Scale("0CFBAAFC05", "phase_angle_voltages", "deg", -1, ("phases_l1_l2",)),
    "MM01": Scale("01FD71", "rf_level", "dBm", 0),
}

FIELD = {
    # Kamstrup Omnipower: kvarh, tenths by a multiplicative correction.
    "reactive energy in tenths": Scale("04FB8275", "reactive_energy", "kvarh", -1),
    "reactive export": Scale("04FB82F53C", "reactive_energy", "kvarh", -1, ("backward_flow",)),
    "phase by the maker's VIFE": Scale("05FDC9FF01", "voltage", "V", 0, ("manufacturer_01",)),
    "maker's VIF": Scale("04FF07", "manufacturer_specific", "", 0, ("manufacturer_07",)),
    "maker's VIF, no VIFE": Scale("027F", "manufacturer_specific", "", 0, ("manufacturer",)),
    "energy per hour": Scale("048622", "energy", "kWh/h", 0, ("per_hour",)),
    "pulses per litre": Scale("04FDBA2C", "dimensionless", "1/l", 0, ("per_litre",)),
    "duration of the last upper limit exceed": Scale(
        "04BE5E", "volume_flow", "h", 0, ("duration_of_last_upper_limit_exceed",)
    ),
    "date of a maximum": Scale("14AE6F", "power", "", 0, ("date_of_end_of_last",)),
    "no record error": Scale("0DFD8E00", "firmware_version", "", 0),
    "standard conform": Scale("02FD971D", "error_flags", "", 0, ("standard_conform",)),
    "reserved code": Scale("02FB07", "reserved", "", 0),
    "reserved third table": Scale("02EF8101", "reserved", "", 0),
    "reserved second level": Scale("02FDFD7F", "reserved", "", 0),
    "extension announced by 7C that does not follow": Scale("04937C", "volume", "m3", -3, ("reserved_7c",)),
    "non-metric units are not guessed": Scale("04933D", "volume", "", 0, ("non_metric_units",)),
}


@pytest.mark.parametrize("name", OMS_DATA_POINTS | FIELD)
def test_scale(name: str) -> None:
    expected = (OMS_DATA_POINTS | FIELD)[name]
    parsed = interpret(header(expected.text))
    assert (parsed.quantity, parsed.unit, parsed.exponent, parsed.modifiers) == (
        expected.quantity,
        expected.unit,
        expected.exponent,
        expected.modifiers,
    )


def test_additive_correction_is_in_the_vifs_own_unit() -> None:
    # 10^-1 Wh on top of a value in 10^0 Wh.
    assert interpret(header("04837A")).offset == Decimal("0.0001")


@pytest.mark.parametrize(
    ("text", "unit", "exponent", "span"),
    [
        ("02FC0348522574", "%RH", -2, (2, 6)),  # Elvaco: text before the VIFE
        ("02FC7403485225", "%RH", -2, (3, 7)),  # EN 13757-3, C.2: text behind the VIFE
        ("027C03495523", "#UI", 0, (2, 6)),  # Qundis: no extension bit
        ("81027C03495523", "#UI", 0, (3, 7)),
        ("047C00", "", 0, (2, 3)),
    ],
)
def test_plain_text_units(text: str, unit: str, exponent: int, span: tuple[int, int]) -> None:
    parsed = interpret(header(text))
    assert (parsed.unit, parsed.exponent, parsed.text) == (unit, exponent, span)
    assert parsed.quantity == "plain_text_unit"


def test_plain_text_cannot_steer_a_terminal() -> None:
    assert interpret(header("047C031B5B6D")).unit == "m[\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("049315", Quality.NOT_AVAILABLE),
        ("049316", Quality.OVERFLOW),
        ("049317", Quality.UNDERFLOW),
        ("049318", Quality.INVALID),
        ("049302", Quality.NOT_AVAILABLE),
        ("049300", Quality.GOOD),
    ],
)
def test_record_errors(text: str, quality: Quality) -> None:
    assert interpret(header(text)).quality is quality


def test_the_same_bytes_to_a_meter_are_an_action() -> None:
    parsed = interpret(header("049302"), downlink=True)
    assert (parsed.quality, parsed.modifiers) == (Quality.GOOD, ("action_subtract",))


def test_header_is_read_at_its_offset_and_stops_before_the_data() -> None:
    data = header("2F2F04FB8275CF0C0000")
    assert parse_header(data, 2).raw == header("04FB8275")


@pytest.mark.parametrize(
    "text", ["", "04", "84", "8480", "0493", "04FD", "04FDFD", "04FB82F5", "047C", "047C0348", "04FC"]
)
def test_truncated(text: str) -> None:
    with pytest.raises(Truncated) as caught:
        parse_header(header(text), 0)
    assert caught.value.layer == "records"
    assert caught.value.offset <= len(header(text))


@pytest.mark.parametrize(
    "text", ["0F13", "1F", "2F", "3F13", "7F13", "84" + "80" * 10 + "0013", "0493" + "80" * 10 + "00"]
)
def test_no_header(text: str) -> None:
    with pytest.raises(BadField):
        parse_header(header(text), 0)


@pytest.mark.parametrize("text", ["84" + "80" * 9 + "0013", "0493" + "80" * 9 + "00"], ids=["DIFE", "VIFE"])
def test_ten_extensions_are_allowed(text: str) -> None:
    assert parse_header(header(text), 0).raw == header(text)


def test_interpret_takes_exactly_one_header() -> None:
    with pytest.raises(BadField, match="1 bytes after"):
        interpret(header("041300"))


def test_bytes_behind_the_end_are_not_read() -> None:
    with pytest.raises(Truncated):
        parse_header(header("04938300"), 0, 2)
