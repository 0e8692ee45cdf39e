"""The experiments of the lab, on real loopback sockets: each returns what it measured, and draws nothing.

In all of them one program holds both ends, as the lab's does, so that nothing is left to the scheduler's mood.
"""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise

from mezha.blocking import wrap
from mezha.framing import Data, Lines
from mezha.observe import Observer

__all__ = [
    "MESSAGES",
    "TELLING",
    "WAYS",
    "WIRE",
    "Alternation",
    "Cutting",
    "Flood",
    "Lab",
    "Rounds",
    "Way",
    "cut_every_way",
    "cut_off",
    "cuts_of",
    "flood",
    "mezha_rounds",
    "plain_rounds",
]

#: What the lab sends.
MESSAGES = (b"Hello!", b"World!")
#: The same as lines.
WIRE = b"Hello!\nWorld!\n"
#: How many ways there are to cut it: between any two bytes, or not.
WAYS = 1 << len(WIRE) - 1
#: Ways to cut it that are worth a look: the offsets of the cuts, by the name of the case.
TELLING: dict[str, tuple[int, ...]] = {
    "whole": (),
    "boundary": (7,),
    "inside": (3,),
    "marker": (6,),
    "both": (3, 10),
    "bytes": tuple(range(1, len(WIRE))),
}
#: The lab's.
_READ = 4096
#: How many rounds are kept to be shown: from the beginning, as many as the lab's program prints; before the first
#: surprise; and from there on.
_FIRST = 10
_BEFORE = 3
_AFTER = 4

#: Seconds to wait for a message before giving the experiment up.
_PATIENCE = 10.0

#: Told how many steps of an experiment are done, now and then.
Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Rounds:
    """Plain TCP: two sends, then one recv, as the lab's second program does it."""

    count: int
    #: What recv returned, and how often; the most frequent first.
    outcomes: tuple[tuple[bytes, int], ...]
    #: What the first rounds returned.
    first: tuple[bytes, ...]
    #: The number of the first round that returned anything but both messages, counted from 1, if one did.
    surprise: int | None
    #: What it returned, and the rounds around it: number and bytes.
    around: tuple[tuple[int, bytes], ...]

    @property
    def both(self) -> int:
        """How many recv returned both messages as one."""
        return dict(self.outcomes).get(b"".join(MESSAGES), 0)

    @property
    def single(self) -> int:
        """How many recv returned exactly one message."""
        return sum(count for outcome, count in self.outcomes if outcome in MESSAGES)

    @property
    def other(self) -> int:
        """How many recv returned anything else."""
        return self.count - self.both - self.single


@dataclass(frozen=True, slots=True)
class Alternation:
    """The same rounds with mezha: two sends, then two recv."""

    rounds: int
    #: How many recv returned exactly the message that was due; of two in each round.
    right: int
    #: What the first recv returned.
    first: tuple[bytes, ...]
    #: How many reads mezha made underneath, and how many of them returned both messages.
    reads: int
    reads_both: int

    @property
    def received(self) -> int:
        """How many messages were received."""
        return self.rounds * len(MESSAGES)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to cut the bytes, and what came of it."""

    cuts: tuple[int, ...]
    #: What each read of the plain socket returned: for plain code, these are the messages.
    plain: tuple[bytes, ...]
    #: What each read under mezha returned.
    reads: tuple[bytes, ...]
    #: What mezha handed out.
    mezha: tuple[bytes, ...]

    @property
    def real(self) -> bool:
        """Whether both contenders were really given the bytes in these pieces."""
        return self.plain == self.reads == tuple(cut_off(WIRE, self.cuts))

    @property
    def plain_right(self) -> bool:
        """Whether the reads were the messages, with the line feeds that plain code would then strip."""
        return self.plain == tuple(WIRE.splitlines(keepends=True))

    @property
    def mezha_right(self) -> bool:
        """Whether mezha handed out the messages."""
        return self.mezha == MESSAGES


@dataclass(frozen=True, slots=True)
class Cutting:
    """The same bytes, cut in every possible way."""

    ways: int
    #: How many ways were cut on the wire just so, for both contenders.
    real: int
    #: How many pieces were sent, to each contender.
    pieces: int
    plain_right: int
    mezha_right: int
    #: The ways worth a look.
    telling: dict[str, Way]


@dataclass(frozen=True, slots=True)
class Flood:
    """The opposite of cutting: many messages in one ``sendall``, read as they come."""

    messages: int
    size: int
    #: How many reads plain code made of it, and how many of those were one message.
    plain_reads: int
    plain_right: int
    mezha_right: int


@dataclass(frozen=True, slots=True)
class Lab:
    """All that was measured in one run."""

    plain: Rounds
    mezha: Alternation
    cutting: Cutting
    flood: Flood
    seconds: float

    @property
    def right(self) -> bool:
        """Whether mezha got everything right, and every cut was a real one."""
        return (
            self.mezha.right == self.mezha.received
            and self.cutting.mezha_right == self.cutting.real == self.cutting.ways
            and self.flood.mezha_right == self.flood.messages
        )


def cuts_of(way: int) -> tuple[int, ...]:
    """Return the offsets of the cuts of a way, by its number: bit i is a cut behind byte i."""
    return tuple(place + 1 for place in range(way.bit_length()) if way >> place & 1)


def cut_off(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """Cut data at these offsets, which rise."""
    return (data[start:stop] for start, stop in pairwise((0, *cuts, len(data))))


def plain_rounds(count: int, progress: Progress) -> Rounds:
    """Run the rounds of the lab's second program."""
    outcomes: Counter[bytes] = Counter()
    first: list[bytes] = []
    recent: list[tuple[int, bytes]] = []
    surprise: int | None = None
    around: list[tuple[int, bytes]] = []
    both = b"".join(MESSAGES)
    with _loopback() as (sender, receiver):
        for number in range(1, count + 1):
            for message in MESSAGES:
                sender.send(message)
            got = receiver.recv(_READ)
            outcomes[got] += 1
            if number <= _FIRST:
                first.append(got)
            if surprise is None:
                if got == both:
                    recent = [*recent[1 - _BEFORE :], (number, got)]
                else:
                    surprise = number
                    around = list(recent)
            if surprise is not None and len(around) < len(recent) + _AFTER:
                around.append((number, got))
            if not number % 100:
                progress(100)
    return Rounds(count, tuple(outcomes.most_common()), tuple(first), surprise, tuple(around))


