"""Failure: a length that lies is believed, and memory is set aside for it."""

import tracemalloc

from by_hand import recv_message
from stage import connected_pair, say

from mezha import LengthPrefixed, Limits, MessageTooLarge
from mezha.blocking import wrap

LIE = b"\x40\0\0\0Hello!"  # announces a gibibyte
REQUEST = b"GET / HTTP/1.1\r\n"


def by_hand(stream: bytes) -> None:
    sender, receiver = connected_pair()
    with sender, receiver:
        receiver.settimeout(0.1)
        sender.sendall(stream)
        tracemalloc.start()
        try:
            recv_message(receiver)
        except TimeoutError:
            _, most = tracemalloc.get_traced_memory()
            say("by hand", f"{most >> 20} MiB for {stream!r}, and still waiting")
        tracemalloc.stop()


def with_mezha(stream: bytes, limits: Limits) -> None:
    sender, receiver = connected_pair()
    with sender, wrap(receiver, LengthPrefixed(4), limits=limits) as peer:
        sender.sendall(stream)
        tracemalloc.start()
        try:
            peer.recv(timeout=0.1)
        except MessageTooLarge as error:
            say("mezha", error)
        except TimeoutError:
            _, most = tracemalloc.get_traced_memory()
            say("mezha", f"{most >> 20} MiB for {stream!r}, limit 1 GiB")
        tracemalloc.stop()


by_hand(LIE)
by_hand(REQUEST)
with_mezha(LIE, Limits(max_message=1 << 30))
with_mezha(REQUEST, Limits())
