"""An Erlang node that swaps every two messages, in each kind of packet that its sockets know."""

from pathlib import Path
from signal import SIGKILL

import pytest
from peers.daemons import Daemons, free_port, output_of, program

__all__ = ["KINDS", "Erlang", "erlang", "erlang_version"]

_SOURCE = Path(__file__).parent / "programs" / "erlang_swaps.escript"
#: Erlang/OTP, inet:setopts/2, option packet. What ``{packet, http}`` makes is parsed, and no message any more.
KINDS = ("1", "2", "4", "asn1", "cdr", "fcgi", "line", "sunrm", "tpkt")

#: The port of each kind.
Erlang = dict[str, int]


def erlang_version() -> str:
    """Return the version of the Erlang/OTP release."""
    root = output_of(program("erl", "erlang-base"), "-noshell", "-eval", 'io:format("~s", [code:root_dir()]), halt().')
    return next(Path(root).glob("releases/*/OTP_VERSION")).read_text("utf-8").strip()


@pytest.fixture(scope="session")
def erlang(daemons: Daemons) -> Erlang:
    """Where the node listens for each kind of packet."""
    ports = {kind: free_port() for kind in KINDS}
    command = [program("escript", "erlang-base"), str(_SOURCE), *(f"{kind}={port}" for kind, port in ports.items())]
    daemons.start("erlang", command, port=ports["1"], says="ready", stop=SIGKILL)
    return ports
