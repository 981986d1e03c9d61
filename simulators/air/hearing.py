"""What a radio hands on that drops damaged frames: what was sent, without CRCs."""

from __future__ import annotations

from protocols.errors import ProtocolError
from protocols.wmbus.link import strip_crcs
from simulators.air.air import Transmission
from simulators.air.two_way import Downlink


def good_frame(heard: Transmission | Downlink) -> bytes | None:
    """Return the frame from the L field on, without its CRCs; None when they say that it is damaged.

    The radio knows the frame format from the sync word.
    """
    try:
        frame = strip_crcs(heard.coded, heard.frame_format)
    except ProtocolError:
        return None
    return None if frame.problem is not None or frame.missing else frame.data
