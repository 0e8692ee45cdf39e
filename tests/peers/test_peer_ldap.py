"""LDAP: mezha asks slapd, and stands between it and its clients."""

import subprocess
from pathlib import Path

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE, until

from mezha.framing import Ber, Framing, Ldap

SPECIFICATION = "RFC 4511, 5.1; X.690, 8.1"
SLAPD = Proof("ldap", SPECIFICATION, "slapd", lambda: number(output_of(program("slapd", "slapd"), "-VV")))
CLIENTS = Proof(
    "ldap", SPECIFICATION, "ldapadd, ldapsearch", lambda: number(output_of(program("ldapsearch", "ldap-utils"), "-VV"))
)
SLAPD_BER = Proof("ber", "X.690, 8.1", "slapd", SLAPD.version)

_CONFIGURATION = """\
modulepath /usr/lib/ldap
moduleload back_mdb
include /etc/ldap/schema/core.schema
pidfile {folder}/pid
database mdb
suffix dc=test
rootdn cn=admin,dc=test
rootpw secret
directory {folder}
"""
_ENTRY = """\
dn: dc=test
objectClass: dcObject
objectClass: organization
dc: test
o: Hello!
"""


@pytest.fixture(scope="session")
def slapd(daemons: Daemons) -> Daemon:
    port, folder = free_port(), daemons.folder("slapd")
    configuration = folder / "slapd.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder))
    command: list[str | Path] = [
        program("slapd", "slapd"),
        "-d",
        "0",
        "-h",
        f"ldap://{HOST}:{port}",
        "-f",
        configuration,
    ]
    return daemons.start("slapd", command, port=port)


def element(identifier: int, *contents: bytes) -> bytes:
    """Write an element of less than 128 bytes."""
    inside = b"".join(contents)
    assert len(inside) < 0x80
    return bytes((identifier, len(inside))) + inside


def request(number: int, operation: bytes) -> bytes:
    return element(0x30, element(0x02, bytes((number,))), operation)


@proves(BOTH, SLAPD, SLAPD_BER)
@pytest.mark.parametrize("framing", [Ldap(), Ber()], ids=str)
def test_slapd_answers_each_request(slapd: Daemon, through: Through, framing: Framing) -> None:
    bind = element(0x60, b"\x02\x01\x03", element(0x04), element(0x80))
    wanted = (element(0x04, b"namingContexts"), element(0x04, b"supportedFeatures"))
    everything = (b"\x0a\x01\0", b"\x0a\x01\0", b"\x02\x01\0", b"\x02\x01\0", b"\x01\x01\0")
    search = element(0x63, element(0x04), *everything, element(0x87, b"objectClass"), element(0x30, *wanted))
    with through.connect(slapd.port, framing) as peer:
        peer.send(request(1, bind))
        assert peer.recv(timeout=PATIENCE) == request(1, element(0x61, b"\x0a\x01\0\x04\0\x04\0"))
        peer.send(request(2, search))
        entry = peer.recv(timeout=PATIENCE)
        assert entry.startswith(b"\x30\x81"), "an element of 128 bytes or more"
        assert b"dc=test" in entry
        assert peer.recv(timeout=PATIENCE) == request(2, element(0x65, b"\x0a\x01\0\x04\0\x04\0"))
        peer.send(request(3, element(0x42)))


@proves(BOTH, SLAPD, CLIENTS)
def test_the_clients_talk_through_mezha(slapd: Daemon, through: Through) -> None:
    relay = through.relay(slapd.port, Ldap())
    host, port = relay.address
    who = ["-x", "-H", f"ldap://{host}:{port}", "-D", "cn=admin,dc=test", "-w", "secret"]
    for verb, arguments in (("ldapadd", []), ("ldapsearch", ["-LLL", "-b", "dc=test"]), ("ldapdelete", ["dc=test"])):
        ran = subprocess.run(
            [program(verb, "ldap-utils"), *who, *arguments],
            input=_ENTRY,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert verb != "ldapsearch" or ran.stdout == _ENTRY + "\n"
    until(lambda: sum(b"\x42\0" in message for message in relay.up) == 3)  # nobody waits for its goodbye
    assert len(relay.up) == 9
    assert len(relay.down) == 7
