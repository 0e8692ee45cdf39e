"""What becomes of what a handler returns that is no answer: the other side hears why, and the log hears more."""

import logging

import pytest
from waiting import PATIENCE

from mezha import Limits, RequestFailed
from mezha.blocking import Peer, Server, connect, listen
from mezha.session import Code


def answer(_: Peer, question: bytes) -> bytes:
    return bytes(2000) if question == b"large" else "text"  # type: ignore[return-value]  # that is the fault


@pytest.mark.parametrize(
    ("question", "code", "text", "logged"),
    [
        (
            b"large",
            Code.TOO_LARGE,
            "the answer has 2000 bytes, and 1000 are the most",
            "the answer has 2000 bytes, and the peer takes at most 1000",
        ),
        (b"text", Code.HANDLER_FAILED, "the handler failed", "a message is bytes, and this is text"),
    ],
)
def test_what_cannot_be_sent_fails(
    question: bytes, code: Code, text: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        listen("127.0.0.1", 0, answer=answer) as listener,
        Server(listener, list),
        connect("127.0.0.1", listener.port, limits=Limits(max_message=1000)) as peer,
        pytest.raises(RequestFailed) as caught,
    ):
        peer.request(question, timeout=PATIENCE)
    assert (caught.value.code, str(caught.value)) == (code, text)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert logged in record.getMessage()
