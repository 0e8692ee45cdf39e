"""The session: the engine of the mezha protocol. It puts the small machines together."""

import math
import sys
from collections import deque
from copy import copy
from struct import Struct

from mezha.engine import Engine, State, as_view
from mezha.errors import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    HandshakeError,
    LocalProtocolError,
    MessageDropped,
    MessageTooLarge,
    MezhaError,
    RemoteProtocolError,
)
from mezha.framing import Data
from mezha.limits import Limits, Timeouts
from mezha.session.closing import Ending, Goodbyes
from mezha.session.credit import Grant
from mezha.session.events import Ponged
from mezha.session.exchange import Exchange
from mezha.session.frames import (
    HEADER,
    PIECE,
    Body,
    Cancel,
    Close,
    Code,
    Counted,
    Drop,
    End,
    Failure,
    Kind,
    Token,
    code_name,
    encode_frame,
    parse_frame,
)
from mezha.session.greeting import MAGIC
from mezha.session.heartbeat import Heartbeat
from mezha.session.hello import (
    ALLOWANCE,
    SMALLEST_REQUEST_BYTES,
    SMALLEST_WINDOW,
    Hello,
    agree_on_heartbeat,
)
from mezha.session.inbox import Inbox
from mezha.session.intake import Intake
from mezha.session.outbox import Outbox
from mezha.session.states import STREAM, Stream
from mezha.session.welcome import Welcome

__all__ = ["Session", "hello_of"]

_ID = Struct(">I").unpack_from


def hello_of(limits: Limits, timeouts: Timeouts, agent: str = "") -> Hello:
    """Return what a side with these limits and time-outs says of itself."""
    return Hello(
        max_message=limits.max_message,
        window=max(limits.inbox, SMALLEST_WINDOW),
        heartbeat=int((timeouts.heartbeat or 0) * 1000),
        requests=limits.requests,
        request_bytes=max(limits.inbox, limits.max_message, SMALLEST_REQUEST_BYTES),
        agent=agent,
    )


