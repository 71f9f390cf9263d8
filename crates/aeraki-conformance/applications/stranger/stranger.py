"""Says something to a port that expects another protocol: one line of JSON in, one line of JSON out.

{"host": …, "port": …, "say": "GET / HTTP/1.1\\r\\n\\r\\n"}

The answer is what came until the end of the connection, or until nothing more came for "patience" seconds:
{"heard": …, "closed": true}.
"""

import json
import socket
import sys


def say(request):
    heard = b""
    with socket.create_connection((request["host"], request["port"]), timeout=15) as connection:
        connection.settimeout(request.get("patience", 3))
        connection.sendall(request["say"].encode())
        try:
            while part := connection.recv(4096):
                heard += part
            closed = True
        except TimeoutError:
            closed = False
        except ConnectionError:
            closed = True
    return {"heard": heard.decode(errors="replace"), "closed": closed}


for line in sys.stdin:
    try:
        said = say(json.loads(line))
    except OSError as error:
        said = {"failure": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
