"""Questions and answers: which belongs to which, how many there may be, and what has become of each."""

from mezha.errors import RemoteProtocolError
from mezha.framing import Data
from mezha.session.frames import Kind
from mezha.session.hello import Hello
from mezha.session.pieces import Assembly
from mezha.session.sizes import Sizes
from mezha.session.states import ANSWERING, ASKING, Request, Table

__all__ = ["Answering", "Asking"]

#: Numbers of requests are 32 bits wide.
_IDS = 1 << 32


class _Request:
    """A request that is not answered yet."""

    __slots__ = ("answered", "assembly", "size", "state")

    def __init__(self, state: Request, size: int = 0) -> None:
        self.state = state
        #: Bytes of the question.
        self.size = size
        #: What arrives in pieces: at the asker's the answer, at the answerer's the question.
        self.assembly: Assembly | None = None
        #: The answer is on its way.
        self.answered = False


class _Requests:
    """Requests of one direction, as one of the two sides sees them."""

    __slots__ = ("_limit", "_open", "_table", "_what", "count", "size", "total")

    def __init__(self, table: Table[Request], what: str, limit: int) -> None:
        self._table = table
        self._what = what
        self._limit = limit
        self._open: dict[int, _Request] = {}
        #: How many there are, and bytes of their questions together.
        self.count = self.size = 0
        #: How many there ever were.
        self.total = 0

    def _following(self, number: int, kind: Kind) -> Request:
        """Return the state of a request after a frame.

        Raises:
            RemoteProtocolError: there is no such frame in its state.

        """
        request = self._open.get(number)
        state = request.state if request else Request.FREE
        following = self._table.get((state, kind))
        if following is None:
            raise RemoteProtocolError(f"the peer sent a {kind.name} for request {number}, which is {state.value}")
        return following

    def _begin(self, number: int, request: _Request) -> _Request:
        self._open[number] = request
        self.total += 1
        self.count += 1
        self.size += request.size
        return request

    def _free(self, number: int) -> _Request:
        request = self._open.pop(number)
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

    __slots__ = ("_next", "_sizes", "_waiting")

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(ASKING, "an answer", sizes.ours.max_message)
        self._sizes = sizes
        self._next = 0
        self._waiting: dict[int, Data] = {}  # in order

    def ask(self, question: Data) -> int:
        """Put a question in line; return its number."""
        while self._next in self._open or self._next in self._waiting:
            self._next = (self._next + 1) % _IDS
        number = self._next
        self._next = (number + 1) % _IDS
        self._waiting[number] = question
        return number

    def next(self) -> tuple[int, Data] | None:
        """Return the next question, if the peer has room for it: it is asked now."""
        if not self._waiting or self.count >= self._sizes.questions:
            return None
        number, question = next(iter(self._waiting.items()))
        if self.size + len(question) > self._sizes.question_bytes:
            return None
        del self._waiting[number]
        self._begin(number, _Request(Request.ASKING, len(question)))
        return number, question

    def asked(self, number: int) -> None:
        """Note that the last piece of a question has been handed over."""
        request = self._open.get(number)
        if request and request.state is Request.ASKING:
            request.state = Request.ASKED

    def forget(self, number: int) -> None:
        """Take a question back of which the peer has not heard."""
        if self._waiting.pop(number, None) is None:
            self._free(number)

    def cancel(self, number: int) -> bool:
        """Do not wait for an answer any more; return whether the peer has to be told."""
        request = self._open.get(number)
        if request is None or request.state is Request.CANCELLED:
            return False
        request.state = Request.CANCELLED
        request.assembly = None
        return True

    def waits(self, number: int) -> bool:
        """Say whether a question is still in line."""
        return number in self._waiting

    def reply_part(self, number: int, piece: Data) -> None:
        """Take a piece of an answer.

        Raises:
            MessageTooLarge: it is over the limit.
            RemoteProtocolError: nobody asked.

        """
        following = self._following(number, Kind.REPLY_PART)
        request = self._open[number]
        request.state = following
        if following is not Request.CANCELLED:
            self._assemble(request, piece)

    def reply(self, number: int, piece: Data) -> bytes | None:
        """Take an answer, or its last piece; return it, if it is still wanted.

        Raises:
            MessageTooLarge: it is over the limit.
            RemoteProtocolError: nobody asked.

        """
        self._following(number, Kind.REPLY)
        request = self._open[number]
        answer = None
        if request.state is not Request.CANCELLED:
            answer = self._assemble(request, piece).take()
        self._free(number)
        return answer

    def failure(self, number: int) -> bool:
        """Take an answer that is none; return whether somebody still waits for it.

        Raises:
            RemoteProtocolError: nobody asked.

        """
        self._following(number, Kind.FAILURE)
        return self._free(number).state is not Request.CANCELLED

    def line(self) -> list[tuple[int, int]]:
        """List the questions in line, and how large they are."""
        return [(number, len(question)) for number, question in self._waiting.items()]

    def give_up(self) -> list[int]:
        """Wait for no answer any more; return the requests for which somebody does."""
        wanted = [number for number, request in self._open.items() if request.state is not Request.CANCELLED]
        wanted += self._waiting
        self._open.clear()
        self._waiting.clear()
        self.count = self.size = 0
        return wanted