def mezha_rounds(rounds: int, progress: Progress) -> Alternation:
    """Run the same rounds with mezha: as many recv as there were sends."""
    reads = _Reads()
    right = 0
    first: list[bytes] = []
    made = reads_both = 0
    with _loopback() as (one, other), wrap(one, Lines()) as sender, wrap(other, Lines(), observer=reads) as receiver:
        for number in range(1, rounds + 1):
            for message in MESSAGES:
                sender.send(message)
            for message in MESSAGES:
                got = receiver.recv(timeout=_PATIENCE)
                right += got == message
                if len(first) < _AFTER:
                    first.append(got)
            made += len(reads.seen)
            reads_both += reads.seen.count(WIRE)
            reads.seen.clear()
            if not number % 100:
                progress(100)
    return Alternation(rounds, right, tuple(first), made, reads_both)


def cut_every_way(progress: Progress) -> Cutting:
    """Send the bytes cut in every possible way, each piece read before the next is sent: so each cut is a real one."""
    telling = {cuts: name for name, cuts in TELLING.items()}
    kept: dict[str, Way] = {}
    real = pieces = plain_right = mezha_right = 0
    with _plain_contender() as plain, _mezha_contender() as mezha:
        for number in range(WAYS):
            cuts = cuts_of(number)
            read = plain(cuts)
            way = Way(cuts, read, *mezha(cuts))
            real += way.real
            pieces += len(cuts) + 1
            plain_right += way.plain_right
            mezha_right += way.mezha_right
            if cuts in telling:
                kept[telling[cuts]] = way
            if not (number + 1) % 64:
                progress(64)
    return Cutting(WAYS, real, pieces, plain_right, mezha_right, {name: kept[name] for name in TELLING})


def flood(times: int) -> Flood:
    """Send both messages so many times, all in one ``sendall``, and read what comes."""
    data = WIRE * times
    due = set(WIRE.splitlines(keepends=True))
    plain_reads = plain_right = mezha_right = 0
    with _loopback() as (sender, receiver), _sending(sender, data):
        left = len(data)
        while left:
            got = receiver.recv(_READ)
            left -= len(got)
            plain_reads += 1
            plain_right += got in due
    with _loopback() as (sender, other), wrap(other, Lines()) as receiver, _sending(sender, data):
        for message in MESSAGES * times:
            mezha_right += receiver.recv(timeout=_PATIENCE) == message
    return Flood(times * len(MESSAGES), len(data), plain_reads, plain_right, mezha_right)


class _Reads(Observer):
    """Remembers what each read under a peer returned."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.size = 0

    def bytes_received(self, data: Data, now: float) -> None:
        self.seen.append(bytes(data))
        self.size += len(data)


@contextmanager
def _loopback(*, nagle: bool = True) -> Generator[tuple[socket.socket, socket.socket]]:
    """Connect two TCP sockets of this machine, as the lab's programs do; yield who sends, and who receives."""
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            if not nagle:  # each send goes out at once, as a piece of its own
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield accepted, client


@contextmanager
def _plain_contender() -> Generator[Callable[[tuple[int, ...]], tuple[bytes, ...]]]:
    """Yield a function that sends the bytes cut so to a plain socket, and returns what it read."""
    with _loopback(nagle=False) as (sender, receiver):

        def attempt(cuts: tuple[int, ...]) -> tuple[bytes, ...]:
            reads: list[bytes] = []
            for piece in cut_off(WIRE, cuts):
                sender.sendall(piece)
                left = len(piece)
                while left:
                    reads.append(receiver.recv(_READ))
                    left -= len(reads[-1])
            return tuple(reads)

        yield attempt


@contextmanager
def _mezha_contender() -> Generator[Callable[[tuple[int, ...]], tuple[tuple[bytes, ...], tuple[bytes, ...]]]]:
    """Yield a function that sends the bytes cut so to mezha, and returns what it read, and what it handed out."""
    watch = _Reads()
    with _loopback(nagle=False) as (sender, other), wrap(other, Lines(), observer=watch) as receiver:

        def attempt(cuts: tuple[int, ...]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
            messages: list[bytes] = []
            for piece in cut_off(WIRE, cuts):
                arrived = watch.size + len(piece)
                sender.sendall(piece)
                while watch.size < arrived:
                    with suppress(TimeoutError):  # not whole yet; nothing is lost
                        messages += receiver.recv_many(timeout=0)
            reads = tuple(watch.seen)
            watch.seen.clear()
            return reads, tuple(messages)

        yield attempt


@contextmanager
def _sending(sender: socket.socket, data: bytes) -> Generator[None]:
    """Send data in another thread, all with one call."""
    thread = threading.Thread(target=sender.sendall, args=(data,), daemon=True)
    thread.start()
    yield
    thread.join()