class Session(Engine):
    """One side of the mezha protocol.

    Beside what every engine does it asks and answers, measures the way there and back, and sends and receives messages
    piece by piece. What comes of requests and pings is in ``events``.
    """

    __slots__ = (
        "_cause",
        "_closed",
        "_dead",
        "_ended",
        "_exchange",
        "_fault",
        "_goodbyes",
        "_grant",
        "_heartbeat",
        "_inbox",
        "_intake",
        "_limits",
        "_ours",
        "_outbox",
        "_pinged",
        "_pings",
        "_stream",
        "_theirs",
        "_timeouts",
        "_welcome",
        "_welcome_by",
        "idle",
        "pop",
        "push",
    )

    unattended = True

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        answers: bool = True,
        hello: Hello | None = None,
    ) -> None:
        """Be one side of a connection. Without ``answers``, requests of the peer are refused."""
        self._limits = limits or Limits()
        self._timeouts = timeouts or Timeouts()
        self._ours = ours = hello or hello_of(self._limits, self._timeouts)
        self._theirs: Hello | None = None
        self._stream = Stream.GREETING  # of the peer's frames
        self._welcome: Welcome | None = Welcome(ours.versions)
        self._welcome_by = math.inf
        self._intake = Intake(min(ours.max_message, PIECE))
        self._inbox = Inbox(ours.max_message)
        self._grant = Grant(ours.window)
        self._outbox = Outbox(ours.max_message, self._limits.outbox)
        self._heartbeat = Heartbeat()
        self._goodbyes = Goodbyes()
        self._exchange = Exchange(ours, self._outbox, answers=answers)
        self._pinged = 0
        self._pings: dict[int, float] = {}  # when each was sent
        self._closed = False
        self._ended = False
        self._fault: RemoteProtocolError | None = None
        self._cause: ConnectionLost | None = None
        self._dead = False  # nothing arrives any more
        self.push = self._outbox.push
        self.pop = self._inbox.pop
        self.idle = self._inbox.idle

    # -- the connection -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Which directions are left."""
        if self._closed:
            return State.CLOSED
        if self._fault:
            return State.FAILED
        if self._stream is Stream.CLOSED:
            return State.CLOSED
        if self._stream is Stream.ENDED:
            return State.CLOSED if self._ended or self._cause else State.PEER_ENDED
        if self._cause:
            return State.FAILED
        return State.WE_ENDED if self._ended else State.OPEN

    @property
    def events(self) -> deque[object]:
        """What became of requests and pings, and what the peer asks: for the driver."""
        return self._exchange.events

    @property
    def ending(self) -> Ending | None:
        """How it ended, as far as is known; ``None`` while it goes on."""
        return self._goodbyes.ending(
            fault=self._fault is not None,
            lost=self._cause is not None and not self._outbox.said,
            sent=self._outbox.sent,
            never_sent=self._outbox.unsent,
        )

    def begin(self, now: float) -> None:
        """Say hello."""
        self._outbox.greet((MAGIC, *encode_frame(Body(Kind.HELLO, self._ours.encode()))))
        if self._timeouts.handshake is not None:
            self._welcome_by = now + self._timeouts.handshake

    def deadline(self) -> float | None:
        """Return when to look after the peer."""
        if self._dead or self._cause:
            return None
        due = self._welcome_by if self._welcome else self._heartbeat.deadline()
        return None if due == math.inf else due

    def expire(self, now: float) -> None:
        """Ask a silent peer whether it is there, or give it up; or one that never said hello."""
        if self._dead or self._cause:
            return
        if self._welcome:
            if now >= self._welcome_by:
                self._refuse(self._welcome.missing())
            return
        ask = self._heartbeat.look(now)
        silence = self._heartbeat.silence(now)
        if silence is not None:
            queued = self._outbox.backlog
            self._lose(
                ConnectionLost(
                    f"the peer has been silent for {silence:.3g} s, and did not answer (Timeouts.heartbeat); "
                    f"{queued} bytes were waiting to be sent",
                    silence=silence,
                    queued=queued,
                )
            )
            self._inbox.end()
            self._dead = True
        elif ask:
            self._ping()

    def end(self) -> bool:
        """End this side's messages; requests go on."""
        if not self._ended:
            self._ended = True
            self._outbox.end()
        return False

    def close(self, code: int = 0, reason: str = "") -> None:
        """Say goodbye, behind what is queued; throw away what is here and what still comes."""
        if self._closed:
            return
        self._closed = True
        taken = self._inbox.count
        self._inbox.discard()
        if self._stream is Stream.CLOSED:
            if self._goodbyes.ours is None:
                self._outbox.clear(self._goodbyes.answer(taken))
        elif not (self._fault or self._cause):
            self._goodbyes.ours = Close(code, taken, reason)
            self._outbox.close(self._goodbyes.ours)
        self._give_up()
        self._account()

    def finished(self) -> bool:
        """Say whether both sides have said goodbye, or nothing can be said any more."""
        refused = self._fault is not None and self._theirs is None
        return self._dead or refused or self._cause is not None or self._goodbyes.theirs is not None

    def lost(self, cause: BaseException) -> None:
        """Note that the connection broke."""
        if not self._cause and not self._dead:
            queued = self._outbox.backlog
            lost = ConnectionLost(f"the connection was lost: {str(cause) or type(cause).__name__}", queued=queued)
            lost.__cause__ = cause
            self._lose(lost)

    def unused(self) -> bytes:
        """Return nothing: who takes over a session would need more than bytes."""
        return b""

    # -- sending ------------------------------------------------------------------------------------------------------

    def clear(self, size: int) -> bool:
        """Say whether a message of so many bytes can go out now, or begin to."""
        if self._over or self._too_large(size, "message"):
            return True
        if self._outbox.waiting or (self._theirs is None and size > PIECE):
            return False
        return HEADER + min(size, PIECE) <= self._outbox.credit

    def send(self, message: Data) -> None:
        """Queue one message."""
        self._check_sending()
        message = _sound(message)
        if error := self._too_large(len(message), "message"):
            raise error
        if self._theirs is None and len(message) > PIECE:
            raise LocalProtocolError(
                f"a message of {len(message)} bytes has to wait until the peer has said what it takes: "
                f"it is not clear() yet, and nothing was sent",
                size=len(message),
            )
        self._outbox.message(message)

    @property
    def outgoing_size(self) -> int:
        """Bytes that ``outgoing`` would return, at least; 0 if there are none."""
        return self._outbox.size

    def outgoing(self) -> list[Data]:
        """Hand over what is to be sent; of what is large, a few pieces at a time."""
        parts = self._outbox.collect()
        if parts:
            self._heartbeat.sent = True
        if self._outbox.handed_over:
            self._exchange.gone(self._outbox.handed_over)
        return parts

    def lend(self) -> int:
        """Lend all credit to who sends messages past this engine, by itself. Give it back with ``settle``."""
        return self._outbox.lend()

    def settle(self, credit: int, count: int) -> None:
        """Take back what is left of the credit lent; so many messages were sent for the rest."""
        self._outbox.settle(credit, count)

    def begin_stream(self) -> None:
        """Begin a message that will be sent piece by piece; to be done when a large one is ``clear``.

        Raises:
            LocalProtocolError: there is one already.

        Otherwise as ``send``.

        """
        self._check_sending()
        self._outbox.begin_stream()

    @property
    def stream_room(self) -> int:
        """Bytes that can be added to it now without more of them waiting here than is useful."""
        return self._outbox.room

    def send_piece(self, piece: Data) -> None:
        """Add to it. It is kept by reference.

        Raises:
            LocalProtocolError: the message would be over the limit. Nothing was added; what was, still stands.

        Otherwise as ``send``.

        """
        self._check_sending()
        piece = memoryview(_sound(piece))
        if error := self._too_large(self._outbox.stream_size + len(piece), "message"):
            raise error
        self._outbox.add_piece(piece)

    def end_stream(self) -> None:
        """End the message that is sent piece by piece: now it is whole."""
        self._check_sending()
        self._outbox.end_stream()

    def drop_stream(self, code: int, text: str) -> None:
        """Give it up: the peer throws away what it has of it, and is told why."""
        self._check_sending()
        self._outbox.drop_stream(code, text)

    # -- receiving ----------------------------------------------------------------------------------------------------

    def receive(self, data: Data, now: float) -> None:
        """Take bytes that arrived, or the end."""
        if self._dead:
            return
        if not len(data):
            self._end_of_stream()
            return
        if self._fault:
            return
        self._heartbeat.heard = now
        try:
            if self._stream is Stream.OPEN and self._intake.messages(data):
                self._grant.spend(len(data))
                self._inbox.feed(data)
                if self._closed:
                    self._account()
            else:
                self._read(data, now)
        except RemoteProtocolError as error:
            self._refuse(error)
        except MemoryError as error:  # bytes are missing from here on
            self.lost(error)
            self._inbox.end()
            self._dead = True
            raise

    def take(self, count: int = 1) -> list[bytes]:
        """Hand out up to ``count`` messages."""
        if self._closed:
            raise self._unable()
        messages = self._inbox.take(count)
        self._account()
        if not messages:
            self._check_receiving()
        return messages

    def open_stream(self) -> bool:
        """Open the next message to take it piece by piece; return False if nothing of it is here.

        Raises:
            LocalProtocolError: one is open.

        Otherwise as ``take``.

        """
        if self._closed:
            raise self._unable()
        opened = self._inbox.open_stream()
        self._account()
        if not opened:
            self._check_receiving()
        return opened

    def take_piece(self) -> bytes | None:
        """Hand out what has come of it; ``b""`` at its end, and None if more has to arrive.

        Raises:
            MessageDropped: the peer has given the message up.

        Otherwise as ``take``.

        """
        if self._closed:
            raise self._unable()
        piece = self._inbox.read()
        self._account()
        if piece is None:
            self._check_receiving()
        return piece

    def leave_stream(self) -> None:
        """Throw away the rest of it."""
        self._inbox.leave_stream()
        self._account()

    def full(self) -> bool:
        """Never stop reading: credit bounds what can arrive."""
        return False

    def space(self) -> None:
        """Have no memory of its own."""

    # -- asking -------------------------------------------------------------------------------------------------------

    def request(self, body: Data) -> int:
        """Ask the peer; return the number of the answer, ``Answered`` in ``events``. The body is kept by reference.

        Raises:
            LocalProtocolError: over the limit. Nothing was sent.
            ClosedByUs: this side has closed.
            ClosedByPeer: the peer has.
            ConnectionLost: the connection is broken.

        """
        if self._over:
            raise self._unable()
        body = _sound(body)
        if error := self._too_large(len(body), "request"):
            raise error
        return self._exchange.request(body)

    def cancel(self, number: int) -> None:
        """Forget a request of this side."""
        self._exchange.cancel(number)

    def answer(self, number: int, body: Data) -> None:
        """Answer a request of the peer; do nothing if it is not open any more. The body is kept by reference.

        Raises:
            LocalProtocolError: the answer is over the limit. Nothing was sent: the request is still to be answered.

        """
        body = _sound(body)
        if error := self._too_large(len(body), "answer"):
            raise error
        self._exchange.answer(number, body)

    def fail(self, number: int, code: int, text: str) -> None:
        """Say that a request of the peer has no answer, and why; do nothing if it is not open any more."""
        self._exchange.fail(number, code, text)

    def ping(self, now: float) -> int:
        """Send a PING; return the number of what comes of it, ``Ponged`` in ``events``."""
        if self._over:
            raise self._unable()
        number = self._ping()
        self._pings[number] = now
        return number

    # -- what arrives -------------------------------------------------------------------------------------------------

    def _read(self, data: Data, now: float) -> None:
        """Read frames; the first of them is HELLO."""
        if self._welcome:
            theirs = self._welcome.feed(data)
            if theirs is None:
                return
            data, self._welcome = self._welcome.rest, None
            self._stream = STREAM[self._stream, Kind.HELLO]
            self._meet(theirs, now)
        for kind, frame in self._intake.cut(data):
            self._hear(kind, frame, now)
        self._account()

    def _meet(self, theirs: Hello, now: float) -> None:
        """Go by what both sides have said."""
        self._theirs = theirs
        self._outbox.grant(theirs.window - ALLOWANCE)
        beat = agree_on_heartbeat(self._ours, theirs) / 1000
        self._heartbeat.begin(now, beat or None, self._timeouts.heartbeat)
        self._exchange.begin(theirs, lambda size: self._too_large(size, "request"))

    def _hear(self, kind: Kind, frame: memoryview, now: float) -> None:
        """Act on a frame, or on a run of MESSAGE frames."""
        following = STREAM.get((self._stream, kind))
        if following is None:
            raise RemoteProtocolError(f"the peer sent {kind.name}, and its stream is {self._stream.value}")
        self._stream = following
        match kind:
            case Kind.MESSAGE:
                self._grant.spend(len(frame))
                self._inbox.feed(frame)
            case Kind.PART | Kind.LAST:
                self._grant.spend(HEADER - 1 + len(frame))
                (self._inbox.part if kind is Kind.PART else self._inbox.last)(frame[1:])
            case Kind.REQUEST | Kind.REQUEST_PART | Kind.REPLY | Kind.REPLY_PART:
                self._exchange.hear(kind, _ID(frame, 1)[0], frame[5:])
            case _:
                self._hear_of(parse_frame(bytes(frame)), now)

    def _hear_of(self, frame: object, now: float) -> None:
        """Act on a frame that is about the connection, or about other frames."""
        match frame:
            case Token(Kind.PING, token):
                self._outbox.pong(token)
            case Token(_, token):
                answered = int.from_bytes(token, "big")
                for number in [number for number in self._pings if number <= answered]:
                    self._exchange.tell(Ponged(number, now - self._pings.pop(number)))
            case Counted(_, number):
                self._outbox.grant(number)
            case Failure(number, code, text):
                self._exchange.hear_failure(number, code, text)
            case Cancel(number):
                self._exchange.hear_cancel(number)
            case Drop(code, text):
                self._inbox.drop(MessageDropped(f"the peer gave the message up: {text}", code=code))
            case End():
                self._inbox.end()
            case Close():
                self._hear_goodbye(frame)
            case _:
                raise AssertionError(f"{frame} is in the table and nowhere else")

    def _hear_goodbye(self, frame: Close) -> None:
        """Take the peer's goodbye; answer it when all that it sent has been taken."""
        self._goodbyes.theirs = frame
        self._heartbeat.relax()
        self._inbox.end()
        if self._goodbyes.ours is None:
            self._outbox.clear()
        elif not self._outbox.said:
            self._outbox.clear(self._goodbyes.ours)
        self._give_up()

    def _end_of_stream(self) -> None:
        """Note that nothing arrives any more."""
        if not (self._cause or self._fault or self._goodbyes.theirs):
            if self._welcome and self._welcome.stranger:
                self._refuse(self._welcome.missing())
            else:
                when = "before it had said hello" if self._welcome else "without a goodbye"
                queued = self._outbox.backlog
                self._lose(
                    ConnectionLost(f"the peer's stream ended {when}: it was cut, or the peer died", queued=queued)
                )
        self._dead = True
        self._inbox.end()

    # -- the end ------------------------------------------------------------------------------------------------------

    @property
    def _over(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closed or bool(self._fault or self._cause or self._goodbyes.theirs)

    def _account(self) -> None:
        """Give credit for what is here no longer; answer a goodbye once nothing is."""
        self._grant.free(self._inbox.freed())
        if self._stream is Stream.OPEN or self._stream is Stream.MIDDLE:
            if credit := self._grant.due():
                self._outbox.control(Counted(Kind.CREDIT, credit))
            self._inbox.allow(self._grant.missing)
        elif self._stream is Stream.CLOSED and not self._fault:
            self._inbox.allow(0)  # the last message has to be seen leaving
            if self._goodbyes.ours is None and self._inbox.empty:
                self._outbox.clear(self._goodbyes.answer(self._inbox.count))
        else:
            self._inbox.allow(sys.maxsize)

    def _refuse(self, error: RemoteProtocolError) -> None:
        """Give up a peer that broke the protocol; tell it, if it understands that much."""
        self._fault = error
        self._inbox.end()
        code = Code.TOO_LARGE if isinstance(error, MessageTooLarge) else Code.PROTOCOL_ERROR
        if isinstance(error, HandshakeError):
            code = Code(error.code)
        if self._goodbyes.ours is None or not self._outbox.said:
            self._goodbyes.ours = Close(code, self._inbox.count, str(error))
            stranger = self._welcome is not None and self._welcome.stranger
            self._outbox.clear(None if stranger else self._goodbyes.ours)
        self._give_up()
        self._account()

    def _lose(self, cause: ConnectionLost) -> None:
        """Note that nothing can be sent any more."""
        self._cause = cause
        self._outbox.clear()
        self._give_up()

    def _give_up(self) -> None:
        """Wait for nothing any more."""
        self._exchange.give_up(self._unable)
        pings, self._pings = self._pings, {}
        for number in pings:
            self._exchange.tell(Ponged(number, self._unable()))

    def _unable(self) -> MezhaError:
        """Say why nothing can be sent."""
        if self._closed:
            return ClosedByUs("this connection was closed on this side")
        if self._fault:
            return copy(self._fault)
        if self._goodbyes.theirs:
            return self._closed_by_peer()
        if self._cause:
            lost = copy(self._cause)
            lost.__cause__ = self._cause.__cause__
            return lost
        return ClosedByUs("this side has ended its stream: nothing more can be sent, only received")

    def _check_sending(self) -> None:
        if self._over or self._ended:
            raise self._unable()

    def _check_receiving(self) -> None:
        """Raise if nothing more can be received."""
        if self._fault or self._goodbyes.theirs or (self._dead and self._stream is not Stream.ENDED):
            raise self._unable()
        if self._stream is Stream.ENDED:
            raise ClosedByPeer("the peer has ended its messages; everything it sent has been received")

    def _closed_by_peer(self) -> ClosedByPeer:
        goodbye = self._goodbyes.theirs
        assert goodbye
        said = f": {goodbye.text}" if goodbye.text else ""
        code = f" with {code_name(goodbye.code)}" if goodbye.code else ""
        return ClosedByPeer(f"the peer has closed the connection{code}{said}", code=goodbye.code, reason=goodbye.text)

    # -- limits -------------------------------------------------------------------------------------------------------

    def _too_large(self, size: int, what: str) -> LocalProtocolError | None:
        """Say what is wrong with something so large, and whose limit it is over."""
        limit, whose, where = self._limits.max_message, "this side", "Limits(max_message=...)"
        if size <= limit:
            if self._theirs is None:
                return None
            limit, whose, where = self._theirs.max_message, "the peer", "its max_message"
            if what == "request" and self._theirs.request_bytes < limit:
                limit, where = self._theirs.request_bytes, "its requests"
            if size <= limit:
                return None
        return LocalProtocolError(
            f"the {what} has {size} bytes, and {whose} takes at most {limit} ({where}): nothing was sent",
            size=size,
            limit=limit,
        )

    def _ping(self) -> int:
        self._pinged += 1
        self._outbox.control(Token(Kind.PING, self._pinged.to_bytes(8, "big")))
        return self._pinged


def _sound(message: Data) -> bytes | memoryview:
    return message if isinstance(message, bytes) else as_view(message)
