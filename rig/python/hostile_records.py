"""The records of `prove hostile-records`: hostile_records.py topic|write|wait|judge SETTINGS, as JSON.

`topic` makes a topic. `write` writes the records to it, and writes what must become of each to a file. `wait` waits
until a group has accounted for all of them, and `judge` compares the databases with the file.
"""

import json
import sys
import time
import urllib.request
from pathlib import Path

import pymongo
from confluent_kafka import Consumer, TopicPartition

sys.path.insert(0, str(Path(__file__).parent / "records"))

import kafka
import shapes
import text
import times
import values
from described import Family, Record
from judged import Judge, counted, read
from written import GOOD, Writer, apart, places, topic

FAMILIES = {
    "not-json": text.not_json,
    "no-form": text.no_form,
    "truncated": text.truncated,
    "not-utf8": text.not_utf8,
    "nesting": text.nesting,
    "characters": text.characters,
    "numbers": values.numbers,
    "decimals": values.decimals,
    "twice": values.twice,
    "private-keys": values.private_keys,
    "kinds": values.kinds,
    "missing": values.missing,
    "operations": values.operations,
    "names": values.names,
    "times": times.times,
    "no-times": times.no_times,
    "not-sent": times.not_sent,
    "wrappers": shapes.wrappers,
    "router": shapes.router,
    "flattened": shapes.flat,
    "cloud-events": shapes.cloud,
    "no-events": shapes.no_events,
    "headers": kafka.headers,
    "keys": kafka.keys,
    "conflicts": kafka.conflicts,
    "large": kafka.large,
    "compression": kafka.compression,
    "expanded": kafka.expanded,
    "transactions": kafka.transactions,
}


def families(tag: str, large: int) -> list[Family]:
    made = []
    for name, fill in FAMILIES.items():
        family = Family(name, tag, large)
        fill(family)
        made.append(family)
    return made


def every(copies: int, large: int) -> list[Record]:
    return [record for copy in range(copies) for family in families(f"c{copy}", large) for record in family.records]


def all_partitions(settings: dict) -> int:
    """Returns the number of partitions: the shared ones, and one for each copy's lane that is apart."""
    return settings["partitions"] + settings["copies"]


def made(settings: dict) -> None:
    """Makes a topic with a name that nobody has used."""
    name = f"hostile_{time.time_ns():x}"
    topic(settings["kafka"], f"{name}.records", all_partitions(settings))
    print(json.dumps({"name": name, "topic": f"{name}.records"}))


def written(settings: dict) -> None:
    """Writes every record among good ones, and notes the partition and offset of each."""
    route = settings["topic"].rsplit(".", 1)[-1]
    records = every(settings["copies"], settings["large_bytes"])
    assert len(apart(records)) == settings["copies"]
    chosen = places(records, settings["partitions"], settings["seed"])
    writer = Writer(settings["kafka"], settings["topic"])
    writer.all(chosen)
    assert len(writer.written) == len(chosen)
    with open(settings["file"], "w", encoding="utf-8") as file:
        for record, partition, offset, timestamp in writer.written:
            line = record.line(route) | {"partition": partition, "offset": offset, "timestamp": timestamp}
            file.write(json.dumps(line) + "\n")
    families = {record.family for record, _ in chosen}
    hostile = sum(record.family != GOOD for record, _ in chosen)
    print(json.dumps({"records": len(chosen), "hostile": hostile, "families": len(families) - 1}))


def waited(settings: dict) -> None:
    """Waits until the group's progress is at the end of every partition."""
    until = time.monotonic() + settings["seconds"]
    consumer = Consumer({"bootstrap.servers": settings["kafka"], "group.id": "nobody", "enable.auto.commit": False})
    ends = {}
    for number in range(all_partitions(settings)):
        ends[number] = consumer.get_watermark_offsets(TopicPartition(settings["topic"], number), timeout=30)[1]
    with pymongo.MongoClient(settings["mongodb"], serverSelectionTimeoutMS=30_000) as client:
        progress = client[settings["own"]]["progress"]
        where = {"_id.group": settings["group"], "_id.topic": settings["topic"]}
        while True:
            found = {each["_id"]["partition"]: each["next"] for each in progress.find(where)}
            behind = {number: end - found.get(number, 0) for number, end in ends.items() if found.get(number, 0) < end}
            if not behind:
                break
            if time.monotonic() > until:
                sys.exit(f"not accounted for after {settings['seconds']} s, by partition: {behind}, at {found}")
            time.sleep(0.1)
    print("{}")


def judged(settings: dict) -> None:
    """Compares the databases with what the records must have become."""
    lines = read(settings["file"])
    judge = Judge(settings, lines)
    with pymongo.MongoClient(settings["mongodb"], serverSelectionTimeoutMS=30_000) as client:
        judge.compare(client)
    with urllib.request.urlopen(f"{settings['admin']}/metrics", timeout=30) as answer:
        judge.wrong += counted(lines, answer.read().decode())
    print(json.dumps({"checked": judge.checked, "wrong": judge.wrong}))


if __name__ == "__main__":
    {"topic": made, "write": written, "wait": waited, "judge": judged}[sys.argv[1]](json.loads(sys.argv[2]))
