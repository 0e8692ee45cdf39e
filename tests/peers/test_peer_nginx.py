"""HTTP/1.1 in chunks: nginx reads the bodies that mezha writes and writes its own, as a server and as a proxy."""

import gzip
import socket
from pathlib import Path

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, FROM_IT, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import Peer
from mezha.framing import Chunked, Lines

NGINX = Proof("chunked", "RFC 9112, 7.1", "nginx", lambda: number(output_of(program("nginx", "nginx-light"), "-v")))
BODY = b"Hello, World!\r\n0\r\n\r\n"

_CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    server_tokens off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    server {{
        listen {host}:{port};
        location / {{
            proxy_pass http://{host}:$arg_port/;
            proxy_http_version 1.1;
        }}
        location /file {{
            root {folder};
            gzip on;
            gzip_min_length 1;
            gzip_types application/octet-stream text/plain;
        }}
    }}
}}
"""


@pytest.fixture(scope="session")
def nginx(daemons: Daemons) -> Daemon:
    port, folder = free_port(), daemons.folder("nginx")
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, host=HOST, port=port))
    (folder / "file").write_bytes(BODY * 20)
    command: list[str | Path] = [program("nginx", "nginx-light"), "-c", configuration, "-e", "stderr"]
    return daemons.start("nginx", command, port=port)


class Bodies:
    """Heads and chunked bodies, one after the other, of what comes from a socket."""

    def __init__(self, sock: socket.socket, received: bytes = b"") -> None:
        self._sock = sock
        self._received = received

    def head(self) -> bytes:
        """Read lines up to the empty one."""
        while b"\r\n\r\n" not in self._received:
            self._received += self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return head

    def body(self) -> bytes:
        """Read a chunked body."""
        decoder = Chunked().decoder()
        if self._received:
            decoder.feed(self._received)
        while not (body := decoder.take()):
            decoder.feed(self._more())
        self._received = decoder.unused()
        return body[0]

    def _more(self) -> bytes:
        data = self._sock.recv(65536)
        assert data, "the peer has ended its stream"
        return data


@proves(BOTH, NGINX)
@pytest.mark.parametrize("chunk", [3, 1000])
def test_nginx_takes_the_chunks_apart_and_makes_its_own(nginx: Daemon, through: Through, chunk: int) -> None:
    framing = Chunked(chunk)

    def reverse(lines: Peer) -> None:
        """Answer in chunks what nginx sends without."""
        (size,) = (int(line[16:]) for line in iter(lines.recv, b"") if line.startswith(b"Content-Length: "))
        sock, body = lines.detach()
        with sock:
            while len(body) < size:
                body += sock.recv(size - len(body))
            answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *framing.encode(body[::-1])
            sock.sendall(b"".join(answer))

    upstream = through.serve(reverse, Lines(b"\r\n"))[1]
    head = f"POST /?port={upstream} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with socket.create_connection(through.to(nginx.port), timeout=PATIENCE) as sock:
        answers = Bodies(sock)
        for body in (BODY, b"a"):
            sock.sendall(head + b"".join(framing.encode(body)))
            assert b"Transfer-Encoding: chunked" in answers.head()
            assert answers.body() == body[::-1]


@proves(FROM_IT, NGINX)
def test_nginx_writes_what_it_compresses_on_the_way(nginx: Daemon, through: Through) -> None:
    request = b"GET /file HTTP/1.1\r\nHost: test\r\nAccept-Encoding: gzip\r\n\r\n"
    with socket.create_connection(through.to(nginx.port), timeout=PATIENCE) as sock:
        answers = Bodies(sock)
        sock.sendall(request)
        assert b"Transfer-Encoding: chunked" in answers.head()
        assert gzip.decompress(answers.body()) == BODY * 20
