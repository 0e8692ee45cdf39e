"""Tests of mezha.serving."""

import errno
import logging

import pytest

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, MessageTooLarge
from mezha.serving import GONE, log_end

log = logging.getLogger("mezha.test")


def _logged(error: Exception, caplog: pytest.LogCaptureFixture, *, stopping: bool) -> logging.LogRecord:
    caplog.set_level(logging.DEBUG)
    try:
        raise error
    except Exception as raised:  # noqa: BLE001 - it is the one above
        log_end(log, "10.0.0.1:5", raised, stopping=stopping)
    (record,) = caplog.records
    assert record.name == "mezha.test"
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


def test_what_is_gone_and_what_is_worth_a_pause() -> None:
    assert all(isinstance(OSError(code, ""), GONE) for code in (errno.EAGAIN, errno.ECONNABORTED, errno.ECONNRESET))
    assert not any(isinstance(OSError(code, ""), GONE) for code in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS))
