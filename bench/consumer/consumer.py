"""The consumer that people write by hand, for comparison: consumer.py SETTINGS, a JSON object of what `main` takes.

It uses aiokafka and pymongo's async API, awaits one operation at a time, and commits the offset after every record. It
does what the six handlers do and nothing more: no ledger, no transaction, no limits. An operation that is repeated
after a crash takes effect again. The consumer ends after a given number of records, and prints how long that took from
the first commit to the last.
"""

import asyncio
import json
import sys
import time
from datetime import datetime, timezone

from aiokafka import AIOKafkaConsumer
from pymongo import AsyncMongoClient

TICKS = 100


def metadata(event: dict) -> dict:
    created = datetime.fromisoformat(event["created_at"])
    return {"created_at": created, "updated_at": datetime.now(timezone.utc), "source_event_id": event["event_id"]}


def changed(event: dict) -> dict:
    return {"metadata.updated_at": datetime.now(timezone.utc), "metadata.last_event_id": event["event_id"]}


class Handlers:
    def __init__(self, database):
        self.users, self.statistics, self.activities = database["users"], database["statistics"], database["activities"]
        self.by_type = {
            "UserCreated": [self.user_created, self.user_statistics],
            "UserUpdated": [self.user_updated],
            "ActivityCreated": [self.activity_created],
            "ParticipantJoined": [self.participant_joined],
            "ActivityUpdated": [self.activity_updated],
        }

    async def handle(self, event: dict) -> None:
        event["payload"] = json.loads(event["payload"])
        for handler in self.by_type.get(event["event_type"], []):
            await handler(event, event["payload"])

    async def user_created(self, event: dict, payload: dict) -> None:
        name = f"{payload.get('first_name') or ''} {payload.get('last_name') or ''}".strip()
        await self.users.insert_one(
            {
                "_id": event["aggregate_id"],
                "email": payload.get("email"),
                "username": payload.get("username"),
                "name": name,
                "first_name": payload.get("first_name"),
                "last_name": payload.get("last_name"),
                "profile": {"bio": payload.get("bio"), "avatar_url": payload.get("avatar_url")},
                "metadata": metadata(event),
                "allowed_users": [event["aggregate_id"]],
            }
        )

    async def user_statistics(self, event: dict, payload: dict) -> None:
        change = {"$inc": {"total_users": 1}, "$set": {"last_updated": datetime.now(timezone.utc)}}
        await self.statistics.update_one({"_id": "global_stats"}, change, upsert=True)

    async def user_updated(self, event: dict, payload: dict) -> None:
        names = {"bio": "profile.bio", "avatar_url": "profile.avatar_url"}
        keys = ("email", "username", "first_name", "last_name", "bio", "avatar_url")
        change = {names.get(key, key): payload[key] for key in keys if key in payload} | changed(event)
        if "first_name" in payload or "last_name" in payload:
            change["name"] = f"{payload.get('first_name') or ''} {payload.get('last_name') or ''}".strip()
        await self.found(self.users.update_one({"_id": event["aggregate_id"]}, {"$set": change}))

    async def activity_created(self, event: dict, payload: dict) -> None:
        get, creator = payload.get, payload.get("creator_user_id")
        await self.activities.insert_one(
            {
                "_id": event["aggregate_id"],
                "title": get("title"),
                "description": get("description"),
                "creator_id": creator,
                "type": get("activity_type"),
                "location": {
                    "name": get("location_name"),
                    "address": get("location_address"),
                    "coordinates": get("coordinates"),
                },
                "schedule": {"start_date": get("start_date"), "end_date": get("end_date"), "timezone": get("timezone")},
                "participants": {"current_count": 0, "max_count": get("max_participants"), "list": []},
                "status": "active",
                "metadata": metadata(event),
                "allowed_users": [creator] if creator else [],
            }
        )

    async def participant_joined(self, event: dict, payload: dict) -> None:
        user = payload["user_id"]
        entry = {"user_id": user, "joined_at": datetime.fromisoformat(event["created_at"]), "status": "confirmed"}
        change = {
            "$addToSet": {"participants.list": entry, "allowed_users": user},
            "$inc": {"participants.current_count": 1},
            "$set": changed(event),
        }
        await self.found(self.activities.update_one({"_id": event["aggregate_id"]}, change))

    async def activity_updated(self, event: dict, payload: dict) -> None:
        names = {"location_name": "location.name", "location_address": "location.address"}
        keys = ("title", "description", "status", "location_name", "location_address")
        change = {names.get(key, key): payload[key] for key in keys if key in payload} | changed(event)
        await self.found(self.activities.update_one({"_id": event["aggregate_id"]}, {"$set": change}))

    async def found(self, update) -> None:
        if (await update).matched_count == 0:
            raise LookupError("no such document")


def cpu(file: str) -> float:
    with open(file, encoding="utf-8") as pid:
        number = pid.read().split()[0]
    with open(f"/proc/{number}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_bytes(number: str) -> int:
    with open(f"/proc/{number}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


async def main(kafka: str, topic: str, group: str, mongodb: str, database: str, events: int, processes: dict) -> None:
    client = AsyncMongoClient(mongodb)
    handlers = Handlers(client[database])
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    done, begin, before, own = 0, 0.0, {}, 0.0
    try:
        async for message in consumer:
            envelope = json.loads(message.value)
            if envelope["op"] == "c":
                await handlers.handle(envelope["after"])
            await consumer.commit()
            if done == 0:
                begin, own = time.monotonic(), time.process_time()
                before = {name: cpu(file) for name, file in processes.items()}
            done += 1
            if done > events:
                break
        seconds = time.monotonic() - begin
        used = {"client": {"cpu_seconds": time.process_time() - own, "peak_bytes": peak_bytes("self")}}
        for name, file in processes.items():
            used[name] = {"cpu_seconds": cpu(file) - before[name], "peak_bytes": 0}
    finally:
        await consumer.stop()
    await client.drop_database(database)
    await client.close()
    print(json.dumps({"events": events, "seconds": seconds, "processes": used}))


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
