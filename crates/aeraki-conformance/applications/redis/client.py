"""A Redis client that is told what to do: one line of JSON in, one line of JSON out.

{"do": "call", "host": …, "port": …, "commands": [[…], …]}    on a connection of its own, or on an open one by its name:
{"do": "open", "connection": "a", "host": …, "port": …}       "username" and "password" sign in
{"do": "call", "connection": "a", "commands": [[…], …]}
{"do": "begin", "connection": "a", "command": […]}            again and again on that connection, beside everything else,
{"do": "end", "connection": "a"}                              until this tells how often, and what went wrong
{"do": "close", "connection": "a"}

Answers of the server are {"value": …} or {"error": …}; a lost connection is an error too.
"""

import json
import sys
import threading
import time

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

connections = {}
busy = {}


def connect(request):
    # Nothing is tried again: a call that is lost is to be seen.
    client = Redis(
        host=request["host"],
        port=request["port"],
        username=request.get("username"),
        password=request.get("password"),
        single_connection_client=True,
        socket_timeout=15,
        socket_connect_timeout=15,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
    client.connection.connect()
    return client


def answer(client, command):
    try:
        return {"value": plain(client.execute_command(*command))}
    except (RedisError, OSError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def plain(value):
    try:
        json.dumps(value)
        return value
    except TypeError:
        return str(value)


class Busy(threading.Thread):
    """Calls on one connection until it is told to stop."""

    def __init__(self, client, command):
        super().__init__(daemon=True)
        self.client, self.command = client, command
        self.calls, self.failures = 0, []
        self.stop = threading.Event()

    def run(self):
        while not self.stop.is_set():
            said = answer(self.client, self.command)
            self.calls += 1
            if "error" in said:
                self.failures.append(said["error"])
            self.stop.wait(0.002)


def call(request):
    name = request.get("connection")
    client = connections[name] if name else connect(request)
    start = time.monotonic()
    answers = [answer(client, command) for command in request["commands"]]
    seconds = time.monotonic() - start
    if not name:
        client.close()
    return {"answers": answers, "seconds": seconds}


def do(request):
    match request["do"]:
        case "call":
            try:
                return call(request)
            except (RedisError, OSError) as error:
                # It could not even connect or sign in.
                failed = {"error": f"{type(error).__name__}: {error}"}
                return {"answers": [failed] * len(request["commands"]), "seconds": 0}
        case "open":
            connections[request["connection"]] = connect(request)
            return {}
        case "begin":
            name = request["connection"]
            busy[name] = Busy(connections[name], request["command"])
            busy[name].start()
            return {}
        case "calls":
            return {"calls": busy[request["connection"]].calls}
        case "end":
            worker = busy.pop(request["connection"])
            worker.stop.set()
            worker.join()
            return {"calls": worker.calls, "failures": worker.failures}
        case "close":
            connections.pop(request["connection"]).close()
            return {}
        case other:
            raise ValueError(f"nothing is called {other!r}")


for line in sys.stdin:
    try:
        said = do(json.loads(line))
    except Exception as error:  # Whatever it is, whoever asked must hear it.
        said = {"failure": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
