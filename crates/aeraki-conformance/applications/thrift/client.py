"""Calls a Thrift server as it is told: one request in JSON on each line of the input, one answer on each line of the output.

A request is {"address": "240.240.1.2:9090", "transport": "framed" | "unframed" | "header", "protocol": "binary" | "compact",
"method": "SayHello", "headers": {}, "calls": 1, "fresh": false}; the answer counts who served, and what went wrong how often:
{"served": {"v1": 9}, "failed": {"TApplicationException: …": 1}}. A multiplexed client's method is `Greeter:SayHello`.
Requests of one form to one address share a connection, unless they ask for a fresh one.
"""

import json
import sys
from collections import Counter

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.Thrift import TApplicationException, TException, TMessageType, TType
from thrift.transport.THeaderTransport import THeaderClientType, THeaderSubprotocolID
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport, TFramedTransport

TIMEOUT_MILLISECONDS = 5_000
PROTOCOLS = {"binary": TBinaryProtocol, "compact": TCompactProtocol}
SUBPROTOCOLS = {"binary": THeaderSubprotocolID.BINARY, "compact": THeaderSubprotocolID.COMPACT}


class Connection:
    def __init__(self, address, transport, protocol):
        host, port = address.rsplit(":", 1)
        socket = TSocket(host, int(port))
        socket.setTimeout(TIMEOUT_MILLISECONDS)
        if transport == "header":
            self.protocol = THeaderProtocol(socket, [THeaderClientType.HEADERS], SUBPROTOCOLS[protocol])
        else:
            wrapped = TFramedTransport(socket) if transport == "framed" else TBufferedTransport(socket)
            self.protocol = PROTOCOLS[protocol](wrapped)
        self.transport = self.protocol.trans
        self.transport.open()
        self.sequence = 0

    def call(self, method, headers):
        for name, value in headers.items():
            self.transport.set_header(name.encode(), value.encode())
        self.sequence += 1
        protocol = self.protocol
        protocol.writeMessageBegin(method, TMessageType.CALL, self.sequence)
        protocol.writeStructBegin("args")
        protocol.writeFieldBegin("caller", TType.STRING, 1)
        protocol.writeString("caller")
        protocol.writeFieldEnd()
        protocol.writeFieldStop()
        protocol.writeStructEnd()
        protocol.writeMessageEnd()
        self.transport.flush()
        return self.answer()

    def answer(self):
        protocol = self.protocol
        _, kind, sequence = protocol.readMessageBegin()
        if kind == TMessageType.EXCEPTION:
            wrong = TApplicationException()
            wrong.read(protocol)
            protocol.readMessageEnd()
            raise wrong
        if sequence != self.sequence:
            raise TApplicationException(TApplicationException.BAD_SEQUENCE_ID, "another call's answer")
        served = None
        protocol.readStructBegin()
        while True:
            _, field_type, field = protocol.readFieldBegin()
            if field_type == TType.STOP:
                break
            if field == 0 and field_type == TType.STRING:
                served = protocol.readString()
            else:
                protocol.skip(field_type)
            protocol.readFieldEnd()
        protocol.readStructEnd()
        protocol.readMessageEnd()
        return served


class Client:
    def __init__(self):
        self.connections = {}

    def answer(self, request):
        key = tuple(request.get(field, usual) for field, usual in FORM)
        served, failed = Counter(), Counter()
        for _ in range(request.get("calls", 1)):
            if request.get("fresh"):
                self.forget(key)
            try:
                if key not in self.connections:
                    self.connections[key] = Connection(*key)
                served[self.connections[key].call(request["method"], request.get("headers", {}))] += 1
            except TApplicationException as wrong:
                failed[f"TApplicationException: {wrong}"] += 1
                # Envoy closes the connection after an exception of its own; one more call on it would fail for nothing.
                self.forget(key)
            except (TException, OSError, EOFError) as wrong:
                failed[f"{type(wrong).__name__}: {wrong}"] += 1
                self.forget(key)
        return {"served": served, "failed": failed}

    def forget(self, key):
        connection = self.connections.pop(key, None)
        if connection:
            connection.transport.close()


FORM = (("address", None), ("transport", "framed"), ("protocol", "binary"))

if __name__ == "__main__":
    client = Client()
    for line in sys.stdin:
        print(json.dumps(client.answer(json.loads(line))), flush=True)
