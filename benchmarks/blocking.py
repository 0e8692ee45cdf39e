"""Peers with blocking calls: the loops of a program that sends and one that receives, each connection in a thread."""

import itertools
import socket
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from benchmarks.job import RUN, Job, Message, Outcome, Tally, Wrong, body, check_last, check_size, last
from benchmarks.peer import BACKLOG, HOST, Control, Peer

__all__ = ["BlockingPeer", "Link", "accepting", "tcp_server"]


@dataclass(frozen=True, slots=True)
class Link:
    """One connection: what a program calls, the library's own methods where they fit, so that nothing comes between."""

    send: Callable[[Any], object]
    recv: Callable[[], Message]
    close: Callable[[], object]
    #: For libraries that take and give many messages in a call.
    send_many: Callable[[Sequence[bytes]], object] | None = None
    recv_many: Callable[[], Sequence[bytes]] | None = None
    #: Receives so many messages without taking them apart, and returns the last one's bytes.
    swallow: Callable[[int], bytes] | None = None


class BlockingPeer(Peer):
    """A library with blocking calls."""

    style = "blocking"

    @abstractmethod
    def listen(self, job: Job, handler: Callable[[Link], None]) -> AbstractContextManager[int]:
        """Serve in other threads, ``handler(link)`` for each connection, within the context; its value is the port."""

    @abstractmethod
    def connect(self, job: Job, port: int) -> Link:
        """Open a connection."""

    def serve(self, job: Job, control: Control) -> None:
        """Receive and check, or echo."""
        finished = threading.Event()
        tally = Tally(job, finished.set)

        def handler(link: Link) -> None:
            if job.kind == "echo":
                _echo(link, job.total if self.merges else job.share)
                return
            try:
                for count, connections in job.parts(merged=self.merges):
                    _receive(link, count, job.size)
                    for _ in range(connections):
                        tally.done()
            except Exception as error:  # noqa: BLE001 - told to the process that measures
                tally.fail(error)
            with suppress(Exception):  # the end, in whatever way this library tells it
                if link.recv():
                    tally.fail(Wrong("more messages were received than sent"))

        with self.listen(job, handler) as port:
            control.ready(port)
            if job.kind == "stream":
                finished.wait()
            control.report(tally.outcome())
            control.hold()

    def drive(self, job: Job, port: int, control: Control) -> None:
        """Send everything, or one message after the answer to the one before."""
        if job.kind == "echo":
            control.report(self._exchange(job, port))
            control.hold()
            return
        links: list[Link] = []
        if job.weigh:  # a connection at a time: a message says that it has been accepted
            for _ in range(job.connections):
                links.append(self.connect(job, port))
                _transmit(links[-1:], job)
            control.report(Outcome())
        else:
            links.extend(self.connect(job, port) for _ in range(job.connections))
            began = time.monotonic()
            _transmit(links, job)
            control.report(Outcome(began=began))
        control.hold()
        for link in links:
            link.close()

    def _exchange(self, job: Job, port: int) -> Outcome:
        message = body(job.size)
        answer: Message = message
        latencies: list[float] = []
        began = before = time.monotonic()
        for _ in range(job.connections):
            link = self.connect(job, port)
            send, recv = link.send, link.recv
            for _ in range(job.share):
                send(message)
                answer = recv()
                now = time.monotonic()
                latencies.append(now - before)
                before = now
            link.close()
        ended = time.monotonic()
        if answer != message:
            raise Wrong("the answer is not what was sent")
        return Outcome(began=began, ended=ended, latencies=tuple(latencies))


@contextmanager
def tcp_server(handler: Callable[[Link], None], link: Callable[[socket.socket], Link]) -> Generator[int]:
    """Serve plain TCP: ``link`` makes one of an accepted socket."""
    with (
        socket.create_server((HOST, 0), backlog=BACKLOG) as listening,
        accepting(lambda: link(listening.accept()[0]), lambda: listening.shutdown(socket.SHUT_RDWR), handler),
    ):
        yield listening.getsockname()[1]


@contextmanager
def accepting(
    accept: Callable[[], Link], stop: Callable[[], object], handler: Callable[[Link], None]
) -> Generator[None]:
    """Serve as the simplest server does: accept, and start a thread for the connection; ``stop`` makes accept fail."""

    def attend(link: Link) -> None:
        with suppress(Exception):
            handler(link)
            link.close()

    def accept_all() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=attend, args=(accept(),), daemon=True).start()

    server = threading.Thread(target=accept_all, daemon=True)
    server.start()
    try:
        yield
    finally:
        stop()


def _transmit(links: Sequence[Link], job: Job) -> None:
    """Send the share of each link, in turn, so that all are busy all the time."""
    message, end = body(job.size), last(job.size)
    whole = [link.send_many for link in links if link.send_many]
    if whole:
        runs = [[message] * RUN] * ((job.share - 1) // RUN) + [[message] * ((job.share - 1) % RUN) + [end]]
        for run in runs:
            for send_many in whole:
                send_many(run)
        return
    sends = [link.send for link in links]
    for send in itertools.chain.from_iterable(itertools.repeat(sends, job.share - 1)):
        send(message)
    for send in sends:
        send(end)


def _receive(link: Link, count: int, size: int) -> None:
    message: Message = b""
    if link.swallow:
        message = link.swallow(count)
    elif link.recv_many:
        while count > 0:
            messages = link.recv_many()
            if [*map(len, messages)].count(size) != len(messages):  # the quickest way to look at each
                for each in messages:
                    check_size(len(each), size)
            count -= len(messages)
            message = messages[-1]
        if count:
            raise Wrong(f"{-count} more messages were received than sent")
    else:
        recv = link.recv
        for _ in range(count):
            message = recv()
            if len(message) != size:
                check_size(len(message), size)
    check_last(message, size)


def _echo(link: Link, count: int) -> None:
    send, recv = link.send, link.recv
    for _ in range(count):
        send(recv())
