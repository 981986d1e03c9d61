"""The Things Stack's export of a scenario's LoRaWAN devices: one CSV table with root keys or fixed session keys.

Keys come out as the scenario says: the right one, a wrong one, or none. Not simulated: all columns that neither name a
device nor hold a key.
"""

from __future__ import annotations

from datetime import datetime

from keystore.formats import the_things_stack_csv
from keystore.model import KeyRecord, KeyRole, Provenance
from protocols.model import Key
from simulators.devices.model import SimulatedDevice, build_device, device_class
from simulators.meters.model import KeyState
from simulators.portals.kamstrup import PortalFile
from simulators.scenario import Scenario

ONE_BIT = 0x01


def export_devices(scenario: Scenario, at: datetime) -> tuple[PortalFile, ...]:
    """Return the end devices of a scenario as of `at`; nothing when there are none whose key is filed."""
    devices = [device for device in scenario.devices if device.key_state is not KeyState.MISSING]
    if not devices:
        return ()
    records = [record for device in devices for record in device_records(device)]
    name = f"{at:%Y%m%d_%H%M}_end-devices.csv"
    return (PortalFile(name, the_things_stack_csv.write(records), None, len(devices)),)


def device_records(device: SimulatedDevice) -> tuple[KeyRecord, ...]:
    """Return the records that the server has of a device's keys."""
    if not device.dev_addr:
        keys = [(KeyRole.LORAWAN_APP_KEY, device.app_key)]
        if device.nwk_key is not None:
            keys.append((KeyRole.LORAWAN_NWK_KEY, device.nwk_key))
        return tuple(_record(device, role, key) for role, key in keys)
    session = build_device(device).session(0)
    fixed = ((KeyRole.LORAWAN_NWK_S_KEY, session.f_nwk_s_int_key), (KeyRole.LORAWAN_APP_S_KEY, session.app_s_key))
    return tuple(_record(device, role, key) for role, key in fixed if key is not None)


def _record(device: SimulatedDevice, role: KeyRole, key: Key) -> KeyRecord:
    value = key.value
    if device.key_state is KeyState.WRONG:
        value = bytes((value[0] ^ ONE_BIT, *value[1:]))
    return KeyRecord(
        number=device.dev_eui.upper(),
        role=role,
        value=value,
        dev_eui=device.dev_eui,
        join_eui=device.join_eui,
        dev_addr=device.dev_addr,
        label=device.name,
        meter_type=device_class(device.kind).PROFILE,
        source=Provenance("simulated portal"),
    )
