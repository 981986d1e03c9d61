"""Everything about one meter: verdict and readings, and the telegram in layers beside its bytes."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from fieldtool.pipeline.reception import MeterRow, Sender
from fieldtool.tui.cells import age_text
from fieldtool.tui.clipboard import copy_hex
from fieldtool.tui.hex_view import HexView
from fieldtool.tui.key_bar import KeyBar
from fieldtool.tui.live_screen import LiveScreen
from fieldtool.tui.reading_list import ReadingList
from fieldtool.tui.session import Session
from fieldtool.tui.signs import OUTCOME_SIGNS
from fieldtool.tui.telegram_nodes import Node, leaf_at
from fieldtool.tui.telegram_tree import TelegramTree
from fieldtool.tui.verdict_ladder import VerdictLadder
from protocols.model import Address, Telegram
from protocols.text import safe_text

_AGE_WIDTH = 6
_LABEL_WIDTH = 24

_PAGES = Binding.Group("Page", compact=True)
_STEPS = Binding.Group("Telegram", compact=True)


class MeterScreen(LiveScreen):
    """One meter; follows its newest telegram until the user holds one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "unlock", "Unlock", tooltip="Unlock the keystore with its passphrase", id="meter.unlock"),
        Binding("escape", "back", "Back", tooltip="Back to the reception list", id="meter.back"),
        Binding("a", "app.actions", "Actions", tooltip="Read out or set up this meter", id="meter.actions"),
        Binding("1", "page('summary')", "Verdict", tooltip="Verdict and readings", id="meter.summary", group=_PAGES),
        Binding("2", "page('anatomy')", "Bytes", tooltip="Layers, records and bytes", id="meter.anatomy", group=_PAGES),
        Binding("left_square_bracket", "older", "Older", tooltip="The one before", id="meter.older", group=_STEPS),
        Binding("right_square_bracket", "newer", "Newer", tooltip="The next one", id="meter.newer", group=_STEPS),
        Binding("space", "follow", "Hold", tooltip="Hold this telegram, or follow the newest", id="meter.follow"),
        Binding("x", "received", "Raw", False, tooltip="Bytes as received, or as plain text", id="meter.received"),
        Binding("c", "copy", "Copy", tooltip="Copy this telegram as hex", id="meter.copy"),
        Binding(
            "p", "app.paste", "Paste", False, tooltip="Read a telegram that comes from elsewhere", id="meter.paste"
        ),
    ]

    def __init__(self, session: Session, sender: Sender, held: Telegram | None = None) -> None:
        """Show the newest telegram of a meter, or hold one."""
        super().__init__(session)
        self.sender = sender
        self.following = held is None
        self._held = held
        self.telegram: Telegram | None = None
        self.verdict = VerdictLadder(id="verdict")
        self.readings = ReadingList(id="readings")
        self.layers_view = TelegramTree(id="tree")
        self.bytes_view = HexView(id="bytes")
        self._title = Static(id="meter-title", markup=False)
        self._place = Static(id="meter-place", markup=False)
        self._span = Static(id="span", markup=False)
        self._telegrams: tuple[Telegram, ...] = ()
        self._row: MeterRow | None = None
        self._seen_version = -1
        self.add_class("-summary")

    def compose(self) -> ComposeResult:
        """Two title lines; verdict and readings; tree and bytes; status, keys."""
        self.verdict.border_title = "Verdict"
        self.readings.border_title = "Readings"
        self.layers_view.border_title = "Layers and records"
        yield self._title
        yield self._place
        with Horizontal(id="pages"):
            with Vertical(id="summary"):
                yield self.verdict
                yield self.readings
            with Vertical(id="anatomy"):
                yield self.layers_view
                yield self.bytes_view
                yield self._span
        yield self.status_bar
        yield KeyBar()

    def on_mount(self) -> None:
        """Start where the keys are of use."""
        self.readings.focus()
        if self._held is not None:
            self._show(self._held)
        self.pull()

    def pull(self) -> None:
        """Take over new telegrams of this meter; show the newest unless one is held."""
        super().pull()
        version = self.session.reception.version
        if version != self._seen_version:
            self._seen_version = version
            self._row = self.session.reception.row(self.sender)
            self._telegrams = self.session.reception.telegrams(self.sender)
            if self.following and self._telegrams:
                self._show(self._telegrams[-1])
        self._show_titles()

    @property
    def chosen_address(self) -> Address | None:
        """The meter that is shown, None where it has no address of wireless M-Bus."""
        return self.sender if isinstance(self.sender, Address) else None

    def _show(self, telegram: Telegram) -> None:
        if telegram is self.telegram:
            return
        self.telegram = telegram
        self.verdict.show_telegram(telegram)
        self.readings.show_telegram(telegram)
        self.bytes_view.show_telegram(telegram)
        self.layers_view.show_telegram(telegram)
        self._mark(self.layers_view.selected, keep_cursor=True)
        self._show_bytes_title()
        self.refresh_bindings()

    def _show_titles(self) -> None:
        """Say which meter this is, and which of its telegrams is shown."""
        for widget, text in ((self._title, self._title_text()), (self._place, self._place_text())):
            if text != widget.content:
                widget.update(text)

    def _title_text(self) -> Text:
        title = Text(no_wrap=True, overflow="ellipsis")
        row = self._row
        address = self.sender if isinstance(self.sender, Address) else None
        if isinstance(self.sender, str):
            title.append(f" {safe_text(self.sender)}", "bold")
            title.append("  LoRaWAN")
            address = row.address if row is not None else None
        if self.sender is None:
            title.append(" Frames without a readable address", "bold")
        elif address is not None:
            number = address.number if row is None else row.number
            version = address.version if row is None else row.version
            medium = address.medium if row is None else row.medium
            title.append(f" {safe_text(address.manufacturer)} {number}", "bold")
            title.append(f"  {safe_text(medium or '')}, version {version}")
        elif row is not None and row.medium is not None:
            title.append(f"  {safe_text(row.medium)}")
        if row is not None:
            if row.label:
                title.append(f"  {safe_text(row.label, _LABEL_WIDTH)}", "bold")
            if row.link_address is not None:
                title.append(f"  through {safe_text(str(row.link_address))}")
            age = age_text((self.session.clock() - row.last_at).total_seconds(), _AGE_WIDTH)
            title.append(f"  {row.telegrams} telegram{'s' * (row.telegrams != 1)}, last heard: {age}")
        return title

    def _place_text(self) -> Text:
        place = Text(no_wrap=True, overflow="ellipsis")
        telegram = self.telegram
        if telegram is None:
            return place.append(" no telegram kept")
        later = self._later()
        where = "newest telegram" if later == 0 else f"{later} before the newest"
        place.append(f" {'▶' if self.following else '‖ held:'} {where}")
        place.append(f"  {OUTCOME_SIGNS[telegram.outcome].text}", "bold")
        frame = telegram.frame
        if frame.at is not None:
            place.append(f"  {frame.at:%Y-%m-%d %H:%M:%S} {frame.at.tzname() or 'UTC'}")
        facts = [safe_text(frame.mode or ""), f"{frame.rssi_dbm} dBm" if frame.rssi_dbm is not None else ""]
        facts += [f"{len(telegram.data)} bytes", f"from {safe_text(frame.source)}" if frame.source else ""]
        return place.append("".join(f"  {fact}" for fact in facts if fact))

    def _later(self) -> int:
        """How many telegrams came after the one shown; all that are kept, when it is kept no longer."""
        newest_first = list(reversed(self._telegrams))
        places = [place for place, telegram in enumerate(newest_first) if telegram is self.telegram]
        return places[0] if places else len(newest_first)

    @on(TelegramTree.Moved, "#tree")
    def mark_bytes(self) -> None:
        """Mark in the bytes what the tree's cursor stands on."""
        self._mark(self.layers_view.selected)

    @on(HexView.Moved, "#bytes")
    def select_field(self) -> None:
        """Select in the tree what the byte under the cursor belongs to."""
        leaf = self.layers_view.select_offset(self.bytes_view.cursor)
        if leaf is not None:
            self.bytes_view.show_mark(leaf.start, leaf.end, move_cursor=False)
        self._explain(leaf)

    @on(ReadingList.Chosen, "#readings")
    def show_source(self) -> None:
        """Show the bytes that a reading was made from."""
        reading = self.readings.selected
        if reading is None or reading.record is None:
            return
        node = self.layers_view.select_record(reading.record)
        if node is None:
            self.notify("this reading has no bytes of its own in the frame", markup=False, timeout=3)
            return
        self.action_page("anatomy")
        self._mark(node)

    def _mark(self, node: Node | None, *, keep_cursor: bool = False) -> None:
        if node is not None:
            kept = keep_cursor and node.start <= self.bytes_view.cursor < node.end
            self.bytes_view.show_mark(node.start, node.end, move_cursor=not kept)
        else:
            self.bytes_view.show_mark(0, 0, move_cursor=False)
        self._explain(node)

    def _explain(self, node: Node | None) -> None:
        """Say in full what is marked: the tree has no room for it."""
        text = Text(overflow="ellipsis")
        if node is not None:
            leaf = leaf_at(self.layers_view.nodes, node.start) if node.branch else node
            size = node.end - node.start
            text.append(f"{node.start:04X}\N{EN DASH}{node.end - 1:04X}" if size > 1 else f"{node.start:04X}")
            text.append(f"  {size} byte{'s' * (size != 1)}  ")
            text.append(node.label, "bold")
            text.append(f"  {node.meaning}")
            if leaf is not None and leaf.clause and not node.branch:
                text.append(f"  [{leaf.clause}]")
        self._span.update(text)

    def _show_bytes_title(self) -> None:
        view = self.bytes_view
        if view.as_received:
            view.border_title = "Bytes as received (x decrypted)"
        else:
            view.border_title = "Bytes (· decrypted, x as received)" if view.has_decrypted else "Bytes"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what would change nothing."""
        if action == "unlock":
            return self.session.can_be_unlocked
        if action == "received":
            return True if self.bytes_view.has_decrypted else None
        if action == "older":
            return True if self._later() + 1 < len(self._telegrams) else None
        return True

    def action_back(self) -> None:
        """Back to the reception list."""
        self.dismiss()

    def action_page(self, page: str) -> None:
        """Show one of the two pages; where both are seen, go to it."""
        self.set_class(page == "summary", "-summary")
        self.set_class(page == "anatomy", "-anatomy")
        (self.readings if page == "summary" else self.layers_view).focus()

    def action_older(self) -> None:
        """Hold the telegram before this one."""
        self._step(1)

    def action_newer(self) -> None:
        """Show the next telegram; behind the newest, follow."""
        if self._later() == 0:
            self.following = True
            self._show_titles()
        else:
            self._step(-1)

    def _step(self, back: int) -> None:
        self.following = False
        if self._telegrams:
            later = min(max(self._later() + back, 0), len(self._telegrams) - 1)
            self._show(self._telegrams[-1 - later])
        self._show_titles()
        self.refresh_bindings()

    def action_follow(self) -> None:
        """Hold this telegram, or go on with the newest."""
        self.following = not self.following
        if self.following and self._telegrams:
            self._show(self._telegrams[-1])
        self._show_titles()

    def action_received(self) -> None:
        """Show bytes as received, or as plain text."""
        self.bytes_view.toggle_received()
        self._show_bytes_title()

    def action_copy(self) -> None:
        """Copy the telegram shown."""
        if self.telegram is not None:
            copy_hex(self, self.telegram)
