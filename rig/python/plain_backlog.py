"""Sends events that the predecessor handles as Weir does: plain_backlog.py KAFKA TOPIC EVENTS SEED.

It leaves out the generated events that the predecessor gets wrong: a change of only one of two names, and a second
join.
"""

import json
import sys

from confluent_kafka import Producer

from envelope import HEADERS, Outbox
from generate import Generator


def is_plain(event_type: str, payload: dict, joined: set[tuple[str, str]], aggregate: str) -> bool:
    if event_type == "UserUpdated":
        return ("first_name" in payload) == ("last_name" in payload)
    if event_type == "ParticipantJoined":
        known = (aggregate, payload["user_id"])
        return known not in joined and not joined.add(known)
    return True


def main(kafka: str, topic: str, events: str, seed: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True})
    generator, outbox, joined, left = Generator(int(seed)), Outbox(), set(), int(events)
    while left > 0:
        event_id, aggregate, aggregate_type, event_type, payload = generator.row()
        if not is_plain(event_type, json.loads(payload), joined, aggregate):
            continue
        record = outbox.insert(event_id, aggregate, aggregate_type, event_type, payload)
        producer.produce(topic, record.value, record.key, headers=HEADERS)
        producer.poll(0)
        left -= 1
    if producer.flush(60):
        sys.exit("not all records could be sent")


if __name__ == "__main__":
    main(*sys.argv[1:])
