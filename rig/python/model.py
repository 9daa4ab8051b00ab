"""The documents that the outbox's events must lead to.

The model is independent of Weir. It was written from the description of the six handlers alone, in another language,
and shares no code with the runtime, the handlers or their SDK. It knows nothing of Kafka, batches or retries: events go
in in the order of the outbox, and documents and the failures that must be parked come out.

Types are MongoDB's: a whole number is an int32 if it fits and otherwise an int64, any other number is a double, and
times are dates. The model cannot know a time of processing, so PROCESSED represents it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from bson.int64 import Int64

INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Processed:
    """A date between the beginning of the run and its check."""

    def __repr__(self) -> str:
        return "(a time of processing)"


PROCESSED = Processed()


@dataclass
class Event:
    """A row of the outbox. created_at is in whole milliseconds, rounded down."""

    id: str
    aggregate_id: str
    type: str
    payload: dict[str, Any]
    created_ms: int

    @property
    def created_at(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.created_ms)


@dataclass
class Model:
    """What the database must hold after the events applied so far."""

    users: dict[str, dict] = field(default_factory=dict)
    statistics: dict[str, dict] = field(default_factory=dict)
    activities: dict[str, dict] = field(default_factory=dict)
    # The deliveries that must have been parked, by event and reason.
    parked: set[tuple[str, str]] = field(default_factory=set)

    def apply(self, event: Event) -> None:
        rule = RULES.get(event.type)
        if rule is not None:
            rule(self, event)

    def user_created(self, event: Event) -> None:
        statistics = self.statistics.setdefault("global_stats", {"_id": "global_stats", "total_users": 0})
        statistics["total_users"] += 1
        statistics["last_updated"] = PROCESSED
        if event.aggregate_id in self.users:
            self.parked.add((event.id, "refused"))
            return
        given = event.payload.get
        self.users[event.aggregate_id] = {
            "_id": event.aggregate_id,
            "email": stored(given("email")),
            "username": stored(given("username")),
            "name": full_name(given("first_name"), given("last_name")),
            "first_name": stored(given("first_name")),
            "last_name": stored(given("last_name")),
            "profile": {"bio": stored(given("bio")), "avatar_url": stored(given("avatar_url"))},
            "metadata": created_metadata(event),
            "allowed_users": [event.aggregate_id],
        }

    def user_updated(self, event: Event) -> None:
        user = self.users.get(event.aggregate_id)
        if user is None:
            self.parked.add((event.id, "must-match"))
            return
        payload = event.payload
        for key in ("email", "username", "first_name", "last_name"):
            if key in payload:
                user[key] = stored(payload[key])
        if "first_name" in payload or "last_name" in payload:
            user["name"] = full_name(user["first_name"], user["last_name"])
        for key in ("bio", "avatar_url"):
            if key in payload:
                user["profile"][key] = stored(payload[key])
        touch(user, event)

    def activity_created(self, event: Event) -> None:
        if event.aggregate_id in self.activities:
            self.parked.add((event.id, "refused"))
            return
        given = event.payload.get
        creator = given("creator_user_id")
        self.activities[event.aggregate_id] = {
            "_id": event.aggregate_id,
            "title": stored(given("title")),
            "description": stored(given("description")),
            "creator_id": stored(creator),
            "type": stored(given("activity_type")),
            "location": {
                "name": stored(given("location_name")),
                "address": stored(given("location_address")),
                "coordinates": stored(given("coordinates")),
            },
            "schedule": {
                "start_date": stored(given("start_date")),
                "end_date": stored(given("end_date")),
                "timezone": stored(given("timezone")),
            },
            "participants": {"current_count": 0, "max_count": stored(given("max_participants")), "list": []},
            "status": "active",
            "metadata": created_metadata(event),
            "allowed_users": [] if creator is None else [creator],
        }

    def participant_joined(self, event: Event) -> None:
        activity = self.activities.get(event.aggregate_id)
        if activity is None:
            self.parked.add((event.id, "must-match"))
            return
        user = event.payload["user_id"]
        participants = activity["participants"]
        if all(participant["user_id"] != user for participant in participants["list"]):
            participants["list"].append({"user_id": user, "joined_at": event.created_at, "status": "confirmed"})
            participants["current_count"] += 1
        if user not in activity["allowed_users"]:
            activity["allowed_users"].append(user)
        touch(activity, event)

    def activity_updated(self, event: Event) -> None:
        activity = self.activities.get(event.aggregate_id)
        if activity is None:
            self.parked.add((event.id, "must-match"))
            return
        payload = event.payload
        for key in ("title", "description", "status"):
            if key in payload:
                activity[key] = stored(payload[key])
        for key in ("name", "address"):
            if f"location_{key}" in payload:
                activity["location"][key] = stored(payload[f"location_{key}"])
        touch(activity, event)


RULES = {
    "UserCreated": Model.user_created,
    "UserUpdated": Model.user_updated,
    "ActivityCreated": Model.activity_created,
    "ParticipantJoined": Model.participant_joined,
    "ActivityUpdated": Model.activity_updated,
}


def full_name(first: str | None, last: str | None) -> str:
    return f"{first or ''} {last or ''}".strip()


def created_metadata(event: Event) -> dict[str, Any]:
    return {"created_at": event.created_at, "updated_at": PROCESSED, "source_event_id": event.id}


def touch(document: dict, event: Event) -> None:
    document["metadata"]["updated_at"] = PROCESSED
    document["metadata"]["last_event_id"] = event.id


def stored(value: Any) -> Any:
    """Returns a value of the payload, parsed with decimals, as MongoDB must hold it."""
    match value:
        case None | bool() | str():
            return value
        case int() if value in INT32:
            return value
        case int() if value in INT64:
            return Int64(value)
        case Decimal() if Decimal(repr(float(value))) == value:
            return float(value)
        case list():
            return [stored(element) for element in value]
        case dict():
            return {key: stored(element) for key, element in value.items()}
    raise ValueError(f"no type of MongoDB holds {value!r} without loss")
