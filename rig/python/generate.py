"""Inserts rows into the outbox: generate.py --uri URI --events N [--rate N] [--seed N]. Or writes the records that
Debezium would make from them to a file, one line of JSON each: generate.py --records FILE --events N [--seed N].

The mix is UserCreated 20 %, UserUpdated 20 %, ActivityCreated 20 %, ParticipantJoined 30 %, ActivityUpdated 10 %. An
event that changes a user or an activity comes after the one that creates it. The seed decides everything except the
times. Payloads are those of a realistic system, and contain what tends to break: text of many scripts, text that looks
like an operator or a path, missing keys, users who join twice, numbers of every size. Prints as a line of JSON how many
rows are inserted, a few times per second.
"""

import argparse
import json
import random
import time
import uuid
from typing import Any

import psycopg

from envelope import HEADERS, Outbox

CHUNK = 500
INSERT = """
    INSERT INTO activity.event_outbox (event_id, aggregate_id, aggregate_type, event_type, payload, status)
    VALUES (%s, %s, %s, %s, %s, 'pending')
"""

FIRST = ["Ada", "Zoë", "José", "Łukasz", "Nguyễn", "花子", "Мария", "Ольга", "محمد", "Seán", "Ida", "Per", " Ann", "$set", "İpek"]
LAST = ["Lovelace", "Müller", "O'Neill", "García Márquez", "山田", "Иванова", "van der Berg", "Þórsdóttir", "$first_name", "Lee "]
WORDS = (
    "river walk evening market open garden old harbour quiet morning music long table winter bicycle small theatre "
    "friends forest lunch bridge tower light early swim chess painting bread coffee café naïve über 東京 музыка ☀ 🎉 "
    "$match {\"$ne\":1} a.b 50% \\ \" </b> fjord"
).split(" ")
ZONES = ["Europe/Berlin", "Europe/Lisbon", "America/New_York", "Asia/Tokyo", "UTC"]
KINDS = ["sport", "culture", "food", "games", "outdoors"]
STATUSES = ["active", "cancelled", "completed", "postponed"]


class Generator:
    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.users: list[str] = []
        self.activities: list[str] = []
        self.joined: dict[str, list[str]] = {}

    def row(self) -> tuple:
        kind = self.random.choices(
            [self.user_created, self.user_updated, self.activity_created, self.participant_joined, self.activity_updated],
            [20, 20, 20, 30, 10],
        )[0]
        aggregate, aggregate_type, event_type, payload = kind()
        return self.id(), aggregate, aggregate_type, event_type, json.dumps(payload, ensure_ascii=False)

    def user_created(self) -> tuple:
        user = self.id()
        self.users.append(user)
        return user, "User", "UserCreated", self.some(self.user_fields(), 0.9)

    def user_updated(self) -> tuple:
        if not self.users:
            return self.user_created()
        return self.recent(self.users), "User", "UserUpdated", self.some(self.user_fields(), 0.4)

    def activity_created(self) -> tuple:
        activity = self.id()
        self.activities.append(activity)
        day = self.random.randint(1, 28)
        fields = {
            "title": self.text(4),
            "description": self.text(25),
            "creator_user_id": self.recent(self.users) if self.users else self.id(),
            "activity_type": self.random.choice(KINDS),
            "location_name": self.text(3),
            "location_address": f"{self.random.randint(1, 300)} {self.text(2)}",
            "coordinates": self.place(),
            "start_date": f"2027-03-{day:02}T18:30:00Z",
            "end_date": f"2027-03-{day:02}T21:00:00+01:00",
            "timezone": self.random.choice(ZONES),
            "max_participants": self.random.choice([2, 8, 12, 50, 2_147_483_647, 2_147_483_648, 5_000_000_000]),
            # Keys that no handler reads.
            "price": round(self.random.uniform(0, 90), 2),
            "reference": 12_345_678_901_234_567_890,
        }
        return activity, "Activity", "ActivityCreated", self.some(fields, 0.93)

    def participant_joined(self) -> tuple:
        if not self.activities:
            return self.activity_created()
        activity = self.recent(self.activities)
        joined = self.joined.setdefault(activity, [])
        if joined and self.random.random() < 0.15:
            user = self.random.choice(joined)
        else:
            user = self.recent(self.users) if self.users else self.id()
            joined.append(user)
        return activity, "Activity", "ParticipantJoined", {"user_id": user, "note": self.text(20)}

    def activity_updated(self) -> tuple:
        if not self.activities:
            return self.activity_created()
        fields = {
            "title": self.text(4),
            "description": self.text(25),
            "status": self.random.choice(STATUSES),
            "location_name": self.text(3),
            "location_address": self.text(3),
        }
        return self.recent(self.activities), "Activity", "ActivityUpdated", self.some(fields, 0.5)

    def user_fields(self) -> dict[str, Any]:
        first, last = self.random.choice(FIRST), self.random.choice(LAST)
        handle = f"user{self.random.randint(1, 10**9)}"
        return {
            "email": f"{handle}@example.com",
            "username": self.random.choice([handle, f"${handle}", f"{handle}.é"]),
            "first_name": first,
            "last_name": last,
            "bio": self.text(15),
            "avatar_url": f"https://cdn.example.com/avatars/{handle}.png?size=128&v=2",
        }

    def place(self) -> dict[str, Any]:
        def point() -> list:
            place = [round(self.random.uniform(-180, 180), 6), round(self.random.uniform(-90, 90), 6)]
            return self.random.choice([place, place, [13, 52.5], [-0.0, 51.0], [*place, 34]])

        if self.random.random() < 0.9:
            return {"type": "Point", "coordinates": point()}
        first = point()
        return {"type": "Polygon", "coordinates": [[first, point(), point(), first]], "bbox": None}

    def some(self, fields: dict[str, Any], share: float) -> dict[str, Any]:
        return {key: value for key, value in fields.items() if self.random.random() < share}

    def text(self, words: int) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(max(1, words // 2), words + words // 2)))

    def recent(self, ids: list[str]) -> str:
        """Picks an id. Most changes are to recent ones, some to old ones."""
        if self.random.random() < 0.8:
            return ids[-1 - self.random.randrange(min(len(ids), 200))]
        return self.random.choice(ids)

    def id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))


def write(generator: Generator, events: int, path: str) -> None:
    outbox = Outbox()
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(events):
            record = outbox.insert(*generator.row())
            headers = [[name, value.decode()] for name, value in HEADERS]
            line = {"key": record.key.decode(), "value": record.value.decode(), "headers": headers}
            print(json.dumps(line, ensure_ascii=False), file=file)


def main() -> None:
    parser = argparse.ArgumentParser()
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--uri", help="of the database that holds the outbox")
    to.add_argument("--records", help="a file for the records")
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0, help="rows a second; 0 for as many as go in")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    generator = Generator(args.seed)
    if args.records:
        write(generator, args.events, args.records)
        return
    inserted, said, begin = 0, 0.0, time.monotonic()
    with psycopg.connect(args.uri, autocommit=True) as connection:
        while inserted < args.events:
            due = args.events
            if args.rate:
                due = min(due, 1 + int((time.monotonic() - begin) * args.rate))
            count = min(due - inserted, CHUNK)
            if count > 0:
                with connection.transaction(), connection.cursor() as cursor:
                    cursor.executemany(INSERT, [generator.row() for _ in range(count)])
                inserted += count
            else:
                time.sleep(0.01)
            if time.monotonic() - said > 0.2:
                said = time.monotonic()
                print(json.dumps({"inserted": inserted}), flush=True)
    print(json.dumps({"inserted": inserted}), flush=True)


if __name__ == "__main__":
    main()
