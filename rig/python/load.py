"""Keeps Weir behind: load.py SETTINGS, a JSON object of what `main` takes.

Sends records so that every partition has `lag` of them left, until `events` are sent or a line on stdin asks it to
stop. Ends when stdin ends. Writes a line of JSON every `step_ms`: what was sent, and where each partition is.
"""

import json
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

from envelope import HEADERS
from progress import Progress
from streams import Stream

AT_ONCE = 25


class Load:
    def __init__(self, kafka: str, topic: str, partitions: int, lag: int, events: int, mix: str, seed: int):
        self.producer = Producer(
            {
                "bootstrap.servers": kafka,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 600_000,
                "topic.metadata.refresh.interval.ms": 5_000,
                "log_level": 2,
            }
        )
        self.topic, self.lag, self.events = topic, lag, events
        self.streams = [Stream(mix, seed * 1_000 + partition) for partition in range(partitions)]
        # These are offsets, so records that are already there count as sent.
        self.ends = ends(kafka, topic, partitions)
        self.sent = list(self.ends)
        self.failed: str | None = None
        self.stopped = threading.Event()

    def total(self) -> int:
        return sum(stream.events for stream in self.streams)

    def fill(self, partitions: list[dict]) -> None:
        """Sends what each partition may get now. Once no new events are wanted, sends all repeats that are still
        due."""
        ending = self.stopped.is_set() or 0 < self.events <= self.total()
        for number, stream in enumerate(self.streams):
            if ending:
                while stream.left():
                    self.send(number, stream.repeat())
                continue
            room = self.lag - (self.sent[number] - partitions[number]["next"])
            for _ in range(min(room, AT_ONCE)):
                if self.events and self.total() >= self.events:
                    break
                self.send(number, stream.next())
        if ending:
            self.stopped.set()

    def send(self, partition: int, record) -> None:
        self.sent[partition] += 1
        self.producer.produce(
            self.topic, record.value, record.key, partition, headers=HEADERS, on_delivery=self.delivered
        )

    def delivered(self, error, message) -> None:
        if error is not None:
            self.failed = str(error)
        else:
            self.ends[message.partition()] = max(self.ends[message.partition()], message.offset() + 1)

    def state(self, partitions: list[dict]) -> dict:
        return {
            "events": self.total(),
            "repeated": sum(stream.repeated for stream in self.streams),
            "all_sent": self.stopped.is_set() and self.sent == self.ends,
            "partitions": [{**partition, "end": end} for partition, end in zip(partitions, self.ends)],
        }


def ends(kafka: str, topic: str, partitions: int) -> list[int]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "load", "enable.auto.commit": False})
    found = [consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1] for number in range(partitions)]
    consumer.close()
    return found


def listen(load: Load, closed: threading.Event) -> None:
    for _ in sys.stdin:
        load.stopped.set()
    closed.set()


def main(mongodb: str, own: str, group: str, step_ms: int, **settings) -> None:
    load = Load(**settings)
    closed = threading.Event()
    threading.Thread(target=listen, args=[load, closed], daemon=True).start()
    progress = Progress(mongodb, own, group, settings["topic"], settings["partitions"], step_ms / 1_000)
    progress.start()
    said = 0.0
    while not closed.is_set():
        load.fill(progress.partitions)
        load.producer.poll(0.01)
        if load.failed:
            sys.exit(f"a record could not be sent: {load.failed}")
        if time.monotonic() - said >= step_ms / 1_000:
            said = time.monotonic()
            print(json.dumps(load.state(progress.partitions)), flush=True)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
