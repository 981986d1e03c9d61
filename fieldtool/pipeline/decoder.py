"""A decoder with memory: it keeps the compact-frame formats that full frames teach."""

from __future__ import annotations

from protocols.decode import decode, learn, no_keys
from protocols.mbus.compact import FormatLibrary, shipped_formats
from protocols.model import KeyLookup, RawFrame, Telegram
from protocols.profiles.registry import ProfileRegistry, shipped_profiles


class Decoder:
    """Decodes one frame after the other; belongs to one thread."""

    def __init__(
        self,
        keys: KeyLookup = no_keys,
        *,
        formats: FormatLibrary | None = None,
        profiles: ProfileRegistry | None = None,
        already_decrypted: bool = False,
    ) -> None:
        self.formats = shipped_formats() if formats is None else formats
        self._keys = keys
        self._profiles = shipped_profiles() if profiles is None else profiles
        self._already_decrypted = already_decrypted

    def decode(
        self, frame: RawFrame | bytes, keys: KeyLookup | None = None, *, already_decrypted: bool = False
    ) -> Telegram:
        """Decode a frame and learn from it; `keys` replaces the decoder's own for this frame."""
        telegram = decode(
            frame,
            self._keys if keys is None else keys,
            formats=self.formats,
            profiles=self._profiles,
            already_decrypted=self._already_decrypted or already_decrypted,
        )
        self.formats = learn(self.formats, telegram)
        return telegram
