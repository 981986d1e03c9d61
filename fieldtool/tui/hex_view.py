"""The bytes of one telegram, with a cursor on one byte and a mark on the field it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from fieldtool.tui.byte_states import BYTE_GLYPHS, ByteState, byte_states
from fieldtool.tui.cells import Cell, Line
from fieldtool.tui.line_view import LineView
from protocols.model import Telegram

_OFFSET_WIDTH = 6
_WIDE, _NARROW = 16, 8
_CELLS_OF_BYTE = 3


def bytes_per_line(width: int) -> int:
    """Return 16, or 8 where offset, 16 bytes in hex and the same as characters do not fit."""
    return _WIDE if width >= _OFFSET_WIDTH + _WIDE * (_CELLS_OF_BYTE + 1) + 2 else _NARROW


class HexView(LineView):
    """The frame without its CRCs: plain text where it was decrypted, or all as received."""

    HELP: ClassVar[str] = (
        "The frame without link-layer CRCs. A dot after a byte: it was encrypted and is shown decrypted; a tilde: it "
        "is still encrypted. Arrows move from byte to byte and mark the field of each; x shows the bytes as received."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "byte_left", "Byte left", False, tooltip="To the byte before", id="hex.left"),
        Binding("right,l", "byte_right", "Byte right", False, tooltip="To the next byte", id="hex.right"),
    ]

    class Moved(Message):
        """The user moved to another byte."""

        def __init__(self, view: HexView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> HexView:
            """The view it happened in."""
            return self.view

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self.cursor = 0
        self.as_received = False
        self._data = b""
        self._plain = b""
        self._states: tuple[ByteState, ...] = ()
        self._mark = range(0)

    @property
    def mark(self) -> range:
        """The offsets that are marked."""
        return self._mark

    @property
    def has_decrypted(self) -> bool:
        """Whether plain text and received bytes differ."""
        return ByteState.DECRYPTED in self._states

    def show_telegram(self, telegram: Telegram) -> None:
        """Show another telegram."""
        self._data, self._plain = telegram.data, telegram.plain
        self._states = byte_states(telegram)
        self.cursor = max(0, min(self.cursor, len(self._data) - 1))
        self.show_lines()

    def show_mark(self, start: int, end: int, *, move_cursor: bool) -> None:
        """Mark a run of bytes and bring it into view; the cursor goes to its first byte when asked to."""
        self._mark = range(start, end)
        if move_cursor:
            self.cursor = start
            self._reveal(end - 1)
        self._reveal(self.cursor)
        self.show_lines()

    def toggle_received(self) -> None:
        """Change between plain text and bytes as received."""
        self.as_received = not self.as_received
        self.show_lines()

    def line_count(self) -> int:
        """How many lines the frame takes."""
        return -(-len(self._data) // self._per_line)

    def line_at(self, index: int, width: int) -> Line:
        """Offset, bytes in hex, and the same bytes as characters."""
        shown = self._data if self.as_received else self._plain[: len(self._data)]
        start = index * self._per_line
        offsets = range(start, min(start + self._per_line, len(shown)))
        line: list[Cell] = [(f" {start:04X} ", "muted")]
        for offset in offsets:
            style = self._style(offset)
            line.append((f"{shown[offset]:02X}", style))
            line.append((BYTE_GLYPHS[self._state(offset)], self._gap_style(offset)))
        line.append((" " * (_CELLS_OF_BYTE * (self._per_line - len(offsets)) + 1), "plain"))
        line.extend((_character(shown[offset]), self._style(offset)) for offset in offsets)
        return tuple(line)

    def empty_lines(self) -> Sequence[str]:
        """What is said of a frame without bytes."""
        return "This frame has no bytes.", "Press [ for an older telegram."

    @property
    def _per_line(self) -> int:
        return bytes_per_line(self.line_width)

    def _state(self, offset: int) -> ByteState:
        state = self._states[offset]
        return ByteState.ENCRYPTED if self.as_received and state is ByteState.DECRYPTED else state

    def _style(self, offset: int) -> str:
        if offset == self.cursor and self.has_focus:
            return "cursor"
        return "marked" if offset in self._mark else self._state(offset).value

    def _gap_style(self, offset: int) -> str:
        """The mark runs through between bytes of one field, but not behind its last byte on a line."""
        inside = offset in self._mark and offset + 1 in self._mark and (offset + 1) % self._per_line
        return "marked" if inside else "muted"

    def reveal_chosen(self) -> None:
        """Scroll to the mark and the cursor."""
        if self._mark:
            self._reveal(self._mark[-1])
        self._reveal(self.cursor)

    def _reveal(self, offset: int) -> None:
        line, top = offset // self._per_line, self.scroll_offset.y
        if line < top:
            self.scroll_to(y=line, animate=False)
        elif line >= top + self.page_height:
            self.scroll_to(y=line - self.page_height + 1, animate=False)

    def _move(self, offset: int) -> None:
        if self._data:
            self.cursor = max(0, min(offset, len(self._data) - 1))
            self._reveal(self.cursor)
            self.show_lines()
            self.post_message(self.Moved(self))

    def on_focus(self) -> None:
        """Show the cursor."""
        self.show_lines()

    def on_blur(self) -> None:
        """Hide the cursor, keep the mark."""
        self.show_lines()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the byte under the mouse."""
        column, per_line = event.x - _OFFSET_WIDTH, self._per_line
        hex_cells = per_line * _CELLS_OF_BYTE
        position = column // _CELLS_OF_BYTE if column < hex_cells else column - hex_cells - 1
        offset = (event.y + self.scroll_offset.y) * per_line + position
        if 0 <= position < per_line and offset < len(self._data):
            self._move(offset)

    def action_byte_left(self) -> None:
        """To the byte before."""
        self._move(self.cursor - 1)

    def action_byte_right(self) -> None:
        """To the next byte."""
        self._move(self.cursor + 1)

    def action_line_up(self) -> None:
        """To the byte above."""
        self._move(self.cursor - self._per_line if self.cursor >= self._per_line else self.cursor)

    def action_line_down(self) -> None:
        """To the byte below."""
        self._move(self.cursor + self._per_line)

    def action_screen_up(self) -> None:
        """One screen of bytes up."""
        self._move(self.cursor - self._per_line * self.page_height)

    def action_screen_down(self) -> None:
        """One screen of bytes down."""
        self._move(self.cursor + self._per_line * self.page_height)

    def action_first_line(self) -> None:
        """To the first byte."""
        self._move(0)

    def action_last_line(self) -> None:
        """To the last byte."""
        self._move(len(self._data) - 1)


def _character(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F else "."
