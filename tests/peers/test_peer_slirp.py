"""SLIP and HDLC: mezha is the serial line of slirp, which takes IP packets from it, or opens PPP."""

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, program
from peers.proofs import BOTH, Proof, proves
from peers.table import release
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Hdlc, Slip

SLIP = Proof("slip", "RFC 1055", "slirp", lambda: release("slirp"))
PPP = Proof("hdlc", "RFC 1662, 4", "slirp (PPP)", lambda: release("slirp"))
ECHO_REQUEST, ECHO_REPLY = 8, 0
WE, SLIRP = bytes((10, 0, 2, 15)), bytes((10, 0, 2, 2))
#: Address, control and protocol of PPP's Link Control Protocol, and its codes (RFC 1661, 5).
LCP = bytes.fromhex("ff03 c021")
CONFIGURE_REQUEST, CONFIGURE_ACK, ECHO_REQUEST_OF_LCP, ECHO_REPLY_OF_LCP = 1, 2, 9, 10


def line(daemons: Daemons, *options: str) -> Daemon:
    """Start slirp on a terminal of its own for each connection; what it says to a person is not on that line."""
    port = free_port()
    slirp = " ".join((program("slirp-fullbolt", "slirp"), *options))
    listen = f"TCP-LISTEN:{port},bind={HOST},reuseaddr,fork"
    return daemons.start("slirp", [program("socat", "socat"), listen, f"EXEC:{slirp},pty,rawer,setsid,ctty"], port=port)


@pytest.fixture(scope="session")
def slip(daemons: Daemons) -> Daemon:
    return line(daemons)


@pytest.fixture(scope="session")
def ppp(daemons: Daemons) -> Daemon:
    return line(daemons, "ppp")


def with_checksum(header: bytes, place: int, rest: bytes = b"") -> bytes:
    """Put the checksum of IP and ICMP (RFC 1071) over the two zeros at ``place``."""
    whole = header + rest
    total = sum(int.from_bytes(whole[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(whole), 2))
    return header[:place] + (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big") + header[place + 2 :] + rest


def ping(number: int, payload: bytes) -> bytes:
    """Return an IPv4 packet with an echo request in it."""
    echo = with_checksum(bytes((ECHO_REQUEST, 0, 0, 0, 0, 1, 0, number)), 2, payload)
    header = bytes((0x45, 0, 0, 20 + len(echo), 0, number, 0, 0, 64, 1, 0, 0)) + WE + SLIRP
    return with_checksum(header, 10) + echo


@proves(BOTH, SLIP)
@pytest.mark.parametrize("framing", [Slip(), Slip(both=True)], ids=str)
def test_slirp_answers_pings(slip: Daemon, through: Through, framing: Slip) -> None:
    with through.connect(slip.port, framing) as peer:
        for number, payload in enumerate((b"Hello!", b"\xc0\xdb\xdc\xdd" * 4, bytes(range(0xB0, 0xF0))), 1):
            peer.send(ping(number, payload))
            answer = peer.recv(timeout=PATIENCE)
            assert answer[12:20] == SLIRP + WE
            assert answer[20:] == with_checksum(bytes((ECHO_REPLY, 0, 0, 0, 0, 1, 0, number)), 2, payload)


def lcp(code: int, identifier: int, options: bytes = b"") -> bytes:
    """Return a packet of the Link Control Protocol."""
    return LCP + bytes((code, identifier)) + (4 + len(options)).to_bytes(2, "big") + options


@proves(BOTH, PPP)
def test_slirp_opens_ppp(ppp: Daemon, through: Through) -> None:
    # The control characters that the other side wants escaped: all, until it says otherwise.
    with through.connect(ppp.port, Hdlc(accm=0xFFFFFFFF)) as peer:

        def answer(code: int) -> bytes:
            """Return the next packet of the Link Control Protocol with this code."""
            while not (packet := peer.recv(timeout=PATIENCE)).startswith(LCP + bytes((code,))):
                pass
            return packet

        no_escapes = bytes.fromhex("0206 00000000")
        peer.send(lcp(CONFIGURE_REQUEST, 7, no_escapes))
        wanted = answer(CONFIGURE_REQUEST)
        peer.send(LCP + bytes((CONFIGURE_ACK,)) + wanted[5:])
        assert answer(CONFIGURE_ACK) == lcp(CONFIGURE_ACK, 7, no_escapes)
        # The link is open. What comes back now has no control characters escaped but 7d and 7e.
        for number, payload in enumerate((b"Hello!", b"\x7e\x7d\x5e\x5d" * 4, bytes(range(0x20))), 1):
            peer.send(lcp(ECHO_REQUEST_OF_LCP, number, bytes(4) + payload))
            assert answer(ECHO_REPLY_OF_LCP)[5:] == lcp(ECHO_REPLY_OF_LCP, number, magic(wanted) + payload)[5:]


def magic(request: bytes) -> bytes:
    """Return the magic number (RFC 1661, 6.4) in a request to configure."""
    options = request[8:]
    while options[0] != 5:
        options = options[options[1] :]
    return options[2:6]
