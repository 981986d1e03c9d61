"""Security modes: one entry each of how it derives its keys, decrypts and checks.

A mode is found by its number in `MODES`; encryption of the extended link layer is `EXTENDED_LINK`. Modes that are
known by name only are absent here and named in `protocols.wmbus.transport.SECURITY_NAMES`.
"""

from __future__ import annotations

from protocols.wmbus.security.cbc_address import MODE_5, MODE_15
from protocols.wmbus.security.cbc_derived import MODE_7
from protocols.wmbus.security.ccm_derived import MODE_10
from protocols.wmbus.security.ctr_extended_link import EXTENDED_LINK
from protocols.wmbus.security.des_cbc import MODE_2, MODE_3
from protocols.wmbus.security.model import Opened, Protected, SecurityMode

MODES: dict[int, SecurityMode] = {mode.number: mode for mode in (MODE_2, MODE_3, MODE_5, MODE_7, MODE_10, MODE_15)}

__all__ = ["EXTENDED_LINK", "MODES", "Opened", "Protected", "SecurityMode"]
