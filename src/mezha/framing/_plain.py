"""The kernels in plain Python: the twins of those in ``_native.pyx``, which take over where they could be compiled.

A kernel cuts a run of whole messages out of a buffer. It stops in front of the first thing that is not a whole,
faultless message, and leaves the judgement to ``Framing.split``. So it knows no errors, and need not be complete to be
right; but the twins stop at the same places. Slices of bytes are messages as they are, and cost the least.
"""

from mezha.framing.frame import Run
from mezha.framing.unsigned import unpacker

__all__ = ["delimited_kernel", "length_kernel", "varint_run"]


def length_kernel(width: int, byteorder: str, offset: int, adjust: int, strip: int, before: bytes, after: bytes) -> Run:
    """Return what cuts messages with a length in front; the parameters are those of ``LengthPrefixed``.

    ``before`` and ``after`` are what is fixed in front of the length and behind it.
    """
    unpack = unpacker(width, byteorder)
    head = offset + width
    least = max(head - strip, 0)
    fixed = bool(before or after)

    def run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        messages: list[bytes] = []
        end = len(data)
        last = end - head
        text, view = data if isinstance(data, bytes) else None, memoryview(data)
        while count > 0 and start <= last:
            body = start + head
            begin = start + strip
            stop = body + adjust + unpack(data, start + offset)[0]
            if stop > end or not least <= stop - begin <= limit:
                break
            if fixed and (data[start : start + len(before)] != before or data[body : body + len(after)] != after):
                break
            messages.append(bytes(view[begin:stop]) if text is None else text[begin:stop])
            start = stop
            count -= 1
        return messages, start

    return run


def varint_run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
    """Cut messages with a varint of one, two or three bytes in front; longer ones are rare enough for ``split``."""
    messages: list[bytes] = []
    end = len(data)
    text, view = data if isinstance(data, bytes) else None, memoryview(data)
    while count > 0 and start < end:
        size = data[start]
        begin = start + 1
        if size > 0x7F:
            if begin >= end:
                break
            high = data[begin]
            size += (high << 7) - 0x80
            begin += 1
            if high > 0x7F:
                if begin >= end:
                    break
                high = data[begin]
                size += (high << 14) - 0x4000
                begin += 1
            if not 0 < high < 0x80:
                break
        stop = begin + size
        if stop > end or size > limit:
            break
        messages.append(bytes(view[begin:stop]) if text is None else text[begin:stop])
        start = stop
        count -= 1
    return messages, start


def delimited_kernel(marker: bytes, *, carriage_return: bool) -> Run:
    r"""Return what cuts messages with a marker behind them, and leaves out one ``\r`` before it, if so asked."""
    width = len(marker)

    def run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        messages: list[bytes] = []
        text, view = data if isinstance(data, bytes) else None, memoryview(data)
        while count > 0:
            found = data.find(marker, start, start + limit + width + carriage_return)
            if found < 0:
                break
            stop = found - 1 if carriage_return and found > start and data[found - 1] == 13 else found
            if stop - start > limit:
                break
            messages.append(bytes(view[start:stop]) if text is None else text[start:stop])
            start = found + width
            count -= 1
        return messages, start

    return run
