"""A Thrift server whose every answer is its own name, so that a call tells who served it.

Usage: server.py NAME PORT. It prints `ready` when calls can come. It speaks whatever the client speaks: framed or not,
binary or compact, with headers or without. Methods are not looked at: each takes anything and answers a string.
`Fail` answers an exception, as a server does that knows no such method. `CallsOf.<method>` answers how often that one was
called, instead of the name.
"""

import socket
import socketserver
import sys
from collections import Counter

from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport.THeaderTransport import THeaderClientType
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TTransportException

ALL = list(vars(THeaderClientType)[kind] for kind in vars(THeaderClientType) if kind.isupper())


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        transport = TSocket()
        transport.setHandle(self.request)
        protocol = THeaderProtocol(transport, ALL)
        try:
            while True:
                self.answer(protocol)
        except (TTransportException, EOFError, ConnectionError):
            pass

    def answer(self, protocol):
        method, kind, sequence = protocol.readMessageBegin()
        protocol.skip(TType.STRUCT)
        protocol.readMessageEnd()
        calls = self.server.calls
        calls[method] += 1
        asked_of = method.removeprefix("CallsOf.")
        answer = self.server.name if asked_of == method else str(calls[asked_of])
        if kind == TMessageType.ONEWAY:
            return
        if method == "Fail":
            protocol.writeMessageBegin(method, TMessageType.EXCEPTION, sequence)
            TApplicationException(TApplicationException.UNKNOWN_METHOD, "as it was asked to").write(protocol)
        else:
            protocol.writeMessageBegin(method, TMessageType.REPLY, sequence)
            protocol.writeStructBegin("result")
            protocol.writeFieldBegin("success", TType.STRING, 0)
            protocol.writeString(answer)
            protocol.writeFieldEnd()
            protocol.writeFieldStop()
            protocol.writeStructEnd()
        protocol.writeMessageEnd()
        protocol.trans.flush()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, name, port):
        self.name = name
        self.calls = Counter()
        super().__init__(("", port), Connection)

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address


if __name__ == "__main__":
    with Server(sys.argv[1], int(sys.argv[2])) as server:
        print("ready", flush=True)
        server.serve_forever()
