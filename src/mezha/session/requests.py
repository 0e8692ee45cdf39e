"""Questions and answers: which belongs to which, how many there may be, and what has become of each."""

from mezha.errors import RemoteProtocolError
from mezha.framing import Data
from mezha.session.frames import Kind
from mezha.session.hello import SMALLEST_REQUEST_BYTES, SMALLEST_REQUESTS
from mezha.session.pieces import Assembly
from mezha.session.states import ANSWERING, ASKING, Request, Table

__all__ = ["Answering", "Asking"]

#: Numbers of requests are 32 bits wide.
_IDS = 1 << 32


class _Request:
    """A request that is not answered yet."""

    __slots__ = ("assembly", "size", "state")

    def __init__(self, state: Request, size: int = 0) -> None:
        self.state = state
        #: Bytes of the question.
        self.size = size
        #: What arrives in pieces: at the asker's the answer, at the answerer's the question.
        self.assembly: Assembly | None = None


class _Requests:
    """Requests of one direction, as one of the two sides sees them."""

    __slots__ = ("_limit", "_open", "_table", "_what", "count", "size")

    def __init__(self, table: Table[Request], what: str, limit: int) -> None:
        self._table = table
        self._what = what
        self._limit = limit
        self._open: dict[int, _Request] = {}
        #: How many there are, and bytes of their questions together.
        self.count = self.size = 0

    def _following(self, id: int, kind: Kind) -> Request:
        """Return the state of a request after a frame.

        Raises:
            RemoteProtocolError: there is no such frame in its state.

        """
        request = self._open.get(id)
        state = request.state if request else Request.FREE
        following = self._table.get((state, kind))
        if following is None:
            raise RemoteProtocolError(f"the peer sent a {kind.name} for request {id}, which is {state.value}")
        return following

    def _begin(self, id: int, request: _Request) -> _Request:
        self._open[id] = request
        self.count += 1
        self.size += request.size
        return request

    def _free(self, id: int) -> _Request:
        request = self._open.pop(id)
        self.count -= 1
        self.size -= request.size
        return request

    def _assemble(self, request: _Request, piece: Data) -> Assembly:
        """Add a piece; raise MessageTooLarge if it is too much."""
        if request.assembly is None:
            request.assembly = Assembly(self._what, self._limit)
        request.assembly.add(piece)
        return request.assembly


class Asking(_Requests):
    """The questions of this side: those for which the peer has no room wait in line."""

    __slots__ = ("_most", "_most_bytes", "_next", "_waiting")

    def __init__(self, limit: int) -> None:
        """``limit`` is the largest answer this side takes."""
        super().__init__(ASKING, "an answer", limit)
        self._most = SMALLEST_REQUESTS
        self._most_bytes = SMALLEST_REQUEST_BYTES
        self._next = 0
        self._waiting: dict[int, Data] = {}  # in order

    def ask(self, question: Data) -> int:
        """Put a question in line; return its number."""
        while self._next in self._open or self._next in self._waiting:
            self._next = (self._next + 1) % _IDS
        id = self._next
        self._next = (id + 1) % _IDS
        self._waiting[id] = question
        return id

    def allow(self, count: int, size: int) -> None:
        """Note how many questions the peer takes at a time, and bytes of them together."""
        self._most = count
        self._most_bytes = size

    def next(self) -> tuple[int, Data] | None:
        """Return the next question, if the peer has room for it: it is asked now."""
        if not self._waiting or self.count >= self._most:
            return None
        id, question = next(iter(self._waiting.items()))
        if self.size + len(question) > self._most_bytes:
            return None
        del self._waiting[id]
        self._begin(id, _Request(Request.ASKING, len(question)))
        return id, question

    def asked(self, id: int) -> None:
        """Note that the last piece of a question has been handed over."""
        request = self._open.get(id)
        if request and request.state is Request.ASKING:
            request.state = Request.ASKED

    def forget(self, id: int) -> None:
        """Take a question back of which the peer has not heard."""
        if self._waiting.pop(id, None) is None:
            self._free(id)

    def cancel(self, id: int) -> bool:
        """Do not wait for an answer any more; return whether the peer has to be told."""
        request = self._open.get(id)
        if request is None or request.state is Request.CANCELLED:
            return False
        request.state = Request.CANCELLED
        request.assembly = None
        return True

    def waits(self, id: int) -> bool:
        """Say whether a question is still in line."""
        return id in self._waiting

    def reply_part(self, id: int, piece: Data) -> None:
        """Take a piece of an answer.

        Raises:
            MessageTooLarge: it is over the limit.
            RemoteProtocolError: nobody asked.

        """
        following = self._following(id, Kind.REPLY_PART)
        request = self._open[id]
        request.state = following
        if following is not Request.CANCELLED:
            self._assemble(request, piece)

    def reply(self, id: int, piece: Data) -> bytes | None:
        """Take an answer, or its last piece; return it, if it is still wanted.

        Raises:
            MessageTooLarge: it is over the limit.
            RemoteProtocolError: nobody asked.

        """
        self._following(id, Kind.REPLY)
        request = self._free(id)
        if request.state is Request.CANCELLED:
            return None
        return self._assemble(request, piece).take()

    def failure(self, id: int) -> bool:
        """Take an answer that is none; return whether somebody still waits for it.

        Raises:
            RemoteProtocolError: nobody asked.

        """
        self._following(id, Kind.FAILURE)
        return self._free(id).state is not Request.CANCELLED

    def too_large(self, limit: int) -> list[int]:
        """Take those that are larger than this out of the line, and return them."""
        refused = [id for id, question in self._waiting.items() if len(question) > limit]
        for id in refused:
            del self._waiting[id]
        return refused

    def give_up(self) -> list[int]:
        """Wait for no answer any more; return the requests for which somebody does."""
        wanted = [id for id, request in self._open.items() if request.state is not Request.CANCELLED]
        wanted += self._waiting
        self._open.clear()
        self._waiting.clear()
        self.count = self.size = 0
        return wanted


