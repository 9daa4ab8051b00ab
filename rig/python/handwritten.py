"""The six handlers as people write them by hand for MongoDB, one operation after the other and without any guarantee.
The predecessor and the consumer that benchmarks compare Weir with run them; the model of the demo does not know them.
"""

from datetime import datetime, timezone
from typing import Any, Iterator, NamedTuple


class Write(NamedTuple):
    """One call of a collection's method."""

    collection: str
    method: str
    arguments: list[Any]
    upserts: bool = False

    def on(self, database) -> Any:
        """Returns the call's result, or with an asynchronous client what to await for it."""
        options = {"upsert": True} if self.upserts else {}
        return getattr(database[self.collection], self.method)(*self.arguments, **options)

    def check(self, result) -> None:
        """Fails if the result is that of an update which found no document."""
        if self.method == "update_one" and not self.upserts and result.matched_count == 0:
            raise LookupError(f"there is no document {self.arguments[0]} in {self.collection}")


def writes(row: dict, payload: dict) -> Iterator[Write]:
    """Yields what the handlers of an outbox row's type write. Nothing, if there are none."""
    handler = {
        "UserCreated": user_created,
        "UserUpdated": user_updated,
        "ActivityCreated": activity_created,
        "ParticipantJoined": participant_joined,
        "ActivityUpdated": activity_updated,
    }.get(row["event_type"])
    if handler:
        yield from handler(row, payload)


def user_created(row: dict, payload: dict) -> Iterator[Write]:
    given = payload.get
    user = {
        "_id": row["aggregate_id"],
        "email": given("email"),
        "username": given("username"),
        "name": name(given("first_name"), given("last_name")),
        "first_name": given("first_name"),
        "last_name": given("last_name"),
        "profile": {"bio": given("bio"), "avatar_url": given("avatar_url")},
        "metadata": created(row),
        "allowed_users": [row["aggregate_id"]],
    }
    yield Write("users", "insert_one", [user])
    count = {"$inc": {"total_users": 1}, "$set": {"last_updated": now()}}
    yield Write("statistics", "update_one", [{"_id": "global_stats"}, count], upserts=True)


def user_updated(row: dict, payload: dict) -> Iterator[Write]:
    to = {key: payload[key] for key in ("email", "username") if key in payload}
    if "first_name" in payload or "last_name" in payload:
        first, last = payload.get("first_name", ""), payload.get("last_name", "")
        to |= {"name": name(first, last), "first_name": first, "last_name": last}
    to |= {f"profile.{key}": payload[key] for key in ("bio", "avatar_url") if key in payload}
    yield change("users", row, {}, to)


def activity_created(row: dict, payload: dict) -> Iterator[Write]:
    given, creator = payload.get, payload.get("creator_user_id")
    activity = {
        "_id": row["aggregate_id"],
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
        "metadata": created(row),
        "allowed_users": [] if creator is None else [creator],
    }
    yield Write("activities", "insert_one", [activity])


def participant_joined(row: dict, payload: dict) -> Iterator[Write]:
    user = payload["user_id"]
    entry = {"user_id": user, "joined_at": datetime.fromisoformat(row["created_at"]), "status": "confirmed"}
    join = {
        "$addToSet": {"participants.list": entry, "allowed_users": user},
        "$inc": {"participants.current_count": 1},
    }
    yield change("activities", row, join, {})


def activity_updated(row: dict, payload: dict) -> Iterator[Write]:
    to = {key: payload[key] for key in ("title", "description", "status") if key in payload}
    to |= {f"location.{key}": payload[f"location_{key}"] for key in ("name", "address") if f"location_{key}" in payload}
    yield change("activities", row, {}, to)


def change(collection: str, row: dict, operators: dict, to: dict) -> Write:
    marks = {"metadata.updated_at": now(), "metadata.last_event_id": row["event_id"]}
    return Write(collection, "update_one", [{"_id": row["aggregate_id"]}, operators | {"$set": to | marks}])


def created(row: dict) -> dict:
    return {
        "created_at": datetime.fromisoformat(row["created_at"]),
        "updated_at": now(),
        "source_event_id": row["event_id"],
    }


def name(first: str | None, last: str | None) -> str:
    return f"{first or ''} {last or ''}".strip()


def now() -> datetime:
    return datetime.now(timezone.utc)
