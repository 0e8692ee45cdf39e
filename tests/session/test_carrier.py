"""The carrier, in virtual time: over connections that break anywhere, each message is received once, or told of."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, HandshakeError, Limits, LocalProtocolError, Loss, Reconnect
from mezha.session import Ending, Session
from mezha.session.carrier import Carrier

LIMITS = Limits(max_message=1000, outbox=100, inbox=200)


class Line:
    """A session of the client's, one of the server's, and the bytes between them, in steps."""

    def __init__(self) -> None:
        limits = Limits(max_message=LIMITS.max_message)  # what is to be bounded here is the ledger
        self.near, self.far = Session(limits=limits), Session(limits=limits)
        for side in (self.near, self.far):
            side.begin(0.0)

    def carry(self, up: bool) -> None:
        """Let what one side has to say arrive at the other."""
        one, other = (self.near, self.far) if up else (self.far, self.near)
        for part in one.outgoing():
            other.receive(part, 0.0)

    def settle(self) -> None:
        while self.near.outgoing_size or self.far.outgoing_size:
            self.carry(up=True)
            self.carry(up=False)

    def cut(self) -> None:
        for side in (self.near, self.far):
            side.lost(ConnectionResetError("reset"))
            side.receive(b"", 0.0)


def carrier(**policy: object) -> Carrier:
    return Carrier(Reconnect(**policy), LIMITS, lambda: 0.5)  # type: ignore[arg-type]


#: What happens: a message is accepted, one goes, bytes arrive up or down, the far program takes one, the line is cut.
STEPS = st.lists(st.sampled_from(("send", "send", "go", "go", "up", "down", "take", "cut")), min_size=20, max_size=80)


@example(["send", "go", "up", "take", "cut"])
@example(["send", "send", "go", "up", "go", "take", "cut", "down"])
@given(STEPS)
def test_each_message_is_received_once_or_told_of(steps: list[str]) -> None:
    client = carrier()
    sent: list[bytes] = []
    taken: list[bytes] = []
    unknown: list[bytes] = []
    line = Line()
    client.carry(line.near)
    for step in steps:
        if step == "send" and client.ledger.room:
            sent.append(b"%04d" % len(sent))
            client.ledger.add(sent[-1])
        elif step == "go":
            if message := client.ledger.next():
                assert line.near.push(message)
                client.probe()
        elif step in ("up", "down"):
            line.carry(step == "up")
            client.look()
        elif step == "take":
            taken += line.far.take()
        elif step == "cut":
            line.cut()
            assert client.look()
            loss = client.lost(0.0)
            assert loss
            assert not loss.final
            unknown += loss.unknown
            line = Line()
            client.carry(line.near)
    while message := client.ledger.next():
        assert line.near.push(message)
    line.settle()
    taken += line.far.take(1000)
    line.near.close()
    line.settle()
    ending, nothing = client.left(line.near.ending)
    assert nothing is None
    assert taken == sorted(set(taken)), "one came twice, or not in order"
    assert set(sent) == {*taken, *unknown}
    assert ending == Ending("closed", 0, "", False, len(sent), len(sent) - len(unknown), 0)


def test_it_is_settled_when_all_is_with_the_system_or_accounted_for() -> None:
    client, line = carrier(), Line()
    assert not client.unsettled
    client.ledger.add(b"before there is a connection")
    assert client.unsettled
    client.carry(line.near)
    assert client.unsettled
    line.settle()
    assert (message := client.ledger.next())
    assert line.near.push(message)
    assert client.unsettled
    line.settle()
    assert not client.unsettled
    line.cut()
    assert client.unsettled
    client.lost(0.0)
    assert not client.unsettled


def test_whoever_closes_hears_of_everything() -> None:
    client, line = carrier(), Line()
    client.carry(line.near)
    line.settle()
    assert not client.look()
    client.closed = True
    assert client.look()


def test_there_always_comes_room_while_the_far_program_takes() -> None:
    client = carrier()
    line = Line()
    client.carry(line.near)
    sent = 0
    for _ in range(1000):
        if client.ledger.room:
            client.ledger.add(bytes(20))
            sent += 1
        if message := client.ledger.next():
            assert line.near.push(message)
        client.probe()
        line.settle()
        client.look()
        line.far.take(1000)
    assert sent > 300
    assert client.ledger.delivered > sent - 20


def test_it_is_open_until_it_gives_up() -> None:
    client = carrier(attempts=1)
    assert client.more()
    assert not client.connected
    assert not client.look()
    assert not client.probe()
    line = Line()
    client.carry(line.near)
    line.settle()
    assert client.connected
    assert not client.look()
    client.check()
    client.ledger.add(b"waits")
    line.cut()
    assert not client.connected
    assert not client.probe()
    loss = client.lost(1.0)
    assert loss
    assert (loss.never_sent, loss.final) == ((b"waits",), False)
    refused = ConnectionRefusedError(111, "refused")
    last = client.failed(refused, 2.0)
    assert last == Loss(refused, 0, (), (b"waits",), final=True)
    assert not client.more()
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError) as raised:
            client.check()
        assert raised.value is not refused, "each gets one of its own"
    ending, loss_at_the_end = client.left(None)
    assert loss_at_the_end is None, "it was told already"
    assert (ending.how, ending.never_sent) == ("lost", 1)


def test_an_attempt_that_fails_is_not_the_last() -> None:
    client = carrier(attempts=2)
    line = Line()
    client.carry(line.near)
    line.settle()
    line.cut()
    client.lost(0.0)
    assert client.failed(ConnectionRefusedError(), 1.0) is None
    assert client.more()
    wrong = HandshakeError("an HTTP server")
    loss = client.failed(wrong, 2.0)
    assert loss
    assert loss.cause is wrong
    assert not client.more()


def test_a_peer_that_closes_in_order_ends_it_and_one_that_goes_away_does_not() -> None:
    for code, goes_on in ((0, False), (1, True), (300, False)):
        client = carrier(unknown="resend")
        line = Line()
        client.carry(line.near)
        line.settle()
        client.ledger.add(b"0")
        message = client.ledger.next()
        assert message
        assert line.near.push(message)
        line.carry(up=True)
        line.far.close(code, "bye")
        line.settle()
        assert client.look()
        loss = client.lost(0.0)
        assert loss
        assert isinstance(loss.cause, ClosedByPeer)
        assert loss.unknown == (b"0",)
        assert (loss.resent, not loss.final, client.more()) == (goes_on, goes_on, goes_on)
        assert client.ledger.waiting == goes_on


def test_what_is_left_when_one_closes_is_told() -> None:
    client = carrier()
    line = Line()
    client.carry(line.near)
    line.settle()
    for message in (b"0", b"1"):
        client.ledger.add(message)
    first = client.ledger.next()
    assert first
    assert line.near.push(first)
    line.near.outgoing()
    line.near.close()
    line.cut()
    ending, loss = client.left(line.near.ending)
    assert loss
    assert (loss.unknown, loss.never_sent, loss.final) == ((b"0",), (b"1",), True)
    assert (ending.sent, ending.delivered, ending.never_sent) == (1, 0, 1)
    assert client.lost(0.0) is None
    with pytest.raises(ClosedByUs):
        client.check()


def test_what_a_connection_raises_matters_only_if_there_is_no_other() -> None:
    client = carrier()
    for error in (ConnectionLost(), ClosedByPeer(code=1), ClosedByUs()):
        assert client.goes_on(error)
    for over in (ClosedByPeer(), HandshakeError()):
        assert not client.goes_on(over)
    client.closed = True
    assert not client.goes_on(ConnectionLost())


def test_who_asked_hears_that_the_connection_was_lost() -> None:
    lost = ConnectionLost("reset")
    assert Carrier.as_lost(lost) is lost
    closed = ClosedByPeer("bye")
    assert Carrier.as_lost(closed) is closed
    assert isinstance(Carrier.as_lost(ClosedByPeer("the server stops", code=1)), ConnectionLost)


def test_messages_over_the_limit_are_refused() -> None:
    client = carrier()
    client.check_size(1000)
    with pytest.raises(LocalProtocolError, match="1001 bytes") as raised:
        client.check_size(1001)
    assert (raised.value.size, raised.value.limit) == (1001, 1000)


def test_a_loss_says_itself_in_a_line() -> None:
    loss = Loss(ConnectionLost("it broke"), 3, (b"a",), (b"b", b"c"))
    assert str(loss) == (
        "it broke; messages: 3 delivered, 1 unknown, 2 never sent, which go out over the next connection"
    )
    resent = Loss(ConnectionResetError(), 0, (b"a",), (), resent=True)
    assert str(resent).startswith("ConnectionResetError; messages: 0 delivered, 1 unknown, which go out again, ")
    assert str(Loss(TimeoutError("late"), 0, (), (b"a",), final=True)).endswith("1 never sent, nor will be")
