"""The strangers that call at the wrong door."""

import pytest

from mezha.framing.strangers import clue, describe
from mezha.session.greeting import MAGIC

KNOWN = [
    (b"GET / HTTP/1.1\r\n", "an HTTP request"),
    (b"POST /api HTTP/1.1", "an HTTP request"),
    (b"CONNECT example.org:443", "an HTTP request"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "an HTTP/2 request"),
    (b"HTTP/1.1 400 Bad Request", "an HTTP response"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "an SSH banner"),
    (bytes.fromhex("16030100f8010000f4"), "a TLS ClientHello: the peer wants TLS, and this side speaks plain TCP"),
    (bytes.fromhex("15030300020228"), "a TLS alert: the peer speaks TLS, and this side plain TCP"),
    (MAGIC, "the mezha protocol: the peer was opened without framing=, and this side with one"),
    (b"220 mail.example.org ESMTP", "the greeting of an SMTP or FTP server"),
    (b"220-Welcome", "the greeting of an SMTP or FTP server"),
]


@pytest.mark.parametrize(("first", "name"), KNOWN)
def test_they_are_known_by_their_first_words(first: bytes, name: str) -> None:
    assert describe(first) == name
    assert describe(first[:4]) == name
    assert describe(first[:3]) == name  # as much as a length of three bytes shows


@pytest.mark.parametrize(
    "first",
    [b"", b"G", b"GE", b"\x16", b"22", b"get ", b"GETX", b"221 ", b"\0\0\0\5hello", b"SSL-", b"\x16\x02\0\0", b"XGET "],
)
def test_others_are_not(first: bytes) -> None:
    assert describe(first) is None


def test_two_bytes_are_enough_for_tls() -> None:
    assert str(describe(b"\x16\x03")).startswith("a TLS ClientHello")


def test_a_clue_goes_on_with_a_sentence() -> None:
    assert clue(b"GET ") == ". Its first bytes are b'GET ': this looks like an HTTP request"
    assert clue(b"\0\0\0\7") == ""
