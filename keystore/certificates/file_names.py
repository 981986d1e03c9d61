"""Names of files that travel between technicians and the certificate desk: hints for people, never an authority."""

from __future__ import annotations

import re
from typing import Final

_NO_FILE_NAME: Final = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')
"""What Windows does not allow in a file's name."""
_LONGEST: Final = 120


def file_stem(*parts: str) -> str:
    """Return the parts joined by `_` (`{organization}_{Level}_{Tag}`), without what a file's name cannot hold."""
    text = _NO_FILE_NAME.sub("-", "_".join(parts))
    return text[:_LONGEST].strip(" .") or "certificate"
