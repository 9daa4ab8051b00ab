"""A processor like the one that Weir replaces: predecessor.py KAFKA MONGODB GROUP TOPIC DATABASE DIES AFTER.

Consumes message by message, runs the handlers one after the other, each with one MongoDB operation, and then commits
the message's offset. DIES says where it kills itself once AFTER messages are done: `between-handlers` (the user is
inserted and not counted), `before-commit` (everything is written) or `before-handlers`.
"""

import json
import os
import signal
import sys
from datetime import datetime, timedelta, timezone

import pymongo
from confluent_kafka import Consumer

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Processor:
    def __init__(self, database, dies: str, after: int):
        self.database, self.dies, self.left = database, dies, after

    def at(self, place: str) -> None:
        if self.left <= 0 and self.dies == place:
            os.kill(os.getpid(), signal.SIGKILL)

    def process(self, row: dict) -> None:
        payload = json.loads(row["payload"])
        created = datetime.fromisoformat(row["created_at"]) - EPOCH
        created_at = EPOCH + timedelta(milliseconds=created // timedelta(milliseconds=1))
        now = datetime.now(timezone.utc)
        handler = {
            "UserCreated": self.user_created,
            "UserUpdated": self.user_updated,
            "ActivityCreated": self.activity_created,
            "ParticipantJoined": self.participant_joined,
            "ActivityUpdated": self.activity_updated,
        }[row["event_type"]]
        self.at("before-handlers")
        handler(row["aggregate_id"], row["event_id"], payload, created_at, now)
        self.at("before-commit")
        self.left -= 1

    def user_created(self, aggregate, event, payload, created_at, now) -> None:
        given = payload.get
        self.database["users"].insert_one(
            {
                "_id": aggregate,
                "email": given("email"),
                "username": given("username"),
                "name": f"{given('first_name') or ''} {given('last_name') or ''}".strip(),
                "first_name": given("first_name"),
                "last_name": given("last_name"),
                "profile": {"bio": given("bio"), "avatar_url": given("avatar_url")},
                "metadata": {"created_at": created_at, "updated_at": now, "source_event_id": event},
                "allowed_users": [aggregate],
            }
        )
        self.at("between-handlers")
        self.database["statistics"].update_one(
            {"_id": "global_stats"}, {"$inc": {"total_users": 1}, "$set": {"last_updated": now}}, upsert=True
        )

    def user_updated(self, aggregate, event, payload, _created_at, now) -> None:
        to = {key: payload[key] for key in ("email", "username") if key in payload}
        if "first_name" in payload or "last_name" in payload:
            first, last = payload.get("first_name", ""), payload.get("last_name", "")
            to |= {"name": f"{first} {last}".strip(), "first_name": first, "last_name": last}
        to |= {f"profile.{key}": payload[key] for key in ("bio", "avatar_url") if key in payload}
        self.touch("users", aggregate, event, now, {"$set": to})

    def activity_created(self, aggregate, event, payload, created_at, now) -> None:
        given = payload.get
        creator = given("creator_user_id")
        self.database["activities"].insert_one(
            {
                "_id": aggregate,
                "title": given("title"),
                "description": given("description"),
                "creator_id": creator,
                "type": given("activity_type"),
                "location": {
                    "name": given("location_name"),
                    "address": given("location_address"),
                    "coordinates": given("coordinates"),
                },
                "schedule": {key: given(key) for key in ("start_date", "end_date", "timezone")},
                "participants": {"current_count": 0, "max_count": given("max_participants"), "list": []},
                "status": "active",
                "metadata": {"created_at": created_at, "updated_at": now, "source_event_id": event},
                "allowed_users": [] if creator is None else [creator],
            }
        )

    def participant_joined(self, aggregate, event, payload, created_at, now) -> None:
        user = payload["user_id"]
        joined = {"user_id": user, "joined_at": created_at, "status": "confirmed"}
        change = {
            "$addToSet": {"participants.list": joined, "allowed_users": user},
            "$inc": {"participants.current_count": 1},
        }
        self.touch("activities", aggregate, event, now, change)

    def activity_updated(self, aggregate, event, payload, _created_at, now) -> None:
        to = {key: payload[key] for key in ("title", "description", "status") if key in payload}
        to |= {f"location.{key}": payload[f"location_{key}"] for key in ("name", "address") if f"location_{key}" in payload}
        self.touch("activities", aggregate, event, now, {"$set": to})

    def touch(self, collection, aggregate, event, now, change: dict) -> None:
        to = change.setdefault("$set", {})
        to |= {"metadata.updated_at": now, "metadata.last_event_id": event}
        if self.database[collection].update_one({"_id": aggregate}, change).matched_count == 0:
            sys.exit(f"there is no document {aggregate} in {collection}")


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
