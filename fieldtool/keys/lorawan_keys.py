"""Keys of LoRaWAN devices: from records filed under DevEUI or DevAddr, or as given on a command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Final, TypeAlias

from protocols.lorawan.keys import V1_1, GivenKeys, RootKeys, SessionKeys
from protocols.lorawan.meters.registry import named_meter
from protocols.model import Address, Key

if TYPE_CHECKING:
    from fieldtool.keys.lazy_keys import LazyKeys
    from keystore.model import KeyRecord

DeviceRecords: TypeAlias = "Callable[[str], Sequence[KeyRecord]]"
"""The key records filed under a DevEUI or a DevAddr, best first."""

KEY_SIZE: Final = 16
MAX_GIVEN_PAIRS: Final = 8
"""Keys on a command line of which every two are tried as the keys of one session."""

_ROOTS: Final = ("lorawan_app_key", "lorawan_nwk_key", "lorawan_gen_app_key")
_APP_S: Final = "lorawan_app_s_key"
_NWK_S: Final = "lorawan_nwk_s_key"
_F_NWK, _S_NWK, _NWK_ENC = "lorawan_f_nwk_s_int_key", "lorawan_s_nwk_s_int_key", "lorawan_nwk_s_enc_key"
_SESSION_1_1: Final = (_S_NWK, _NWK_ENC)


class FiledLorawanKeys:
    """A `LorawanKeys` over key records. Of two keys of one role, both are tried, the better one first.

    `store` says why there is no key, where it knows.
    """

    def __init__(self, records: DeviceRecords, store: LazyKeys | None = None) -> None:
        self._records = records
        self._store = store

    @property
    def unavailable(self) -> str:
        """Why no key can be looked up; empty while keys can."""
        return "" if self._store is None else self._store.unavailable

    @property
    def how_to_unlock(self) -> str:
        """What to do then."""
        return "" if self._store is None else self._store.how_to_unlock

    def revoked(self, identifier: str) -> Sequence[str]:
        """Return the check values of the keys under a DevEUI or DevAddr that are not to be used any more."""
        return () if self._store is None else self._store.revoked_device_keys(identifier)

    def root_keys(self, dev_eui: str) -> Sequence[RootKeys]:
        """The root keys filed for a device, best first."""
        filed = self._records(dev_eui) if dev_eui else ()
        by_role = _by_role(record for record in filed if record.dev_eui == dev_eui)
        profile, meter = _profile(filed), _meter(filed)
        return tuple(
            RootKeys(dev_eui, app_key=app_key, nwk_key=nwk_key, gen_app_key=gen_app_key, profile=profile, meter=meter)
            for app_key, nwk_key, gen_app_key in _ranks(by_role, _ROOTS)
        )

    def session_keys(self, dev_addr: str) -> Sequence[SessionKeys]:
        """The session keys filed for an address; it may be that of several devices."""
        filed = self._records(dev_addr) if dev_addr else ()
        devices: dict[str, list[KeyRecord]] = {}
        for record in filed:
            if record.dev_addr == dev_addr:
                devices.setdefault(record.dev_eui, []).append(record)
        return tuple(
            session for dev_eui, records in devices.items() for session in _sessions(dev_addr, dev_eui, records)
        )


def given_lorawan_keys(keys: Sequence[Key]) -> GivenKeys:
    """Keys that came without a role: each is tried as a root key, every two as the keys of a session."""
    usable = [key for key in keys if len(key.value) == KEY_SIZE]
    pairs = permutations(usable[:MAX_GIVEN_PAIRS], 2)
    return GivenKeys(
        tuple(RootKeys(app_key=key) for key in usable),
        tuple(SessionKeys.of_1_0("", nwk_s_key, app_s_key) for nwk_s_key, app_s_key in pairs),
    )


def _sessions(dev_addr: str, dev_eui: str, records: Sequence[KeyRecord]) -> Iterator[SessionKeys]:
    by_role = _by_role(records)
    profile = _profile(records)
    if not any(role in by_role for role in _SESSION_1_1):
        # A server may file the only network key of LoRaWAN 1.0 under the name that 1.1 gave it.
        by_role.setdefault(_NWK_S, by_role.get(_F_NWK, []))
        for nwk_s_key, app_s_key in _ranks(by_role, (_NWK_S, _APP_S)):
            yield SessionKeys.of_1_0(dev_addr, nwk_s_key, app_s_key, dev_eui, profile)
        return
    for f_key, s_key, enc_key, app_s_key in _ranks(by_role, (_F_NWK, _S_NWK, _NWK_ENC, _APP_S)):
        yield SessionKeys(dev_addr, f_key, s_key, enc_key, app_s_key, V1_1, dev_eui, profile)


def _by_role(records: Iterable[KeyRecord]) -> dict[str, list[Key]]:
    by_role: dict[str, list[Key]] = {}
    for record in records:
        if len(record.value) == KEY_SIZE:
            by_role.setdefault(str(record.role), []).append(Key(record.value, record.label or record.source.system))
    return by_role


def _ranks(by_role: dict[str, list[Key]], roles: Sequence[str]) -> Iterator[tuple[Key | None, ...]]:
    """Put the keys of several roles together, the best ones first; a role without a further key keeps its last."""
    columns = [by_role.get(role, []) for role in roles]
    for rank in range(max(map(len, columns), default=0)):
        yield tuple(column[min(rank, len(column) - 1)] if column else None for column in columns)


def _profile(records: Sequence[KeyRecord]) -> str | None:
    """The meter profile that a record names as the type of its device."""
    found = (named_meter(record.meter_type) for record in records if record.meter_type)
    return next((meter.id for meter in found if meter is not None), None)


def _meter(records: Sequence[KeyRecord]) -> Address | None:
    """The M-Bus address of the meter behind a device, where a record has all four parts of it."""
    for record in records:
        if record.manufacturer and record.version is not None and record.medium_code is not None:
            try:
                return Address.of(record.manufacturer, record.number, record.version, record.medium_code)
            except ValueError:
                # A number printed by the maker, as 21N001052, is none of the air.
                continue
    return None