class Answering(_Requests):
    """The questions of the peer. Each holds its place until the last byte of its answer has been handed over."""

    __slots__ = ("_most", "_most_bytes")

    def __init__(self, ours: Hello) -> None:
        super().__init__(ANSWERING, "a request", ours.max_message)
        self._most = ours.requests
        self._most_bytes = ours.request_bytes

    def part(self, number: int, piece: Data) -> None:
        """Take a piece of a question.

        Raises:
            MessageTooLarge: it is over the limit.
            RemoteProtocolError: it has no place here.

        """
        following = self._following(number, Kind.REQUEST_PART)
        self._add(number, following, piece)

    def request(self, number: int, piece: Data) -> bytes | None:
        """Take a question, or its last piece; return it, or None if it came at once and is over the limit.

        Raises:
            MessageTooLarge: it came in pieces, and is over the limit.
            RemoteProtocolError: it has no place here.

        """
        following = self._following(number, Kind.REQUEST)
        if number not in self._open and len(piece) > self._limit:  # it may have been sent before the limit was known
            self._add(number, following, b"")
            return None
        request = self._add(number, following, piece)
        assert request.assembly
        question, request.assembly = request.assembly.take(), None
        return question

    def cancel(self, number: int) -> tuple[bool, bool]:
        """Note that the asker gave up; return whether whoever answers is to be told, and whether to answer at once.

        Raises:
            RemoteProtocolError: it has done so already.

        """
        following = self._following(number, Kind.CANCEL)
        request = self._open.get(number)
        if request is None:
            return False, False
        whole = request.state is not Request.ASKING
        request.state = following
        request.assembly = None
        return (False, False) if request.answered else (whole, not whole)

    def answer(self, number: int) -> bool:
        """Note that an answer goes out; return False if nobody asked, or it has been answered."""
        request = self._open.get(number)
        if request is None or request.answered:
            return False
        request.answered = True
        return True

    def gone(self, number: int) -> None:
        """Note that the answer has gone: the number is free, and there is room for another question."""
        if number in self._open:
            self._free(number)

    def give_up(self) -> list[int]:
        """Forget them all; return those that somebody is about to answer, and was not told that it is for nothing."""
        known = [
            number for number, request in self._open.items() if request.state is Request.ASKED and not request.answered
        ]
        self._open.clear()
        self.count = self.size = 0
        return known

    def _add(self, number: int, following: Request, piece: Data) -> _Request:
        request = self._open.get(number)
        if request is None:
            if self.count >= self._most:
                raise RemoteProtocolError(
                    f"the peer sent request {number} while {self.count} are unanswered: at most {self._most} are taken"
                )
            request = self._begin(number, _Request(Request.ASKING))
        if self.size + len(piece) > self._most_bytes:
            raise RemoteProtocolError(
                f"the peer sent {self.size + len(piece)} bytes of requests that are unanswered: "
                f"at most {self._most_bytes} are taken here"
            )
        request.size += len(piece)
        self.size += len(piece)
        self._assemble(request, piece)
        request.state = following
        return request
