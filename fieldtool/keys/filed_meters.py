"""The meters of a store as lists show them: which are filed, and what they are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from keystore.matching import ManufacturerFit, manufacturer_fit, normal_number
from keystore.model import KEYLESS_OWNERSHIPS

if TYPE_CHECKING:
    from keystore.vault import Vault

READ_AT_MOST: Final = 50_000
"""Records that are read for it, in half a second; nobody walks past all meters of a larger store."""


class FiledMeters:
    """Meters by number, radio adapter and DevEUI, as they were filed when this was made.

    Those that were given away, or are not claimed, are none. `meters` is how many there are.
    """

    def __init__(self) -> None:
        self._by_name: defaultdict[str, list[tuple[str | None, str]]] = defaultdict(list)
        self.meters = 0
        self.has_labels = False

    @classmethod
    def of_store(cls, vault: Vault) -> FiledMeters:
        """Read the meters of an unlocked store; none of a very large one. Raises what `Vault.records` raises."""
        filed = cls()
        if vault.count > READ_AT_MOST:
            return filed
        makers: defaultdict[str, set[str]] = defaultdict(set)
        for record in vault.records():
            if record.ownership in KEYLESS_OWNERSHIPS:
                continue
            makers[record.number or record.dev_eui] |= {record.manufacturer} if record.manufacturer else set()
            filed.has_labels = filed.has_labels or bool(record.label)
            for name in {record.number, record.adapter, record.dev_eui} - {""}:
                filed._by_name[name].append((record.manufacturer, record.label))
        # A record that names no maker is of the meter that another record names with its maker.
        filed.meters = sum(max(1, len(named)) for named in makers.values())
        return filed

    def label_of(self, names: Sequence[str], manufacturer: str | None) -> str | None:
        """Return the label of a meter that is heard under these names, the newest; None when it is not filed."""
        for name in names:
            filed = self._by_name.get(name) or self._by_name.get(normal_number(name)) or ()
            fits = [(manufacturer_fit(maker, manufacturer), not label, label) for maker, label in reversed(filed)]
            best = min(fits, key=lambda fit: fit[:2], default=None)
            if best is not None and best[0] is not ManufacturerFit.OTHER:
                return best[2]
        return None
