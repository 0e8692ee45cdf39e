"""The blocking driver of a session: whoever waits, for whatever it is, moves bytes for all."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf
from typing import TypeVar

from mezha.blocking.calls import Answer, Calls
from mezha.blocking.pool import Pool
from mezha.blocking.stream import Stream, TLSStream
from mezha.engine import Engine, State, as_view
from mezha.errors import LocalProtocolError, SendTimeout
from mezha.framing import Data
from mezha.serving import GOING_AWAY
from mezha.session import Ending, Session, Stats
from mezha.session.inbox import MESSAGES
from mezha.sockets import drop

__all__ = ["Driver"]

T = TypeVar("T")

#: Bytes taken from an iterable ahead of sending, so that an endless one needs no endless memory.
_RUN = 256 << 10
#: Bytes that the engine is given ahead of writing.
_PIECE = 32 << 10
#: Bytes that go out past the messages in the wire, without a pause for them.
_FEW = 512
#: In these states messages can be sent.
_SENDING = (State.OPEN, State.PEER_ENDED)


class Driver:
    """One connection that speaks the mezha protocol, used by any number of threads.

    What is done to the engine and the socket is done under one lock, and never waits there. Whoever has to wait does so
    in ``until``: one of the threads that do watches the socket, reads for all, and tells the others that something has
    happened. So a request is answered while another thread receives, and none is needed for the connection's own sake;
    to one that nobody waits at, the keeper comes by.

    While nothing is queued the compiled wire sends small messages past the engine, for credit that it is lent.
    """

    __slots__ = (
        "__weakref__",
        "_calls",
        "_due",
        "_held",
        "_lock",
        "_open",
        "_others",
        "_receivers",
        "_sending",
        "_stream",
        "_stuck",
        "_unsent",
        "_watched",
        "_wire",
        "_wired",
        "deaf",
        "engine",
        "retiring",
        "session",
    )

    def __init__(self, stream: Stream, engine: Engine, session: Session) -> None:
        self.engine = engine
        self.session = session
        self._calls: Calls | None = None
        self._stream = stream
        self._wire = stream.wire
        self._lock = threading.Lock()
        #: Handed over by the engine and not taken by the system: first the rest of what is on the wire in part.
        self._unsent: list[Data] = []
        self._watched = False  # somebody waits for the socket, for all
        # Those who wait meanwhile, each for one of these to be released: few, and an empty tuple takes no memory.
        self._others: tuple[threading.Lock, ...] = ()
        #: It says goodbye as soon as nothing is under way.
        self.retiring = False
        self._receivers = 0  # threads that wait for a message
        #: Nothing more is to be read.
        self.deaf = False
        self._sending = threading.Lock()  # of the one thread that sends what the wire has left
        self._wired = False  # the wire may have something to send
        self._stuck = False  # something is to be written, and the system had no room
        self._due = inf  # when the engine wants to be looked after, at the earliest
        self._open = False  # it sends what it is given, for the credit that it is lent
        self._held = False  # it is not to, as somebody sends

    def open(self, name: str, answer: Answer | None, pool: Pool | None, *, batching: bool) -> None:
        """Say hello, and begin to answer requests of the peer, which is called so in the log."""
        if answer is not None:
            self._calls = Calls(self, answer, pool, peer=name)
        with self._lock:
            self.engine.begin(time.monotonic())
            self._attend(time.monotonic())
            if self.engine is self.session:  # else somebody watches it
                self._wire.start(MESSAGES.run(), self.session.largest, batching, credit=0)
            self._write()
        if self._calls is not None:
            self._calls.begin()

    @property
    def calls(self) -> Calls:
        """Requests and pings: there are none before somebody asks for them, unless there is who answers."""
        with self._lock:
            if self._calls is None:
                self._calls = Calls(self)
            return self._calls

    # -- waiting ------------------------------------------------------------------------------------------------------

    def do(self, action: Callable[[], T]) -> T:
        """Do something to the engine, and write what comes of it, as far as there is room."""
        with self._lock:
            try:
                return action()
            finally:
                self._write()

    def until(self, attempt: Callable[[], T | None], deadline: float | None) -> T | None:
        """Attempt something until it succeeds, and wait in between; return ``None`` when the deadline has passed.

        It is attempted at once, and again after all that happens, always under the lock; what it raises, this raises.
        """
        while True:
            watching = False
            other: threading.Lock | None = None
            try:
                with self._lock:
                    moved = True
                    while moved:
                        try:
                            result = attempt()
                        finally:
                            moved = self._write()
                        if result is not None:
                            return result
                    if deadline is not None and time.monotonic() >= deadline:
                        return None
                    write = self._stuck
                    until = deadline
                    if not self._watched and not self.deaf:
                        watching = self._watched = True
                        until = self._due if deadline is None else min(self._due, deadline)
                    elif not write:
                        other = threading.Lock()
                        other.acquire()
                        self._others += (other,)
                if other is None:
                    self._stream.wait(read=watching, write=write, deadline=None if until == inf else until)
                else:
                    other.acquire(timeout=-1 if until is None else max(until - time.monotonic(), 0))
            finally:
                if watching:
                    self._look()

    def claim(self) -> float | None:
        """Begin to watch the socket for the compiled ``recv``, if it can but wait; say until when, or None if not.

        It ends with ``arrived``, or ``broken``.
        """
        if self.deaf or self._stuck or not self._lock.acquire(blocking=False):
            return None
        try:
            if self._watched or not self.session.greeted or not self.session.idle():
                return None
            self._watched = True
            self._receivers += 1
            return self._due
        finally:
            self._lock.release()

    def arrived(self, data: Data | None, now: float) -> None:
        """Hand over what the compiled ``recv`` has read; None if the time is over, or a signal came."""
        with self._lock:
            self._watched = False
            self._receivers -= 1
            try:
                if data is not None:
                    self.engine.receive(data, now)
                    self.deaf = not len(data)
                if self.session.plain and data is not None and now < self._due:
                    self._due = min(self._due, self.session.frame_due)
                else:
                    self._attend(now)
                    self._write()
            finally:
                if self._others:
                    self._wake()

    def broken(self, error: OSError) -> None:
        """Note that the connection is broken, as the compiled ``recv`` has found."""
        with self._lock:
            self._watched = False
            self._receivers -= 1
            self._end(error)

    def look(self) -> float | None:
        """Read what is there, if nobody else is about to; return when the engine wants to be looked after."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if self._watched or self.deaf:
                return None
            self._read()
            self._write()
            self._wake()
            return self._due
        finally:
            self._lock.release()

    def stats(self) -> Stats:
        """Return the connection in numbers."""
        with self._lock:
            if self._open:
                self.take_back()
            self._write()
            return self.session.stats

    # -- messages -----------------------------------------------------------------------------------------------------

    def receive(self, count: int, timeout: float | None) -> list[bytes]:
        """Return up to so many messages, at least one."""
        deadline = None if timeout is None else time.monotonic() + timeout
        self._receivers += 1
        try:
            messages = self.until(lambda: self._take(count), deadline)
        finally:
            self._receivers -= 1
        if messages is None:
            raise TimeoutError(f"no whole message within {timeout:g} s; nothing is lost")
        return messages

    def _take(self, count: int) -> list[bytes] | None:
        messages = self.engine.take(count)
        if not messages and self.retiring and not self._busy:
            self.engine.close(*GOING_AWAY)
            messages = self.engine.take(count)  # which says that it is closed
        return messages or None

    def send(self, messages: Iterator[Data], deadline: float | None, sent: int) -> None:
        """Send what the wire has left; ``sent`` messages of the same call it did not."""
        self.begin_sending(deadline, sent)
        try:
            run: list[Data] = []
            size = 0
            try:
                for message in messages:
                    run.append(message if isinstance(message, bytes) else as_view(message))
                    size += len(run[-1])
                    if size >= _RUN:
                        self._accept(run, deadline, sent)
                        sent += len(run)
                        run, size = [], 0
            except Exception:  # whatever stopped us, those before it are promised
                self._accept(run, deadline, sent)
                self.finish(deadline, sent + len(run))
                raise
            self._accept(run, deadline, sent)
            self.finish(deadline, sent + len(run))
        finally:
            self.end_sending()

    def _accept(self, run: list[Data], deadline: float | None, sent: int) -> None:
        """Hand messages to the engine, each when the peer lets it go out."""
        accepted = 0
        engine, push = self.engine, self.engine.push

        def accept() -> bool | None:
            nonlocal accepted
            while accepted < len(run) and not self._unsent:
                message = run[accepted]
                if not push(message):
                    if not engine.clear(len(message)):
                        return None
                    engine.send(message)
                accepted += 1
                if engine.outgoing_size >= _PIECE:
                    self._write()
            return True if accepted == len(run) else None

        try:
            done = self.until(accept, deadline)
        except LocalProtocolError as error:
            error.sent = sent + accepted
            self.finish(deadline, sent + accepted)
            raise
        if not done:
            raise self._too_slow(sent + accepted)

    def finish(self, deadline: float | None, sent: int) -> None:
        """See what was accepted written; ``sent`` says how many messages of this call that are.

        Raises:
            SendTimeout: there was no time for all of it.

        """
        if not self.until(lambda: True if self._written else None, deadline):
            raise self._too_slow(sent)

    def begin_sending(self, deadline: float | None, sent: int) -> None:
        """Become the only one who sends, also for the wire."""
        wait = -1 if deadline is None else max(deadline - time.monotonic(), 0)
        if not self._sending.acquire(timeout=wait):
            more = " more" if sent else ""
            raise SendTimeout(f"nothing{more} was sent: other threads were sending all the time", sent=sent)
        with self._lock:
            self._held = True
            self.take_back()

    def end_sending(self) -> None:
        """Let others send."""
        self._held = False
        with self._lock:
            self._write()
        self._sending.release()

    def end(self, deadline: float | None) -> None:
        """End this side's messages, behind all that were sent."""
        self.begin_sending(deadline, 0)
        try:
            self.do(self.engine.end)
        finally:
            self.end_sending()

    @property
    def _written(self) -> bool:
        return not (self._unsent or self.session.backlog)

    def _too_slow(self, sent: int) -> SendTimeout:
        with self._lock:
            queued = sum(map(len, self._unsent)) + self.session.backlog
        return SendTimeout(
            f"the peer reads too slowly: {sent} of the messages were sent, or will be: "
            f"{queued} bytes are queued, and go out before anything else",
            sent=sent,
            queued=queued,
        )

    # -- the end ------------------------------------------------------------------------------------------------------

    def close(self, code: int, reason: str, within: float) -> Ending | None:
        """Take leave of the peer, and close the socket; cut the connection after so many seconds."""
        deadline = time.monotonic() + within

        def goodbye() -> None:
            self._held = True
            self.take_back()
            self.engine.close(code, reason)
            self._wake()

        self.do(goodbye)
        if not self.until(lambda: True if self._finished else None, deadline):
            late = TimeoutError(f"the peer has not said goodbye within {within:g} s (Timeouts.close)")
            self.do(lambda: self.engine.lost(late))
        self.deaf = True
        if self._watched:  # in another thread, which has to leave before the file descriptor goes
            with suppress(OSError):  # broken already
                self._stream.end(deadline)  # the goodbye of TLS comes first
            self._stream.wake()
            self.until(lambda: None if self._watched else True, deadline)
        self._stream.close(deadline)
        if self._calls is not None:
            self._calls.ended(deadline)
        return self.session.ending

    def retire(self) -> None:
        """Say goodbye as soon as nothing is under way: no message is here, and no request being answered."""

        def retire() -> None:
            self.retiring = True
            self.part()

        self.do(retire)

    def part(self) -> None:
        """Say goodbye, if it is to be said and nothing is under way; under the lock."""
        # Whoever waits for the socket cannot be woken, but by the peer's answer.
        if self.retiring and self._receivers and self.session.idle() and not self._busy:
            self.engine.close(*GOING_AWAY)
        self._wake()

    def dismiss(self) -> None:
        """Say goodbye now."""
        self.do(lambda: self.engine.close(*GOING_AWAY))

    def abort(self) -> None:
        """Cut the connection."""
        with self._lock:
            self._held = True
            self.engine.close()
            self.engine.lost(ConnectionAbortedError("it was cut on this side"))
            self._wire.shut()
            self._unsent.clear()
            self.deaf = True
            self._stream.abort(sending=True)
            self._wake()

    def forget(self) -> None:
        """Be as new in the child of a fork, whose threads are gone: what is queued is the parent's."""
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._unsent.clear()
        self._others = ()
        self._watched = self._held = False

    @property
    def _busy(self) -> bool:
        """Whether a request of the peer is being answered."""
        return self._calls is not None and self._calls.busy

    @property
    def _finished(self) -> bool:
        return self.engine.finished() and not (self._unsent or self.engine.outgoing_size)

    # -- bytes, all under the lock ------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Read what there is to read, and let the others see what has come of it."""
        with self._lock:
            self._watched = False
            try:
                self._read()
            finally:
                self._wake()

    def _wake(self) -> None:
        """Let all who wait try again."""
        others, self._others = self._others, ()
        for other in others:
            other.release()

    def _read(self) -> None:
        """Hand the engine what is here, and act on what is due."""
        engine = self.engine
        try:
            while (data := None if self.deaf else self._stream.receive(None, 0.0)) is not None:
                engine.receive(data, time.monotonic())
                self.deaf = not len(data)
                # TLS may have more of it decrypted, where nobody sees; and a piece of a message is of no use by itself.
                if not (isinstance(self._stream, TLSStream) or self.session.amid) or engine.outgoing_size:
                    break
        except BaseException as error:
            # Of what has been read some may be missing: after a signal in the wrong place, say.
            self._end(error)
            if not isinstance(error, OSError | MemoryError):
                raise
        self._attend(time.monotonic())

    def _attend(self, now: float) -> None:
        """Do what the engine wants to be done: what is due, what it has to tell, what there is credit for."""
        engine = self.engine
        due = engine.deadline()
        if due is not None and now >= due:
            engine.expire(now)
            due = engine.deadline()
        self._due = inf if due is None else due
        if self._calls is not None and engine.events:
            self._calls.hear()
        if self._open:
            if engine.state in _SENDING:
                self._wire.lend(self.session.lend(), self.session.largest)
            else:  # from now on the engine says why nothing is sent
                self.take_back()

    def _end(self, error: BaseException) -> None:
        """Note that nothing can be read any more."""
        self._lose(error)
        self.engine.receive(b"", time.monotonic())
        self.deaf = True

    def _lose(self, error: BaseException) -> None:
        """Note that nothing can be sent any more; what is still here can be read."""
        self._wire.shut()
        self._unsent.clear()
        self.engine.lost(error)
        self._wake()

    def _write(self) -> bool:
        """Write what there is, as far as the system takes it now; say whether any of it has gone."""
        engine, stream = self.engine, self._stream
        moved = False
        self._stuck = True
        if self._open and not self._unsent and 0 < engine.outgoing_size <= _FEW:
            data = b"".join(engine.outgoing())  # CREDIT, mostly
            sent = self._wire.put(data)
            if sent < len(data):
                self.take_back()
                self._unsent.append(data[sent:])
            moved = sent > 0
        if self._unsent or engine.outgoing_size:
            self.take_back()
            try:
                while self._unsent or engine.outgoing_size:
                    if not self._unsent:
                        self._unsent = engine.outgoing()
                    taken = stream.send(self._unsent, 0.0)
                    if taken is None:
                        if self._held or engine.outgoing_size or not self._wire.give_back(self._unsent):
                            return moved
                        self._unsent = []
                        self._wired = True
                    else:
                        drop(self._unsent, taken)
                    moved = True
            except BaseException as error:
                # Nobody knows how much is on the wire: nothing may follow it.
                self._lose(error)
                if not isinstance(error, OSError | MemoryError):
                    raise
        if not (self._open or self._held) and self._wire.started and engine.state in _SENDING:
            self._open = self._wired = True
            self._wire.lend(self.session.lend(), self.session.largest)
            self._wire.reopen()
        self._stuck = False
        return moved

    def take_back(self) -> None:
        """Have the wire send nothing more, and give back what it has not sent, and its credit."""
        if self._wired:
            self._open = self._wired = False
            try:
                if pending := self._wire.take():
                    self._unsent.append(pending)
            except OSError as error:
                self._lose(error)
            self.session.settle(*self._wire.settle())
