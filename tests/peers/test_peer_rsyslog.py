"""rsyslog: mezha sends messages in both forms, and gets them back from it in both."""

from queue import Queue

import pytest
from peers.daemons import Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import Peer
from mezha.framing import Syslog


def find() -> str:
    return program("rsyslogd", "rsyslog")


RSYSLOG = {
    framing: Proof(str(framing), specification, "rsyslog", lambda: number(output_of(find(), "-v")))
    for framing, specification in {
        Syslog(): "RFC 6587, 3.4.1; RFC 5425, 4.3",
        Syslog("lines"): "RFC 6587, 3.4.2",
    }.items()
}
#: How rsyslog calls the two forms.
NAMES = {Syslog(): "octet-counted", Syslog("lines"): "traditional"}

#: It hands on what it gets, as it stands.
_CONFIGURATION = """\
global(workDirectory="{folder}" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp")
template(name="raw" type="string" string="%rawmsg%")
input(type="imtcp" port="{port}" address="127.0.0.1")
action(type="omfwd" target="{host}" port="{forward}" protocol="tcp" TCP_Framing="{framing}" template="raw")
"""

MESSAGES = [
    b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed for lonvick on /dev/pts/8",
    b"<13>Oct 11 22:14:15 mymachine su: 7 <13>",
    "<165>1 2003-10-11T22:14:15.003Z host app 1 - - до зустрічі".encode(),
]


@proves(BOTH, *RSYSLOG.values())
@pytest.mark.parametrize("sent", NAMES, ids=str)
@pytest.mark.parametrize("forwarded", NAMES, ids=str)
def test_what_is_sent_is_handed_on(sent: Syslog, forwarded: Syslog, through: Through, daemons: Daemons) -> None:
    arrived: Queue[bytes] = Queue()

    def take(peer: Peer) -> None:
        for message in peer:
            arrived.put(message)

    host, forward = through.serve(take, sent)  # it reads either form, whichever it would write
    port, folder = free_port(), daemons.folder("rsyslog")
    configuration = folder / "rsyslog.conf"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, port=port, host=host, forward=forward, framing=NAMES[forwarded])
    )
    with Daemons() as running:
        rsyslog = running.start("rsyslog", [find(), "-n", "-iNONE", "-f", configuration], port=port)
        with through.connect(rsyslog.port, sent) as peer:
            messages = [*MESSAGES, b"<1>a\nb"] if sent == forwarded == Syslog() else MESSAGES
            peer.send_many(messages)
            assert [arrived.get(timeout=PATIENCE) for _ in messages] == messages
