"""The reference mix for measurements: backlog.py SETTINGS, a JSON object of what `main` takes.

Writes `events` records of envelopes to a file, spread evenly over the partitions with every aggregate in one of them,
and sends them to a topic if one is named. Or writes `rows` for the outbox to a file, one line of JSON each. Prints how
many there are, and how many bytes a record has on average.
"""

import json
import sys

from confluent_kafka import Producer

from envelope import HEADERS, Outbox
from generate import Generator

COLUMNS = ["event_id", "aggregate_id", "aggregate_type", "event_type", "payload"]


class Mix(Generator):
    """The rows of the demo with shorter texts, so that a record has the size of the reference mix."""

    def text(self, words: int) -> str:
        return super().text(max(1, words * 2 // 5))


def records(events: int, partitions: int, seed: int):
    outbox = Outbox()
    generators = [Mix(seed * 1_000 + number) for number in range(partitions)]
    for number in range(events):
        partition = number % partitions
        yield partition, outbox.insert(*generators[partition].row())


def write_records(file: str, events: int, partitions: int, seed: int) -> int:
    size = 0
    with open(file, "w", encoding="utf-8") as out:
        for partition, record in records(events, partitions, seed):
            size += len(record.value)
            line = {"partition": partition, "key": record.key.decode(), "value": record.value.decode()}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    return size // max(events, 1)


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


def write_rows(file: str, events: int, seed: int) -> int:
    generator, size = Mix(seed), 0
    with open(file, "w", encoding="utf-8") as out:
        for _ in range(events):
            row = generator.row()
            size += len(row[-1])
            out.write(json.dumps(dict(zip(COLUMNS, row)), ensure_ascii=False) + "\n")
    return size // max(events, 1)


def main(file: str, events: int, seed: int, partitions: int = 0, kafka: str = "", topic: str = "") -> None:
    mean = write_records(file, events, partitions, seed) if partitions else write_rows(file, events, seed)
    if kafka:
        send(file, kafka, topic)
    print(json.dumps({"events": events, "mean_bytes": mean}))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
