"""Credit: how many bytes of messages the peer may still send, so that what waits here is bounded."""

from mezha.errors import RemoteProtocolError

__all__ = ["Grant"]


class Grant:
    r"""What this side has granted to the peer, and what it will grant again.

    ::

        |<----------------------- window ------------------------>|
        +-----------------------+-------------+-------------------+
        |  the peer may send    |  waits here | taken: to be      |
        |                       |             | granted again     |
        +-----------------------+-------------+-------------------+
          spend() takes from it                 free() adds to it;
                                                due() once it is a quarter of the window

    Bytes are those of MESSAGE, PART and LAST frames with their headers.
    """

    __slots__ = ("_freed", "_left", "_window")

    def __init__(self, window: int) -> None:
        self._left = self._window = window
        self._freed = 0

    @property
    def left(self) -> int:
        """Bytes that the peer may still send."""
        return self._left

    @property
    def missing(self) -> int:
        """Bytes that have to be freed until a grant is due."""
        return self._window // 4 - self._freed

    def spend(self, size: int) -> None:
        """Count bytes that arrived.

        Raises:
            RemoteProtocolError: there was no credit for them.

        """
        if size > self._left:
            raise RemoteProtocolError(
                f"the peer sent {size} bytes of messages and had credit for {self._left}: it does not wait for CREDIT"
            )
        self._left -= size

    def free(self, size: int) -> None:
        """Count bytes that wait here no longer."""
        self._freed += size

    def due(self) -> int:
        """Return how many bytes to grant again, in a CREDIT; 0 as long as it is not worth a frame."""
        if self._freed < self._window // 4:
            return 0
        granted, self._freed = self._freed, 0
        self._left += granted
        return granted
