"""Tests of mezha.serving."""

import errno
import logging
import socket

import pytest

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, MessageTooLarge
from mezha.serving import GONE, Listening, log_end

log = logging.getLogger("mezha.test")


def _logged(error: Exception, caplog: pytest.LogCaptureFixture, *, stopping: bool) -> logging.LogRecord:
    caplog.set_level(logging.DEBUG)
    try:
        raise error
    except Exception as raised:  # noqa: BLE001 - it is the one above
        log_end(log, "10.0.0.1:5", raised, stopping=stopping)
    (record,) = caplog.records
    assert (record.name, vars(record)["peer"]) == ("mezha.test", "10.0.0.1:5")
    return record


@pytest.mark.parametrize("stopping", [False, True])
def test_an_orderly_end_is_no_news(stopping: bool, caplog: pytest.LogCaptureFixture) -> None:
    record = _logged(ClosedByPeer("gone"), caplog, stopping=stopping)
    assert (record.levelno, record.getMessage()) == (logging.DEBUG, "10.0.0.1:5: closed by the peer")


@pytest.mark.parametrize(
    "error", [ConnectionLost("reset"), MessageTooLarge("5 bytes"), ClosedByUs("cut"), TimeoutError("too slow")]
)
@pytest.mark.parametrize(("stopping", "level"), [(False, logging.WARNING), (True, logging.DEBUG)])
def test_a_fault_of_the_peer_is_a_line(
    error: Exception, stopping: bool, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    record = _logged(error, caplog, stopping=stopping)
    assert (record.levelno, record.getMessage()) == (level, f"10.0.0.1:5: {type(error).__name__}: {error}")
    assert record.exc_info is None


@pytest.mark.parametrize("stopping", [False, True])
def test_a_fault_of_the_handler_has_its_traceback(stopping: bool, caplog: pytest.LogCaptureFixture) -> None:
    error = KeyError("mine")
    record = _logged(error, caplog, stopping=stopping)
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "10.0.0.1:5: the handler failed")
    assert record.exc_info
    assert record.exc_info[1] is error


@pytest.mark.parametrize(
    ("errors", "level", "text"),
    [
        ([ClosedByPeer("gone")], logging.DEBUG, "closed by the peer"),
        ([ClosedByPeer("gone"), ExceptionGroup("in", [ClosedByPeer("gone")])], logging.DEBUG, "closed by the peer"),
        ([ClosedByPeer("gone"), ConnectionLost("reset")], logging.WARNING, "ConnectionLost: reset"),
        ([ExceptionGroup("in", [TimeoutError("slow")])], logging.WARNING, "TimeoutError: slow"),
        ([ConnectionLost("reset"), ExceptionGroup("in", [KeyError("mine")])], logging.ERROR, "the handler failed"),
    ],
)
def test_a_group_is_told_by_its_worst(
    errors: list[Exception], level: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    group = ExceptionGroup("tasks", errors)
    record = _logged(group, caplog, stopping=False)
    assert (record.levelno, record.getMessage()) == (level, f"10.0.0.1:5: {text}")
    assert (record.exc_info or (None, None))[1] is (group if level == logging.ERROR else None)


def test_what_is_gone_and_what_is_worth_a_pause() -> None:
    assert all(isinstance(OSError(code, ""), GONE) for code in (errno.EAGAIN, errno.ECONNABORTED, errno.ECONNRESET))
    assert not any(isinstance(OSError(code, ""), GONE) for code in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS))


def test_where_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        listening = Listening([one, other])
        port = one.getsockname()[1]
    assert listening.sockets == (one, other)
    assert listening.addresses[0] == f"127.0.0.1:{port}"
    assert len(listening.addresses) == 2
    assert listening.port == port
