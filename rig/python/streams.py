"""What each partition of a chaos run is given: rows of a mix, and one record in twenty again at a new offset.

A record comes again directly after itself, a few records later, much later, or in a run of what came last, as it is
after a crash of the connector.
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
    """The records of one partition, in their order. All events of an aggregate are here."""

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
        """Whether records that were to come again have not yet."""
        return bool(self.again or self.later)

    def repeat(self) -> Record:
        self.repeated += 1
        return self.again.popleft() if self.again else heapq.heappop(self.later)[2]

    def repeat_after(self, record: Record, least: int, most: int) -> None:
        heapq.heappush(self.later, (self.events + self.random.randint(least, most), self.events, record))

    def tallied(self) -> tuple:
        """The reference mix, and three of ten events that are counted and numbered for each aggregate."""
        if self.random.random() < 0.7:
            return self.generator.row()
        aggregate = self.random.choice(list(self.tallies))
        self.tallies[aggregate] += 1
        payload = json.dumps({"number": self.tallies[aggregate]})
        return self.generator.id(), aggregate, "Tally", "Tallies", payload

    def counter(self) -> tuple:
        """One more in one of the documents that all partitions share."""
        aggregate = self.random.choice(list(self.tallies))
        payload = json.dumps({"counter": f"c{self.random.randrange(COUNTERS)}"})
        return self.generator.id(), aggregate, "Counter", "Counter", payload
