"""The lab's first program with mezha: the same bytes on the wire, and no more luck needed."""

from socket import SO_REUSEADDR, SOL_SOCKET, socket
from time import sleep

from mezha import Lines
from mezha.blocking import wrap

server_socket = socket()
server_socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
host = "localhost"
port = 1898
server_socket.bind((host, port))
server_socket.listen(5)

client_socket = socket()
client_socket.connect((host, port))
client = wrap(client_socket, Lines(b"\r\n"))

connection, address = server_socket.accept()
new_client = wrap(connection, Lines(b"\r\n"))

for i in range(10):
    new_client.send(b"Hello!")
    sleep(1)
    print(client.recv())

new_client.close()
server_socket.close()
