"""The home screen: every meter in range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from fieldtool.pipeline.reception import Sender
from fieldtool.sources.events import SourceState
from fieldtool.tui.clipboard import copy_hex
from fieldtool.tui.filter_input import FilterInput
from fieldtool.tui.heading import Heading
from fieldtool.tui.key_bar import KeyBar
from fieldtool.tui.live_screen import LiveScreen
from fieldtool.tui.meter_filter import FILTER_EXAMPLES, BadFilter, MeterFilter, parse_filter
from fieldtool.tui.meter_list import MeterList
from fieldtool.tui.meter_screen import MeterScreen
from fieldtool.tui.meter_table import SortBy
from fieldtool.tui.session import Session
from protocols.model import Address
from protocols.plural import counted
from protocols.text import safe_text

_AT_WORK = frozenset({SourceState.CONNECTED, SourceState.RECOVERED})


class ReceptionScreen(LiveScreen):
    """The reception list with its filter, order and pause."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "unlock", "Unlock", tooltip="Unlock the keystore with its passphrase", id="home.unlock"),
        Binding("slash", "edit_filter", "Filter", key_display="/", tooltip="Show only some meters", id="home.filter"),
        Binding("o", "next_order", "Order", tooltip="Sort by the next column", id="home.order"),
        Binding("O", "sort_again", "Sort again", False, tooltip="Sort again by the same column", id="home.sort"),
        Binding("space", "pause", "Pause", tooltip="Pause the list; counting goes on", id="home.pause"),
        Binding("a", "app.actions", "Actions", tooltip="Read out or set up a meter", id="home.actions"),
        Binding("L", "app.certificates", "Level", tooltip="Certificates, and the level in use", id="home.level"),
        Binding("p", "app.paste", "Paste", tooltip="Read a telegram that comes from elsewhere", id="home.paste"),
        Binding("c", "copy", "Copy", tooltip="Copy the newest telegram of this meter as hex", id="home.copy"),
        Binding("s", "simulate", "Simulator", tooltip="Start simulated meters", id="home.simulate"),
        Binding("escape", "clear_filter", "Clear filter", False, tooltip="Show all meters", id="home.clear"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.paused = False
        self.meters = MeterList(session.clock, self._empty_lines, labels=session.has_labels, id="meters")
        self._filter_input = FilterInput()
        self._filter_problem = Static(id="filter-problem", markup=False)
        self._filter_row = Horizontal(id="filter-row")
        self._title = Static(id="title", markup=False)
        self._heading = Heading(self.meters.heading)
        self._seen_version = -1

    def compose(self) -> ComposeResult:
        """Title or filter, column titles, meters, status, keys."""
        yield self._title
        with self._filter_row:
            yield Static("filter", id="filter-label", markup=False)
            yield self._filter_input
            yield self._filter_problem
        yield self._heading
        yield self.meters
        yield self.status_bar
        yield KeyBar()

    def on_mount(self) -> None:
        """Start with the list, not with the filter."""
        self._show_filter_row(shown=False)
        self.meters.focus()
        self._show_title()

    def pull(self) -> None:
        """Take over the newest rows; without new ones only the ages change."""
        super().pull()
        if self.paused:
            self._show_title()
            return
        version = self.session.reception.version
        if version != self._seen_version:
            self._seen_version = version
            self.meters.take(self.session.reception.rows())
        self._show_title()
        self.meters.tell_time()

    def _show_title(self) -> None:
        """Say how many meters are shown, in which order, and what holds some back."""
        table = self.meters.table
        meters = counted(table.meters, "meter")
        title = Text(no_wrap=True, overflow="ellipsis")
        title.append(" Reception", "bold")
        shown = f"{len(table)} of {meters}" if table.filter.terms else meters
        if self.session.filed_meters and not table.filter.terms:
            shown += f", {table.filed} of {self.session.filed_meters} filed"
        title.append(f"  {shown}, by {table.sorted_by.value}")
        if self.paused:
            title.append("  ‖ paused", "bold")
        if table.filter.terms:
            title.append(f"  filter: {safe_text(table.filter.text)}", "bold")
        self._append_level(title)
        if title != self._title.content:
            self._title.update(title)

    def _append_level(self, title: Text) -> None:
        """Put the level in use at the right edge, where the store's certificates can be seen."""
        seen = self.session.certificates.seen if self.session.certificates is not None else None
        if seen is None:
            return
        level = Text.assemble(*((text, self.meters.style_named(style)) for text, style in seen.cells), " ")
        room = self._title.size.width - level.cell_len
        if room > 0:
            title.truncate(room - 1, overflow="ellipsis")
            title.append(" " * (room - title.cell_len))
            title.append_text(level)

    def _empty_lines(self) -> Sequence[str]:
        """Say why no meter is shown, and which key helps."""
        table = self.meters.table
        if table.meters:
            return (
                f"None of {table.meters} meters matches the filter {safe_text(table.filter.text)}",
                "Press escape to show all, / to change it.",
            )
        sources = self.session.sources()
        if any(source.state in _AT_WORK for source in sources):
            return (
                "Listening. No telegram yet.",
                "Meters send every 8 seconds to 15 minutes; some only on working days.",
            )
        simulator = ["Press s to start simulated meters."] if self.session.start_simulator is not None else []
        if sources:
            newest = sources[-1]
            reasons = (f"{newest.source}: {newest.detail}", newest.hint)
            return "Nothing is being received.", *(safe_text(reason) for reason in reasons if reason), *simulator
        return (
            "No receiver yet.",
            *simulator,
            *(["Paste a telegram, or press p."] if self.session.paste is not None else []),
            "With a stick:  fieldtool listen im871a:///dev/ttyUSB0",
            "Press ? for help.",
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the simulator only where it can be started, and the filter where its key is not a letter of it."""
        if action == "unlock":
            return self.session.can_be_unlocked
        if action == "edit_filter":
            return not self._filter_row.display
        if action == "simulate":
            return self.session.start_simulator is not None
        return True

    @on(MeterList.Chosen)
    def open_meter(self) -> None:
        """Show everything about the meter under the cursor."""
        row = self.meters.selected
        if row is not None:
            self.app.push_screen(MeterScreen(self.session, row.sender))

    def go_to(self, senders: Sequence[Sender]) -> int:
        """Put the cursor on the first of some meters that is shown; returns how many the filter hides."""
        self.meters.take(self.session.reception.rows())
        places = [self.meters.table.index_of(sender) for sender in senders]
        shown = [place for place in places if place is not None]
        if shown:
            self.meters.put_cursor(shown[0])
        self._show_title()
        # A question may come before this screen at once: then it is not pulled any more.
        self.status_bar.pull()
        return len(places) - len(shown)

    @property
    def chosen_address(self) -> Address | None:
        """The meter under the cursor, None where it has no address of wireless M-Bus."""
        row = self.meters.selected
        return row.address if row is not None else None

    def action_edit_filter(self) -> None:
        """Show the filter in the title's place and type into it."""
        self._filter_input.value = self.meters.table.filter.text
        self._filter_problem.update(f"like  {FILTER_EXAMPLES}")
        self._show_filter_row(shown=True)
        self.set_focus(self._filter_input)

    @on(Input.Changed, "#filter")
    def try_filter(self, event: Input.Changed) -> None:
        """Filter while typing; what cannot be understood stays red and changes nothing."""
        if not self._filter_row.display:
            return
        try:
            self._apply(parse_filter(event.value))
        except BadFilter as problem:
            self._filter_input.add_class("-refused")
            self._filter_problem.update(safe_text(str(problem)))
        else:
            self._filter_input.remove_class("-refused")
            self._filter_problem.update(f"{len(self.meters.table)} of {self.meters.table.meters} meters")

    @on(Input.Submitted, "#filter")
    @on(FilterInput.Left)
    def leave_filter(self) -> None:
        """Go back to the list, with the last filter that was understood."""
        self._show_filter_row(shown=False)
        self._filter_input.remove_class("-refused")
        self._show_title()
        self.set_focus(self.meters)

    def _show_filter_row(self, *, shown: bool) -> None:
        self._filter_row.display = shown
        self._title.display = not shown

    def action_clear_filter(self) -> None:
        """Show all meters."""
        self._apply(MeterFilter())
        self.leave_filter()

    def _apply(self, new: MeterFilter) -> None:
        if new != self.meters.table.filter:
            self.meters.set_filter(new)
            self._show_title()

    def action_next_order(self) -> None:
        """Sort by the next column."""
        self.sort(self.meters.table.sorted_by.following)

    def action_sort_again(self) -> None:
        """Sort by the same column."""
        self.sort(self.meters.table.sorted_by)

    def sort(self, by: SortBy) -> None:
        """Give every meter a new place."""
        self.meters.sort(by)
        self._show_title()

    def action_pause(self) -> None:
        """Hold the list still, or let it go on."""
        self.paused = not self.paused
        self._show_title()
        self.pull()

    def action_copy(self) -> None:
        """Copy the newest telegram of the meter under the cursor."""
        row = self.meters.selected
        if row is not None:
            copy_hex(self, row.last)

    async def action_simulate(self) -> None:
        """Start simulated meters."""
        await self.app.run_action("app.start_simulator")
