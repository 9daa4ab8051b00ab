"""Tests the model's rules, and that a comparison finds every kind of difference."""

import copy
import unittest
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from bson.int64 import Int64

from check import Comparison
from model import PROCESSED, Event, Model, stored

CREATED = datetime(2026, 11, 23, 7, 9, 10, 123000, tzinfo=timezone.utc)
NOW = datetime.now(timezone.utc)


def event(number: int, kind: str, aggregate: str, **payload) -> Event:
    return Event(f"e{number}", aggregate, kind, payload, int(CREATED.timestamp() * 1000) + number)


def model(*events: Event) -> Model:
    made = Model()
    for each in events:
        made.apply(each)
    return made


class Rules(unittest.TestCase):
    def test_absent_keys_become_null(self):
        user = model(event(0, "UserCreated", "u", last_name="Lee")).users["u"]
        self.assertEqual((user["name"], user["first_name"], user["email"]), ("Lee", None, None))
        self.assertEqual(user["profile"], {"bio": None, "avatar_url": None})
        self.assertEqual(user["metadata"]["created_at"], CREATED)

    def test_an_update_of_one_name_keeps_the_other(self):
        created = event(0, "UserCreated", "u", first_name="Ada", last_name="Lee")
        user = model(created, event(1, "UserUpdated", "u", first_name="Zoë")).users["u"]
        self.assertEqual((user["name"], user["last_name"]), ("Zoë Lee", "Lee"))
        self.assertEqual(user["metadata"]["source_event_id"], "e0")
        self.assertEqual(user["metadata"]["last_event_id"], "e1")

    def test_a_second_join_changes_neither_list_nor_count(self):
        joins = [event(n, "ParticipantJoined", "a", user_id="u") for n in (1, 2)]
        activity = model(event(0, "ActivityCreated", "a"), *joins).activities["a"]
        self.assertEqual(activity["participants"]["current_count"], 1)
        self.assertEqual(
            activity["participants"]["list"],
            [{"user_id": "u", "joined_at": CREATED + timedelta(milliseconds=1), "status": "confirmed"}],
        )
        self.assertEqual(activity["allowed_users"], ["u"])
        self.assertEqual(activity["metadata"]["last_event_id"], "e2")

    def test_changes_of_what_is_unknown_are_parked(self):
        found = model(event(0, "UserUpdated", "u", email="e"), event(1, "ActivityUpdated", "a", title="t"))
        self.assertEqual(found.parked, {("e0", "must-match"), ("e1", "must-match")})
        self.assertEqual((found.users, found.activities), ({}, {}))

    def test_every_user_is_counted(self):
        found = model(*(event(n, "UserCreated", f"u{n}") for n in range(3)))
        self.assertEqual(found.statistics["global_stats"]["total_users"], 3)

    def test_numbers_have_the_type_that_holds_them(self):
        for given, kind in [(2**31 - 1, int), (2**31, Int64), (Decimal("1.10"), float)]:
            self.assertIs(type(stored(given)), kind)
        with self.assertRaises(ValueError):
            stored(Decimal("0.12345678901234567890"))


class Differences(unittest.TestCase):
    def setUp(self):
        self.expected = {
            "a": {"_id": "a", "n": 1, "big": Int64(1), "list": [1, 2], "in": {"at": PROCESSED, "none": None}},
        }
        self.found = copy.deepcopy(self.expected)
        self.found["a"]["in"]["at"] = NOW

    def compared(self, *more: dict) -> list[str]:
        comparison = Comparison(NOW - timedelta(minutes=1))
        comparison.documents("things", iter([*self.found.values(), *more]), self.expected)
        return comparison.first

    def test_equal_documents_do_not_differ(self):
        reordered = dict(reversed(self.found["a"].items()))
        self.found = {"a": reordered}
        self.assertEqual(self.compared(), [])

    def test_every_difference_is_found(self):
        def at(**changes):
            return lambda document: document.update(changes)

        changes = {
            "another value": at(n=2),
            "an int64 for an int32": at(n=Int64(1)),
            "an int32 for an int64": at(big=1),
            "a double for an int32": at(n=1.0),
            "true for 1": at(n=True),
            "a key too many": at(more=1),
            "a key too few": lambda document: document.pop("n"),
            "null's key too few": lambda document: document["in"].pop("none"),
            "an element too many": at(list=[1, 2, 3]),
            "another order": at(list=[2, 1]),
            "a date as text": lambda document: document["in"].update(at=NOW.isoformat()),
            "a date before the run": lambda document: document["in"].update(at=NOW - timedelta(minutes=2)),
            "a date to come": lambda document: document["in"].update(at=NOW + timedelta(minutes=2)),
        }
        sound = copy.deepcopy(self.found)
        for name, change in changes.items():
            with self.subTest(name):
                self.found = copy.deepcopy(sound)
                change(self.found["a"])
                self.assertTrue(self.compared())

    def test_documents_too_many_and_too_few(self):
        self.assertEqual(self.compared({"_id": "b"}), ["things b: must not be there"])
        self.found = {}
        self.assertEqual(self.compared(), ["things a: is missing"])

    def test_parked_deliveries_are_compared(self):
        comparison = Comparison(NOW)
        comparison.parked({("e1", "trap")}, {("e2", "must-match")})
        self.assertEqual(comparison.count, 2)


if __name__ == "__main__":
    unittest.main()
