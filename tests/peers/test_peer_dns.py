"""DNS over TCP: mezha asks unbound, and answers dnspython."""

import dns.message
import dns.query
import dns.rrset
import dns.version
import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import Peer
from mezha.framing import Dns

DNS = Dns()
SPECIFICATION = "RFC 1035, 4.2.2; RFC 7766, 8"
UNBOUND = Proof(str(DNS), SPECIFICATION, "unbound", lambda: number(output_of(program("unbound", "unbound"), "-V")))
DNSPYTHON = Proof(str(DNS), SPECIFICATION, "dnspython", lambda: dns.version.version)

#: It answers from what is written here, and asks nobody.
_CONFIGURATION = """\
server:
    directory: "{folder}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    interface: {host}@{port}
    module-config: "iterator"
    local-zone: "test." static
    local-data: 'one.test. 60 IN TXT "Hello!"'
    local-data: 'two.test. 60 IN TXT "World!"'
remote-control:
    control-enable: no
"""


@pytest.fixture(scope="session")
def unbound(daemons: Daemons) -> Daemon:
    port, folder = free_port(), daemons.folder("unbound")
    configuration = folder / "unbound.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, host=HOST, port=port))
    return daemons.start("unbound", [program("unbound", "unbound"), "-d", "-c", configuration], port=port)


@proves(BOTH, UNBOUND)
def test_unbound_answers_each_question_of_a_connection(unbound: Daemon, through: Through) -> None:
    questions = [dns.message.make_query(f"{name}.test", "TXT") for name in ("one", "two", "none")]
    with through.connect(unbound.port, DNS) as peer:
        peer.send_many([question.to_wire() for question in questions])
        answers = [dns.message.from_wire(peer.recv(timeout=PATIENCE)) for _ in questions]
    by_id = {answer.id: answer for answer in answers}  # RFC 7766, 7: in any order
    texts = [[str(rrset[0]) for rrset in by_id[question.id].answer] for question in questions]
    assert texts == [['"Hello!"'], ['"World!"'], []]


@proves(BOTH, DNSPYTHON)
def test_dnspython_is_answered(through: Through) -> None:
    def answer(peer: Peer) -> None:
        for message in peer:
            response = dns.message.make_response(dns.message.from_wire(message))
            response.answer.append(dns.rrset.from_text("one.test.", 60, "IN", "TXT", "Hello!"))
            peer.send(response.to_wire())

    host, port = through.serve(answer, DNS)
    response = dns.query.tcp(dns.message.make_query("one.test", "TXT"), host, port=port, timeout=PATIENCE)
    assert [str(rrset[0]) for rrset in response.answer] == ['"Hello!"']
