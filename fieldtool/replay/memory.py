"""How a process that decodes millions of telegrams deals with its memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

KEPT: Final = 1 << 24
"""Bytes of freed memory that may be kept for the next block: more than the text of one takes."""

OBJECTS_A_COLLECTION: Final = 200_000
"""New objects after which those are looked for that only hold each other; a telegram that a plan reads leaves none."""


@contextmanager
def settled() -> Iterator[None]:
    """Keep freed memory, and look through all objects less often, meanwhile; for the whole process."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(OBJECTS_A_COLLECTION, *thresholds[1:])
    # glibc gives back to the system what is larger than anything that was freed before: the text of each block, to be
    # asked for anew, page by page, for the next one. This touches no page, and other systems do not mind.
    bytes(KEPT)
    try:
        yield
    finally:
        # What there is now goes among the old objects, which are seldom looked through: else, with the usual
        # thresholds, all of it would be at once.
        gc.freeze()
        gc.set_threshold(*thresholds)
        gc.unfreeze()
