"""The mezha protocol: messages with a life around them. One small machine a file; no I/O, no clock.

``docs/protocol.md`` is its specification.
"""

from mezha.session.closing import Ending
from mezha.session.events import Answered, Asked, Cancelled, Ponged
from mezha.session.frames import Code
from mezha.session.session import Session
from mezha.session.stats import Stats
from mezha.session.watched import Watched

__all__ = ["Answered", "Asked", "Cancelled", "Code", "Ending", "Ponged", "Session", "Stats", "Watched"]
