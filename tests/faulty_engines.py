"""Engines with faults, one each, which a simulation and a model of a connection have to notice."""

from simulation.programs import Blurting

from mezha import ConnectionLost, Framing, Limits, Timeouts
from mezha.engine import State
from mezha.framing import Data

__all__ = ["FAULTY", "PATIENCE", "Faulty"]


class Faulty(Blurting):
    """An engine to go wrong: all goes through the methods."""

    def __init__(self, framing: Framing, limits: Limits, timeouts: Timeouts) -> None:
        super().__init__(framing, limits=limits, timeouts=timeouts)
        self.push = lambda message: False
        self.pop = lambda: None


class Loses(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        return super().take(count)[:2]


class Doubles(Faulty):
    def send(self, message: Data) -> None:
        for _ in range(2 if len(message) % 7 == 3 else 1):
            super().send(message)


class Swaps(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        return super().take(count)[::-1]


class Tears(Faulty):
    def outgoing(self) -> list[Data]:
        data = b"".join(super().outgoing())
        return [data[:-1]] if self.state is State.CLOSED else [data]


class IsNeverFull(Faulty):
    def full(self) -> bool:
        return False


class IsAlwaysFull(Faulty):
    def full(self) -> bool:
        return super().full() or bool(self.unused())


class HearsNoEnd(Faulty):
    def receive(self, data: Data, now: float) -> None:
        if data:
            super().receive(data, now)


class TakesALossForAnEnd(Faulty):
    def lost(self, cause: BaseException) -> None:
        pass


class TellsOfALossTooSoon(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        if self._cause:
            raise ConnectionLost
        return super().take(count)


class HasPatience(Faulty):
    def deadline(self) -> float | None:
        return None


class HasNone(Faulty):
    def deadline(self) -> float | None:
        deadline = super().deadline()
        return None if deadline is None else deadline - 9

    def expire(self, now: float) -> None:
        super().expire(now + 9)


class IsLateForEver(Faulty):
    def expire(self, now: float) -> None:
        pass


class SaysSomethingElse(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except ConnectionLost as error:
            raise OSError from error


#: Those that come too late, or too early.
PATIENCE: tuple[type[Faulty], ...] = (HasPatience, HasNone, IsLateForEver)
#: All.
FAULTY: list[type[Faulty]] = Faulty.__subclasses__()
