# cython: language_level=3, binding=False
"""A plain socket's quick ends, compiled: receive without asking first, send a burst of messages in one system call.

In a burst, messages gather in ``pending``. Whoever fills it hands it to the system; what is left when the burst is over
is sent by a thread of the wire's own, the flusher. It never needs the GIL, and only ever tries: every system call on
the socket is made under the mutex, and none of those waits. Nobody takes the GIL, or waits for it, with the mutex held.
"""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR, ENOMEM, errno
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

from mezha.framing._native cimport JOIN_BELOW, Inbox, Kernel

import atexit
import os
from math import ceil
from os import strerror
from time import monotonic
from types import BuiltinMethodType
from weakref import WeakSet

cdef extern from * nogil:
    """
    #include <fcntl.h>
    #include <poll.h>
    #include <pthread.h>
    #include <signal.h>
    #include <sys/socket.h>
    #include <time.h>
    #include <unistd.h>

    #ifndef MSG_NOSIGNAL  /* macOS: a socket option says it, see CompiledWire */
    #define MSG_NOSIGNAL 0
    #endif

    static int64_t wire_now(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }

    static void wire_cond_init(pthread_cond_t *changed) {
    #ifdef __APPLE__
        pthread_cond_init(changed, NULL);
    #else
        pthread_condattr_t monotonic;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(changed, &monotonic);
        pthread_condattr_destroy(&monotonic);
    #endif
    }

    static void wire_wait(pthread_cond_t *changed, pthread_mutex_t *mutex, int64_t nanoseconds) {
        struct timespec until;
    #ifdef __APPLE__
        until.tv_sec = nanoseconds / 1000000000;
        until.tv_nsec = nanoseconds % 1000000000;
        pthread_cond_timedwait_relative_np(changed, mutex, &until);
    #else
        int64_t then = wire_now() + nanoseconds;
        until.tv_sec = then / 1000000000;
        until.tv_nsec = then % 1000000000;
        pthread_cond_timedwait(changed, mutex, &until);
    #endif
    }

    /* Start a thread to which no signal is delivered: they are Python's. */
    static int wire_start(pthread_t *thread, void *(*run)(void *), void *argument) {
        sigset_t all, before;
        pthread_attr_t small;
        int failed;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 128 << 10);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        failed = pthread_create(thread, &small, run, argument);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&small);
        return failed;
    }

    static int wire_dup(int fd) {
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
    }

    static void wire_no_sigpipe(int fd) {
    #ifdef SO_NOSIGPIPE
        int yes = 1;
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes);
    #endif
    }

    static int wire_poll(int fd, int events, int milliseconds) {
        struct pollfd one = {fd, (short)events, 0};
        return poll(&one, 1, milliseconds);
    }
    """
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    ctypedef struct pthread_t:
        pass
    int pthread_mutex_init(pthread_mutex_t*, void*)
    int pthread_mutex_destroy(pthread_mutex_t*)
    int pthread_mutex_lock(pthread_mutex_t*)
    int pthread_mutex_trylock(pthread_mutex_t*)
    int pthread_mutex_unlock(pthread_mutex_t*)
    int pthread_cond_destroy(pthread_cond_t*)
    int pthread_cond_signal(pthread_cond_t*)
    int pthread_cond_wait(pthread_cond_t*, pthread_mutex_t*)
    int pthread_join(pthread_t, void**)
    int MSG_DONTWAIT, MSG_NOSIGNAL, POLLIN, POLLOUT
    ssize_t recv(int, void*, size_t, int)
    ssize_t send(int, const void*, size_t, int)
    int close(int)
    int64_t wire_now()
    void wire_cond_init(pthread_cond_t*)
    void wire_wait(pthread_cond_t*, pthread_mutex_t*, int64_t)
    int wire_start(pthread_t*, void* (*)(void*) noexcept nogil, void*)
    int wire_dup(int)
    void wire_no_sigpipe(int)
    int wire_poll(int, int, int)

