"""Which meters the reception list shows, and in which order; the order changes only when somebody asks for it."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from enum import StrEnum

from fieldtool.pipeline.reception import MeterRow, Sender
from fieldtool.tui.meter_filter import MeterFilter
from protocols.model import Outcome


class SortBy(StrEnum):
    """What the list can be sorted by; the value is the word on screen."""

    NUMBER = "number"
    LAST_HEARD = "last heard"
    RSSI = "RSSI"
    OUTCOME = "outcome"

    @property
    def following(self) -> SortBy:
        """The next one round the circle."""
        members = list(SortBy)
        return members[(members.index(self) + 1) % len(members)]


_OUTCOME_RANK = {
    outcome: rank
    for rank, outcome in enumerate(
        (
            Outcome.WRONG_KEY,
            Outcome.NO_KEY,
            Outcome.NOT_PERMITTED,
            Outcome.UNSUPPORTED,
            Outcome.DAMAGED,
            Outcome.OK,
        )
    )
}
"""What somebody has to act on comes first."""

_UNHEARD_DBM = -999

_SORT_VALUES: dict[SortBy, Callable[[MeterRow], float]] = {
    SortBy.NUMBER: lambda _row: 0,
    SortBy.LAST_HEARD: lambda row: -row.last_at.timestamp(),
    SortBy.RSSI: lambda row: -(_UNHEARD_DBM if row.rssi_dbm is None else row.rssi_dbm),
    SortBy.OUTCOME: lambda row: _OUTCOME_RANK[row.outcome],
}

_Place = tuple[bool, float, str, int]


class MeterTable:
    """Rows in a calm order.

    A meter gets its place when it is first heard and keeps it, whatever its later telegrams say, until `sort` is
    called. Newcomers are put where they belong among the places given before. `shown` are the senders that pass the
    filter; the row of all frames without an address (key None) stands last.
    """

    def __init__(self) -> None:
        self.sorted_by = SortBy.NUMBER
        self.filter = MeterFilter()
        self.shown: list[Sender] = []
        self._rows: dict[Sender, MeterRow] = {}
        self._order: list[tuple[_Place, Sender]] = []
        self._passing: set[Sender] = set()

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def meters(self) -> int:
        """How many rows there are, shown or not."""
        return len(self._rows)

    @property
    def filed(self) -> int:
        """How many of them are meters that are filed."""
        return sum(row.label is not None for row in self._rows.values())

    def row_at(self, index: int) -> MeterRow:
        """Return the row at a position of `shown`."""
        return self._rows[self.shown[index]]

    def index_of(self, address: Sender) -> int | None:
        """Return the position of a meter in `shown`, None when the filter hides it."""
        try:
            return self.shown.index(address)
        except ValueError:
            return None

    def update(self, rows: Sequence[MeterRow]) -> bool:
        """Take over the newest rows; True when meters came into sight or left it."""
        changed = False
        for row in rows:
            address = row.sender
            known = self._rows.get(address)
            if known is row:
                continue
            self._rows[address] = row
            if known is None:
                insort(self._order, (self._place(row), address), key=lambda entry: entry[0])
            if self.filter.passes(row) != (address in self._passing):
                self._passing ^= {address}
                changed = True
        if changed:
            self._show()
        return changed

    def sort(self, by: SortBy) -> None:
        """Give every meter a new place by what is known of it now."""
        self.sorted_by = by
        self._order = sorted(((self._place(row), a) for a, row in self._rows.items()), key=lambda entry: entry[0])
        self._show()

    def set_filter(self, new: MeterFilter) -> None:
        """Show only what passes."""
        self.filter = new
        self._passing = {address for address, row in self._rows.items() if new.passes(row)}
        self._show()

    def _place(self, row: MeterRow) -> _Place:
        address = row.address
        if row.sender is None:
            return True, 0, "", 0
        if address is None:
            return False, _SORT_VALUES[self.sorted_by](row), str(row.sender), 0
        wire_rest = address.manufacturer_code << 16 | address.version << 8 | address.medium_code
        return False, _SORT_VALUES[self.sorted_by](row), row.number or address.number, wire_rest

    def _show(self) -> None:
        self.shown = [address for _, address in self._order if address in self._passing]
