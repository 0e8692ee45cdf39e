"""The session: the engine of the mezha protocol, as drivers and programs see it."""

from collections import deque

from mezha.engine import Engine, State
from mezha.errors import LocalProtocolError, MezhaError
from mezha.framing import Data
from mezha.limits import Limits, Timeouts
from mezha.session.closing import Ending
from mezha.session.conversation import Conversation
from mezha.session.frames import HEADER, PIECE, Close, Drop
from mezha.session.hello import Hello
from mezha.session.sizes import sound
from mezha.session.states import Stream
from mezha.session.stats import Stats

__all__ = ["Session"]


class Session(Conversation, Engine):
    """One side of the mezha protocol.

    Beside what every engine does it asks and answers, measures the way there and back, and sends and receives messages
    piece by piece. What comes of requests and pings is in ``events``.

    Memory is bounded by what this side said in its HELLO: the window and one message more, for requests their bytes
    once more, and the answers it asked for.
    """

    __slots__ = ("pop", "push")

    unattended = True

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        answers: bool = True,
        hello: Hello | None = None,
    ) -> None:
        """Be one side of a connection. Without ``answers``, requests of the peer are refused.

        ``hello`` is what ``hello_of`` the limits and time-outs returns: many connections may share one.
        """
        super().__init__(limits or Limits(), timeouts or Timeouts(), hello, answers=answers)
        self.push = self._outbox.push
        self.pop = self._inbox.pop

    # -- the connection -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Which directions are left."""
        return self._life.state

    @property
    def events(self) -> deque[object]:
        """What became of requests and pings, and what the peer asks: for the driver."""
        return self._exchange.events if self._exchange else super().events

    @property
    def ending(self) -> Ending | None:
        """How it ended, as far as is known; ``None`` while it goes on."""
        life, outbox = self._life, self._outbox
        lost = life.cause is not None and not outbox.said
        return life.goodbyes.ending(
            fault=life.fault is not None,
            lost=lost,
            sent=outbox.sent,
            delivered=outbox.delivered,
            never_sent=outbox.unsent,
        )

    @property
    def trouble(self) -> MezhaError | None:
        """Why nothing can be asked or answered any more, a fresh exception each time; ``None`` while it can."""
        return self._life.unable() if self._life.over else None

    @property
    def over(self) -> bool:
        """Whether there is trouble."""
        return self._life.over

    @property
    def amid(self) -> bool:
        """Whether a message is arriving in pieces."""
        return self._life.stream is Stream.MIDDLE

    @property
    def greeted(self) -> bool:
        """Whether the peer has said hello."""
        return self._welcome is None

    @property
    def delivered(self) -> int:
        """Messages of this side that the program at the other has been handed, as far as the peer has said so."""
        return self._outbox.delivered

    @property
    def stats(self) -> Stats:
        """How it is, in numbers."""
        outbox, inbox = self._outbox, self._inbox
        sent, asked = self._exchange.ours if self._exchange else (0, 0)
        received, unanswered = self._exchange.theirs if self._exchange else (0, 0)
        return Stats(
            messages_sent=outbox.sent,
            messages_delivered=outbox.delivered,
            messages_received=inbox.count,
            requests_sent=sent,
            requests_received=received,
            bytes_sent=outbox.bytes_sent,
            bytes_received=self._bytes_received,
            queued=outbox.queued,
            waiting=inbox.size + self._intake.unfinished,
            credit=outbox.credit,
            asked=asked,
            unanswered=unanswered,
            sending=outbox.sending,
            arriving=inbox.unfinished,
        )

    def end(self) -> bool:
        """End this side's messages; requests go on."""
        if not self._life.ended:
            self._life.ended = True
            self._outbox.end()
        return False

    def close(self, code: int = 0, reason: str = "") -> None:
        """Say goodbye, behind what is queued; throw away what is here and what still comes."""
        life = self._life
        if life.closed:
            return
        life.closed = True
        taken = self._inbox.count
        self._inbox.discard()
        if life.goodbyes.theirs:
            self._answer_goodbye(taken)
        elif not (life.fault or life.cause):
            life.goodbyes.ours = Close(code, taken, reason)
            self._outbox.close(life.goodbyes.ours)
        self._give_up()
        self._account()

    def finished(self) -> bool:
        """Say whether both sides have said goodbye, or nothing can be said any more."""
        life = self._life
        refused = life.fault is not None and self._welcome is not None
        return refused or life.dead or life.cause is not None or life.goodbyes.theirs is not None

    def unused(self) -> bytes:
        """Return nothing: a session is more than its bytes, and nobody can take over in the middle of it."""
        return b""

    @property
    def forgiven(self) -> int:
        """Forgive nothing."""
        return 0

    # -- sending ------------------------------------------------------------------------------------------------------

    def clear(self, size: int) -> bool:
        """Say whether a message of so many bytes can go out now, or begin to."""
        if self._life.over or self._life.ended or self._sizes.refusal(size, "message"):
            return True
        if self._outbox.waiting or (self._welcome and size > PIECE):
            return False
        return HEADER + min(size, PIECE) <= self._outbox.credit

    def send(self, message: Data) -> None:
        """Queue one message."""
        self._life.check_sending()
        message = sound(message)
        size = len(message)
        self._sizes.check(size, "message")
        if self._welcome and size > PIECE:
            raise LocalProtocolError(
                f"a message of {size} bytes has to wait for the peer's hello, which says what it takes: it is not "
                f"clear() yet, and nothing was sent",
                size=size,
            )
        self._outbox.message(message)

    @property
    def outgoing_size(self) -> int:
        """Bytes that ``outgoing`` would return, at least; 0 if there are none."""
        return self._outbox.size

    def outgoing(self) -> list[Data]:
        """Hand over what is to be sent; of what is large, a few pieces at a time."""
        outbox = self._outbox
        parts = outbox.collect()
        if parts:
            self._heartbeat.sent = True
        if outbox.handed_over:
            handed_over, outbox.handed_over = outbox.handed_over, None
            self._talk.gone(handed_over)
        return parts

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent, for credit or to be handed over; without headers where those are not made yet."""
        return self._outbox.queued

    @property
    def largest(self) -> int:
        """Bytes of the largest message that both sides take, as far as is known."""
        return self._sizes.largest

    def lend(self) -> int:
        """Lend all credit to who sends messages past this engine, by itself; ``settle`` takes back what is left."""
        return self._outbox.lend()

    def settle(self, credit: int, count: int) -> None:
        """Take back what is left of the credit lent; so many messages were sent for the rest."""
        self._outbox.settle(credit, count)

    def begin_stream(self) -> None:
        """Begin a message that is sent piece by piece, when one of more than 65 536 bytes is ``clear``.

        Raises:
            LocalProtocolError: there is one already.

        Otherwise as ``send``.

        """
        self._life.check_sending()
        self._outbox.begin_stream()

    @property
    def stream_room(self) -> int:
        """Bytes that it is useful to add to it now; more would only wait here."""
        return self._outbox.room

    def send_piece(self, piece: Data) -> None:
        """Add to it. The piece is kept by reference.

        Raises:
            LocalProtocolError: the message would be over the limit. What was added before still stands.

        Otherwise as ``send``.

        """
        self._life.check_sending()
        piece = memoryview(sound(piece))
        self._sizes.check(self._outbox.stream_size + len(piece), "message")
        self._outbox.add_piece(piece)

    def end_stream(self) -> None:
        """Say that it is whole."""
        self._life.check_sending()
        self._outbox.end_stream()

    def drop_stream(self, code: int, text: str) -> None:
        """Give it up: the peer throws away what it has of it, and is told why."""
        self._life.check_sending()
        self._outbox.drop_stream(Drop(code, text))

    # -- receiving ----------------------------------------------------------------------------------------------------

    def take(self, count: int = 1) -> list[bytes]:
        """Hand out up to ``count`` messages."""
        life, inbox = self._life, self._inbox
        life.check_taking()
        if inbox.vacant:  # then nothing has left that is to be accounted for: before that, pop() stops
            inbox.want()
            life.check_waiting()
            return []
        messages = inbox.take(count)
        self._account()
        if not messages:
            life.check_waiting()
        return messages

    def open_stream(self) -> bool:
        """Open the next message to take it piece by piece; return False if nothing of it is here.

        Raises:
            LocalProtocolError: one is open.

        Otherwise as ``take``.

        """
        self._life.check_taking()
        opened = self._inbox.open_stream()
        self._account()
        if not opened:
            self._life.check_waiting()
        return opened

    def take_piece(self) -> bytes | None:
        """Hand out what has come of it; ``b""`` at its end, and None if more has to arrive.

        Raises:
            MessageDropped: the peer has given the message up.

        Otherwise as ``take``.

        """
        self._life.check_taking()
        piece = self._inbox.read()
        self._account()
        if piece is None:
            self._life.check_waiting()
        return piece

    def leave_stream(self) -> None:
        """Throw away the rest of it."""
        self._inbox.leave_stream()
        self._account()

    def idle(self) -> bool:
        """Say whether there is nothing to take, nor an end, nor anything that would be given back."""
        return self._inbox.idle()

    def full(self) -> bool:
        """Never stop reading: credit bounds what can arrive."""
        return False

    def space(self) -> None:
        """Have no memory of its own to receive into."""

    # -- asking -------------------------------------------------------------------------------------------------------

    def request(self, body: Data) -> int:
        """Ask the peer; return the number of the answer, ``Answered`` in ``events``. The body is kept by reference.

        Raises:
            LocalProtocolError: over the limit. Nothing was sent.
            ClosedByUs: this side has closed.
            ClosedByPeer: the peer has.
            RemoteProtocolError: the peer broke the protocol.
            ConnectionLost: the connection is broken.

        """
        self._life.check_asking()
        body = sound(body)
        self._sizes.check(len(body), "request")
        return self._talk.request(body)

    def cancel(self, number: int) -> None:
        """Forget a request of this side: nothing is told of it any more."""
        self._talk.cancel(number)

    def answer(self, number: int, body: Data) -> None:
        """Answer a request of the peer; do nothing if it is not open any more. The body is kept by reference.

        Raises:
            LocalProtocolError: the answer is over the limit. The peer is told that, in place of it.

        """
        self._talk.answer(number, sound(body))

    def fail(self, number: int, code: int, text: str) -> None:
        """Say that a request of the peer has no answer, and why; do nothing if it is not open any more."""
        self._talk.fail(number, code, text)

    def probe(self) -> None:
        """Send a PING for what its answer says of messages taken (``delivered``); do nothing if it is over."""
        if not self._life.over:
            self._outbox.control(self._pings.ping())

    def ping(self, now: float) -> int:
        """Send a PING; return the number of what comes of it, ``Ponged`` in ``events``.

        Its answer also says how many messages of this side the program at the other has been handed (``stats``).

        Raises as ``request``.
        """
        self._life.check_asking()
        self._outbox.control(self._pings.ping())
        self._pings.want(now)
        return self._pings.last
