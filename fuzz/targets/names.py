"""The string forms of framings.

Invariant: a text names a framing, or is refused with a sentence; and the framing's own form, which is printable ASCII,
names it again.

Allowed: ValueError itself, none of its subclasses.
"""

from fuzz.choices import Choices
from mezha.framing import parse_framing

__all__ = ["check"]


def check(data: bytes) -> None:
    """Parse a text."""
    choices = Choices(data)
    text = choices.piece(200).decode("utf-8", "surrogateescape")
    try:
        framing = parse_framing(text)
    except ValueError as error:
        if type(error) is not ValueError or not str(error):
            raise
        return
    form = str(framing)
    assert form.isascii()
    assert form.isprintable()
    again = parse_framing(form)
    assert again == framing
    assert hash(again) == hash(framing)
    assert repr(again) == repr(framing)
    assert str(again) == form
