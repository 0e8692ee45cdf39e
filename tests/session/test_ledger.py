"""The ledger: whatever happens, each message is in one class, in order, and what was taken was never called unsent."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mezha import ConnectionLost, LocalProtocolError
from mezha.reconnect import Loss
from mezha.session.closing import Ending
from mezha.session.ledger import Ledger

SIZES = st.integers(0, 12)


class LifeOfALedger(RuleBasedStateMachine):
    """Beside it, the truth: what the system was given of each connection, and what the far program was handed."""

    @initialize(outbox=st.integers(1, 60), inbox=st.integers(1, 60), resend=st.booleans())
    def begin(self, outbox: int, inbox: int, resend: bool) -> None:
        self.ledger = Ledger(outbox, inbox)
        self.outbox, self.most, self.resend = outbox, outbox + inbox, resend
        self.added: list[bytes] = []
        self.gone: list[bytes] = []  # over this connection
        self.sent = self.taken = self.told = 0  # of those
        self.handed_out: list[bytes] = []  # to the far program, over all connections
        self.delivered: list[bytes] = []  # as the ledger has been told
        self.unknown: list[bytes] = []
        self.waiting: list[bytes] = []
        self.given_up: list[bytes] = []  # told of as never to be sent
        self.asked = 0

    @rule(size=SIZES)
    def add(self, size: int) -> None:
        if self.ledger.room:
            message = len(self.added).to_bytes(4, "big") + bytes(size)
            self.added.append(message)
            self.waiting.append(message)
            self.ledger.add(message)

    @precondition(lambda self: self.waiting)
    @rule()
    def withdraw(self) -> None:
        self.ledger.withdraw()
        self.added.remove(self.waiting.pop())

    @rule(what=st.sampled_from(("goes", "goes", "waits", "refused")))
    def next(self, what: str) -> None:
        message = self.ledger.next()
        assert message == (self.waiting[0] if self.waiting else None)
        if message is None:
            return
        if what == "waits":
            self.ledger.take_back()
        elif what == "refused":
            error = LocalProtocolError("too large")
            assert self.ledger.refuse(error) == Loss(error, 0, (), (message,), final=True)
            self.given_up.append(self.waiting.pop(0))
        else:
            self.gone.append(self.waiting.pop(0))
            self.asked += len(message) + 5
            if self.ledger.due:
                assert self.asked * 4 >= self.most
                self.ledger.asked()
                self.asked = 0

    @precondition(lambda self: self.sent < len(self.gone))
    @rule()
    def the_system_takes_one(self) -> None:
        self.sent += 1

    @precondition(lambda self: self.taken < self.sent)
    @rule()
    def the_far_program_takes_one(self) -> None:
        self.handed_out.append(self.gone[self.taken])
        self.taken += 1

    @rule(data=st.data())
    def the_peer_says_what_was_taken(self, data: st.DataObject) -> None:
        told = data.draw(st.integers(self.told, self.taken))
        assert self.ledger.confirm(told) == (told > self.told)
        self.delivered += self.gone[self.told : told]
        self.told = told

    @rule(data=st.data(), final=st.booleans())
    def the_connection_is_lost(self, data: st.DataObject, final: bool) -> None:
        told = data.draw(st.integers(self.told, self.taken))
        self.delivered += self.gone[self.told : told]
        cause = ConnectionLost("gone")
        loss = self.ledger.lose(cause, self.sent, told, resend=self.resend, final=final)
        unknown, unsent = self.gone[told : self.sent], self.gone[self.sent :]
        resent = self.resend and not final
        assert loss == Loss(cause, told, tuple(unknown), (*unsent, *self.waiting), resent, final)
        self.waiting = [*(unknown if resent else []), *unsent, *self.waiting]
        self.unknown += [] if resent else unknown
        if final:
            self.given_up += self.waiting
            self.waiting = []
        self.gone = []
        self.sent = self.taken = self.told = self.asked = 0
        ending = self.ledger.ending(Ending("lost", 0, "", False, 1, 1, 1))
        assert ending.delivered == len(self.delivered)
        assert ending.unknown == len(self.unknown)
        assert ending.never_sent == len(self.waiting) + len(self.given_up)
        assert ending.sent + ending.never_sent == len(self.added)

    @invariant()
    def each_message_is_in_one_class(self) -> None:
        if not hasattr(self, "ledger"):
            return
        classes = [*self.delivered, *self.unknown, *self.gone[self.told :], *self.waiting, *self.given_up]
        assert sorted(classes) == sorted(self.added), "none is lost, none is in two classes"
        assert self.delivered == sorted(self.delivered), "in order"
        assert self.waiting == sorted(self.waiting)
        if not self.resend:
            assert len(set(self.handed_out)) == len(self.handed_out), "nobody got one twice"
            assert not set(self.handed_out) & {*self.waiting, *self.given_up}, "what was taken is not called never sent"
        assert set(self.delivered) <= set(self.handed_out), "what is called delivered was taken"
        assert self.ledger.delivered == len(self.delivered)
        assert self.ledger.unknown == len(self.unknown)
        assert self.ledger.waiting == len(self.waiting)

    @invariant()
    def what_is_kept_is_bounded(self) -> None:
        if not hasattr(self, "ledger"):
            return
        waiting = sum(len(message) + 5 for message in self.waiting)
        kept = waiting + sum(len(message) + 5 for message in self.gone[self.told :])
        assert kept < self.most + 12 + 4 + 5
        assert self.ledger.full == (kept >= self.most)
        assert self.ledger.room == (waiting < self.outbox and kept < self.most)


TestLifeOfALedger = LifeOfALedger.TestCase


def test_each_message_is_in_one_class() -> None:
    ledger = Ledger(100, 100)
    for message in (b"one", b"two", b"six", b"ten"):
        ledger.add(message)
    assert [ledger.next() for _ in range(3)] == [b"one", b"two", b"six"]
    ledger.confirm(1)
    cause = ConnectionLost("gone")
    loss = ledger.lose(cause, sent=2, delivered=1, resend=False, final=False)
    assert (loss.unknown, loss.never_sent) == ((b"two",), (b"six", b"ten"))
    assert ledger.next() == b"six"
    again = ledger.lose(cause, sent=1, delivered=0, resend=True, final=False)
    assert (again.unknown, again.never_sent) == ((b"six",), (b"ten",))
    assert [ledger.next(), ledger.next()] == [b"six", b"ten"]
    refused = ledger.refuse(ValueError("too large"))
    assert refused.never_sent == (b"ten",)
    last = ledger.lose(cause, sent=1, delivered=0, resend=True, final=True)
    assert (last.unknown, last.final) == ((b"six",), True)
    assert ledger.ending(Ending("lost", 0, "", False, 1, 0, 0)).how == "lost"
