"""A Thrift server whose answers are its own name, and a client that calls without a pause.

Usage: thrift.py serve NAME PORT | thrift.py call HOST PORT

It speaks just enough of Thrift for a demonstration: the binary protocol in frames, texts as arguments and as answers.
"""

import socket
import socketserver
import struct
import sys
import time

CALL, REPLY, EXCEPTION = 1, 2, 3
TEXT, INTEGER, STOP = b"\x0b", b"\x08", b"\x00"
UNKNOWN_METHOD = 1


def text(value):
    return struct.pack(">I", len(value)) + value.encode()


def message(kind, method, number, fields):
    body = struct.pack(">I", 0x80010000 | kind) + text(method) + struct.pack(">I", number) + fields + STOP
    return struct.pack(">I", len(body)) + body


def read(stream):
    """The kind, the method, the number and the fields of the next message."""
    size = stream.read(4)
    if len(size) < 4:
        raise ConnectionError("the other side has closed")
    body = stream.read(struct.unpack(">I", size)[0])
    length = struct.unpack(">I", body[4:8])[0]
    after = 8 + length
    return body[3], body[8:after].decode(), struct.unpack(">I", body[after:after + 4])[0], body[after + 4:]


def first_text(fields):
    return fields[7:7 + struct.unpack(">I", fields[3:7])[0]].decode()


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while True:
                _, method, number, _ = read(self.rfile)
                self.wfile.write(self.answer(method, number))
        except (ConnectionError, OSError):
            pass

    def answer(self, method, number):
        if method == "sayNothing":
            trouble = TEXT + struct.pack(">H", 1) + text("no such method") + INTEGER + struct.pack(">HI", 2, UNKNOWN_METHOD)
            return message(EXCEPTION, method, number, trouble)
        return message(REPLY, method, number, TEXT + struct.pack(">H", 0) + text(f"{method} by {self.server.name}"))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(name, port):
    with Server(("", int(port)), Connection) as server:
        server.name = name
        print(f"{name} serves", flush=True)
        server.serve_forever()


def call(stream, number, method):
    stream.write(message(CALL, method, number, TEXT + struct.pack(">H", 1) + text("you")))
    stream.flush()
    _, _, _, fields = read(stream)
    return first_text(fields)


def consume(host, port):
    methods = ["sayHello", "sayHello", "sayHello", "sayGoodbye", "sayNothing"]
    number = 0
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                stream = connection.makefile("rwb")
                # A new connection now and then: one that is open keeps the routes that it began with for a while.
                for _ in range(50):
                    number += 1
                    method = methods[number % len(methods)]
                    print(f"{method}: {call(stream, number, method)}", flush=True)
                    time.sleep(0.2)
        except (OSError, ValueError) as error:
            print(f"failed: {error}", flush=True)
            time.sleep(1)


if __name__ == "__main__":
    {"serve": serve, "call": consume}[sys.argv[1]](*sys.argv[2:])
