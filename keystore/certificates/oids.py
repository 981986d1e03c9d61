"""Object identifiers of the field certificates, under an arc that belongs to this program alone.

The arc is 2.25 followed by the number of one UUID, e519ab71-128e-4565-b0e9-4b0141e09913, which needs no registration
(Rec. ITU-T X.667, 6.3).
"""

from __future__ import annotations

from typing import Final

ARC: Final = "2.25.304526495706776419495523482981925689619"

FIELD_GRANT: Final = f"{ARC}.1"
"""Critical extension: what the certificate allows, and where."""

FIELD_AUTHORISATION: Final = f"{ARC}.2"
"""Extended key usage: proving to a meter what its holder may do; good for nothing else."""
