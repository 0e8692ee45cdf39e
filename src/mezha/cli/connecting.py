"""What ``send`` and ``ping`` have in common: a connection, or what is wrong with it in one line."""

from argparse import Namespace
from ssl import SSLCertVerificationError, SSLContext

from mezha.blocking import Peer, connect
from mezha.cli.options import Failure, Place
from mezha.framing import Framing
from mezha.limits import Limits, Timeouts

__all__ = ["open_peer"]


def open_peer(
    place: Place,
    framing: Framing | None,
    tls: SSLContext | None,
    options: Namespace,
    *,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
) -> Peer:
    """Connect as the options say; without a framing, to speak the mezha protocol.

    Raises:
        Failure: there is no connection, or none to trust.

    """
    try:
        return connect(
            place.host,
            place.port,
            unix=place.unix,
            framing=framing,
            tls=tls,
            server_hostname=options.server_name,
            limits=limits,
            timeouts=timeouts,
        )
    except SSLCertVerificationError as error:
        raise Failure(
            f"cannot trust {place}: {error.verify_message.rstrip('.')} (--ca says whom to trust, --insecure anybody)"
        ) from error
    except OSError as error:
        raise Failure(f"cannot connect to {place}: {error.strerror or error}") from error
