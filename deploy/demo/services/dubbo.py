"""A Dubbo provider whose answers are its own name, and a consumer that calls without a pause.

Usage: dubbo.py serve NAME PORT | dubbo.py call HOST PORT

It speaks just enough of Dubbo 2 with hessian2 for a demonstration: texts as arguments and as answers.
"""

import socket
import socketserver
import struct
import sys
import time

INTERFACE = "com.acme.orders.OrderService"
MAGIC, REQUEST, TWOWAY, EVENT, HESSIAN2, OK = 0xDABB, 0x80, 0x40, 0x20, 2, 20
EXCEPTION, VALUE = b"\x90", b"\x91"


def text(value):
    data = value.encode()
    return bytes([len(data)]) + data if len(data) < 32 else bytes([0x30 + (len(data) >> 8), len(data) & 255]) + data


def read_text(body, at):
    first = body[at]
    start, length = (at + 1, first) if first < 32 else (at + 2, ((first - 0x30) << 8) + body[at + 1])
    return body[start:start + length].decode(), start + length


def read(stream):
    """The flags, the number and the body of the next message."""
    header = stream.read(16)
    if len(header) < 16:
        raise ConnectionError("the other side has closed")
    _, flags, _, number, length = struct.unpack(">HBBQI", header)
    return flags, number, stream.read(length)


def message(flags, status, number, body):
    return struct.pack(">HBBQI", MAGIC, flags | HESSIAN2, status, number, len(body)) + body


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while True:
                flags, number, body = read(self.rfile)
                self.wfile.write(message(flags & EVENT, OK, number, b"N" if flags & EVENT else self.answer(body)))
        except (ConnectionError, OSError):
            pass

    def answer(self, body):
        at, words = 0, []
        for _ in range(4):  # Dubbo's version, path, the service's version, method
            word, at = read_text(body, at)
            words.append(word)
        if words[3] == "cancelOrder":
            return EXCEPTION + text("this order is on its way already")
        return VALUE + text(f"{words[3]} by {self.server.name}")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(name, port):
    with Server(("", int(port)), Connection) as server:
        server.name = name
        print(f"{name} serves {INTERFACE}", flush=True)
        server.serve_forever()


def call(stream, number, method, tenant):
    attachments = {"path": INTERFACE, "interface": INTERFACE, "version": "0.0.0", "tenant": tenant}
    body = b"".join(text(word) for word in ("2.0.2", INTERFACE, "0.0.0", method, "Ljava/lang/String;", f"order {number}"))
    body += b"H" + b"".join(text(key) + text(value) for key, value in attachments.items()) + b"Z"
    stream.write(message(REQUEST | TWOWAY, 0, number, body))
    stream.flush()
    _, _, answer = read(stream)
    return read_text(answer, 1)[0] if answer[:1] in (EXCEPTION, VALUE) else repr(answer)


def consume(host, port):
    methods = ["getOrder", "getOrder", "listOrders", "createOrder", "cancelOrder"]
    number = 0
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                stream = connection.makefile("rwb")
                # A new connection now and then: one that is open keeps the routes that it began with for a while.
                for _ in range(50):
                    number += 1
                    method, tenant = methods[number % len(methods)], "gold" if number % 7 == 0 else "iron"
                    print(f"{method}, {tenant}: {call(stream, number, method, tenant)}", flush=True)
                    time.sleep(0.2)
        except (OSError, ValueError) as error:
            print(f"failed: {error}", flush=True)
            time.sleep(1)


if __name__ == "__main__":
    {"serve": serve, "call": consume}[sys.argv[1]](*sys.argv[2:])
