"""Tests of mezha.sockets."""

import errno
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.framing import Data
from mezha.sockets import (
    AddressInfo,
    address_name,
    bind_tcp,
    bind_unix,
    close_listening,
    connect_unix,
    drop,
    own_and_peer_address,
    port_of,
    require_place,
    server_name,
    tune,
)
from mezha.testing.conformance import certificates

LOOPBACK: AddressInfo = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
LOOPBACK6: AddressInfo = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0))
#: Addresses for documentation, which no machine has.
NOWHERE: AddressInfo = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))
NOWHERE6: AddressInfo = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0))


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has them")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (("127.0.0.1", 1898), "127.0.0.1:1898"),
        (("localhost", 0), "localhost:0"),
        (("::1", 1898, 0, 0), "[::1]:1898"),
        (("fe80::1%eth0", 1898, 0, 2), "[fe80::1%eth0]:1898"),
        ("/run/mezha.sock", "/run/mezha.sock"),
        (b"\0mezha", "@mezha"),
        (b"/run/\xff", os.fsdecode(b"/run/\xff")),
        ("", "unnamed"),
        (b"", "unnamed"),
        (None, "unnamed"),
        ((1, 2, 3), "unnamed"),
    ],
)
def test_address_name(address: object, name: str) -> None:
    assert address_name(address) == name


@pytest.mark.parametrize("place", [("localhost", 1898, None), (None, 0, None), (None, None, "/run/x.sock")])
def test_a_place(place: tuple[str | None, int | None, str | None]) -> None:
    require_place(*place)


@pytest.mark.parametrize(
    "place",
    [
        (None, None, None),
        ("localhost", None, None),
        ("localhost", 1898, "/run/x.sock"),
        (None, 1898, "/run/x.sock"),
        ("localhost", None, "/run/x.sock"),
    ],
)
def test_no_place(place: tuple[str | None, int | None, str | None]) -> None:
    with pytest.raises(TypeError, match=r"^give a host and a port, or the path of a Unix socket: \(host, port\) or"):
        require_place(*place)


def test_server_name() -> None:
    strict, careless = certificates.client(), certificates.careless()
    assert server_name(None, "example.org", None, None) is None
    assert server_name(None, "example.org", None, strict) == "example.org"
    assert server_name("other.org", "example.org", None, strict) == "other.org"
    assert server_name(None, None, None, strict) == "localhost"
    assert server_name("example.org", None, "/run/x.sock", strict) == "example.org"
    assert server_name(None, None, "/run/x.sock", careless) is None
    with pytest.raises(ValueError, match="a Unix socket has no name that a certificate could be for: give server_hos"):
        server_name(None, None, "/run/x.sock", strict)


