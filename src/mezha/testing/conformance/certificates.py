"""TLS as tests need it: an authority for the process, contexts it stands behind, and some it does not."""

import ssl
from functools import cache
from typing import Any

try:
    import trustme
except ImportError as error:
    raise ImportError("the conformance suite needs trustme for TLS: pip install 'mezha[testing]'") from error

__all__ = ["careless", "client", "mutual_server", "server", "stranger", "with_name"]


@cache
def _authority() -> Any:  # it is typed in part
    return trustme.CA()


@cache
def server() -> ssl.SSLContext:
    """A server that is localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@cache
def mutual_server() -> ssl.SSLContext:
    """A server that is localhost, and wants to know who its clients are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert("localhost").configure_cert(context)
    _authority().configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    # With TLS 1.3 a client learns only later that it was refused.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@cache
def client() -> ssl.SSLContext:
    """A client that trusts the server, and has no name."""
    context = ssl.create_default_context()
    _authority().configure_trust(context)
    return context


@cache
def careless() -> ssl.SSLContext:
    """A client that trusts the server, whatever its name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    _authority().configure_trust(context)
    return context


@cache
def with_name(name: str) -> ssl.SSLContext:
    """A client that trusts the server, and can say who it is."""
    context = ssl.create_default_context()
    _authority().configure_trust(context)
    _authority().issue_cert(name).configure_cert(context)
    return context


@cache
def stranger() -> ssl.SSLContext:
    """A client that trusts somebody else."""
    context = ssl.create_default_context()
    other: Any = trustme.CA()
    other.configure_trust(context)
    return context
