"""Which framing is this? Look at captured bytes, and say which framings of the catalogue explain them, and how well."""

from mezha.identify.capture import Stream, read_capture
from mezha.identify.evidence import Explanation, explain
from mezha.identify.ranking import identify

__all__ = ["Explanation", "Stream", "explain", "identify", "read_capture"]
