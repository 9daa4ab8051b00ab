"""Finds what a predecessor that was killed has written but not committed: in_doubt.py --help.

The predecessor writes an event's documents, then commits its offset. If it was killed between the two, it has left at
most one event per partition in doubt: the first that is not committed. This script looks each of them up in MongoDB, by
the event ids that the six handlers leave in their documents, and prints the commands that let Weir start behind those
that are there. Its output is a shell script. It changes nothing, unless --repair is given.

It needs the packages confluent-kafka and pymongo.
"""

import argparse
import json
import sys

import pymongo
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

# The places in which the predecessor's handlers leave the event's id: collection and field.
TRACES = {
    "UserCreated": ("users", "metadata.source_event_id"),
    "UserUpdated": ("users", "metadata.last_event_id"),
    "ActivityCreated": ("activities", "metadata.source_event_id"),
    "ParticipantJoined": ("activities", "metadata.last_event_id"),
    "ActivityUpdated": ("activities", "metadata.last_event_id"),
}
SECONDS = 30


def first_records(bootstrap: str, group: str, topic: str) -> dict[int, tuple[int, bytes | None]]:
    """Returns, by partition, the first record that the group has not committed, and its offset."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=SECONDS).topics[topic].partitions
        asked = [TopicPartition(topic, partition) for partition in sorted(partitions)]
        found = {}
        for committed in consumer.committed(asked, timeout=SECONDS):
            _, end = consumer.get_watermark_offsets(committed, timeout=SECONDS)
            if committed.offset < 0:
                print(f"# {topic}[{committed.partition}]: no offset is committed; KAFKA_AUTO_OFFSET_RESET decides")
            elif committed.offset < end:
                consumer.assign([committed])
                message = consumer.poll(SECONDS)
                if message is None or message.error():
                    sys.exit(f"{topic}[{committed.partition}] cannot be read at {committed.offset}: {message and message.error()}")
                found[committed.partition] = (message.offset(), message.value())
        return found
    finally:
        consumer.close()


def event_of(value: bytes | None) -> dict | None:
    """Returns the row, if the record is one that the predecessor's handlers get."""
    envelope = json.loads(value or b"null") or {}
    envelope = envelope.get("payload", envelope) if "schema" in envelope else envelope
    return envelope.get("after") if envelope.get("op") in ("c", "u") else None


def is_written(database, row: dict) -> bool:
    collection, field = TRACES.get(row["event_type"], (None, None))
    if collection is None:
        return False
    return database[collection].find_one({"_id": row["aggregate_id"], field: row["event_id"]}) is not None


def uncounted(database) -> int:
    """Counts users missing from the statistics: each was written by a UserCreatedHandler whose process was then
    killed."""
    statistics = database["statistics"].find_one({"_id": "global_stats"}) or {}
    return database["users"].count_documents({}) - statistics.get("total_users", 0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Finds what a killed predecessor has written and not committed.")
    parser.add_argument("--kafka", required=True, help="KAFKA_BOOTSTRAP_SERVERS")
    parser.add_argument("--mongodb", required=True, help="MONGODB_URI")
    parser.add_argument("--topic", default="postgres.activity.event_outbox")
    parser.add_argument("--group", default="event-processor-group")
    parser.add_argument("--database", default="activity_read")
    parser.add_argument("--repair", action="store_true", help="count the users that the statistics lack")
    args = parser.parse_args()

    admin = AdminClient({"bootstrap.servers": args.kafka})
    described = admin.describe_consumer_groups([args.group], request_timeout=SECONDS)[args.group]
    try:
        members = len(described.result(SECONDS).members)
    except KafkaException as error:
        sys.exit(f"the group {args.group} is not known to kafka: {error}")
    if members:
        sys.exit(f"the group {args.group} has {members} members: stop the predecessor first")

    created = 0
    with pymongo.MongoClient(args.mongodb, serverSelectionTimeoutMS=SECONDS * 1_000) as client:
        database = client[args.database]
        for partition, (offset, value) in first_records(args.kafka, args.group, args.topic).items():
            row = event_of(value)
            if row is None:
                continue
            what = f"{row['event_type']} {row['event_id']}"
            if not is_written(database, row):
                print(f"# {args.topic}[{partition}] at {offset}: {what} is not written; Weir begins with it")
                continue
            created += row["event_type"] == "UserCreated"
            print(f"# {args.topic}[{partition}] at {offset}: {what} is written already")
            print(f"weir progress set --topic {args.topic} --partition {partition} --offset {offset + 1}")
        lacking = uncounted(database)
        if 0 < lacking <= created:
            print(f"# {lacking} of them is in users, and not in statistics: killed between its two handlers")
            if args.repair:
                database["statistics"].update_one(
                    {"_id": "global_stats"}, {"$inc": {"total_users": lacking}, "$currentDate": {"last_updated": True}}, upsert=True
                )
                print(f"# {lacking} added to total_users")
            else:
                print("# run this with --repair to count it")
        elif lacking != 0:
            print(f"# users and statistics differ by {lacking}, which these events do not explain: nothing is changed")


if __name__ == "__main__":
    main()