def test_tune() -> None:
    with socket.socket() as sock:
        tune(sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_tune_leaves_other_sockets_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        tune(one)


def test_tune_forgives_a_connection_that_is_gone() -> None:
    sock = socket.socket()
    sock.close()
    tune(sock)


def test_the_addresses_of_both_sides() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with socket.create_connection(listening.getsockname()) as sock:
            assert own_and_peer_address(sock) == (sock.getsockname(), listening.getsockname())
        assert own_and_peer_address(listening) == (listening.getsockname(), None)
        assert own_and_peer_address(sock) == (None, None)


@given(st.lists(st.binary(max_size=5)), st.data())
def test_drop(buffers: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(buffers)
    count = data.draw(st.integers(0, len(stream)))
    left: list[Data] = list(buffers)
    drop(left, count)
    assert b"".join(left) == stream[count:]


def test_bind_tcp_at_one_address() -> None:
    sockets = bind_tcp([LOOPBACK], backlog=1)
    port = port_of(sockets)
    assert port
    with socket.create_connection(("127.0.0.1", port)):
        pass
    close_listening(sockets)
    assert [sock.fileno() for sock in sockets] == [-1]
    close_listening(sockets)  # again


@ipv6
def test_bind_tcp_takes_the_same_port_at_all_addresses() -> None:
    sockets = bind_tcp([LOOPBACK, LOOPBACK6, LOOPBACK], backlog=1)
    try:
        assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1", "::1"]
        assert {sock.getsockname()[1] for sock in sockets} == {port_of(sockets)}
        for sock in sockets:
            socket.create_connection(sock.getsockname()[:2]).close()
    finally:
        close_listening(sockets)


@ipv6
def test_bind_tcp_tries_another_port_if_the_first_is_not_free_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    bind = socket.socket.bind
    refused: list[int] = []

    def taken_once(sock: socket.socket, address: tuple[str, int]) -> None:
        if sock.family == socket.AF_INET6 and not refused:
            refused.append(address[1])
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        bind(sock, address)

    monkeypatch.setattr(socket.socket, "bind", taken_once)
    sockets = bind_tcp([LOOPBACK, LOOPBACK6], backlog=1)
    try:
        assert len(sockets) == 2
        assert {sock.getsockname()[1] for sock in sockets} == {port_of(sockets)}
        assert refused[0] > 0
    finally:
        close_listening(sockets)


def test_bind_tcp_at_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}: ") as caught:
            bind_tcp([(*LOOPBACK[:4], ("127.0.0.1", port))], backlog=1)
    assert caught.value.errno == errno.EADDRINUSE


def test_bind_tcp_passes_over_addresses_that_the_machine_does_not_have() -> None:
    sockets = bind_tcp([NOWHERE, LOOPBACK, NOWHERE6], backlog=1)
    try:
        assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1"]
    finally:
        close_listening(sockets)


def test_bind_tcp_at_an_address_that_the_machine_does_not_have() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0: ") as caught:
        bind_tcp([NOWHERE], backlog=1)
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_bind_tcp_at_none_of_several_addresses() -> None:
    with pytest.raises(OSError, match="none of the host's addresses belongs to this machine") as caught:
        bind_tcp([NOWHERE, NOWHERE6], backlog=1)
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_bind_tcp_passes_over_a_family_that_the_system_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoIPv6(socket.socket):
        def __init__(self, family: int = -1, kind: int = -1, protocol: int = -1, fileno: int | None = None) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
            super().__init__(family, kind, protocol, fileno)

    monkeypatch.setattr(socket, "socket", NoIPv6)
    sockets = bind_tcp([LOOPBACK6, LOOPBACK], backlog=1)
    try:
        assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1"]
    finally:
        close_listening(sockets)


def test_bind_tcp_asks_for_sole_use_where_sharing_a_port_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    sockets = bind_tcp([LOOPBACK], backlog=1)
    monkeypatch.undo()
    assert not sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    close_listening(sockets)


def test_bind_unix(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    sockets = bind_unix(path, backlog=1)
    assert path.is_socket()
    assert port_of(sockets) is None
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
    close_listening(sockets)
    assert not path.exists()
    close_listening(sockets)  # again


def test_bind_unix_replaces_what_a_program_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    assert path.is_socket()
    sockets = bind_unix(path, backlog=1)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
    close_listening(sockets)


def test_bind_unix_at_a_path_in_use(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    sockets = bind_unix(path, backlog=1)
    with pytest.raises(OSError, match=rf"cannot listen on {path}: ") as caught:
        bind_unix(path, backlog=1)
    assert caught.value.errno == errno.EADDRINUSE
    assert path.is_socket()
    close_listening(sockets)


@linux
def test_bind_unix_at_a_path_in_use_by_a_busy_program(tmp_path: Path) -> None:
    """Its backlog is full: whoever connects waits."""
    path = tmp_path / "x.sock"
    clients: list[socket.socket] = []
    sockets = bind_unix(path, backlog=0)
    try:
        while client := connect_unix(path):
            clients.append(client)
        with pytest.raises(OSError, match="cannot listen on") as caught:
            bind_unix(path, backlog=1)
        assert caught.value.errno == errno.EADDRINUSE
        assert path.is_socket()
    finally:
        for client in clients:
            client.close()
        close_listening(sockets)


def test_bind_unix_at_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("not a socket")
    with pytest.raises(OSError, match=rf"cannot listen on {path}: ") as caught:
        bind_unix(path, backlog=1)
    assert caught.value.errno == errno.EADDRINUSE
    assert path.read_text() == "not a socket"


def test_bind_unix_at_a_path_too_long() -> None:
    path = "/tmp/" + "x" * 200
    with pytest.raises(OSError, match=rf"cannot listen on {path}: AF_UNIX path too long"):
        bind_unix(path, backlog=1)


def test_bind_unix_at_a_path_with_nul(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="null"):
        bind_unix(f"{tmp_path}/x\0y", backlog=1)


@linux
def test_bind_unix_outside_the_file_system() -> None:
    name = f"\0mezha-test-{os.getpid()}"
    sockets = bind_unix(name, backlog=1)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(name)
    with pytest.raises(OSError, match=rf"cannot listen on @{name[1:]}: "):
        bind_unix(name, backlog=1)
    close_listening(sockets)


def test_connect_unix_where_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect_unix(tmp_path / "x.sock")


def test_close_listening_when_the_path_is_gone_already(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    sockets = bind_unix(path, backlog=1)
    path.unlink()
    close_listening(sockets)
    assert sockets[0].fileno() == -1