class Answering(_Requests):
    """The questions of the peer. Each holds its place until the last byte of its answer has been handed over."""

    __slots__ = ("_answered", "_most", "_most_bytes")

    def __init__(self, limit: int, most: int, most_bytes: int) -> None:
        """``limit`` is the largest question taken, ``most`` how many at a time, ``most_bytes`` how much of them."""
        super().__init__(ANSWERING, "a request", limit)
        self._most = most
        self._most_bytes = most_bytes
        self._answered = set[int]()

    def part(self, id: int, piece: Data) -> None:
        """Take a piece of a question.

        Raises:
            MessageTooLarge: it is over the limit.
            RemoteProtocolError: it has no place here.

        """
        following = self._following(id, Kind.REQUEST_PART)
        self._add(id, following, piece)

    def request(self, id: int, piece: Data) -> bytes:
        """Take a question, or its last piece; return it.

        Raises:
            MessageTooLarge: it is over the limit.
            RemoteProtocolError: it has no place here.

        """
        following = self._following(id, Kind.REQUEST)
        request = self._add(id, following, piece)
        assert request.assembly
        question, request.assembly = request.assembly.take(), None
        return question

    def cancel(self, id: int) -> tuple[bool, bool]:
        """Note that the asker gave up; return whether whoever answers is to be told, and whether to answer at once.

        Raises:
            RemoteProtocolError: it has done so already.

        """
        following = self._following(id, Kind.CANCEL)
        request = self._open.get(id)
        if request is None:
            return False, False
        whole = request.state is not Request.ASKING
        request.state = following
        request.assembly = None
        return (False, False) if id in self._answered else (whole, not whole)

    def answer(self, id: int) -> bool:
        """Note that an answer goes out; return False if nobody asked, or it has been answered."""
        request = self._open.get(id)
        if request is None or id in self._answered:
            return False
        self._answered.add(id)
        return True

    def cancelled(self, id: int) -> bool:
        """Say whether the asker gave this one up."""
        return self._open[id].state is Request.CANCELLED

    def gone(self, id: int) -> None:
        """Note that the answer has gone: the number is free, and there is room for another question."""
        if id in self._answered:
            self._answered.remove(id)
            self._free(id)

    def give_up(self) -> list[int]:
        """Forget them all; return those that are not answered, and of which somebody knows."""
        known = [
            id
            for id, request in self._open.items()
            if id not in self._answered and request.state in (Request.ASKED, Request.CANCELLED)
        ]
        self._open.clear()
        self._answered.clear()
        self.count = self.size = 0
        return known

    def _add(self, id: int, following: Request, piece: Data) -> _Request:
        request = self._open.get(id)
        if request is None:
            if self.count >= self._most:
                raise RemoteProtocolError(
                    f"the peer sent request {id}, and {self.count} are unanswered: at most {self._most} are taken here"
                )
            request = self._begin(id, _Request(following))
        request.state = following
        if self.size + len(piece) > self._most_bytes:
            raise RemoteProtocolError(
                f"the peer sent {self.size + len(piece)} bytes of requests that are unanswered: "
                f"at most {self._most_bytes} are taken here"
            )
        request.size += len(piece)
        self.size += len(piece)
        self._assemble(request, piece)
        return request
