"""Sends records at a rate and times each to its document: pace.py SETTINGS, a JSON object of what `main` takes.

The records are those of a file that backlog.py wrote. A time begins when the record is given to Kafka's client and ends
when the change stream's event of its document arrives here. Only the events of the six handlers are timed, and only
those that were sent after `skip_s` seconds. An event that has not arrived `patience_s` seconds after the last record
counts with the time that it has taken by then. Writes one JSON object.
"""

import json
import sys
import threading
import time

import pymongo
from confluent_kafka import Producer

from backlog import TALLIES
from envelope import HEADERS


class Arrivals(threading.Thread):
    """When the first document of each event changed."""

    def __init__(self, database):
        super().__init__(daemon=True)
        self.stream = database.watch(max_await_time_ms=200)
        self.ended = threading.Event()
        self.seen: dict[str, float] = {}

    def run(self) -> None:
        while not self.ended.is_set():
            change = self.stream.try_next()
            if change and (event := event_of(change)):
                self.seen.setdefault(event, time.monotonic())


def event_of(change: dict) -> str | None:
    """Returns the event that a change of a document belongs to, if its handler notes it."""
    updated = (change.get("updateDescription") or {}).get("updatedFields", {})
    nested = updated.get("metadata") or {}
    inserted = (change.get("fullDocument") or {}).get("metadata") or {}
    return updated.get("metadata.last_event_id") or nested.get("last_event_id") or inserted.get("source_event_id")


def send(records: list[dict], rate: float, kafka: str, topic: str) -> dict[str, float]:
    """Sends each record at its time. Returns when each event of the six handlers was sent."""
    failed: list[str] = []

    def delivered(error, _message) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 0, "log_level": 2})
    producer.list_topics(topic, timeout=30)
    sent: dict[str, float] = {}
    begin = time.monotonic()
    for number, record in enumerate(records):
        while (left := begin + number / rate - time.monotonic()) > 0:
            producer.poll(left)
        if record["type"] != TALLIES:
            sent[record["event"]] = time.monotonic()
        producer.produce(
            topic, record["value"], record["key"], record["partition"], headers=HEADERS, on_delivery=delivered
        )
    producer.flush(30)
    if failed:
        sys.exit(f"{len(failed)} records could not be sent: {failed[0]}")
    return sent


def read(file: str) -> list[dict]:
    records = []
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            row = json.loads(record["value"])["after"]
            records.append({**record, "event": row["event_id"], "type": row["event_type"]})
    return records


def main(
    file: str, rate: float, kafka: str, topic: str, mongodb: str, data: str, skip_s: float, patience_s: float
) -> None:
    records = read(file)
    with pymongo.MongoClient(mongodb, serverSelectionTimeoutMS=20_000) as client:
        arrivals = Arrivals(client[data])
        arrivals.start()
        sent = send(records, rate, kafka, topic)
        end = time.monotonic() + patience_s
        while len(arrivals.seen) < len(sent) and time.monotonic() < end and arrivals.is_alive():
            time.sleep(0.02)
        end = time.monotonic()
        if not arrivals.is_alive():
            sys.exit("the change stream has ended")
        arrivals.ended.set()
        arrivals.join(10)
    begin = min(sent.values())
    timed = {event: at for event, at in sent.items() if at - begin >= skip_s}
    took = sorted(1_000 * (arrivals.seen.get(event, end) - at) for event, at in timed.items())
    found = {
        "timed": len(took),
        "missing": sum(event not in arrivals.seen for event in timed),
        "p50_ms": took[len(took) // 2],
        "p99_ms": took[len(took) * 99 // 100],
        "most_ms": took[-1],
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
