"""Serve three holding registers over Modbus/TCP, at a port."""

import sys

from pymodbus.server import StartTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

registers = SimData(address=0x6B, values=[0x022B, 0x0000, 0x0064], datatype=DataType.REGISTERS)
StartTcpServer(SimDevice(id=0x11, simdata=[registers]), address=("127.0.0.1", int(sys.argv[1])))
