# cython: language_level=3, binding=False
"""The kernels, compiled: the twins of those in ``_plain.py``, which say what they do. Here is said only how.

Numbers from outside are cut down to what a buffer can have before C computes with them, and no sum is formed before it
is known to fit. The buffer is held by its own protocol, so that a bytearray cannot be resized under a running kernel.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport UINT64_MAX, uint64_t
from libc.string cimport memchr, memcmp

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX
    # with NULL for the exception it gives the nearest number there is
    Py_ssize_t PyNumber_AsSsize_t(object number, PyObject* exception) except? -1


def length_kernel(int width, str byteorder, offset, adjust, strip, bytes before, bytes after):
    """Return what cuts messages with a length in front; the parameters are those of ``LengthPrefixed``."""
    return _Length(width, byteorder, offset, adjust, strip, before, after).run


def varint_run(data, Py_ssize_t start, limit, count):
    """Cut messages with a varint of one, two or three bytes in front; longer ones are rare enough for ``split``."""
    cdef Py_ssize_t most = PyNumber_AsSsize_t(limit, NULL)
    cdef Py_ssize_t left = PyNumber_AsSsize_t(count, NULL)
    cdef Py_ssize_t begin, high, size
    cdef const unsigned char* text
    cdef Py_buffer view
    cdef list messages = []
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        text = <const unsigned char*>view.buf
        while left > 0 and 0 <= start < view.len:
            size = text[start]
            begin = start + 1
            if size > 0x7F:
                if begin >= view.len:
                    break
                high = text[begin]
                size += (high << 7) - 0x80
                begin += 1
                if high > 0x7F:
                    if begin >= view.len:
                        break
                    high = text[begin]
                    size += (high << 14) - 0x4000
                    begin += 1
                if not 0 < high < 0x80:
                    break
            if size > view.len - begin or size > most:
                break
            messages.append(PyBytes_FromStringAndSize(<const char*>text + begin, size))
            start = begin + size
            left -= 1
    finally:
        PyBuffer_Release(&view)
    return messages, start


def delimited_kernel(bytes marker not None, *, bint carriage_return):
    r"""Return what cuts messages with a marker behind them, and leaves out one ``\r`` before it, if so asked."""
    return _Delimited(marker, carriage_return).run


cdef class _Length:
    # The smallest value of the length that is sound, and the size of the message that it makes. Each more is a byte more.
    cdef uint64_t lowest
    cdef Py_ssize_t least
    cdef Py_ssize_t offset, head, strip
    cdef int width
    cdef bint big, fixed
    cdef bytes before, after

    def __cinit__(self, int width, str byteorder, offset, adjust, strip, bytes before not None, bytes after not None):
        if width not in (1, 2, 3, 4, 8) or offset < 0 or strip < 0:
            raise ValueError("no such frame")
        head = offset + width
        behind = max(strip - head, 0)
        lowest = max(behind - adjust, 0)
        least = head + lowest + adjust - strip
        if max(head, strip, least) > PY_SSIZE_T_MAX or lowest > UINT64_MAX:
            offset, head, strip, lowest, least = 0, PY_SSIZE_T_MAX, 0, 0, 0  # which no buffer can hold, nor this frame
        self.width = width
        self.big = byteorder == "big"
        self.offset = offset
        self.head = head
        self.strip = strip
        self.lowest = lowest
        self.least = least
        self.fixed = bool(before or after)
        self.before = before
        self.after = after

    def run(self, data, Py_ssize_t start, limit, count):
        """Cut messages."""
        cdef Py_ssize_t most = PyNumber_AsSsize_t(limit, NULL)
        cdef Py_ssize_t left = PyNumber_AsSsize_t(count, NULL)
        cdef Py_ssize_t offset = self.offset, strip = self.strip, least = self.least, head = self.head
        cdef uint64_t lowest = self.lowest
        cdef int width = self.width
        cdef bint big = self.big
        cdef Py_ssize_t room, size
        cdef uint64_t value
        cdef const unsigned char* text
        cdef Py_buffer view
        cdef list messages = []
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            text = <const unsigned char*>view.buf
            while left > 0 and 0 <= start <= view.len - head:
                room = view.len - start - strip
                if room > most:
                    room = most
                value = _unsigned(text + start + offset, width, big)
                if room < least or value < lowest or value - lowest > <uint64_t>(room - least):
                    break
                if self.fixed and not (_stands(self.before, &view, start) and _stands(self.after, &view, start + head)):
                    break
                size = least + <Py_ssize_t>(value - lowest)
                messages.append(PyBytes_FromStringAndSize(<const char*>text + start + strip, size))
                start += strip + size
                left -= 1
        finally:
            PyBuffer_Release(&view)
        return messages, start


cdef class _Delimited:
    cdef bytes marker
    cdef bint carriage_return

    def __cinit__(self, bytes marker not None, bint carriage_return):
        if not marker:
            raise ValueError("a marker has one byte or more")
        self.marker = marker
        self.carriage_return = carriage_return

    def run(self, data, Py_ssize_t start, limit, count):
        """Cut messages."""
        cdef Py_ssize_t most = PyNumber_AsSsize_t(limit, NULL)
        cdef Py_ssize_t left = PyNumber_AsSsize_t(count, NULL)
        cdef Py_ssize_t width = PyBytes_GET_SIZE(self.marker)
        cdef Py_ssize_t beyond = width + self.carriage_return
        cdef Py_ssize_t reach, found, stop
        cdef const unsigned char* text
        cdef Py_buffer view
        cdef list messages = []
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            text = <const unsigned char*>view.buf
            while left > 0 and 0 <= start < view.len:
                reach = view.len
                if most < reach - start - beyond:
                    reach = start + most + beyond
                found = _find(data, text, self.marker, start, reach)
                if found < 0:
                    break
                stop = found
                if self.carriage_return and found > start and text[found - 1] == 13:
                    stop -= 1
                if stop - start > most:
                    break
                messages.append(PyBytes_FromStringAndSize(<const char*>text + start, stop - start))
                start = found + width
                left -= 1
        finally:
            PyBuffer_Release(&view)
        return messages, start


cdef inline uint64_t _unsigned(const unsigned char* field, int width, bint big) noexcept:
    cdef uint64_t value = 0
    cdef int place
    for place in range(width):
        value = value << 8 | field[place if big else width - 1 - place]
    return value


cdef inline bint _stands(bytes expected, const Py_buffer* view, Py_ssize_t start) noexcept:
    """Say whether these bytes stand there."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(expected)
    return (
        size <= view.len - start
        and memcmp(<const char*>view.buf + start, PyBytes_AS_STRING(expected), <size_t>size) == 0
    )


cdef inline Py_ssize_t _find(
    data, const unsigned char* text, bytes marker, Py_ssize_t start, Py_ssize_t reach
) except -2:
    """Do what ``data.find(marker, start, reach)`` does, faster where the marker's first byte is rare."""
    cdef const unsigned char* sought = <const unsigned char*>PyBytes_AS_STRING(marker)
    cdef Py_ssize_t width = PyBytes_GET_SIZE(marker)
    cdef const unsigned char* found
    cdef int attempts = 0
    while width <= reach - start:
        if attempts == 8:  # a call for each would be slow, and who sends them need not be a friend
            return data.find(marker, start, reach)
        found = <const unsigned char*>memchr(text + start, sought[0], <size_t>(reach - start - width + 1))
        if found == NULL:
            break
        start = found - text
        if memcmp(found, sought, <size_t>width) == 0:
            return start
        start += 1
        attempts += 1
    return -1
