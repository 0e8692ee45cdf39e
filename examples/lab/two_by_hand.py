"""The lab's second program over the protocol made by hand."""

from socket import SO_REUSEADDR, SOL_SOCKET, socket

from by_hand import recv_message, send_message

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
    send_message(new_client, b"Hello!")
    send_message(new_client, b"World!")
    print(recv_message(client_socket))
    print(recv_message(client_socket))

new_client.close()
server_socket.close()
