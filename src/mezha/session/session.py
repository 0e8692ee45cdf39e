"""The session: the engine of the mezha protocol, which puts the small machines together."""

from collections import deque
from collections.abc import Callable
from copy import copy
from typing import ClassVar

from mezha.engine import Engine, State, as_view
from mezha.errors import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    HandshakeError,
    LocalProtocolError,
    MessageDropped,
    MessageTooLarge,
    MezhaError,
    RemoteProtocolError,
    RequestFailed,
)
from mezha.framing import Data
from mezha.limits import Limits, Timeouts
from mezha.session.closing import Ending, Goodbyes
from mezha.session.credit import Grant
from mezha.session.events import Answered, Asked, Cancelled, Ponged
from mezha.session.frames import (
    HEADER,
    PIECE,
    AnyFrame,
    Cancel,
    Close,
    Code,
    Counted,
    Failure,
    Kind,
    Token,
    parse_frame,
)
from mezha.session.greeting import MAGIC, check_magic, not_greeted
from mezha.session.heartbeat import Heartbeat
from mezha.session.hello import (
    ALLOWANCE,
    SMALLEST_REQUEST_BYTES,
    SMALLEST_WINDOW,
    Hello,
    agree_on_heartbeat,
    agree_on_version,
)
from mezha.session.inbox import Inbox
from mezha.session.intake import Intake
from mezha.session.outbox import Outbox
from mezha.session.requests import Answering, Asking
from mezha.session.states import STREAM, Stream
