"""Layers and records of one telegram as a tree that can be opened and closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from fieldtool.tui.cells import Cell, Line, fit
from fieldtool.tui.line_list import LineList
from fieldtool.tui.telegram_nodes import Node, NodeKey, leaf_at, opened_at_first, telegram_nodes
from protocols.model import Telegram

_LABEL_WIDTH, _ROOMY_LABEL_WIDTH = 22, 30
_ROOMY_WIDTH = 70
_BRANCH_GLYPHS = {True: "▾ ", False: "▸ "}


class TelegramTree(LineList):
    """The tree beside the bytes; what the cursor stands on is marked there."""

    HELP: ClassVar[str] = (
        "The telegram in the terms of its standard: layers, records, fields. The cursor here and the cursor in the "
        "hex view mark the same place. Right opens a branch, left closes it, enter does either."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Open", tooltip="Open or close the branch", id="tree.toggle"),
        Binding("right,l", "open_branch", "Open", False, tooltip="Open the branch", id="tree.open"),
        Binding("left,h", "close_branch", "Close", False, tooltip="Close the branch, or go to it", id="tree.close"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._all: tuple[Node, ...] = ()
        self._shown: list[Node] = []
        self._touched: dict[NodeKey, bool] = {}
        self._opened: set[NodeKey] = set()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, shown or not."""
        return self._all

    @property
    def selected(self) -> Node | None:
        """The node under the cursor."""
        return self._shown[self.cursor] if self._shown else None

    def show_telegram(self, telegram: Telegram) -> None:
        """Show another telegram; branches stay as they were opened, the cursor stays on its field if there is one."""
        held = self.selected
        self._all = telegram_nodes(telegram)
        self._opened = opened_at_first(self._all)
        self._opened |= {key for key, wanted in self._touched.items() if wanted}
        self._opened -= {key for key, wanted in self._touched.items() if not wanted}
        self._fold()
        if held is None:
            self.put_cursor(next((i for i, node in enumerate(self._shown) if node.depth), 0))
        else:
            self._stand_on(held.key)

    def select_offset(self, offset: int) -> Node | None:
        """Put the cursor on what holds a byte, or on the closed branch around it; return what holds it."""
        leaf = leaf_at(self._all, offset)
        if leaf is not None:
            self._stand_on(leaf.key)
        return leaf

    def select_record(self, record: int) -> Node | None:
        """Open what is closed around a record and put the cursor on it; None when it has no bytes of its own."""
        node = next((n for n in self._all if n.record == record), None)
        if node is not None:
            for key in node.parents:
                self._set_open(key, wanted=True)
            self._stand_on(node.key)
        return node

    def line_count(self) -> int:
        """How many nodes are shown."""
        return len(self._shown)

    def line_at(self, index: int, width: int) -> Line:
        """Offset, label and meaning of one node."""
        node = self._shown[index]
        glyph = _BRANCH_GLYPHS[node.key in self._opened] if node.branch else "  "
        indent = "  " * node.depth
        label_width = _ROOMY_LABEL_WIDTH if width >= _ROOMY_WIDTH else _LABEL_WIDTH
        label: Cell = (fit(f"{indent}{glyph}{node.label}", label_width), "strong" if node.branch else "plain")
        marker = self.marker(index)
        rest = max(0, width - label_width - 6)
        return marker, (f"{node.start:03X} ", "muted"), label, (" ", "plain"), (fit(node.meaning, rest), "plain")

    def empty_lines(self) -> Sequence[str]:
        """What is said of a frame of which nothing could be read."""
        return "No layer of this frame could be read.", "The bytes are below; press [ for an older telegram."

    def action_choose(self) -> None:
        """Open or close the branch."""
        node = self.selected
        if node is not None and node.branch:
            self._set_open(node.key, wanted=node.key not in self._opened)

    def action_open_branch(self) -> None:
        """Open the branch."""
        node = self.selected
        if node is not None and node.branch:
            self._set_open(node.key, wanted=True)

    def action_close_branch(self) -> None:
        """Close the branch; on a field, go to the branch around it."""
        node = self.selected
        if node is None:
            return
        if node.branch and node.key in self._opened:
            self._set_open(node.key, wanted=False)
        elif node.parents:
            self._stand_on(node.parents[-1])
            self.post_message(self.Moved(self))

    def _set_open(self, key: NodeKey, *, wanted: bool) -> None:
        self._touched[key] = wanted
        (self._opened.add if wanted else self._opened.discard)(key)
        held = self.selected
        self._fold()
        if held is not None:
            self._stand_on(held.key)

    def _fold(self) -> None:
        self._shown = [node for node in self._all if all(key in self._opened for key in node.parents)]

    def _stand_on(self, key: NodeKey) -> None:
        """Put the cursor on a node, or on the innermost shown branch around it."""
        places = {node.key: index for index, node in enumerate(self._shown)}
        for length in range(len(key), 0, -1):
            if key[:length] in places:
                self.put_cursor(places[key[:length]])
                return
        self.put_cursor(self.cursor)
