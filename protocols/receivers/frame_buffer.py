"""Bytes in which frames are looked for; those that are in none are noise, and no byte is told of twice."""

from __future__ import annotations


class FrameBuffer:
    """`data` are bytes to be looked at, from the first on; `noise` are those passed over that nobody was told of yet.

    Noise is handed out in pieces, of `limit` bytes at the most.
    """

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.noise = bytearray()
        self._limit = limit
        self._told = 0

    def take(self, count: int) -> None:
        """Take out a good frame."""
        self._told = max(0, self._told - count)
        del self.data[:count]

    def refuse(self, count: int) -> None:
        """Pass over the first byte of a bad frame that is told of whole: a good one may begin within it."""
        self._told = max(self._told, count)
        self.take(1)

    def drop(self, count: int = 1) -> list[bytes]:
        """Pass over bytes that begin no frame; return the pieces of noise that are full now."""
        self.noise += self.data[min(count, self._told) : count]
        self.take(count)
        pieces = []
        while len(self.noise) >= self._limit:
            pieces.append(bytes(self.noise[: self._limit]))
            del self.noise[: self._limit]
        return pieces

    def flush(self) -> list[bytes]:
        """Return what is left of the noise, if any."""
        pieces = [bytes(self.noise)] if self.noise else []
        self.noise.clear()
        return pieces
