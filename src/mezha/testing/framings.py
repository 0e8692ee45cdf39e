"""Hold a framing, your own too, to the laws of all framings: one call that tries what networks and peers do to it."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from mezha.errors import LocalProtocolError
from mezha.framing import Framing, Resyncing
from mezha.testing import laws

__all__ = ["check_framing"]

#: Sizes of a message large enough to show work that grows faster than the message. The first is tried that is carried.
_LARGE = (1 << 13, 1 << 10, 255)
#: Sizes of a message large enough to tell memory that was taken for it from what a decoder takes anyway.
_ANNOUNCED = (1 << 20, (1 << 16) - 1)
#: How much of a message comes behind its announcement.
_BEGINNING = 64
#: How many bytes a stream needs to have several messages: it is cut everywhere, which takes time.
_STREAM = 20


def check_framing(framing: Framing, messages: Sequence[bytes] | None = None, *, seed: int = 0) -> None:
    r"""Check that a framing keeps the laws that mezha promises, with these messages or with made-up ones.

    - **Inverse**: what ``encode`` writes, ``split`` reads back; what it cannot carry, it refuses with
      :exc:`LocalProtocolError` before anything is written.
    - **Any cut, same outcome**: the same messages, then the same error or end, for streams that are sound, cut off,
      altered, or noise. ``split`` asks for no more than it needs, and no answer changes when more bytes come.
    - **One limit**: a message of exactly the limit passes, one byte more is refused.
    - **Forgiving**, where a framing can be: behind a message over the limit, or behind garbage, it goes on in the same
      place for any cut; and every message within the limit comes, where those over it are skipped.
    - **Linear**: a large message in small pieces costs work in proportion to its bytes.
    - **No memory for announcements**: the beginning of a large message costs no memory beyond its bytes. This is tried
      where the framing carries 64 KiB: less cannot be told from what a decoder takes anyway.

    Made-up messages are those that the framing carries among empty, short, and awkward ones, full of the bytes that it
    writes itself; give ``messages`` where it carries only special ones. Small ones are best: each stream is cut at
    every place. ``seed`` chooses what is random in the alterations. Takes a second or two.

    >>> from mezha.framing import Netstring
    >>> check_framing(Netstring())

    Raises:
        AssertionError: a law is broken; it says which, and how to repeat it.
        ValueError: no message to try: the framing carries none of those made up, and none were given.

    """
    if not __debug__:
        raise RuntimeError("the laws are written with assert: run Python without -O")
    chance = random.Random(seed)
    some = _sample(framing, messages, chance)
    for message in some:
        _hold("inverse", laws.check_inverse, framing, message[: len(message) // 2], message[len(message) // 2 :])
        _hold("one limit", laws.check_limit, framing, message)
    largest = max(map(len, some))
    for stream in _streams(framing, some, chance):
        _hold("split", laws.check_split, framing, stream, largest)
        _hold("any cut, same outcome", laws.check_any_cut, framing, stream, largest)
    if framing.past_too_large():
        sizes = sorted({len(message) for message in some})
        for limit in {sizes[0], sizes[len(sizes) // 2]}:
            _hold("forgiving", laws.check_skipping, framing, _few(some, limit, chance), limit)
    if framing.past_garbage():
        for stream in _streams(framing, some, chance):
            _hold("forgiving", laws.check_forgiving, Resyncing(framing), stream, chance.randrange(largest + 1))
    for message in _large(framing, some, _LARGE) or [max(some, key=len)]:
        _hold("linear", laws.check_linear, framing, message)
    for message in _large(framing, some, _ANNOUNCED):
        beginning = b"".join(framing.encode(message))[:_BEGINNING]
        _hold("no memory for announcements", laws.check_takes_no_memory, framing, beginning, len(message))


def _hold(law: str, check: Callable[..., object], framing: Framing, *arguments: object) -> None:
    """Check a law; say how to repeat it where it is broken."""
    try:
        check(framing, *arguments)
    except Exception as error:
        call = f"laws.{check.__name__}({', '.join(map(_pasted, (framing, *arguments)))})"
        what = str(error) or "it does not hold"
        if not isinstance(error, AssertionError):
            what = f"{type(error).__name__}: {what}"
        raise AssertionError(
            f"{framing!r} breaks the law '{law}': {what}\nrepeat it with: from mezha.testing import laws; {call}"
        ) from error


def _pasted(value: object) -> str:
    """Write a value down as a test would."""
    if isinstance(value, bytes) and len(value) >= 255:
        period = (value + value).find(value, 1)
        return f"{value[:period]!r} * {len(value) // period}"
    text = repr(value)
    return f"{type(value).__name__}()" if text.startswith("<") else text


def _sample(framing: Framing, given: Sequence[bytes] | None, chance: random.Random) -> list[bytes]:
    if given is not None:
        if not given:
            raise ValueError("no messages to try: give some, or leave messages= out")
        return list(given)
    some = [message for message in _made_up(framing, chance) if not _refused(framing, message)]
    if not some:
        raise ValueError(f"{framing!r} carries none of the messages made up for it: give some, messages=[...]")
    return some


def _refused(framing: Framing, message: bytes) -> bool:
    try:
        framing.encode(message)
    except LocalProtocolError:
        return True
    except Exception as error:
        raise AssertionError(
            f"{framing!r} breaks the law 'inverse': encode({message!r}) raises {error!r}; what it cannot carry it has "
            f"to refuse with LocalProtocolError"
        ) from error
    return False


def _made_up(framing: Framing, chance: random.Random) -> Iterator[bytes]:
    """Make up messages: short ones, and such as look like what stands around a message."""
    yield from (b"", b"a", b"\0", b"\xff", b"\r", b"\n", b"Hello!")
    yield from (b"x" * size for size in range(2, 17))
    written = b""
    for body in (b"aaa", b"x" * 8):
        if not _refused(framing, body):
            written = b"".join(framing.encode(body))
            yield written
            yield written.replace(body, b"")
            yield written[1:]
    signs = written + b"\r\n\0a"
    for size in (1, 2, 3, 5, 8):
        yield bytes(chance.choice(signs) for _ in range(size))


def _streams(framing: Framing, some: Sequence[bytes], chance: random.Random) -> Iterator[bytes]:
    """Make streams of these messages: sound, cut off, altered in a place; and noise."""
    frames = sorted({b"".join(framing.encode(message)) for message in some}, key=lambda frame: (len(frame), frame))
    yield b""
    shortest = frames[:4]
    for pair in itertools.product(shortest, shortest):
        yield b"".join(pair)
    for frame in (*shortest, *chance.sample(frames[4:], min(8, len(frames[4:])))):
        sound = _fill(frame, frames, chance)
        yield sound
        yield sound[: chance.randrange(len(sound) + 1)]
        for _ in range(2):
            place = chance.randrange(len(sound) or 1)
            yield sound[:place] + bytes([chance.choice((chance.randrange(256), *frame))]) + sound[place + 1 :]
        yield bytes(chance.choice(frame or b"\0") for _ in range(12))
    for size in (1, 5, 20):
        yield chance.randbytes(size)


def _fill(frame: bytes, frames: Sequence[bytes], chance: random.Random) -> bytes:
    """Put frames behind this one, up to a size that can be cut everywhere."""
    stream = frame
    while len(stream) < _STREAM:
        stream += (follower := chance.choice(frames))
        if not follower:
            break
    return stream


def _few(some: Sequence[bytes], limit: int, chance: random.Random) -> list[bytes]:
    """Choose short messages, and such over the limit between them."""
    within, over = ([message for message in some if (len(message) <= limit) == fits] for fits in (True, False))
    few = [*chance.choices(within, k=3), *chance.choices(over or within, k=3)]
    chance.shuffle(few)
    return few


def _large(framing: Framing, some: Sequence[bytes], sizes: Sequence[int]) -> list[bytes]:
    """Make large messages, of the first of these sizes at which the framing carries some."""
    for size in sizes:
        large = [body * max(size // len(body), 1) for body in {b"a", max(some, key=len) or b"a"}]
        if carried := [message for message in large if not _refused(framing, message)]:
            return carried
    return []
