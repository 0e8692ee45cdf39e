"""The lab's first program: one message a second, and each arrives as it was sent."""

from socket import SO_REUSEADDR, SOL_SOCKET, socket
from time import sleep

server_socket = socket()
server_socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
host = "localhost"
port = 1898
server_socket.bind((host, port))
server_socket.listen(5)

client_socket = socket()
client_socket.connect((host, port))

new_client, address = server_socket.accept()

for i in range(10):
    new_client.send(b"Hello!\r\n")
    sleep(1)
    print(client_socket.recv(4096))

new_client.close()
server_socket.close()
