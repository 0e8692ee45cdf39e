"""RabbitMQ's STOMP: mezha sends and subscribes, and stands between it and stomp.py."""

from importlib.metadata import version
from pathlib import Path

import pytest
import stomp
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from stomp.utils import Frame
from waiting import PATIENCE, until

from mezha.framing import Stomp

SPECIFICATION = "STOMP 1.2"


def find() -> str:
    """Return the program itself, in front of which Debian puts one that changes user and place."""
    wrapper = Path(program("rabbitmq-server", "rabbitmq-server"))
    return str(wrapper.resolve().with_name("rabbitmq-server"))


def find_version() -> str:
    return number(output_of("dpkg-query", "--show", "--showformat=${Version}", "rabbitmq-server"))


RABBITMQ = Proof("stomp", SPECIFICATION, "RabbitMQ", find_version)
STOMP_PY = Proof("stomp", SPECIFICATION, "stomp.py", lambda: version("stomp.py"))

_CONFIGURATION = """\
listeners.tcp = none
stomp.listeners.tcp.1 = {host}:{port}
log.console = true
log.file = false
"""


@pytest.fixture(scope="session")
def rabbitmq(daemons: Daemons) -> Daemon:
    """It needs epmd of Erlang, and would start one that outlives it."""
    server, folder, port, names = find(), daemons.folder("rabbitmq"), free_port(), free_port()
    (folder / "enabled_plugins").write_text("[rabbitmq_stomp].\n")
    (folder / "rabbitmq.conf").write_text(_CONFIGURATION.format(host=HOST, port=port))
    settings = {
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": names,
        "HOME": folder,  # of the cookie
        "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
        "RABBITMQ_DIST_PORT": free_port(),
        "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "enabled_plugins",
        "RABBITMQ_LOG_BASE": folder / "log",
        "RABBITMQ_MNESIA_BASE": folder / "mnesia",
        "RABBITMQ_NODENAME": "mezha@localhost",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    daemons.start("epmd", [program("epmd", "erlang-base"), "-address", HOST, "-port", str(names)], port=names)
    command = ["env", *(f"{name}={value}" for name, value in settings.items()), server]
    return daemons.start("rabbitmq", command, port=port, says="Server startup complete")


@proves(BOTH, RABBITMQ)
def test_what_is_sent_comes_to_those_who_subscribe(rabbitmq: Daemon, through: Through) -> None:
    with through.connect(rabbitmq.port, Stomp()) as peer:

        def answer() -> tuple[bytes, dict[bytes, bytes], bytes]:
            """Return command, headers and body of the next frame that is no heart-beat."""
            while not (frame := peer.recv(timeout=PATIENCE)):
                pass
            head, _, body = frame.partition(b"\n\n")
            command, *lines = head.split(b"\n")
            headers = [line.partition(b":") for line in lines]
            return command, {name: value for name, _, value in headers}, body

        peer.send(b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nheart-beat:0,1000\n\n")
        command, headers, _ = answer()
        assert (command, headers[b"version"]) == (b"CONNECTED", b"1.2")
        assert headers[b"heart-beat"] == b"1000,0"
        destination = b"destination:/exchange/amq.fanout\n"
        peer.send(b"SUBSCRIBE\nid:7\nreceipt:1\n" + destination + b"\n")
        assert answer()[:2] == (b"RECEIPT", {b"receipt-id": b"1"})
        bodies = [b"Hello!", b"\0\n\0", b"", b"\n"]
        for body in bodies:
            peer.send(b"")
            peer.send(b"SEND\r\ncontent-length:%d\r\n%b\r\n%b" % (len(body), destination.replace(b"\n", b"\r\n"), body))
        peer.send(b"SEND\n" + destination + b"\nuntil the zero byte")
        for body in [*bodies, b"until the zero byte"]:
            command, headers, arrived = answer()
            assert (command, headers[b"subscription"], arrived) == (b"MESSAGE", b"7", body)
        assert peer.recv(timeout=PATIENCE) == b""  # a line end: RabbitMQ writes one behind each frame


class Listener(stomp.ConnectionListener):
    def __init__(self) -> None:
        self.bodies: list[str | None] = []

    def on_message(self, frame: Frame) -> None:
        self.bodies.append(frame.body)


@proves(BOTH, STOMP_PY)
def test_stomp_py_talks_through_mezha(rabbitmq: Daemon, through: Through) -> None:
    relay = through.relay(rabbitmq.port, Stomp())
    client = stomp.Connection12([relay.address], vhost="/", heartbeats=(0, 0))
    listener = Listener()
    client.set_listener("", listener)
    client.connect("guest", "guest", wait=True)
    client.subscribe("/exchange/amq.direct/greet", id="7")
    client.send("/exchange/amq.direct/greet", "Hello!")
    client.send("/exchange/amq.direct/greet", "World!\0")
    until(lambda: len(listener.bodies) == 2)
    client.disconnect()
    assert listener.bodies == ["Hello!", "World!\0"]
    commands = [b"STOMP", b"SUBSCRIBE", b"SEND", b"SEND", b"DISCONNECT"]
    until(lambda: len(relay.up) == len(commands))
    assert [frame.split(b"\n")[0] for frame in relay.up] == commands
