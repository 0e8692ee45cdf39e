"""Become rpcbind (the program PROGRAM) at PORT of this machine, and nowhere else, beside one that may be running.

By itself it listens everywhere at port 111, and not twice: its lock is in /run. So it gets the socket of a service
manager, and a /run of its own, with an /etc/netconfig that has no other sockets.
"""

import os
import socket
import sys

program, port = sys.argv[1:]
first = 3  # where a service manager passes its sockets
sock = socket.create_server(("127.0.0.1", int(port)))
os.dup2(sock.detach(), first)
os.set_inheritable(first, True)
become = f"""
mount -t tmpfs tmpfs /run
printf '%s\\n' 'tcp tpi_cots_ord v inet tcp - -' 'local tpi_cots_ord - loopback - - -' > /run/netconfig
mount --bind /run/netconfig /etc/netconfig
LISTEN_PID=$$ LISTEN_FDS=1 exec {program} -f -i
"""
os.execlp("unshare", "unshare", "--mount", "sh", "-e", "-c", become)
