"""Names of files that travel between technicians and the certificate desk: hints for people, never an authority."""

from __future__ import annotations

import re
from typing import Final

_NO_FILE_NAME: Final = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')
"""What Windows does not allow in a file's name."""
_LONGEST: Final = 120
_LONGEST_BYTES: Final = 200
"""In UTF-8: file systems take 255, an ending included."""


def file_stem(*parts: str) -> str:
    """Return the parts joined by `_` (`{organization}_{Level}_{Tag}`), without what a file's name cannot hold."""
    text = _NO_FILE_NAME.sub("-", "_".join(parts))
    kept = text[:_LONGEST].encode("utf-8", "replace")[:_LONGEST_BYTES].decode("utf-8", "ignore")
    return kept.strip(" .") or "certificate"
