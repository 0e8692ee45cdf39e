# cython: language_level=3, binding=False
"""The hot loops, compiled: the twins of those in ``_plain.py``, which say what they do. Here is said only how.

Numbers from outside are cut down to what a buffer can have before C computes with them, and no sum is formed before it
is known to fit. The buffer is held by its own protocol, so that a bytearray cannot be resized under a running kernel.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_FromStringAndSize,
    PyByteArray_GET_SIZE,
    PyByteArray_Resize,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX
    # with NULL for the exception it gives the nearest number there is
    Py_ssize_t PyNumber_AsSsize_t(object number, PyObject* exception) except? -1
    void Py_CLEAR(PyObject* object)
    # sets the object to NULL when it fails
    int _PyBytes_Resize(PyObject** data, Py_ssize_t size) except -1


# -- kernels ----------------------------------------------------------------------------------------------------------


# The digits of a length that fits a machine word.
cdef enum:
    _DIGITS = 18


cdef class Kernel:
    """Cuts runs of messages, as ``Run`` says, and joins them."""

    def __call__(self, data, Py_ssize_t start, limit, count):
        """Cut messages."""
        cdef Py_ssize_t most = PyNumber_AsSsize_t(limit, NULL)
        cdef Py_ssize_t left = PyNumber_AsSsize_t(count, NULL)
        cdef Span span
        cdef const char* text
        cdef Py_buffer view
        cdef list messages = []
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            text = <const char*>view.buf
            while left > 0 and 0 <= start < view.len:
                if self.find(data, <const unsigned char*>text, start, view.len, most, &span) != WHOLE:
                    break
                messages.append(PyBytes_FromStringAndSize(text + span.begin, span.stop - span.begin))
                start = span.end
                left -= 1
        finally:
            PyBuffer_Release(&view)
        return messages, start

    cdef Found find(
        self, data, const unsigned char* text, Py_ssize_t start, Py_ssize_t size, Py_ssize_t most, Span* span
    ) except BROKEN:
        raise NotImplementedError

    cdef Py_ssize_t write(self, unsigned char* out, const unsigned char* message, Py_ssize_t size) noexcept:
        return -1


cdef class _Length(Kernel):
    # The smallest value of the length that is sound, and the size of the message that it makes. Each more is a byte more.
    cdef uint64_t lowest, longest
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
        self.longest = UINT64_MAX >> (64 - 8 * width)
        self.least = least
        self.fixed = bool(before or after)
        self.before = before
        self.after = after
        # A message that brings its own header is checked by encode(); and what stands beside the length must be known.
        known = strip >= head and len(before) == offset and len(after) == strip - head
        self.overhead = strip if known and lowest <= self.longest else -1

    cdef Found find(
        self, data, const unsigned char* text, Py_ssize_t start, Py_ssize_t size, Py_ssize_t most, Span* span
    ) except BROKEN:
        cdef uint64_t value
        cdef Py_ssize_t length
        if self.head > size - start:
            return NOTHING
        value = _unsigned(text + start + self.offset, self.width, self.big)
        if most < self.least or value < self.lowest or value - self.lowest > <uint64_t>(most - self.least):
            return NOTHING
        if self.fixed and not (
            _stands(self.before, text + start, size - start)
            and _stands(self.after, text + start + self.head, size - start - self.head)
        ):
            return NOTHING
        length = self.least + <Py_ssize_t>(value - self.lowest)
        if length <= size - start - self.strip:
            span.begin = start + self.strip
            span.stop = span.end = span.begin + length
            return WHOLE
        if self.strip < PY_SSIZE_T_MAX // 4 and length < PY_SSIZE_T_MAX // 4 and start < PY_SSIZE_T_MAX // 4:
            span.begin = start + self.strip
            span.stop = span.end = span.begin + length
            return PART
        return NOTHING

    cdef Py_ssize_t write(self, unsigned char* out, const unsigned char* message, Py_ssize_t size) noexcept:
        cdef Py_ssize_t before = self.offset
        cdef uint64_t value
        cdef int place
        if self.overhead < 0 or size < self.least or <uint64_t>(size - self.least) > self.longest - self.lowest:
            return -1
        value = self.lowest + <uint64_t>(size - self.least)
        if self.fixed:
            _copy_few(out, self.before)
            _copy_few(out + self.head, self.after)
        for place in range(self.width):
            out[before + (self.width - 1 - place if self.big else place)] = <unsigned char>(value & 0xFF)
            value >>= 8
        memcpy(out + self.strip, message, <size_t>size)
        return self.strip + size


cdef class _Varint(Kernel):
    def __cinit__(self):
        self.overhead = 3

    cdef Found find(
        self, data, const unsigned char* text, Py_ssize_t start, Py_ssize_t size, Py_ssize_t most, Span* span
    ) except BROKEN:
        cdef Py_ssize_t begin = start + 1, high, length
        if start >= size:
            return NOTHING
        length = text[start]
        if length > 0x7F:
            if begin >= size:
                return NOTHING
            high = text[begin]
            length += (high << 7) - 0x80
            begin += 1
            if high > 0x7F:
                if begin >= size:
                    return NOTHING
                high = text[begin]
                length += (high << 14) - 0x4000
                begin += 1
            if not 0 < high < 0x80:
                return NOTHING
        if length > most:
            return NOTHING
        span.begin = begin
        span.stop = span.end = begin + length
        return WHOLE if span.end <= size else PART

    cdef Py_ssize_t write(self, unsigned char* out, const unsigned char* message, Py_ssize_t size) noexcept:
        cdef Py_ssize_t rest = size
        cdef int width = 0
        if size >= 1 << 21:
            return -1
        while rest > 0x7F:
            out[width] = <unsigned char>(rest & 0x7F | 0x80)
            rest >>= 7
            width += 1
        out[width] = <unsigned char>rest
        width += 1
        memcpy(out + width, message, <size_t>size)
        return width + size


cdef class _Delimited(Kernel):
    cdef bytes marker, written
    cdef bint carriage_return

    def __cinit__(self, bytes marker not None, bint carriage_return, bytes written not None):
        if not marker:
            raise ValueError("a marker has one byte or more")
        self.marker = marker
        self.carriage_return = carriage_return
        self.written = written
        self.overhead = PyBytes_GET_SIZE(written)

    cdef Found find(
        self, data, const unsigned char* text, Py_ssize_t start, Py_ssize_t size, Py_ssize_t most, Span* span
    ) except BROKEN:
        cdef Py_ssize_t width = PyBytes_GET_SIZE(self.marker)
        cdef Py_ssize_t beyond = width + self.carriage_return
        cdef Py_ssize_t reach = size, found
        if most < reach - start - beyond:
            reach = start + most + beyond
        found = _find(data, text, self.marker, start, reach)
        if found < 0:
            return NOTHING
        span.begin = start
        span.stop = found
        if self.carriage_return and found > start and text[found - 1] == 13:
            span.stop -= 1
        span.end = found + width
        return WHOLE if span.stop - start <= most else NOTHING

    cdef Py_ssize_t write(self, unsigned char* out, const unsigned char* message, Py_ssize_t size) noexcept:
        # Without its first byte there is no marker in it, nor the beginning of one at its end.
        if memchr(message, PyBytes_AS_STRING(self.marker)[0], <size_t>size) != NULL:
            return -1
        if self.carriage_return and size and message[size - 1] == 13:
            return -1
        memcpy(out, message, <size_t>size)
        memcpy(out + size, PyBytes_AS_STRING(self.written), <size_t>self.overhead)
        return size + self.overhead


cdef class _Fixed(Kernel):
    cdef Py_ssize_t size

    def __cinit__(self, size):
        self.size = PyNumber_AsSsize_t(size, NULL)
        if self.size < 1:
            raise ValueError("no such frame")

    cdef Found find(
        self, data, const unsigned char* text, Py_ssize_t start, Py_ssize_t size, Py_ssize_t most, Span* span
    ) except BROKEN:
        if start >= size or self.size > PY_SSIZE_T_MAX // 4:
            return NOTHING
        span.begin = start
        span.stop = span.end = start + self.size
        return WHOLE if span.end <= size else PART

    cdef Py_ssize_t write(self, unsigned char* out, const unsigned char* message, Py_ssize_t size) noexcept:
        if size != self.size:
            return -1
        memcpy(out, message, <size_t>size)
        return size


cdef class _Netstring(Kernel):
    def __cinit__(self):
        self.overhead = _DIGITS + 2

    cdef Found find(
        self, data, const unsigned char* text, Py_ssize_t start, Py_ssize_t size, Py_ssize_t most, Span* span
    ) except BROKEN:
        cdef Py_ssize_t place = start, length = 0
        cdef Py_ssize_t reach = start + min(_DIGITS, size - start)
        while place < reach and b"0"[0] <= text[place] <= b"9"[0]:
            length = 10 * length + text[place] - b"0"[0]
            place += 1
        if place == start or place >= size or text[place] != b":"[0] or (text[start] == b"0"[0] and place > start + 1):
            return NOTHING
        place += 1
        # An unfinished one is for split(), since it does not end with the message.
        if length > most or length >= size - place or text[place + length] != b","[0]:
            return NOTHING
        span.begin = place
        span.stop = place + length
        span.end = span.stop + 1
        return WHOLE

    cdef Py_ssize_t write(self, unsigned char* out, const unsigned char* message, Py_ssize_t size) noexcept:
        cdef Py_ssize_t rest = size
        cdef int digits = 1, place
        while rest > 9:
            rest //= 10
            digits += 1
        rest = size
        for place in range(digits - 1, -1, -1):
            out[place] = <unsigned char>(b"0"[0] + rest % 10)
            rest //= 10
        out[digits] = b":"[0]
        memcpy(out + digits + 1, message, <size_t>size)
        out[digits + 1 + size] = b","[0]
        return digits + 2 + size


def length_kernel(int width, str byteorder, offset, adjust, strip, bytes before, bytes after):
    """Return what cuts messages with a length in front; the parameters are those of ``LengthPrefixed``."""
    return _Length(width, byteorder, offset, adjust, strip, before, after)


varint_run = _Varint()
netstring_run = _Netstring()


def fixed_kernel(size):
    """Return what cuts messages of one size."""
    return _Fixed(size)


def delimited_kernel(bytes marker not None, *, bint carriage_return, bytes written not None):
    r"""Return what cuts messages with a marker behind them, and leaves out one ``\r`` before it, if so asked."""
    return _Delimited(marker, carriage_return, written)


def skip_frames(data, Py_ssize_t start, int kind, Py_ssize_t largest):
    """Return where a run of whole frames of one kind ends, that begins at ``start``."""
    cdef Py_buffer view
    cdef const unsigned char* text
    cdef Py_ssize_t length
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        text = <const unsigned char*>view.buf
        while 0 <= start <= view.len - 5:
            length = <Py_ssize_t>min(_unsigned(text + start, 4, True), <uint64_t>PY_SSIZE_T_MAX)
            if text[start + 4] != kind or not 0 < length <= view.len - start - 4 or length - 1 > largest:
                break
            start += 4 + length
    finally:
        PyBuffer_Release(&view)
    return start


cdef inline uint64_t _unsigned(const unsigned char* field, int width, bint big) noexcept:
    cdef uint64_t value = 0
    cdef int place
    if width == 4 and big:  # the usual one: a single load for the compiler
        return <uint32_t>field[0] << 24 | <uint32_t>field[1] << 16 | <uint32_t>field[2] << 8 | field[3]
    for place in range(width):
        value = value << 8 | field[place if big else width - 1 - place]
    return value


cdef inline bint _stands(bytes expected, const unsigned char* text, Py_ssize_t size) noexcept:
    """Say whether these bytes stand there: a few, for which a call of memcmp() would take longer."""
    cdef const unsigned char* few = <const unsigned char*>PyBytes_AS_STRING(expected)
    cdef Py_ssize_t width = PyBytes_GET_SIZE(expected), place
    if width > size:
        return False
    for place in range(width):
        if text[place] != few[place]:
            return False
    return True


cdef inline void _copy_few(unsigned char* out, bytes few) noexcept:
    cdef Py_ssize_t place
    for place in range(PyBytes_GET_SIZE(few)):
        out[place] = (<const unsigned char*>PyBytes_AS_STRING(few))[place]


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


# -- receiving --------------------------------------------------------------------------------------------------------

# From this size on a message is received into its own memory; and then so much of it has to be here already.
cdef Py_ssize_t _LARGE = 64 << 10, _LARGE_BEGUN = 8 << 10

# What all buffers without bytes share: never written to.
cdef bytearray _NOTHING_HERE = bytearray()


cdef class Inbox:
    """Hands out messages, to compiled code without a step of Python."""

    cdef object next(self):
        raise NotImplementedError


cdef class Buffer(Inbox):
    """Bytes received and not handed out yet, and what cuts messages off their front."""

    cdef object run
    cdef Kernel kernel
    cdef Py_ssize_t most
    cdef bytearray data
    cdef Py_ssize_t position
    # A large message at the front is put together in memory of its own; what stands behind it is in ``data``.
    cdef PyObject* large
    cdef Py_ssize_t filled, total, large_begin
    cdef bytes head
    cdef Py_ssize_t needed, left
    cdef readonly Py_ssize_t count
    # What split() wants back, if anything.
    cdef object place
    cdef bint resumed
    cdef public bint shut, moved
    cdef readonly bint ended

    def __cinit__(self):
        self.data = _NOTHING_HERE
        self.head = b""
        self.needed = 1
        self.left = PY_SSIZE_T_MAX

    def __init__(self, run, limit):
        self.run = run
        self.kernel = run if isinstance(run, Kernel) else None
        self.most = PyNumber_AsSsize_t(limit, NULL)

    def __dealloc__(self):
        Py_CLEAR(self.large)

    @property
    def need(self):
        """Bytes that have to be here before it is worth looking."""
        return self.needed

    @need.setter
    def need(self, size):
        self.needed = PyNumber_AsSsize_t(size, NULL)

    @property
    def resume(self):
        """Where split() has to go on with its search; a kernel would begin it anew."""
        return self.place if self.resumed else 0

    @resume.setter
    def resume(self, place):
        self.place = place
        self.resumed = bool(place)

    @property
    def budget(self):
        """Bytes that ``pop`` and ``cut`` may hand out, frames and all."""
        return self.left

    @budget.setter
    def budget(self, size):
        self.left = PyNumber_AsSsize_t(size, NULL)

    @property
    def buffered(self):
        """Bytes fed and not yet handed out in a message."""
        return self._size()

    def feed(self, data):
        """Add bytes that arrived; they are copied. ``b""`` says that the stream has ended, as ``recv`` does."""
        cdef Py_buffer view
        cdef const char* text
        cdef Py_ssize_t size, part
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            text = <const char*>view.buf
            size = view.len
            if not size:
                self.ended = True
            elif self.ended:
                raise ValueError(f"{size} bytes fed after the end of the stream")
            elif not self.shut:
                if self.large != NULL and self.filled < self.total:
                    part = min(size, self.total - self.filled)
                    if text != self._place():  # else it has been received in its place
                        if part > self._room():
                            self._grow_large(self.filled + part)
                        memcpy(self._place(), text, <size_t>part)
                    if size > part:
                        self._append(text + part, size - part)
                    self.filled += part
                else:
                    self._append(text, size)
                    if self.total and self.large == NULL:
                        self._begin_large()
        finally:
            PyBuffer_Release(&view)

    def idle(self):
        """Say whether nothing is here, neither bytes nor the end."""
        return not (self._size() or self.ended or self.shut)

    def space(self):
        """Return memory into which to receive more, if that saves copying, to be fed before anything else; or None."""
        if self.large == NULL or self.filled == self.total or self.shut:
            return None
        if not self._room():
            self._grow_large(self.filled)
        return PyMemoryView_FromMemory(self._place(), self._room(), PyBUF_WRITE)

    def pop(self):
        """Cut one message, if that is easy; None leaves the judgement to others."""
        return self.next()

    cdef object next(self):
        cdef Span span
        if self.shut or self.kernel is None or self._size() < self.needed or self.resumed:
            return None
        if self.large != NULL:
            return self._pop_large() if self.filled == self.total and self._large_size() <= self.left else None
        if self._find(&span) != WHOLE or span.end - self.position > self.left:
            return None
        message = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(self.data) + span.begin, span.stop - span.begin)
        self._advance(span.end, 1)
        return message

    def cut(self, count):
        """Cut up to so many messages, as long as that is easy."""
        cdef Py_ssize_t left = PyNumber_AsSsize_t(count, NULL)
        cdef Py_ssize_t start, size
        cdef const char* text
        cdef Span span
        cdef Found found = NOTHING
        cdef list messages = []
        if self.shut or self.run is None or self._size() < self.needed or self.resumed:
            return messages
        if self.kernel is None:
            return self._run_foreign(count)
        if self.large != NULL:
            if left > 0 and self.filled == self.total and self._large_size() <= self.left:
                messages.append(<object>self.large)
                self._pop_large()
            return messages
        start = self.position
        text = PyByteArray_AS_STRING(self.data)
        size = PyByteArray_GET_SIZE(self.data)
        while left > 0 and start < size:
            found = self.kernel.find(self.data, <const unsigned char*>text, start, size, self.most, &span)
            if found != WHOLE or span.end - self.position > self.left:
                break
            messages.append(PyBytes_FromStringAndSize(text + span.begin, span.stop - span.begin))
            start = span.end
            left -= 1
        if start > self.position:
            self._advance(start, PyList_GET_SIZE(messages))
        if found == PART:
            self._expect(&span)
        return messages

    def whole(self):
        """Say whether ``cut`` would return something, if that is easy to say."""
        cdef Span span
        if self.shut or self.kernel is None or self._size() < self.needed or self.resumed:
            return False
        return self.filled == self.total if self.large != NULL else self._find(&span) == WHOLE

    def front(self):
        """Return the bytes for others to judge. They begin where nothing has been handed out."""
        if self.large != NULL or self.head:
            self.data = bytearray(self.unused())
            self._forget_large()
        elif self.position:
            del self.data[: self.position]  # moves the start, not the bytes
        self.position = 0
        return self.data

    def cut_at(self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t end, bytes message=None):
        """Cut the message that was found at these places of ``front()``, or is this one in its other form there."""
        if not 0 <= start <= stop <= end <= PyByteArray_GET_SIZE(self.data):
            raise ValueError("the buffer has been changed")
        if message is None:
            message = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(self.data) + start, stop - start)
        self._advance(end, 1)
        return message

    def skip(self, Py_ssize_t end):
        """Forget what stands in front of this place of ``front()``."""
        if not 0 <= end <= PyByteArray_GET_SIZE(self.data):
            raise ValueError("the buffer has been changed")
        self._advance(end, 0)

    def unused(self):
        """Return a copy of the bytes."""
        rest = bytes(memoryview(self.data)[self.position :])
        if self.large == NULL:
            return rest
        # a copy, even of all of it: who grows must not be seen by others
        return b"".join((self.head, memoryview(<object>self.large)[: self.filled], rest))

    cdef inline Py_ssize_t _size(self) noexcept:
        return PyByteArray_GET_SIZE(self.data) - self.position + self.filled + PyBytes_GET_SIZE(self.head)

    cdef inline Py_ssize_t _large_size(self) noexcept:
        return PyBytes_GET_SIZE(self.head) + self.total

    cdef inline char* _place(self) noexcept:
        """Return where the next byte of the large message goes."""
        return PyBytes_AS_STRING(<object>self.large) + self.filled

    cdef Found _find(self, Span* span) except BROKEN:
        """Find the message at the front; note how much it needs, if that can be said."""
        cdef Found found
        if self.position >= PyByteArray_GET_SIZE(self.data):
            return NOTHING
        found = self.kernel.find(
            self.data,
            <const unsigned char*>PyByteArray_AS_STRING(self.data),
            self.position,
            PyByteArray_GET_SIZE(self.data),
            self.most,
            span,
        )
        if found == PART:
            self._expect(span)
        return found

    cdef int _expect(self, Span* span) except -1:
        """Note how much the message at the front needs."""
        self.needed = span.end - self.position
        if span.stop - span.begin >= _LARGE:
            self.total = span.stop - span.begin
            self.large_begin = span.begin - self.position
            self._begin_large()
        return 0

    cdef list _run_foreign(self, count):
        cdef list messages
        cdef Py_ssize_t position
        if self.left < self._size():
            count = min(count, 1)
        messages, position = self.run(self.data, self.position, self.most, count)
        if not messages or position - self.position > self.left:
            return []
        if not self.position <= position <= PyByteArray_GET_SIZE(self.data):
            raise ValueError(f"{self.run!r} is wrong: it went to {position}, where no message can end")
        self._advance(position, PyList_GET_SIZE(messages))
        return messages

    cdef int _append(self, const char* text, Py_ssize_t size) except -1:
        cdef Py_ssize_t rest = max(PyByteArray_GET_SIZE(self.data) - self.position, 0)
        cdef bytearray data
        if self.data is _NOTHING_HERE or (self.position and self.position >= rest):  # then copying is linear, too
            data = PyByteArray_FromStringAndSize(NULL, rest + size)
            memcpy(PyByteArray_AS_STRING(data), PyByteArray_AS_STRING(self.data) + self.position, <size_t>rest)
            self.data = data
            self.position = 0
        else:
            rest += self.position
            PyByteArray_Resize(self.data, rest + size)
        memcpy(PyByteArray_AS_STRING(self.data) + rest, text, <size_t>size)
        return 0

    cdef int _advance(self, Py_ssize_t end, Py_ssize_t count) except -1:
        """Forget what has been cut, so many messages."""
        self.left -= end - self.position
        self.count += count
        if end and end == PyByteArray_GET_SIZE(self.data):  # an idle connection keeps no memory
            self.data = _NOTHING_HERE
            end = 0
        self.position = end
        self.needed = 1
        self.resumed = False
        self.total = 0
        self.moved = True
        return 0

    cdef inline Py_ssize_t _room(self) noexcept:
        return PyBytes_GET_SIZE(<object>self.large) - self.filled

    cdef object _pop_large(self):
        cdef object message = <object>self.large
        self.left -= self._large_size()
        self._advance(self.position, 1)
        self._forget_large()
        return message

    cdef int _begin_large(self) except -1:
        """Give the large message at the front memory of its own, if enough of it is here to be worth it."""
        cdef Py_ssize_t begin = self.position + self.large_begin
        cdef Py_ssize_t here = PyByteArray_GET_SIZE(self.data) - begin
        cdef bytes large, head
        if not _LARGE_BEGUN <= here < self.total:
            return 0
        try:
            large = PyBytes_FromStringAndSize(NULL, self._enough(here))
            head = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(self.data) + self.position, self.large_begin)
        except MemoryError:  # then it stays where it is
            return 0
        memcpy(PyBytes_AS_STRING(large), PyByteArray_AS_STRING(self.data) + begin, <size_t>here)
        self.head = head
        self.data = _NOTHING_HERE
        self.position = 0
        Py_INCREF(large)
        self.large = <PyObject*>large
        self.filled = here
        return 0

    cdef int _grow_large(self, Py_ssize_t here) except -1:
        try:
            _PyBytes_Resize(&self.large, self._enough(here))
        except MemoryError:  # what has arrived of it is gone, and so is the rest of the stream
            self.shut = True
            self.filled = 0
            raise
        return 0

    cdef inline Py_ssize_t _enough(self, Py_ssize_t here) noexcept:
        """Say how much memory so much of the message justifies: what is only announced costs nothing."""
        return self.total if here >= self.total // 4 else 4 * here

    cdef void _forget_large(self) noexcept:
        Py_CLEAR(self.large)
        self.filled = self.total = 0
        self.head = b""


# -- sending ----------------------------------------------------------------------------------------------------------

# The first memory for several messages; it grows from there.
cdef Py_ssize_t _FIRST = 4096


cdef class Outgoing:
    """Messages encoded and not yet handed over."""

    cdef Kernel kernel
    cdef Py_ssize_t most, high
    # None while there are none: an idle connection keeps no list.
    cdef list parts
    # The last of the parts, not finished yet: bytes of which so many are in use.
    cdef PyObject* small
    cdef Py_ssize_t used
    cdef readonly Py_ssize_t size
    cdef public Py_ssize_t credit, count
    cdef public bint shut

    def __init__(self, framing, largest, high):
        run = framing.run()
        self.kernel = run if isinstance(run, Kernel) and run.overhead >= 0 else None
        self.most = min(largest, JOIN_BELOW - 1)
        self.high = PyNumber_AsSsize_t(high, NULL)

    def __dealloc__(self):
        Py_CLEAR(self.small)

    def push(self, message):
        """Encode a message, if that is easy, and say whether it was."""
        return self._push(message, PY_SSIZE_T_MAX) >= 0

    def limit(self, largest):
        """Take no message that is larger, by ``push`` or ``spend``."""
        self.most = min(self.most, PyNumber_AsSsize_t(largest, NULL))

    def spend(self, message):
        """Encode a message, if that is easy and there is credit for it, and say whether it was."""
        cdef Py_ssize_t written = self._push(message, self.credit)
        if written < 0:
            return False
        self.credit -= written
        self.count += 1
        return True

    cdef inline Py_ssize_t _push(self, message, Py_ssize_t most) except -2:
        """Encode a message into so many bytes at most, and say how many; -1 if that is not easy."""
        cdef Py_ssize_t size, written
        if self.shut or self.kernel is None or not PyBytes_CheckExact(message) or self.size >= self.high:
            return -1
        size = PyBytes_GET_SIZE(message)
        if size > self.most:
            return -1
        self._make_room(size + self.kernel.overhead)
        written = self.kernel.write(
            <unsigned char*>PyBytes_AS_STRING(<object>self.small) + self.used,
            <const unsigned char*>PyBytes_AS_STRING(message),
            size,
        )
        if not 0 <= written <= most:
            return -1
        self.used += written
        self.size += written
        return written

    def put(self, parts):
        """Add a message that has been encoded."""
        cdef Py_buffer view
        for part in parts:  # a message is put as a whole, or not at all
            PyObject_GetBuffer(part, &view, PyBUF_SIMPLE)
            PyBuffer_Release(&view)
        for part in parts:
            PyObject_GetBuffer(part, &view, PyBUF_SIMPLE)
            try:
                if view.len >= JOIN_BELOW:
                    self._finish()
                    self._add(part)
                else:
                    self._make_room(view.len)
                    memcpy(PyBytes_AS_STRING(<object>self.small) + self.used, view.buf, <size_t>view.len)
                    self.used += view.len
                self.size += view.len
            finally:
                PyBuffer_Release(&view)

    def collect(self):
        """Hand over what there is: small parts joined, large ones as they came."""
        cdef list parts
        self._finish()
        parts = self.parts
        self.parts = None
        self.size = 0
        return [] if parts is None else parts

    cdef int _add(self, part) except -1:
        if self.parts is None:
            self.parts = []
        self.parts.append(part)
        return 0

    cdef int _make_room(self, Py_ssize_t size) except -1:
        cdef Py_ssize_t room
        if self.small == NULL:
            small = PyBytes_FromStringAndSize(NULL, size)  # there may be no other
            Py_INCREF(small)
            self.small = <PyObject*>small
            self.used = 0
            return 0
        room = PyBytes_GET_SIZE(<object>self.small)
        if size > room - self.used:
            larger = PyBytes_FromStringAndSize(NULL, max(_FIRST, 2 * room, self.used + size))
            memcpy(PyBytes_AS_STRING(larger), PyBytes_AS_STRING(<object>self.small), <size_t>self.used)
            Py_CLEAR(self.small)
            Py_INCREF(larger)
            self.small = <PyObject*>larger
        return 0

    cdef int _finish(self) except -1:
        """Make the joined small parts one."""
        if self.small == NULL:
            return 0
        if self.used < PyBytes_GET_SIZE(<object>self.small):
            _PyBytes_Resize(&self.small, self.used)
        if self.used:
            self._add(<object>self.small)
        Py_CLEAR(self.small)
        return 0