cdef enum:
    # More than kernels add to any message that they take: see CompiledWire.start.
    OVERHEAD = 512
    # Bytes that are worth a system call, and the most that may be pending.
    WORTH = 64 << 10
    MOST = 256 << 10
    # Asked of the system at once; and by a thread that waits, on its own stack, where more might take a page more.
    SCRATCH = 128 << 10
    SMALL = 256
    # From so many bytes on a view costs less than a copy.
    LENT = 4 << 10
    # So many sends in a row make a burst, if so few nanoseconds lie between them.
    ROW = 4
    GAP = 10_000
    # A receive that took more nanoseconds has waited, and the next one may, too: a question and its answer. If it took
    # much longer, to ask first costs nothing by comparison; and others may want the GIL, which took so long to get back.
    WAITS = 3_000
    CONTENDED = 500_000
    # Nanoseconds for which the flusher leaves it to the sender; and at most, where the system has no room.
    LINGER = 50_000
    PATIENCE = 10_000_000

# What became of a message.
cdef enum:
    UNSENT, SENT, BEGUN

# No deadline is so far.
cdef double FOREVER = 1e18

# Shared by all: nobody lets go of the GIL between filling it and emptying it, or lending it.
cdef char _scratch[SCRATCH]
# Where a message is encoded that is sent by itself.
cdef char _written[JOIN_BELOW + OVERHEAD]


cdef class _Scratch:
    """What was received, lent as long as somebody views it: others receive elsewhere meanwhile."""

    cdef Py_ssize_t filled, lent

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, _scratch, self.filled, 1, flags)
        self.lent += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.lent -= 1


cdef _Scratch _lender = _Scratch()


# -- what is pending, and who flushes it ------------------------------------------------------------------------------


cdef struct Pending:
    # All under the mutex, but for ``fd`` and ``thread``, which are set before there is a flusher, and after its end.
    # Senders look at the numbers without it, to guess what is worth doing, and at it again before they do it.
    pthread_mutex_t mutex
    pthread_cond_t changed
    pthread_t thread
    # The flusher's own descriptor of the socket: nobody can close it behind its back.
    int fd
    char* data
    Py_ssize_t start, end
    # How much has to be pending before a sender tries again.
    Py_ssize_t enough
    unsigned long taken
    # When something was last handed to the system.
    int64_t last
    int error
    bint open, running, stopping, idle


cdef void _hand_over(Pending* pending, int fd) noexcept nogil:
    """Give the system what is pending, as far as it has room."""
    cdef ssize_t count
    while pending.start < pending.end:
        count = send(fd, pending.data + pending.start, <size_t>(pending.end - pending.start), MSG_DONTWAIT | MSG_NOSIGNAL)
        if count >= 0:
            pending.start += count
            pending.taken += 1
        elif errno == EAGAIN:
            pending.enough = pending.end - pending.start + WORTH
            return
        elif errno != EINTR:
            pending.error = errno
            pending.open = False
            break
    pending.start = pending.end = 0
    pending.enough = WORTH
    pending.last = wire_now()


cdef void* _flush(void* argument) noexcept nogil:
    """Send what senders leave behind, until told to stop."""
    cdef Pending* pending = <Pending*>argument
    cdef unsigned long taken
    cdef int64_t pause = LINGER
    pthread_mutex_lock(&pending.mutex)
    while not pending.stopping:
        if pending.start == pending.end:
            pending.idle = True
            pthread_cond_wait(&pending.changed, &pending.mutex)
            pending.idle = False
            pause = LINGER
            continue
        taken = pending.taken
        wire_wait(&pending.changed, &pending.mutex, pause)
        if pending.taken != taken or pending.start == pending.end or pending.stopping:
            pause = LINGER  # whoever sends is still at it
            continue
        _hand_over(pending, pending.fd)
        pause = LINGER if pending.taken != taken else min(2 * pause, <int64_t>PATIENCE)
    pthread_mutex_unlock(&pending.mutex)
    return NULL


cdef inline void _lock(Pending* pending) noexcept:
    while pthread_mutex_trylock(&pending.mutex) != 0:
        with nogil:  # without the GIL until it is free, and then not with the mutex into the queue for the GIL
            pthread_mutex_lock(&pending.mutex)
            pthread_mutex_unlock(&pending.mutex)


