"""The deliveries that Weir has parked: parked.py MONGODB.

Writes how many there are by event type, handler, state and reason, with one message of each, and what is wrong with
their form: members that are missing, or a raw record that is not kept exactly once.
"""

import json
import sys

import pymongo

MEMBERS = [
    "group", "handler.id", "handler.name", "handler.generation", "handler.version", "line", "aggregate_id", "event_id",
    "event_type", "state", "reason", "message", "attempts", "log", "record",
]

KIND = ["aggregate_type", "event_type", "handler.name", "state", "reason", "limit"]


def value(document: dict, path: str):
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def flaws(document: dict, records: set) -> list[str]:
    found = [f"has no {path}" for path in MEMBERS if value(document, path) is None]
    if document.get("holds") is not False:
        found.append(f"holds is {document.get('holds')!r} and not false")
    if len(document.get("attempts") or []) != 1:
        found.append(f"has {document.get('attempts')!r} attempts and not one")
    if key(document.get("record")) not in records:
        found.append("its raw record is not kept")
    return [f"event {document.get('event_id')}: {flaw}" for flaw in found]


def key(document) -> str:
    return json.dumps(document, sort_keys=True, default=str)


with pymongo.MongoClient(sys.argv[1], serverSelectionTimeoutMS=30_000) as client:
    database = client["weir"]
    records = {key(record["_id"]) for record in database["records"].find({}, {"_id": 1})}
    groups: dict[tuple, dict] = {}
    wrong: list[str] = []
    for document in database["parked"].find():
        wrong += flaws(document, records)
        kind = {path.removesuffix(".name"): value(document, path) for path in KIND}
        group = groups.setdefault(tuple(kind.values()), {**kind, "count": 0, "message": document.get("message")})
        group["count"] += 1
    json.dump({"groups": list(groups.values()), "wrong": len(wrong), "first": wrong[:10]}, sys.stdout)
