"""A message of a size that nobody wants to have in memory."""

from typing import Self

__all__ = ["Vast"]


class Vast(bytes):
    """A message of a size that nobody wants to have in memory, as far as an encoder can tell."""

    size: int

    def __new__(cls, size: int) -> Self:
        """Pretend."""
        vast = super().__new__(cls)
        vast.size = size
        return vast

    def __len__(self) -> int:
        return self.size
