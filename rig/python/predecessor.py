"""A processor like the one that Weir replaces: predecessor.py KAFKA MONGODB GROUP TOPIC DATABASE DIES AFTER.

Consumes message by message, runs the handlers one after the other, each with one MongoDB operation, and then commits
the message's offset. DIES says where it kills itself once AFTER messages are done: `between-handlers` (the user is
inserted and not counted), `before-commit` (everything is written) or `before-handlers`.
"""

import json
import os
import signal
import sys

import pymongo
from confluent_kafka import Consumer

from handwritten import writes


class Processor:
    def __init__(self, database, dies: str, after: int):
        self.database, self.dies, self.left = database, dies, after

    def at(self, place: str) -> None:
        if self.left <= 0 and self.dies == place:
            os.kill(os.getpid(), signal.SIGKILL)

    def process(self, row: dict) -> None:
        self.at("before-handlers")
        for number, write in enumerate(writes(row, json.loads(row["payload"]))):
            if number > 0:
                self.at("between-handlers")
            write.check(write.on(self.database))
        self.at("before-commit")
        self.left -= 1


def main(kafka: str, mongodb: str, group: str, topic: str, data: str, dies: str, after: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 2_000,
            "heartbeat.interval.ms": 500,
        }
    )
    consumer.subscribe([topic])
    with pymongo.MongoClient(mongodb, serverSelectionTimeoutMS=30_000) as client:
        processor = Processor(client[data], dies, int(after))
        while True:
            message = consumer.poll(1.0)
            if message is None or message.error():
                continue
            change = json.loads(message.value())
            if change["op"] == "c":
                processor.process(change["after"])
            consumer.commit(message, asynchronous=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
