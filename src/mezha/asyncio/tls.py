"""How TLS ends, which the loops do not tell: whether the peer said goodbye, and that ours is said."""

import ssl
from contextlib import suppress

__all__ = ["said_goodbye", "unwrap"]


def said_goodbye(tls: ssl.SSLObject) -> bool:
    """Say whether the peer ended the stream in TLS, where nobody on the way could have."""
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:  # it waits for more
        return False


def unwrap(tls: ssl.SSLObject) -> None:
    """Say goodbye, and wait for the peer's, over whatever it still says: the stock loop would cut the connection."""
    with suppress(ssl.SSLError):  # nothing more there
        while tls.read(65536):
            pass
    ssl.SSLObject.unwrap(tls)
