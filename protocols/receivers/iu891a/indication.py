"""The receive indication: time, decryption, frame format and strength in front of a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from construct import Int8sb, Int8ub, Int32ul, Struct

from protocols.errors import Truncated
from protocols.model import FrameFormat

LAYER: Final = "iu891a"

FIRST_FORMAT_B: Final = 20
"""Format codes from here on mean frame format B."""

_HEAD: Final = Struct(
    "time_s" / Int32ul,
    "decryption_status" / Int8ub,
    "encryption_mode" / Int8ub,
    "format" / Int8ub,
    "rssi_dbm" / Int8sb,
)
HEAD_SIZE: Final = _HEAD.sizeof()


@dataclass(frozen=True, slots=True)
class ReceiveIndication:
    """A frame off the air, with its L field and without CRCs.

    `time_s` is the module's clock in seconds since 1970; one that was never set starts in 2000. What
    `decryption_status` and `encryption_mode` say is not known: a real module without any key said 2 and 0x80.
    """

    frame: bytes = field(repr=False)
    time_s: int
    format_code: int
    rssi_dbm: int
    decryption_status: int = 0
    encryption_mode: int = 0

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Read the body of the message; raises `Truncated`."""
        if len(body) < HEAD_SIZE:
            raise Truncated(f"receive indication of {len(body)} bytes", layer=LAYER, offset=len(body))
        head = _HEAD.parse(body[:HEAD_SIZE])
        return cls(
            frame=body[HEAD_SIZE:],
            time_s=int(head.time_s),
            format_code=int(head.format),
            rssi_dbm=int(head.rssi_dbm),
            decryption_status=int(head.decryption_status),
            encryption_mode=int(head.encryption_mode),
        )

    def to_body(self) -> bytes:
        """Build it."""
        head = _HEAD.build(
            {
                "time_s": self.time_s,
                "decryption_status": self.decryption_status,
                "encryption_mode": self.encryption_mode,
                "format": self.format_code,
                "rssi_dbm": self.rssi_dbm,
            }
        )
        return bytes(head) + self.frame

    @property
    def frame_format(self) -> FrameFormat:
        """The format that the frame had on the air."""
        return FrameFormat.B if self.format_code >= FIRST_FORMAT_B else FrameFormat.A
