"""Dot-stuffing: mezha sends mail to aiosmtpd, takes mail of smtplib, and hands mail to poplib."""

import platform
import poplib
import smtplib
from importlib.metadata import version

import pytest
from peers.daemons import Daemon, Daemons, free_port
from peers.proofs import FROM_IT, TO_IT, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import Peer, wrap
from mezha.framing import DotStuffed, Framing, Lines

COMMANDS, TEXT = Lines(b"\r\n"), DotStuffed()
AIOSMTPD = Proof("dot-stuffed", "RFC 5321, 4.5.2 (SMTP)", "aiosmtpd", lambda: version("aiosmtpd"))
SMTPLIB = Proof("dot-stuffed", "RFC 5321, 4.5.2 (SMTP)", "smtplib of Python", platform.python_version)
POPLIB = Proof("dot-stuffed", "RFC 1939, 3 (POP3)", "poplib of Python", platform.python_version)

MAILS = [b"Subject: dots\r\n\r\n.\r\n..\r\n.hid\r\nHello!\r\n", b"\r\n", b".\r\n"]


@pytest.fixture(scope="session")
def aiosmtpd(daemons: Daemons) -> Daemon:
    port = free_port()
    return daemons.python("smtp_server.py", port, port=port)


def turned(peer: Peer, framing: Framing) -> Peer:
    """Go on in another framing, on the same connection: nothing has come yet that would be in it."""
    sock, rest = peer.detach()
    assert rest == b""
    return wrap(sock, framing)


@proves(TO_IT, AIOSMTPD)
def test_aiosmtpd_gets_the_mail_as_it_was(aiosmtpd: Daemon, through: Through) -> None:
    peer = through.connect(aiosmtpd.port, COMMANDS)

    def say(command: bytes) -> bytes:
        peer.send(command)
        return peer.recv(timeout=PATIENCE)

    assert peer.recv(timeout=PATIENCE).startswith(b"220 peer ")
    assert say(b"HELO mezha") == b"250 peer"
    for mail in MAILS:
        assert say(b"MAIL FROM:<a@mezha>") == b"250 OK"
        assert say(b"RCPT TO:<b@peer>") == b"250 OK"
        assert say(b"DATA").startswith(b"354 ")
        peer = turned(peer, TEXT)
        peer.send(mail)
        peer = turned(peer, COMMANDS)
        assert peer.recv(timeout=PATIENCE) == b"250 " + mail.hex().encode()
    assert say(b"QUIT") == b"221 Bye"
    peer.close()


@proves(FROM_IT, SMTPLIB)
def test_the_mail_of_smtplib_comes_as_it_was(through: Through) -> None:
    taken: list[bytes] = []

    def take(peer: Peer) -> None:
        peer.send(b"220 mezha")
        while (command := peer.recv(timeout=PATIENCE)[:4].upper()) != b"QUIT":
            peer.send(b"354 go on" if command == b"DATA" else b"250 OK")
            if command == b"DATA":
                peer = turned(peer, TEXT)
                taken.append(peer.recv(timeout=PATIENCE))
                peer = turned(peer, COMMANDS)
                peer.send(b"250 OK")
        peer.send(b"221 bye")
        peer.close()

    with smtplib.SMTP(*through.serve(take, COMMANDS), local_hostname="peer", timeout=PATIENCE) as client:
        for mail in MAILS:
            assert client.sendmail("a@peer", ["b@mezha"], mail) == {}
    assert taken == MAILS


@proves(TO_IT, POPLIB)
def test_poplib_gets_the_mail_as_it_was(through: Through) -> None:
    def hand_out(peer: Peer) -> None:
        peer.send(b"+OK mezha")
        while (command := peer.recv(timeout=PATIENCE).split())[0] != b"QUIT":
            peer.send(b"+OK")
            if command[0] == b"RETR":
                peer = turned(peer, TEXT)
                peer.send(MAILS[int(command[1]) - 1])
                peer = turned(peer, COMMANDS)
        peer.send(b"+OK bye")
        peer.close()

    client = poplib.POP3(*through.serve(hand_out, COMMANDS), timeout=PATIENCE)
    for number, mail in enumerate(MAILS, 1):
        assert b"".join(line + b"\r\n" for line in client.retr(number)[1]) == mail
    client.quit()
