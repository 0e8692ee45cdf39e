"""A network of two machines that does to packets what a test says: it loses, doubles, delays and swaps them, or is cut.

Each machine is a network namespace with one TUN device, and a forker that lives in it. What one device sends comes out
at this end as IP packets, and is written to the other device, or not. Linux only; it needs the right to make network
namespaces, as root has, or anybody where user namespaces are allowed.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from fire.forker import Forker, Line

__all__ = ["ADDRESSES", "Forbidden", "Network"]

#: The addresses of the two machines.
ADDRESSES = ("10.9.8.1", "10.9.8.2")
_NETMASK = "255.255.255.0"
#: What Linux calls these: unshare(2), tun(4), netdevice(7).
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
_IFF_UP = 0x1


class Forbidden(Exception):
    """This machine does not let this user make networks; the text says what it refused."""


class Network:
    """Two machines and the way between them; what is to happen on the way can be changed at any time."""

    def __init__(self) -> None:
        self._chance = random.Random(0)
        #: The share of packets that are lost, and that come twice.
        self.loss = self.doubles = 0.0
        #: The longest that a packet takes, in seconds; each takes a time of its own, so that they overtake each other.
        self.delay = 0.0
        #: Nothing passes.
        self.cut = False
        #: Packets that came to the way, and that it has lost.
        self.packets = self.lost = 0
        self._machines: list[Forker] = []
        self._devices: list[int] = []
        self._left: list[int] = []
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._wake, self._waker = socket.socketpair()
        self._carrier = threading.Thread(target=self._carry, name="network")
        try:
            for place in (0, 1):
                self._join(place)
        except BaseException:
            self._release()
            raise
        self._carrier.start()

    @property
    def machines(self) -> tuple[Forker, Forker]:
        """What runs jobs on each machine."""
        one, other = self._machines
        return one, other

    def seed(self, seed: int) -> None:
        """Begin anew with what is left to chance; when which packet comes is left to the system all the same."""
        self._chance.seed(seed)

    def restart(self, place: int) -> None:
        """Take a machine away without a word, and put a new one there, which knows nothing of what was before."""
        before, self.cut = self.cut, True
        self._machines[place].vanish()
        self._join(place)
        self.cut = before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._waker.send(b"end")
        self._carrier.join()
        self._release()

    def _join(self, place: int) -> None:
        """Start a machine, and connect it."""
        machine = Forker()
        self._machines[place : place + 1] = [machine]
        with machine.start(_leave_for_a_machine, ADDRESSES[place], stay=True) as leaving:
            if refused := leaving.hear():
                raise Forbidden(refused)
            self._left += self._devices[place : place + 1]  # somebody may be reading from it
            self._devices[place : place + 1] = [leaving.take_over()]
            leaving.result()

    def _release(self) -> None:
        for machine in self._machines:
            machine.vanish()
        for device in (*self._devices, *self._left):
            os.close(device)
        self._wake.close()
        self._waker.close()

    def _carry(self) -> None:
        """Carry packets until the end."""
        while True:
            pause = max(self._under_way[0][0] - time.monotonic(), 0) if self._under_way else 0.1
            readable, _, _ = select.select([self._wake.fileno(), *self._devices], [], [], pause)
            if self._wake.fileno() in readable:
                return
            for place, device in enumerate(self._devices):
                with suppress(OSError):  # no more; or the machine has gone
                    while device in readable:
                        self._send(1 - place, os.read(device, 65536))
            while self._under_way and self._under_way[0][0] <= time.monotonic():
                _, _, place, packet = heapq.heappop(self._under_way)
                if not self.cut:
                    with suppress(OSError):  # the machine has gone
                        os.write(self._devices[place], packet)

    def _send(self, place: int, packet: bytes) -> None:
        """Put a packet on its way, once, twice or not at all."""
        self.packets += 1
        if self.cut or self._chance.random() < self.loss:
            self.lost += 1
            return
        for copy in range(1 + (self._chance.random() < self.doubles)):
            due = time.monotonic() + self._chance.random() * self.delay
            heapq.heappush(self._under_way, (due, 2 * self.packets + copy, place, packet))


# -- on the machine ----------------------------------------------------------------------------------------------------


def _leave_for_a_machine(line: Line, address: str) -> None:
    """Move this process to a machine of its own, and give the other end of its network device to the test."""
    try:
        _unshare()
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            for name in (b"lo", b"tun0"):
                if name == b"tun0":
                    for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, _NETMASK)):
                        inet = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
                        fcntl.ioctl(any_socket, request, struct.pack("16s16s8x", name, inet))
                fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", name, _IFF_UP))
    except OSError as error:
        line.say(f"{error.strerror}{f' ({error.filename})' if error.filename else ''}")
        return
    line.say(None)
    line.hand_over(device)
    os.close(device)


def _unshare() -> None:
    """Leave the network of the system, as root; or else as root of a user namespace of one's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if not libc.unshare(_NEW_NET):
        return
    if libc.unshare(_NEW_USER | _NEW_NET):
        raise OSError(ctypes.get_errno(), f"unshare: {os.strerror(ctypes.get_errno())}")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
