"""The keeper: a thread that comes by at the sessions of the process at which no other thread waits."""

import os
import threading
import time
from weakref import WeakSet

from mezha.blocking.driver import Driver

__all__ = ["keep"]

#: Seconds from one round to the next, at most: so long a PING may go unanswered.
_ROUND = 1.0

_lock = threading.Lock()
_kept: "WeakSet[Driver]" = WeakSet()
_thread: threading.Thread | None = None


def keep(driver: Driver) -> None:
    """Come by at a session as long as it is in use."""
    global _thread
    with _lock:
        _kept.add(driver)
        if _thread is None:
            _thread = threading.Thread(target=_go_round, name="mezha keeper", daemon=True)
            _thread.start()


def _go_round() -> None:
    """Look at all of them again and again, until none is left."""
    global _thread
    until = _ROUND
    while True:
        time.sleep(until)
        with _lock:
            drivers = [driver for driver in _kept if not driver.deaf]
            _kept.intersection_update(drivers)
            if not drivers:
                _thread = None
                return
        until = _ROUND
        for driver in drivers:
            due = driver.look()
            if due is not None:
                until = min(until, max(due - time.monotonic(), 0.0))
        del drivers


def _forget() -> None:
    """Begin anew in the child of a fork: the connections are the parent's."""
    global _lock, _thread
    _lock = threading.Lock()
    _thread = None
    for driver in list(_kept):
        driver.forget()
    _kept.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
