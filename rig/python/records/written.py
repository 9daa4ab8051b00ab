"""Writes the records to Kafka, and decides where each goes and by which client."""

from __future__ import annotations

import random
import time
import zlib
from itertools import groupby

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

import wire
from described import APART, RECORD_BYTES, Family, Record
from forms import envelope

LARGEST = 8 << 20
# The family of ordinary records.
GOOD = "good"
# The plain records are written in this many parts, so that other clients write in between.
PARTS = 4


def topic(kafka: str, name: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    settings = {"max.message.bytes": str(LARGEST), "compression.type": "producer"}
    admin.create_topics([NewTopic(name, partitions, 1, config=settings)], operation_timeout=60)[name].result(60)


def places(records: list[Record], partitions: int, seed: int) -> list[tuple[Record, int]]:
    """Returns each record with its partition, in an order that the seed decides. A good record follows each.

    A lane keeps its own order. One that is apart has a partition to itself, after the others.
    """
    chance = random.Random(seed)
    lanes: dict[str, list[Record]] = {}
    for number, record in enumerate(records):
        lanes.setdefault(record.lane or f"alone-{number}", []).append(record)
    of_lane = {name: zlib.crc32(f"{seed}-{name}".encode()) % partitions for name in lanes}
    of_lane |= {name: partitions + place for place, name in enumerate(apart(records))}
    order = [name for name, lane in lanes.items() for _ in lane]
    chance.shuffle(order)
    found, good = [], Family(GOOD, f"s{seed}")
    for name in order:
        record = lanes[name].pop(0)
        partition = of_lane[name] if record.lane else chance.randrange(partitions)
        found.append((record, partition))
        if partition < partitions:
            found.append((one_more(good), partition))
    # The marker that ends a transaction is not a record, so a partition's log must end with something else.
    return found + [(one_more(good), partition) for partition in range(partitions)]


def apart(records: list[Record]) -> list[str]:
    """Returns the lanes that share a partition with no other."""
    return sorted({record.lane for record in records if record.lane and record.lane.endswith(APART)})


def one_more(good: Family) -> Record:
    row = good.row(payload=f'{{"n": {good.rows}.50}}')
    good.add(envelope(row.columns()), row.event())
    return good.records[-1]


def is_plain(record: Record) -> bool:
    """Returns whether a client library can send it. Libraries take header names as texts that end with NUL."""
    def is_text(name: bytes) -> bool:
        try:
            return "\0" not in name.decode()
        except UnicodeDecodeError:
            return False

    return all(is_text(name) for name, _ in record.headers)


class Writer:
    """Writes to one topic, and remembers the partition and offset of each record."""

    def __init__(self, kafka: str, topic: str) -> None:
        self.kafka, self.topic = kafka, topic
        self.written: list[tuple[Record, int, int, int]] = []

    def all(self, chosen: list[tuple[Record, int]]) -> None:
        plain = [each for each in chosen if each[0].compression == "none" and not each[0].transaction and is_plain(each[0])]
        others = [each for each in chosen if each[0].compression != "none" and not each[0].transaction]
        size = -(-len(plain) // PARTS)
        producer = self.producer()
        for part in range(PARTS):
            self.send(producer, plain[part * size : (part + 1) * size])
            if part == 0:
                self.raw([each for each in chosen if not is_plain(each[0])])
            elif part == 1:
                for kind in sorted({record.compression for record, _ in others}):
                    compressed = [each for each in others if each[0].compression == kind]
                    self.send(self.producer(**{"compression.type": kind, "linger.ms": 100}), compressed)
            elif part == 2:
                self.transactions([each for each in chosen if each[0].transaction])

    def producer(self, **settings) -> Producer:
        return Producer({
            "bootstrap.servers": self.kafka,
            "enable.idempotence": True,
            # The size that records have before they are compressed.
            "message.max.bytes": 4 * RECORD_BYTES,
            "linger.ms": 5,
            **settings,
        })

    def send(self, producer: Producer, chosen: list[tuple[Record, int]]) -> None:
        for record, partition in chosen:
            now = int(time.time() * 1000)

            def done(error, message, record=record, now=now) -> None:
                if error is not None:
                    raise KafkaException(error)
                self.written.append((record, message.partition(), message.offset(), now))

            headers = [(name.decode(), value) for name, value in record.headers]
            while True:
                try:
                    producer.produce(self.topic, record.value, record.key, partition, timestamp=now, headers=headers, on_delivery=done)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        if producer.flush(60) > 0:
            raise SystemExit("kafka did not take every record within 60 s")

    def raw(self, chosen: list[tuple[Record, int]]) -> None:
        now = int(time.time() * 1000)
        for partition, group in groupby(sorted(chosen, key=lambda each: each[1]), lambda each: each[1]):
            records = [record for record, _ in group]
            first = wire.produce(self.kafka, self.topic, partition, [(one.key, one.value, one.headers) for one in records], now)
            self.written += [(record, partition, first + at, now) for at, record in enumerate(records)]

    def transactions(self, chosen: list[tuple[Record, int]]) -> None:
        for kind in sorted({record.compression for record, _ in chosen}):
            producer = self.producer(**{"transactional.id": f"{self.topic}-{kind}", "compression.type": kind})
            producer.init_transactions(60)
            of_kind = [each for each in chosen if each[0].compression == kind]
            # Of each pair, the aborted transaction comes before the committed one.
            for name in sorted({record.transaction for record, _ in of_kind}):
                producer.begin_transaction()
                self.send(producer, [each for each in of_kind if each[0].transaction == name])
                if name.startswith("aborted"):
                    producer.abort_transaction(60)
                else:
                    producer.commit_transaction(60)