# -- the wire ---------------------------------------------------------------------------------------------------------


cdef class CompiledWire:
    """The quick ends of a plain socket. Whatever is unusual it leaves to others, by doing nothing."""

    cdef object __weakref__
    cdef Pending pending
    cdef int fd
    cdef Kernel kernel
    cdef Py_ssize_t most
    # Bytes of frames for which there is credit, and messages sent, since the last settle(). Changed with the GIL only.
    cdef int64_t credit
    cdef Py_ssize_t count
    cdef bint batching, finished, will_wait
    # How many sends in a row had hardly a pause before them.
    cdef int row
    # What the system said of the connection, once and for all, when something that came before it had to be told first.
    cdef int trouble

    def __cinit__(self, sock):
        self.fd = sock.fileno()
        self.pending.fd = -1
        self.pending.enough = WORTH
        pthread_mutex_init(&self.pending.mutex, NULL)
        wire_cond_init(&self.pending.changed)
        wire_no_sigpipe(self.fd)

    def __dealloc__(self):
        self._stop()
        if self.pending.fd >= 0:  # nobody closed it: what has room still goes
            _hand_over(&self.pending, self.pending.fd)
        self._release()
        pthread_cond_destroy(&self.pending.changed)
        pthread_mutex_destroy(&self.pending.mutex)

    @property
    def size(self):
        """Bytes pending."""
        return self.pending.end - self.pending.start

    @property
    def owing(self):
        """Whether something is pending that nobody will send."""
        return self.pending.end > self.pending.start and not self.pending.running

    @property
    def started(self):
        """Whether it can send by itself."""
        return self.kernel is not None and not self.finished

    def start(self, run, largest, batching, credit=-1):
        """Begin to send messages that this kernel encodes, of so many bytes at most, and for so much credit, if any."""
        if isinstance(run, Kernel) and 0 <= (<Kernel>run).overhead <= OVERHEAD:
            self.kernel = run
            self.most = min(largest, JOIN_BELOW - 1)
            self.batching = batching
            self.credit = credit if credit >= 0 else INT64_MAX
            self.pending.open = True

    def lend(self, credit, largest):
        """Add credit, for messages of so many bytes at most."""
        self.credit += credit
        self.most = min(largest, JOIN_BELOW - 1)

    def settle(self):
        """Give the credit back: return what is left of it, and how many messages were sent for the rest."""
        settled = self.credit, self.count
        self.credit = self.count = 0
        return settled

    cdef int _send(self, message) except -1:
        """Send a message, now or in a moment.

        UNSENT: nothing was done. BEGUN: the rest is pending, and the wire not open any more: the caller has to take it
        back and see it sent.
        """
        cdef Py_ssize_t size
        cdef int sent
        if not PyBytes_CheckExact(message) or not self.pending.open:
            return UNSENT
        size = PyBytes_GET_SIZE(message)
        if size > self.most:
            return UNSENT
        if self._in_burst():
            return self._leave(message, size)
        _lock(&self.pending)
        sent = self._send_now(message, size)
        pthread_mutex_unlock(&self.pending.mutex)
        self.pending.last = wire_now()
        return sent

    cdef int _send_now(self, bytes message, Py_ssize_t size) noexcept:
        cdef Py_ssize_t written
        cdef ssize_t count
        if not self.pending.open or size + self.kernel.overhead > self.credit:
            return UNSENT
        if self.pending.start < self.pending.end:  # the tail of a burst
            if not self._append(message, size):
                return UNSENT
            _hand_over(&self.pending, self.fd)
            self._wake()
            return SENT
        written = self.kernel.write(<unsigned char*>_written, <const unsigned char*>PyBytes_AS_STRING(message), size)
        if written < 0:
            return UNSENT
        count = send(self.fd, _written, <size_t>written, MSG_DONTWAIT | MSG_NOSIGNAL)
        if count == written:
            self._spend(written)
            return SENT
        if count < 0:
            if errno != EAGAIN and errno != EINTR:
                self.pending.error = errno
                self.pending.open = False
            return UNSENT
        self.pending.open = False
        if not self._make_buffer():  # with half a message on the wire
            self.pending.error = ENOMEM
            return UNSENT
        memcpy(self.pending.data, _written + count, <size_t>(written - count))
        self.pending.start = 0
        self.pending.end = written - count
        self._spend(written)
        return BEGUN

    def send_many(self, messages):
        """Send messages of a list or tuple; return which is the first that is left to others."""
        cdef Py_ssize_t count = len(messages), done = 0
        cdef bint burst
        if not self.pending.open or not count:
            return 0
        burst = self._in_burst()
        _lock(&self.pending)
        if self.pending.open and self._make_buffer():
            while done < count:
                message = messages[done]
                if not PyBytes_CheckExact(message) or not self._append(message, PyBytes_GET_SIZE(message)):
                    break
                done += 1
                if self.pending.end - self.pending.start >= self.pending.enough:
                    _hand_over(&self.pending, self.fd)
            if not burst:
                _hand_over(&self.pending, self.fd)
            self._wake()
        pthread_mutex_unlock(&self.pending.mutex)
        if self.batching and self.pending.start < self.pending.end and not self.pending.running:
            self._begin_burst()
        self.pending.last = wire_now()
        return done

    def put(self, bytes data):
        """Send these few bytes, between messages, as far as that is easy; return how many.

        If it is a part of them, it is not open any more: nothing may come between.
        """
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef ssize_t count = 0
        _lock(&self.pending)
        if self.pending.open and self.pending.start == self.pending.end:
            count = max(send(self.fd, PyBytes_AS_STRING(data), <size_t>size, MSG_DONTWAIT | MSG_NOSIGNAL), 0)
            self.pending.open = not 0 < count < size
        elif self.pending.open and self.pending.running and self._room(size):  # in a burst
            memcpy(self.pending.data + self.pending.end, PyBytes_AS_STRING(data), <size_t>size)
            self.pending.end += size
            _hand_over(&self.pending, self.fd)
            self._wake()
            count = size
        pthread_mutex_unlock(&self.pending.mutex)
        return count

    def take(self):
        """Take back what is pending, and leave everything to others until ``reopen``.

        Raises:
            OSError: the system had refused to take it.

        """
        cdef int error
        cdef Py_ssize_t start, size
        _lock(&self.pending)
        self.pending.open = False
        error = self.pending.error
        self.pending.error = 0
        start = self.pending.start
        size = self.pending.end - start
        self.pending.start = self.pending.end = 0
        self.pending.enough = WORTH
        pthread_mutex_unlock(&self.pending.mutex)
        # Nobody fills it while it is not open.
        if error:
            raise _error(error)
        return PyBytes_FromStringAndSize(self.pending.data + start, size) if size else b""

    def give_back(self, parts):
        """Take on what the system has had no room for, if it is not too much; return whether so."""
        cdef Py_ssize_t size = sum(map(len, parts))
        cdef bytes data
        if self.finished or not self.batching or size > MOST:
            return False
        if not self.pending.running and not self._begin_burst():
            return False
        data = b"".join(parts)
        _lock(&self.pending)
        memcpy(self.pending.data, PyBytes_AS_STRING(data), <size_t>size)
        self.pending.start = 0
        self.pending.end = size
        self._wake()
        pthread_mutex_unlock(&self.pending.mutex)
        return True

    def reopen(self):
        """Go on sending, unless that is over for good."""
        _lock(&self.pending)
        if not self.finished and not self.pending.error:
            self.pending.open = self.kernel is not None
        pthread_mutex_unlock(&self.pending.mutex)

    def shut(self):
        """Accept nothing more; what is pending remains."""
        self.finished = True
        _lock(&self.pending)
        self.pending.open = False
        pthread_mutex_unlock(&self.pending.mutex)

    def flush(self):
        """Give the system what is pending, as far as it has room; return whether that was all."""
        if self.pending.start < self.pending.end:
            _lock(&self.pending)
            if self.fd >= 0:
                _hand_over(&self.pending, self.fd)
            pthread_mutex_unlock(&self.pending.mutex)
        return self.pending.start == self.pending.end

    def close(self):
        """Let go of the socket. What is pending is dropped."""
        self.shut()
        self._stop()
        self.fd = -1
        self._release()

    def forget(self):
        """Be as new in the child of a fork: what is pending is the parent's, and so is the flusher."""
        pthread_mutex_init(&self.pending.mutex, NULL)
        wire_cond_init(&self.pending.changed)
        self.pending.running = self.pending.stopping = self.pending.idle = False
        self.pending.start = self.pending.end = 0
        self.pending.enough = WORTH
        if self.pending.fd >= 0:
            close(self.pending.fd)
            self.pending.fd = -1

    def receive(self, space, deadline):
        """Receive, into ``space`` if there is any, and return what came, waiting for it until ``deadline``.

        Returns None if nothing came: the time is over, or a signal came.
        """
        cdef Py_buffer view
        cdef ssize_t count
        if space is None:
            return self._receive_bytes(deadline)
        PyObject_GetBuffer(space, &view, PyBUF_WRITABLE)
        try:
            count = self._try_receive(view.buf, view.len)
            if count < 0 and self._ready(deadline):
                count = self._try_receive(view.buf, view.len)
        finally:
            PyBuffer_Release(&view)
        return None if count < 0 else space[:count]

    cdef object _receive_bytes(self, deadline):
        cdef char small[SMALL]
        cdef int64_t begun, taken
        cdef ssize_t count = -1
        cdef int fd = self.fd
        if not self.will_wait:
            data = self._receive_now()
            if data is not None:
                return data
        if deadline is None:  # to wait and to receive is one system call
            self.flush()
            begun = wire_now()
            with nogil:
                count = recv(fd, small, SMALL, 0)
            taken = wire_now() - begun
            self.will_wait = WAITS < taken < CONTENDED
            if count == SMALL and not _lender.lent:
                memcpy(_scratch, small, SMALL)
                return _received(SMALL + self._more(_scratch + SMALL, SCRATCH - SMALL))
            if count >= 0:
                return PyBytes_FromStringAndSize(small, count)
            if errno == EINTR:
                PyErr_CheckSignals()
                return None
            if errno != EAGAIN:  # else somebody took the socket out of blocking mode
                raise _error(errno)
        begun = wire_now()
        if not self._ready(deadline):
            return None
        taken = wire_now() - begun
        self.will_wait = WAITS < taken < CONTENDED
        return self._receive_now()

    cdef object _receive_now(self):
        """Receive what is there; None if nothing is."""
        cdef ssize_t count
        cdef bytes own
        if _lender.lent:
            own = PyBytes_FromStringAndSize(NULL, LENT)
            count = self._try_receive(PyBytes_AS_STRING(own), LENT)
            return own[:count] if count >= 0 else None
        count = self._try_receive(_scratch, SCRATCH)
        return _received(count) if count >= 0 else None

    cdef ssize_t _try_receive(self, void* into, Py_ssize_t size) except -2:
        """Receive what is there, with the GIL; -1 if nothing is."""
        cdef ssize_t count
        if self.trouble:
            raise _error(self.trouble)
        count = recv(self.fd, into, <size_t>size, MSG_DONTWAIT)
        if count < 0 and errno != EAGAIN and errno != EINTR:
            raise _error(errno)
        return count

    cdef ssize_t _more(self, void* into, Py_ssize_t size) noexcept:
        """Receive what else is there."""
        cdef ssize_t count = recv(self.fd, into, <size_t>size, MSG_DONTWAIT)
        if count < 0 and errno != EAGAIN and errno != EINTR:
            self.trouble = errno
            self.will_wait = False
        return max(count, 0)

    cdef bint _ready(self, deadline) except -1:
        """Wait until there is something to receive; False if the time is over, or a signal came."""
        cdef int fd = self.fd, found, milliseconds = -1
        self.flush()
        if deadline is not None and deadline < FOREVER:
            milliseconds = min(ceil(max(deadline - monotonic(), 0.0) * 1000), 1 << 30)  # it may be -inf: at once
        with nogil:
            found = wire_poll(fd, POLLIN, milliseconds)
        if found < 0 and errno == EINTR:
            PyErr_CheckSignals()
        return found > 0

    cdef int _leave(self, bytes message, Py_ssize_t size) noexcept:
        """Let a message wait for others in a burst."""
        cdef int left = UNSENT
        _lock(&self.pending)
        if self.pending.open and self._append(message, size):
            left = SENT
            if self.pending.end - self.pending.start >= self.pending.enough:
                _hand_over(&self.pending, self.fd)
            self._wake()
        pthread_mutex_unlock(&self.pending.mutex)
        return left

    cdef bint _append(self, bytes message, Py_ssize_t size) noexcept:
        """Encode a message behind what is pending, if it is easy and there is room."""
        cdef Pending* pending = &self.pending
        cdef Py_ssize_t written
        if size > self.most or size + self.kernel.overhead > self.credit or not self._room(size + OVERHEAD):
            return False
        written = self.kernel.write(
            <unsigned char*>pending.data + pending.end, <const unsigned char*>PyBytes_AS_STRING(message), size
        )
        if written < 0:
            return False
        pending.end += written
        self._spend(written)
        return True

    cdef inline bint _room(self, Py_ssize_t size) noexcept:
        """Make room for so many bytes behind what is pending; say whether there is."""
        cdef Pending* pending = &self.pending
        if pending.end + size > MOST:
            if pending.end - pending.start + size > MOST:
                return False
            memmove(pending.data, pending.data + pending.start, <size_t>(pending.end - pending.start))
            pending.end -= pending.start
            pending.start = 0
        return True

    cdef inline void _spend(self, Py_ssize_t size) noexcept:
        self.credit -= size
        self.count += 1

    cdef inline void _wake(self) noexcept:
        if self.pending.idle and self.pending.start < self.pending.end:
            pthread_cond_signal(&self.pending.changed)

    cdef bint _make_buffer(self) noexcept:
        if self.pending.data == NULL:
            self.pending.data = <char*>malloc(MOST)  # as long as it is not used, it is only promised
        return self.pending.data != NULL

    cdef bint _in_burst(self) except -1:
        """Say whether this send is one of many in a row."""
        cdef int64_t now
        # Whatever waits for others waits for a moment only. So if something does, no clock has to be asked, which would
        # cost more than to encode.
        if self.row < ROW or self.pending.start == self.pending.end or not self.pending.running:
            now = wire_now()
            self.row = self.row + 1 if now - self.pending.last < GAP else 0
            self.pending.last = now
        return self.row >= ROW and self.batching and (self.pending.running or self._begin_burst())

    cdef bint _begin_burst(self) except -1:
        """Start the flusher; without one there are no bursts."""
        if self._make_buffer():
            self.pending.fd = wire_dup(self.fd)
            if self.pending.fd >= 0 and wire_start(&self.pending.thread, _flush, &self.pending) == 0:
                self.pending.running = True
                _bursting.add(self)
                return True
        self.batching = False
        return False

    cdef void _stop(self) noexcept:
        """End the flusher; it never waits for anything else."""
        if self.pending.running:
            pthread_mutex_lock(&self.pending.mutex)
            self.pending.stopping = True
            pthread_cond_signal(&self.pending.changed)
            pthread_mutex_unlock(&self.pending.mutex)
            pthread_join(self.pending.thread, NULL)
            self.pending.running = self.pending.stopping = False

    cdef void _release(self) noexcept:
        if self.pending.fd >= 0:
            close(self.pending.fd)
            self.pending.fd = -1
        self.pending.start = self.pending.end = 0
        free(self.pending.data)
        self.pending.data = NULL


