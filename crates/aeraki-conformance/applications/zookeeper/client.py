"""A ZooKeeper client that is told what to do: one line of JSON in, one line of JSON out.

{"do": "open", "connection": "a", "host": …, "port": …}     a session, under a name, within "patience" seconds
{"do": "create", "connection": "a", "path": …, "value": …}
{"do": "set", …}  {"do": "get", …, "times": 1}  {"do": "exists", …}  {"do": "delete", …}  {"do": "children", …}
{"do": "watch", "connection": "a", "path": …}               a get that leaves a watch
{"do": "send", "connection": "a", "path": …}                a get whose answer nobody waits for …
{"do": "receive", "connection": "a"}                        … until this does
{"do": "told", "connection": "a"}                           the watches that fired, and how the session has fared
{"do": "close", "connection": "a"}

What ZooKeeper refuses is {"error": …}.
"""

import json
import logging
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry

logging.basicConfig(level=logging.INFO)
sessions = {}


class Session:
    def __init__(self, host, port, patience):
        self.fired, self.states, self.sent = [], [], None
        # Nothing is tried again: what is lost is to be seen.
        once = KazooRetry(max_tries=0)
        self.client = KazooClient(
            hosts=f"{host}:{port}", timeout=30, connection_retry=once, command_retry=once
        )
        self.client.add_listener(lambda state: self.states.append(str(state)))
        self.client.start(timeout=patience)

    def on_event(self, event):
        self.fired.append({"type": event.type, "path": event.path})


def text(got):
    value, _ = got
    return {"value": value.decode()}


def do(request):
    name = request["connection"]
    if request["do"] == "open":
        sessions[name] = Session(request["host"], request["port"], request.get("patience", 30))
        return {}
    session = sessions[name]
    client, path = session.client, request.get("path")
    match request["do"]:
        case "create":
            return {"value": client.create(path, request["value"].encode())}
        case "set":
            client.set(path, request["value"].encode())
            return {"value": path}
        case "get":
            for _ in range(request.get("times", 1)):
                got = client.get(path)
            return text(got)
        case "watch":
            return text(client.get(path, watch=session.on_event))
        case "exists":
            return {"value": client.exists(path) is not None}
        case "delete":
            client.delete(path)
            return {"value": path}
        case "children":
            return {"value": client.get_children(path)}
        case "send":
            session.sent = client.get_async(path)
            return {}
        case "receive":
            return text(session.sent.get(timeout=30))
        case "told":
            return {"fired": session.fired, "states": session.states}
        case "close":
            client.stop()
            client.close()
            del sessions[name]
            return {}
        case other:
            raise ValueError(f"nothing is called {other!r}")


for line in sys.stdin:
    try:
        said = do(json.loads(line))
    except (KazooException, KazooTimeoutError) as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    except Exception as error:  # Whatever it is, whoever asked must hear it.
        said = {"failure": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
