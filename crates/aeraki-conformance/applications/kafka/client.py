"""A Kafka client that is told what to do: one line of JSON in, one line of JSON out.

{"do": "send", "host": …, "port": …, "topic": …, "values": [..]}    each is acknowledged before the next
{"do": "read", "host": …, "port": …, "topic": …, "count": …}        the first values of the topic

Each request has connections of its own: to the address that is named, and then to the one that the broker names. What
Kafka refuses, or does not answer within 20 seconds, is {"error": …}.
"""

import json
import logging
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

logging.basicConfig(level=logging.WARNING)
PATIENCE = 20


def producer(address):
    return KafkaProducer(
        bootstrap_servers=address, retries=0, acks="all", max_block_ms=PATIENCE * 1000
    )


def consumer(address):
    return KafkaConsumer(
        bootstrap_servers=address,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=PATIENCE * 1000,
    )


def do(request):
    address, topic = f"{request['host']}:{request['port']}", request["topic"]
    match request["do"]:
        case "send":
            client = producer(address)
            try:
                for value in request["values"]:
                    client.send(topic, value.encode()).get(timeout=PATIENCE)
            finally:
                client.close(timeout=1)
            return {}
        case "read":
            client = consumer(address)
            try:
                client.assign([TopicPartition(topic, 0)])
                values = []
                for message in client:
                    values.append(message.value.decode())
                    if len(values) == request["count"]:
                        break
                return {"values": values}
            finally:
                client.close()
        case other:
            raise ValueError(f"nothing is called {other!r}")


for line in sys.stdin:
    try:
        said = do(json.loads(line))
    except KafkaError as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    except Exception as error:  # Whatever it is, whoever asked must hear it.
        said = {"failure": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
