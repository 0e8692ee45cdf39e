"""NATS: the verbs of its client protocol, and which of them have a payload."""

import pytest
from verdicts import fault, read, refusal

from mezha.framing import Nats
from mezha.testing import laws

framing = Nats()


@pytest.mark.parametrize(
    "message",
    [
        b'INFO {"server_id":"Zk0GQ3JBSrg3oyxCRRlE09","version":"2.9.10","proto":1}',
        b'CONNECT {"verbose":false}',
        b"PUB FOO 11\r\nHello NATS!",
        b"PUB FRONT.DOOR JOKE.22 11\r\nKnock Knock",
        b"PUB NOTIFY 0\r\n",
        b"PUB NOT\x0bIFY 2\r\nhi",
        b"pub\tFOO \t 2\r\n\r\n",
        b"HPUB FOO 22 33\r\nNATS/1.0\r\nBar: Baz\r\n\r\nHello NATS!",
        b"HPUB FOO R 12 12\r\nNATS/1.0\r\n\r\n",
        b"SUB FOO.* 1",
        b"SUB FOO G1 44",
        b"UNSUB 1 5",
        b"MSG FOO.BAR 9 11\r\nHello World",
        b"MSG FOO.BAR 9 GREETING.34 11\r\nHello World",
        b"HMSG FOO.BAR 9 34 45\r\nNATS/1.0\r\nFoodGroup: vegetable\r\n\r\nHello World",
        b"HMSG FOO.BAR 9 BAZ.69 12 12\r\nNATS/1.0\r\n\r\n",
        b"PING",
        b"pong",
        b"+OK",
        b"-ERR 'Unknown Protocol Operation'",
    ],
)
def test_a_line_with_its_payload(message: bytes) -> None:
    assert framing.encode(message) == (message + b"\r\n",)
    assert read(framing, (message + b"\r\n") * 2) == [message] * 2


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"G", "no line of nats begins with 'G' (0x47)"),
        (b" ", "no line of nats begins with ' ' (0x20)"),
        (b"PUT a 1\r\n", "no verb of NATS: b'PUT'"),
        (b"R", "no line of nats begins with 'R' (0x52)"),
        (b"PINGS\r\n", "no verb of NATS: b'PINGS'"),
        (b"PUB a\r\n", "PUB has a word too many or too few: b'PUB a'"),
        (b"PUB a b c 1\r\n", "PUB has a word too many or too few: b'PUB a b c 1'"),
        (b"MSG a 1\r\n", "MSG has a word too many or too few: b'MSG a 1'"),
        (b"hmsg a 1 1\r\n", "HMSG has a word too many or too few: b'hmsg a 1 1'"),
        (b"PUB a b\r\n", "the size of the payload behind PUB is b'b', which is no number of bytes"),
        (b"HPUB a b 1\r\n", "the size of the headers behind HPUB is b'b', which is no number of bytes"),
        (b"HPUB a 3 2\r\n", "HPUB has more bytes of headers than of all: b'HPUB a 3 2'"),
        (b"PUB a 1\r\nabc", "'\\r\\n' stands behind the 1 bytes of a block, and here b'bc'"),
    ],
)
def test_bytes_that_are_no_nats(stream: bytes, text: str) -> None:
    assert fault(framing, stream) == text


def test_a_payload_of_another_size_is_refused() -> None:
    assert refusal(framing, b"PUB a 7\r\nHello!") == "the message has 15 bytes, and is not whole without 1 more"
    assert refusal(framing, b"PING\r\nPING") == "the message has 10 bytes, and ends after 4"
    assert refusal(framing, b"GET /") == "the peer could not read this message: no line of nats begins with 'G' (0x47)"


def test_a_line_shows_early_whether_a_payload_will_follow() -> None:
    assert [framing.announces(line) for line in (b"PUB a", b"hmsg\ta", b"INFO {", b"SUB a", b"PUBS a")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    laws.check_skipping(framing, [b"PING", b"MSG a 1 12\r\n" + b"PING\r\n" * 2, b"SUB a.b.c 1", b"PONG"], 6)
