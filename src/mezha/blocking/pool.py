"""A pool of threads that answer requests, of one connection or of all that a listener accepts."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Pool"]


class Pool:
    """Up to so many threads, begun when they are needed, and ended when the last user has left."""

    def __init__(self, most: int) -> None:
        self._threads = ThreadPoolExecutor(most, "mezha answering")
        self._lock = threading.Lock()
        self._users = 0
        self._running = 0

    def join(self) -> None:
        """Be one more user."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """Be a user no longer. The last one ends the threads; those at work end after it."""
        with self._lock:
            self._users -= 1
            last, idle = not self._users, not self._running
        if last:
            self._threads.shutdown(wait=idle, cancel_futures=True)

    def submit(self, work: Callable[[], None]) -> "Future[None]":
        """Have a thread do something, as soon as one is free."""
        return self._threads.submit(self._do, work)

    def _do(self, work: Callable[[], None]) -> None:
        with self._lock:
            self._running += 1
        try:
            work()
        finally:
            with self._lock:
                self._running -= 1
