"""Formats that come later in a capture than the compact frames that need them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from protocols.captures.model import CaptureEntry, CaptureItem
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import FormatLibrary
from protocols.model import Link


class SecondPass:
    """Reads ahead in a capture, as a decoder's `search_formats`, for the full frame that teaches a missing format.

    It reads on from where it stopped last, so a capture is decoded twice at most, and not at all where nothing is
    missing. `again` opens the capture anew; whoever goes through it keeps `passed`, the number of items behind.
    """

    def __init__(self, again: Callable[[], Iterable[CaptureItem]], decoder: LearnedDecoder) -> None:
        self._again = again
        self._decoder = decoder
        self._ahead: Iterator[CaptureItem] | None = None
        self.passed = 0
        self._read = 0
        self._busy = False

    def __call__(self, signature: int) -> FormatLibrary | None:
        """Return the formats that were learned up to the one with this signature, None when the capture ends first."""
        if self._busy:
            return None
        self._busy = True
        fragments = self._decoder.fragments
        try:
            found = self._read_on(signature)
        finally:
            self._decoder.fragments = fragments
            self._busy = False
        return self._decoder.formats if found else None

    def _read_on(self, signature: int) -> bool:
        if self._ahead is None:
            self._ahead = iter(self._again())
        for item in self._ahead:
            self._read += 1
            # LoRaWAN frames have no such formats, and must not be followed before their time.
            if self._read > self.passed and isinstance(item, CaptureEntry) and item.frame.link is Link.MBUS:
                self._decoder.sight(item.frame)
                if self._decoder.formats.get(signature) is not None:
                    return True
        return False
