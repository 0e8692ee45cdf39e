"""TLS on the command line: the options, and the contexts they describe."""

import argparse
import ssl
from collections.abc import Generator
from contextlib import contextmanager

from mezha.cli.options import Failure, Parser

__all__ = ["add_client_options", "add_server_options", "client_context", "server_context"]


def add_server_options(parser: Parser) -> None:
    """Add the options for TLS of a server."""
    group = parser.add_argument_group("TLS")
    group.add_argument("--tls", action="store_true", help="use TLS; each option below says so, too")
    group.add_argument("--cert", metavar="FILE", help="certificate of this server, with its chain, in PEM")
    group.add_argument("--key", metavar="FILE", help="its private key, if not in the same file")
    group.add_argument("--ca", metavar="FILE", help="admit only clients with a certificate of these authorities")


def server_context(parser: Parser, options: argparse.Namespace) -> ssl.SSLContext | None:
    """Return the context that the options describe, ``None`` without any.

    Raises:
        Failure: a file cannot be used.

    """
    if not (options.tls or options.cert or options.key or options.ca):
        return None
    if not options.cert:
        parser.error("a TLS server needs a certificate: --cert FILE, and --key FILE if the key is in another")
    context = _context(ssl.Purpose.CLIENT_AUTH, options.ca)
    if options.ca:
        context.verify_mode = ssl.CERT_REQUIRED
    _load_own(context, options)
    return context


def add_client_options(parser: Parser) -> None:
    """Add the options for TLS of a client."""
    group = parser.add_argument_group("TLS")
    group.add_argument("--tls", action="store_true", help="use TLS; each option below says so, too")
    group.add_argument("--ca", metavar="FILE", help="trust these authorities instead of the system's")
    group.add_argument("--insecure", action="store_true", help="trust anybody, for tests: there is no protection")
    group.add_argument("--server-name", metavar="NAME", help="name in the certificate (default: the host)")
    group.add_argument("--cert", metavar="FILE", help="certificate of this client, if the server wants one")
    group.add_argument("--key", metavar="FILE", help="its private key, if not in the same file")


def client_context(parser: Parser, options: argparse.Namespace) -> ssl.SSLContext | None:
    """Return the context that the options describe, ``None`` without any.

    Raises:
        Failure: a file cannot be used.

    """
    wanted = (options.tls, options.ca, options.insecure, options.server_name, options.cert, options.key)
    if not any(wanted):
        return None
    if options.insecure and options.ca:
        parser.error("--ca says whom to trust, and --insecure to trust anybody: give one of them")
    if options.key and not options.cert:
        parser.error("--key is the key of a certificate: give --cert FILE as well")
    if options.unix is not None and not (options.server_name or options.insecure):
        parser.error("a path has no name to find in a certificate: give --server-name NAME, or --insecure")
    context = _context(ssl.Purpose.SERVER_AUTH, options.ca)
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.cert:
        _load_own(context, options)
    return context


def _context(purpose: ssl.Purpose, authorities: str | None) -> ssl.SSLContext:
    with _reading(authorities or "the system's certificates"):
        return ssl.create_default_context(purpose, cafile=authorities)


def _load_own(context: ssl.SSLContext, options: argparse.Namespace) -> None:
    with _reading(f"{options.cert} with {options.key}" if options.key else options.cert):
        context.load_cert_chain(options.cert, options.key)


@contextmanager
def _reading(what: str) -> Generator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise Failure(f"cannot use {what}: {(error.reason or str(error)).replace('_', ' ').lower()}") from error
    except OSError as error:
        raise Failure(f"cannot read {what}: {error.strerror}") from error
