"""The proxy, by what both ends see of it; and each of its runs can be repeated, and made small."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from echo_server import Echo, echo, exchange
from hypothesis import given
from hypothesis import strategies as st

from mezha.framing import Framing, LengthPrefixed, Lines
from mezha.testing import cuts
from mezha.testing.chaos import (
    Chaos,
    Coalesce,
    Corrupt,
    CutAt,
    CutEvery,
    CutMessage,
    CutRandomly,
    Delay,
    Fault,
    HalfClose,
    Plan,
    Reset,
    Stall,
    Throttle,
    read_plans,
    shrink,
)
from mezha.testing.chaos.course import Course
from mezha.testing.chaos.record import recorded

STREAM = b"Hello!\nWorld!\n"


@pytest.fixture
def server() -> Iterator[Echo]:
    with echo() as server:
        yield server


def reads_with(server: Echo, *up: Fault, framing: Framing | None = None, seed: int = 0) -> list[bytes | str]:
    with Chaos("127.0.0.1", server.port, up=up, framing=framing, seed=seed) as proxy:
        exchange(proxy.address, STREAM)
    server.finish()
    return server.reads[-1]


# -- what a course does to bytes, however they come --------------------------------------------------------------------

FAULTS: st.SearchStrategy[Fault] = st.one_of(
    st.builds(CutEvery, st.integers(1, 9)),
    st.builds(CutAt, st.integers(1, 30), st.integers(1, 30)),
    st.builds(CutRandomly, st.floats(1, 20)),
    st.builds(CutMessage, st.integers(0, 4), st.sampled_from(("header", "body", "trailer", 1, 3))),
    st.builds(Corrupt, st.integers(0, 30), st.integers(1, 255)),
    st.builds(Stall, st.integers(0, 30), st.booleans(), st.just(0.0)),
    st.builds(Reset, st.integers(0, 30)),
    st.builds(HalfClose, st.integers(0, 3), st.just(True)),
)


@given(
    st.lists(FAULTS, max_size=3),
    st.integers(0, 9),
    st.lists(st.binary(max_size=6).map(lambda body: body.replace(b"\n", b"_") + b"\n"), max_size=6).map(b"".join),
    st.integers(0, 99),
)
def test_what_happens_depends_on_the_bytes_and_the_seed_alone(
    faults: list[Fault], seed: int, stream: bytes, cutting: int
) -> None:
    whole, again = Course(faults, seed, Lines()), Course(faults, seed, Lines())
    pieces = [*whole.feed(stream), *whole.end()]
    parts = [piece for part in next(cuts.at_random(stream, cutting)) for piece in again.feed(part)] + [*again.end()]
    assert again.places == whole.places
    assert again.happened == whole.happened
    assert b"".join(piece.data for piece in parts) == b"".join(piece.data for piece in pieces)
    assert [point for piece in parts for point in piece.then] == [point for piece in pieces for point in piece.then]
    sent = b"".join(piece.data for piece in pieces)
    changed = [place for place in range(len(stream)) if stream[place] != sent[place]]
    assert set(changed) <= {fault.place for fault in faults if isinstance(fault, Corrupt)}


@given(st.lists(FAULTS, max_size=4), st.integers(0, 9), st.binary(max_size=40).map(lambda body: body + b"\n"))
def test_what_was_done_is_done_again(faults: list[Fault], seed: int, stream: bytes) -> None:
    first = Course(faults, seed, Lines())
    begun, pieces = first.start(), [*first.feed(stream), *first.end()]
    plan = recorded(Plan(up=faults), {"up": first, "down": Course((), 0)})
    again = Course(plan.up, seed=seed + 1)  # and no framing: it is all places now
    assert [type(point) for point in again.start()] == [type(point) for point in begun]
    repeated = [*again.feed(stream), *again.end()]
    assert b"".join(piece.data for piece in repeated) == b"".join(piece.data for piece in pieces)
    assert again.places == first.places
    assert again.happened == first.happened


@pytest.mark.parametrize(
    ("faults", "happened"),
    [
        ([Stall(4, seconds=1.0), Reset(4)], [Stall(4, seconds=1.0), Reset(4)]),
        ([Stall(0, seconds=1.0), HalfClose(0)], [Stall(0, seconds=1.0), HalfClose(0)]),
        ([Reset(4), Stall(4, seconds=1.0)], [Reset(4)]),
        ([Stall(4), Reset(4)], [Stall(4)]),
    ],
)
def test_at_one_place_happens_all_that_can(faults: list[Fault], happened: list[Fault]) -> None:
    course = Course(faults, 0)
    points = [*course.start(), *(point for piece in course.feed(STREAM) for point in piece.then)]
    assert points[: len(happened)] == happened
    assert course.happened[: len(happened)] == happened


@given(st.binary(max_size=40), st.sets(st.integers(1, 39)))
def test_a_course_cuts_where_it_is_told(stream: bytes, places: set[int]) -> None:
    course = Course([CutAt(*places)], 0)
    pieces = [piece.data for piece in course.feed(stream)]
    assert pieces == cuts.at(stream, *places)


# -- what both ends see ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "pieces"),
    [
        ((), cuts.whole(STREAM)),
        ((CutEvery(1),), cuts.byte_by_byte(STREAM)),
        ((CutEvery(5),), cuts.pieces(STREAM, 5)),
        ((CutAt(3, 7),), cuts.at(STREAM, 3, 7)),
        ((CutAt(3), CutEvery(6)), cuts.at(STREAM, 3, 6, 12)),
        ((CutMessage(2, "body"),), cuts.at(STREAM, 7, 10)),
        ((CutMessage(0, 2),), cuts.at(STREAM, 2, 7, 9)),
        ((Corrupt(2),), [b"He" + bytes([ord("l") ^ 0xFF]) + STREAM[3:]]),
        ((Reset(12),), [STREAM[:12], "ConnectionResetError"]),
        ((Reset(1, messages=True),), [STREAM[:7], "ConnectionResetError"]),
        ((HalfClose(5),), [b"Hello"]),
        ((Stall(4, seconds=0.01),), [b"Hell", STREAM[4:]]),
    ],
    ids=str,
)
def test_the_receiver_sees_these_pieces(server: Echo, faults: tuple[Fault, ...], pieces: list[bytes | str]) -> None:
    # Of two messages that come together the first goes on at once: where they are parted is not a cut.
    seen = reads_with(server, *faults, framing=Lines())
    if any(isinstance(fault, CutMessage) for fault in faults):
        assert b"".join(part for part in seen if isinstance(part, bytes)) == STREAM
        ends = set(cuts.places_of(part for part in seen if isinstance(part, bytes)))
        assert ends - {7} == set(cuts.places_of(part for part in pieces if isinstance(part, bytes))) - {7}
    else:
        assert seen == pieces


def test_a_header_is_cut_in_its_middle(server: Echo) -> None:
    frames = b"".join(b"".join(LengthPrefixed(4).encode(message)) for message in (b"one", b"two", b"three"))
    with Chaos("127.0.0.1", server.port, up=[CutMessage(3)], framing=LengthPrefixed(4)) as proxy:
        assert exchange(proxy.address, frames) == frames
        assert proxy.plans == [Plan(up=(CutAt(16),))]


def test_the_way_back_is_another(server: Echo) -> None:
    proxy = Chaos("127.0.0.1", server.port, down=[CutEvery(2)])
    with proxy, socket.create_connection(proxy.address) as client:
        client.sendall(b"abcdef")
        assert [client.recv(9) for _ in range(3)] == [b"ab", b"cd", b"ef"]
    assert server.reads == [[b"abcdef"]]


def test_what_comes_soon_after_is_glued(server: Echo) -> None:
    proxy = Chaos("127.0.0.1", server.port, up=[Coalesce(5.0)])
    with proxy, socket.create_connection(proxy.address, timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(5):
            client.sendall(b"ab")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(99) == b"ab" * 5
    assert server.reads == [[b"ab" * 5]]


@pytest.mark.parametrize(("fault", "seconds"), [(Delay(0.15), 0.15), (Throttle(100), 0.1)])
def test_time_passes(server: Echo, fault: Fault, seconds: float) -> None:
    began = time.monotonic()
    reads_with(server, fault)
    assert time.monotonic() - began >= seconds


def test_accept_and_never_answer(server: Echo) -> None:
    proxy = Chaos("127.0.0.1", server.port, up=[Stall(0)], down=[Stall(0)])
    with proxy, socket.create_connection(proxy.address, timeout=0.1) as client:
        client.sendall(b"anybody?")
        with pytest.raises(TimeoutError):
            client.recv(9)
    assert server.reads == [[]]


def test_nobody_home(server: Echo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Chaos("127.0.0.1", port) as proxy:
        assert exchange(proxy.address, b"x") == "ConnectionResetError"
        assert len(proxy.refused) == 1
        assert str(port) in proxy.refused[0]


def test_a_reset_of_either_end_passes_through(server: Echo) -> None:
    with Chaos("127.0.0.1", server.port, down=[Reset(3)]) as proxy:
        assert exchange(proxy.address, STREAM) == "ConnectionResetError"


def test_a_reader_that_stands_still_slows_the_sender_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Chaos("127.0.0.1", listener.getsockname()[1])
        with proxy, socket.create_connection(proxy.address, timeout=0.1) as client, pytest.raises(TimeoutError):
            client.sendall(bytes(64 << 20))


def test_many_at_once_keep_apart(server: Echo) -> None:
    with Chaos("127.0.0.1", server.port, up=[CutRandomly(200)], down=[CutRandomly(300)]) as proxy:
        results: dict[int, bytes | str] = {}

        def one(number: int) -> None:
            results[number] = exchange(proxy.address, bytes([number]) * 1000)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {number: bytes([number]) * 1000 for number in range(40)}


def test_nothing_is_left_behind(server: Echo) -> None:
    descriptors = Path("/proc/self/fd")

    def left() -> tuple[int, int]:
        server.finish()
        return threading.active_count(), len([*descriptors.iterdir()]) if descriptors.is_dir() else 0

    before = left()
    some: list[list[Fault]] = [[], [Stall(3)], [Reset(3)], [HalfClose(3)], [Delay(9.0)], [Throttle(1)]]
    for faults in some:
        proxy = Chaos("127.0.0.1", server.port, up=faults)
        with proxy, socket.create_connection(proxy.address, timeout=0.05) as client, suppress(OSError):
            client.sendall(STREAM)
            client.recv(1)
    assert left() == before


# -- again, and smaller ------------------------------------------------------------------------------------------------


def test_the_seed_decides_what_is_random(server: Echo) -> None:
    first, again, other = (reads_with(server, CutRandomly(3), seed=seed) for seed in (7, 7, 8))
    assert first == again != other


def test_a_record_does_it_again(server: Echo, tmp_path: Path) -> None:
    faults = [CutRandomly(2), Corrupt(9), Reset(11)]
    with Chaos("127.0.0.1", server.port, up=faults, down=[CutEvery(3)], seed=5) as proxy:
        for _ in range(3):
            exchange(proxy.address, STREAM)
        done = proxy.plans
        proxy.record(tmp_path / "run.jsonl")
    assert read_plans(tmp_path / "run.jsonl") == done
    server.finish()
    first = server.reads[:]
    assert len({str(reads) for reads in first}) > 1, "each connection has cuts of its own"
    with Chaos("127.0.0.1", server.port, plans=done) as proxy:
        for _ in range(3):
            exchange(proxy.address, STREAM)
        assert [plan.up for plan in proxy.plans] == [plan.up for plan in done]
        assert exchange(proxy.address, STREAM) == STREAM, "nothing happens to those that the record does not know"
    server.finish()
    assert server.reads[3:6] == first


def test_a_failing_test_says_what_was_done(server: Echo) -> None:
    def fail() -> None:
        with Chaos("127.0.0.1", server.port, up=[CutAt(3)], seed=9) as proxy:
            exchange(proxy.address, STREAM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    again = "[Plan(up=[CutAt(3)])]"
    assert caught.value.__notes__ == [f"chaos (seed 9) did this; to do it again: Chaos(..., plans={again})"]
    with Chaos("127.0.0.1", server.port, plans=eval(again)) as proxy:
        exchange(proxy.address, STREAM)
    server.finish()
    assert server.reads[-1] == cuts.at(STREAM, 3)


def test_a_failure_is_shrunk_to_the_cut_that_it_needs(server: Echo) -> None:
    def naive(plans: list[Plan]) -> bool:
        with Chaos("127.0.0.1", server.port, plans=plans) as proxy:
            exchange(proxy.address, STREAM)
        server.finish()
        lines = [line for read in server.reads[-1] for line in (read.splitlines() if isinstance(read, bytes) else ())]
        return lines != [b"Hello!", b"World!"]

    with Chaos("127.0.0.1", server.port, up=[CutEvery(2)], down=[CutEvery(1), Delay(0.001)]) as proxy:
        exchange(proxy.address, STREAM)
    (plan,) = shrink(proxy.plans, naive)
    (cut,) = plan.up
    assert isinstance(cut, CutAt)
    assert len(cut.places) == 1
    assert plan.down == ()


def test_what_does_not_fail_is_not_shrunk() -> None:
    with pytest.raises(ValueError, match="does not fail with these plans"):
        shrink([Plan(up=[CutAt(3)])], lambda _: False)


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: CutEvery(0), "CutEvery.size is 1 or more, not 0"),
        (lambda: CutAt(0), "CutAt is 1 or more"),
        (lambda: CutRandomly(0.5), "mean is 1 or more"),
        (lambda: CutMessage(1, "middle"), "is 'header', 'body', 'trailer' or a number of bytes, not 'middle'"),
        (lambda: Corrupt(1, 256), "mask is 1 to 255, not 256"),
        (lambda: Reset(-1), "Reset.after is 0 or more, not -1"),
        (lambda: Chaos("127.0.0.1", 1, up=[CutMessage(1)]), "say which framing="),
        (lambda: Chaos("127.0.0.1", 1, plans=[Plan(down=(Stall(1, messages=True),))]), "say which framing="),
    ],
)
def test_a_mistake_is_named(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(
    "line",
    ["[]", '{"up": [["CutSideways", 1]]}', '{"up": [["Fault"]]}', '{"left": []}', "nothing", '{"up": [["CutAt", -1]]}'],
)
def test_what_is_no_record_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(f'{{"up": [["CutAt", 3]]}}\n{line}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"run.jsonl:2 is no line of a record of chaos"):
        read_plans(path)