cdef class Ends:
    """The quick ends of a peer, above its wire: what they leave, its slower methods do."""

    cdef CompiledWire wire
    cdef object next_one, idle, arrive, receiving
    # Of a session: who says whether to wait, and takes what arrives.
    cdef public object driver
    # Whose method next_one is, if that can be called without a step of Python.
    cdef Inbox inbox
    cdef public double _stood_still, _left
    cdef object __weakref__
    cdef dict __dict__

    def __init__(self, wire, engine, receiving, driver=None):
        self.driver = driver
        self.wire = wire if isinstance(wire, CompiledWire) else None
        self.next_one = engine.pop
        owner = self.next_one.__self__ if isinstance(self.next_one, BuiltinMethodType) else None
        self.inbox = owner if isinstance(owner, Inbox) else None
        self.idle = engine.idle
        self.arrive = engine.receive
        self.receiving = receiving
        self._left = monotonic()

    def send(self, message, *, timeout=None):
        """Send one message: the peer receives exactly this, whole, after all sent before.

        Returning means that it is on its way, not that the peer has it: the system has taken it; or, in a burst, it
        follows within about a tenth of a millisecond, together with others (``batching=False`` forgoes that).

        Raises:
            LocalProtocolError: over the limit, or the framing cannot carry it. Nothing was sent; go on.
            SendTimeout: the peer reads too slowly. Its ``sent`` says whether this message goes out all the same.
            ConnectionLost: the connection broke. Whether the message arrived is unknown.
            ClosedByUs: after ``send_eof``, ``close`` or ``detach``.

        """
        cdef int sent = UNSENT if self.wire is None else self.wire._send(message)
        if sent != SENT:
            self._send_one(message, timeout, sent == BEGUN)

    def recv(self, *, timeout=None):
        """Receive the next message, whole.

        Raises:
            TimeoutError: none was whole in time. Nothing is lost: what has arrived of it waits for the next call.
            ClosedByPeer: the peer ended its stream, and every message has been received.
            RemoteProtocolError: the peer broke the protocol (FramingError, MessageTooLarge, MessageTooSlow).
            ConnectionLost: the connection broke, and every message that arrived has been received.
            ClosedByUs: after ``close`` or ``detach``, also from another thread.

        """
        # It needs no lock: nothing can come between the steps of what is compiled.
        message = self.next_one() if self.inbox is None else self.inbox.next()
        if message is None and timeout is None and self.wire is not None:
            message = self._await_one() if self.driver is None else self._await_session()
        return self._receive(1, timeout)[0] if message is None else message

    cdef object _await_one(self):
        """Receive once, where nothing is here and nobody else receives; return the message that came whole, if so."""
        cdef object data
        if not self.receiving.acquire(False):
            return None
        try:
            if not self.idle():
                return None
            try:
                data = self.wire._receive_bytes(None)
            except OSError as error:
                self._broken(error)
                data = b""
            self._left = monotonic()
            if data is not None:
                self.arrive(data, self._left - self._stood_still)
            return self.next_one()
        finally:
            self.receiving.release()

    cdef object _await_session(self):
        """Receive once, if the driver has nothing else to do; return the message that came whole, if so."""
        cdef object data = None, due = self.driver.claim()
        if due is None:
            return None
        try:
            data = self.wire._receive_bytes(due)
        except OSError as error:
            self.driver.broken(error)
            return None
        except BaseException:
            self.driver.arrived(None, monotonic())
            raise
        self.driver.arrived(data, monotonic())
        return self.next_one()


cdef object _received(Py_ssize_t size):
    """Return what is in the scratch: a copy of a little, or a view of much."""
    if size < LENT:
        return PyBytes_FromStringAndSize(_scratch, size)
    _lender.filled = size
    return PyMemoryView_FromObject(_lender)


cdef object _error(int number):
    return OSError(number, strerror(number))


# -- the ends of the process ------------------------------------------------------------------------------------------

# Wires with a flusher.
_bursting = WeakSet()


def _flush_all():
    """At the end of the interpreter: what is pending goes out, if there is room for it soon."""
    cdef int64_t until = wire_now() + 1_000_000_000
    cdef CompiledWire wire
    for wire in list(_bursting):
        while not wire.flush() and wire_now() < until:
            with nogil:
                wire_poll(wire.pending.fd, POLLOUT, 10)


def _forget_all():
    cdef CompiledWire wire
    for wire in list(_bursting):
        wire.forget()


atexit.register(_flush_all)
os.register_at_fork(after_in_child=_forget_all)
