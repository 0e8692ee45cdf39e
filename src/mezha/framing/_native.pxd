"""What other compiled parts of mezha may use of this one."""

cdef struct Span:
    # Where a message stands in a buffer, and where the next one begins.
    Py_ssize_t begin, stop, end


cdef enum Found:
    BROKEN = -1  # an exception has been raised
    NOTHING, PART, WHOLE


cdef enum:
    # Parts of a message below this many bytes are joined into one buffer for the system; larger ones are not copied.
    JOIN_BELOW = 8192


cdef class Kernel:
    # The most bytes that write() adds to a message; -1 if it does not write.
    cdef readonly Py_ssize_t overhead

    # Find the message that begins at ``start`` of the ``size`` bytes of ``data``, which ``text`` points to. WHOLE: it is
    # faultless. PART: it is faultless so far, and ``span`` says where it will stand. NOTHING: ask split() what it is.
    cdef Found find(
        self, data, const unsigned char* text, Py_ssize_t start, Py_ssize_t size, Py_ssize_t most, Span* span
    ) except BROKEN
    # Encode a message, and return how many bytes that made; -1 if it may be one to refuse: ask encode().
    cdef Py_ssize_t write(self, unsigned char* out, const unsigned char* message, Py_ssize_t size) noexcept


cdef class Inbox:
    # What pop() of a buffer does.
    cdef object next(self)
