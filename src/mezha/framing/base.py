"""What a framing is: two pure functions, one that writes a message down and one that finds where it ends."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

from mezha.framing.decoder import Decoder
from mezha.framing.frame import Data, Recover, Run, Verdict
from mezha.limits import Limits, Timeouts

__all__ = ["Framing"]


class Framing(ABC):
    """A way to mark where one message ends and the next begins.

    A framing is a value: immutable, comparable, without state or I/O. To write your own, give it the two functions::

        encode(b"Hello!")                    -> the buffers to put on the wire
        split(b"..Hello!...", limit, resume) -> Frame(start, stop, end), Skip(end), Need(size), or an error

    and they must be inverse: what ``encode`` writes, ``split`` reads back, and what ``split`` could not read back,
    ``encode`` refuses.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "run" not in vars(cls) and not vars(cls).keys().isdisjoint(("encode", "split")):
            cls.run = Framing.run  # type: ignore[method-assign]  # what it inherits is quick at something else

    #: The time-outs of a connection that names none.
    timeouts: ClassVar[Timeouts] = Timeouts()

    @abstractmethod
    def encode(self, *parts: Data) -> Sequence[Data]:
        """Return the buffers that put one message on the wire; the message is ``parts``, joined.

        Large parts come back as they are, not copied.

        Raises:
            LocalProtocolError: this framing cannot carry that message. Nothing has happened.

        """

    @abstractmethod
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        """Say where the message at the front of ``buffer`` ends. ``buffer`` is not empty, and is not to be changed.

        ``limit`` is the largest message allowed, in bytes as the program sees them, and must be enforced as soon as the
        bytes show that it is exceeded. ``resume`` is 0, or the one of the ``Need`` last returned for the beginning of
        this same message; it may save work but never change the answer. A framing that remembers more than a place
        says so, ``resume: int | tuple[int, int] = 0``: it only ever gets what it gave.

        Raises:
            FramingError: these bytes cannot begin a message, whatever follows.
            MessageTooLarge: the message is over ``limit``.

        """

    def run(self) -> Run | None:
        """Return the function that cuts many messages at once, if this framing has one: a matter of speed only.

        It belongs to ``encode`` and ``split``: a framing that overrides one of them inherits no ``run``.
        """
        return None

    def past_too_large(self) -> Recover | None:
        """Return the function that finds the end of a message over the limit; ``None`` if this framing cannot know it.

        It is called where ``split`` has raised MessageTooLarge, and may raise FramingError: then it is no message at
        all. See ``Skipping``.
        """
        return None

    def past_garbage(self) -> Recover | None:
        """Return the function that finds where the next message may begin; ``None`` if nothing in this framing tells.

        It is called where ``split`` has raised FramingError or MessageTooLarge. See ``Resyncing``.
        """
        return None

    def decoder(self, *, limit: int = Limits().max_message) -> Decoder:
        """Return a new decoder for this framing; ``limit`` is the largest message it takes, in bytes.

        Raises:
            ValueError: ``limit`` is negative, or no message of this framing could ever meet it.

        """
        return Decoder(self, limit=limit)

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Return the framing that these words of its string form describe (``["4", "big"]`` of ``"length:4:big"``).

        Raises:
            ValueError: they describe none.

        """
        raise ValueError(f"{cls.__name__} has no string form")
