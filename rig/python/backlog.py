"""The reference mix for measurements: backlog.py SETTINGS, a JSON object of what `main` takes.

Writes `events` records of envelopes to a file, spread evenly over the partitions with every aggregate in one of them,
and sends them to a topic if one is named. Or writes `rows` for the outbox to a file, one line of JSON each. With
`tallied`, a share of the records is for a handler that may misbehave. Prints how many there are, how many bytes a
record has on average, how many records there are of each type, and each partition's last event of the six handlers.
"""

import itertools
import json
import sys
from collections import Counter

from confluent_kafka import Producer

from envelope import HEADERS, Outbox
from generate import Generator

TALLIES = "Tallies"
COLUMNS = ["event_id", "aggregate_id", "aggregate_type", "event_type", "payload"]


class Mix(Generator):
    """The rows of the demo with shorter texts, so that a record has the size of the reference mix."""

    def text(self, words: int) -> str:
        return super().text(max(1, words * 2 // 5))


class Tallied(Mix):
    """The same with a share of rows that are counted and numbered for their aggregate, which has `each` of them. They
    tell a handler how to misbehave: those of one aggregate in one of the ways `hows`."""

    # Aggregates that have events left at one time.
    OPEN = 2

    def __init__(self, seed: int, share: float, hows: list[str], each: int):
        super().__init__(seed)
        self.share, self.each = share, each
        # Partitions begin with different ways.
        self.hows = itertools.islice(itertools.cycle(hows), seed % len(hows), None)
        self.open: list[dict] = []

    def row(self) -> tuple:
        if self.random.random() >= self.share:
            return super().row()
        if len(self.open) < self.OPEN:
            self.open.append({"aggregate": self.id(), "how": next(self.hows), "number": 0})
        chosen = self.random.choice(self.open)
        chosen["number"] += 1
        if chosen["number"] == self.each:
            self.open.remove(chosen)
        payload = json.dumps({"number": chosen["number"], "how": chosen["how"]})
        return self.id(), chosen["aggregate"], "Tally", TALLIES, payload


def records(events: int, partitions: int, seed: int, tallied: dict | None):
    outbox = Outbox()
    of = (lambda seed: Tallied(seed, **tallied)) if tallied else Mix
    generators = [of(seed * 1_000 + number) for number in range(partitions)]
    for number in range(events):
        partition = number % partitions
        yield partition, outbox.insert(*generators[partition].row())


def write_records(file: str, events: int, partitions: int, seed: int, tallied: dict | None) -> dict:
    size, types, last = 0, Counter(), {}
    with open(file, "w", encoding="utf-8") as out:
        for partition, record in records(events, partitions, seed, tallied):
            size += len(record.value)
            row = json.loads(record.value)["after"]
            types[row["event_type"]] += 1
            if row["event_type"] != TALLIES:
                last[partition] = {name: row[name] for name in ("aggregate_type", "aggregate_id", "event_id")}
            line = {"partition": partition, "key": record.key.decode(), "value": record.value.decode()}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    return {"events": events, "mean_bytes": size // max(events, 1), "types": types, "last": list(last.values())}


def send(file: str, kafka: str, topic: str) -> None:
    failed = []

    def delivered(error, _message) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 20, "log_level": 2})
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            while True:
                try:
                    producer.produce(
                        topic, record["value"], record["key"], record["partition"], headers=HEADERS, on_delivery=delivered
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
    producer.flush(60)
    if failed:
        sys.exit(f"{len(failed)} records could not be sent: {failed[0]}")


def write_rows(file: str, events: int, seed: int) -> dict:
    generator, size = Mix(seed), 0
    with open(file, "w", encoding="utf-8") as out:
        for _ in range(events):
            row = generator.row()
            size += len(row[-1])
            out.write(json.dumps(dict(zip(COLUMNS, row)), ensure_ascii=False) + "\n")
    return {"events": events, "mean_bytes": size // max(events, 1)}


def main(
    file: str,
    events: int,
    seed: int,
    partitions: int = 0,
    kafka: str = "",
    topic: str = "",
    tallied: dict | None = None,
) -> None:
    made = write_records(file, events, partitions, seed, tallied) if partitions else write_rows(file, events, seed)
    if kafka:
        send(file, kafka, topic)
    print(json.dumps(made))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
