"""Be a Diameter node with one peer, client.test, at a port."""

import sys
import threading

from diameter.message.constants import APP_RELAY
from diameter.node import Node
from diameter.node.application import SimpleThreadingApplication

node = Node("server.test", "test", ip_addresses=["127.0.0.1"], tcp_port=int(sys.argv[1]), vendor_ids=[10415])
peer = node.add_peer("aaa://client.test", "test")
node.add_application(SimpleThreadingApplication(APP_RELAY, is_auth_application=True), [peer])
node.start()
threading.Event().wait()
