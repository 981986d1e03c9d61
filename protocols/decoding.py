"""What is known so far of one frame while it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.application import Opaque
from protocols.mbus.compact import FormatLibrary
from protocols.model import Address, KeyLookup, Layer, RawFrame, Record, Security, Status
from protocols.plural import counted
from protocols.profiles.model import Profile
from protocols.profiles.registry import ProfileRegistry
from protocols.verdict import Ladder
from protocols.wmbus.afl import AuthenticationLayer
from protocols.wmbus.security import Opened


@dataclass(slots=True)
class Decoding:
    """What is known so far of one frame; becomes a `Telegram`.

    `data` is the frame without CRCs, with trailing bytes; `size` is where the frame proper ends. `plain` is `data`
    with decrypted regions replaced; `cut` bytes after `size` are the rest of an encrypted block. `footers` are layers
    that follow the application layer. `crcs_removed` says that the frame holds no link-layer CRCs, whatever its
    bytes look like. `doubt` is what to do if the rest cannot be read under a key that little proves.
    """

    frame: RawFrame
    keys: KeyLookup
    formats: FormatLibrary
    profiles: ProfileRegistry
    already_decrypted: bool = False
    crcs_removed: bool = False
    ladder: Ladder = field(default_factory=Ladder)
    data: bytes = b""
    size: int = 0
    cut: int = 0
    plain: bytes = b""
    layers: list[Layer] = field(default_factory=list)
    link_address: Address | None = None
    meter: Address | None = None
    identity: Address | None = None
    printed_number: str | None = None
    message: str | None = None
    profile: Profile | None = None
    downlink: bool = False
    afl: AuthenticationLayer | None = None
    footers: list[Layer] = field(default_factory=list)
    security: Security | None = None
    status: Status | None = None
    records: tuple[Record, ...] = ()
    notes: list[str] = field(default_factory=list)
    doubt: str | None = None

    @property
    def position(self) -> int:
        """Offset after the last layer."""
        return self.layers[-1].end if self.layers else 0

    @property
    def may_hold_crc(self) -> bool:
        """Whether a CRC that does not fit may be left in the frame, because none was taken out."""
        return len(self.data) == len(self.frame.data)

    def replace_plain(self, opened: Opened) -> None:
        """Put decrypted bytes in their place."""
        end = opened.start + len(opened.plaintext)
        self.plain = self.plain[: opened.start] + opened.plaintext + self.plain[end:]
        self.cut = opened.cut
        self.size = end if opened.cut else max(self.size, end)
        if opened.tag_size:
            self.footers.insert(0, Opaque("security", end, end + opened.tag_size, "authentication tag"))
            behind = self.size - end - opened.tag_size
            if behind > 0:
                self.notes.append(f"{counted(behind, 'byte')} after the authentication tag not read")
            self.size = end
        self.notes.extend(opened.notes)
