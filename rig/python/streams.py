"""What each partition of a chaos run gets: rows of a mix, with one record in twenty repeated at a new offset.

A record is repeated directly after itself, a few records later, much later, or in a run of the latest records, as after
a crash of the connector.
"""

import heapq
import json
import random
from collections import deque

from envelope import Outbox, Record
from generate import Generator

TALLIED = 40
COUNTERS = 100


class Stream:
    """The records of one partition, in their order. All events of an aggregate are in the same partition."""

    def __init__(self, mix: str, seed: int):
        self.random = random.Random(seed)
        self.generator = Generator(seed)
        self.row = {"tallied": self.tallied, "reference": self.generator.row, "counters": self.counter}[mix]
        self.tallies = {self.generator.id(): 0 for _ in range(TALLIED)}
        self.outbox = Outbox()
        self.last: deque[Record] = deque(maxlen=20)
        self.again: deque[Record] = deque()
        self.later: list[tuple[int, int, Record]] = []
        self.events = 0
        self.repeated = 0

    def next(self) -> Record:
        if self.again or (self.later and self.later[0][0] <= self.events):
            return self.repeat()
        record = self.outbox.insert(*self.row())
        self.events += 1
        self.last.append(record)
        chance = self.random.random()
        if chance < 0.015:
            self.again.append(record)
        elif chance < 0.030:
            self.repeat_after(record, 2, 30)
        elif chance < 0.040:
            self.repeat_after(record, 150, 2_500)
        elif chance < 0.041:
            self.again.extend(list(self.last)[-self.random.randint(1, 20) :])
        return record

    def left(self) -> bool:
        """Returns whether repeats are still due."""
        return bool(self.again or self.later)

    def repeat(self) -> Record:
        self.repeated += 1
        return self.again.popleft() if self.again else heapq.heappop(self.later)[2]

    def repeat_after(self, record: Record, least: int, most: int) -> None:
        heapq.heappush(self.later, (self.events + self.random.randint(least, most), self.events, record))

    def tallied(self) -> tuple:
        """Returns a row of the reference mix, or in three of ten cases one that is counted and numbered for its
        aggregate."""
        if self.random.random() < 0.7:
            return self.generator.row()
        aggregate = self.random.choice(list(self.tallies))
        self.tallies[aggregate] += 1
        payload = json.dumps({"number": self.tallies[aggregate]})
        return self.generator.id(), aggregate, "Tally", "Tallies", payload

    def counter(self) -> tuple:
        """Returns a row that adds one to a document that all partitions share."""
        aggregate = self.random.choice(list(self.tallies))
        payload = json.dumps({"counter": f"c{self.random.randrange(COUNTERS)}"})
        return self.generator.id(), aggregate, "Counter", "Counter", payload
