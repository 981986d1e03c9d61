"""What the meters of a store are called: the labels of its key records, for lists of meters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from keystore.matching import ManufacturerFit, manufacturer_fit, normal_number

if TYPE_CHECKING:
    from keystore.vault import Vault

READ_AT_MOST: Final = 50_000
"""Records that are read for it, in a second or two; nobody walks past the meters of a larger store."""


class MeterLabels:
    """Labels by number, radio adapter and DevEUI, as they were filed when this was made."""

    def __init__(self) -> None:
        self._by_name: defaultdict[str, list[tuple[str | None, str]]] = defaultdict(list)

    @classmethod
    def of_store(cls, vault: Vault) -> MeterLabels:
        """Read the labels of an unlocked store; none of a very large one. Raises what `Vault.records` raises."""
        labels = cls()
        if vault.count <= READ_AT_MOST:
            for record in vault.records():
                for name in {record.number, record.adapter, record.dev_eui}:
                    if name and record.label:
                        labels._by_name[name].append((record.manufacturer, record.label))
        return labels

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def find(self, names: Sequence[str], manufacturer: str | None) -> str:
        """Return the label of a meter that is heard under these names, empty when it has none; the newest counts."""
        for name in names:
            filed = self._by_name.get(name) or self._by_name.get(normal_number(name)) or ()
            fits = [(manufacturer_fit(maker, manufacturer), label) for maker, label in reversed(filed)]
            best = min(fits, key=lambda fit: fit[0], default=None)
            if best is not None and best[0] is not ManufacturerFit.OTHER:
                return best[1]
        return ""
