"""Inserts rows of event types that hostile handlers want: hostile.py URI COUNTS [SEED].

COUNTS is an object of event type to number of rows. They are inserted in small transactions, in an order that the seed
decides.
"""

import json
import random
import sys
import uuid

import psycopg

CHUNK = 50
INSERT = """
    INSERT INTO activity.event_outbox (event_id, aggregate_id, aggregate_type, event_type, payload, status)
    VALUES (uuidv7(), %s, 'Hostile', %s, %s, 'pending')
"""

uri, counts = sys.argv[1], json.loads(sys.argv[2])
chance = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
types = [event_type for event_type, count in counts.items() for _ in range(count)]
chance.shuffle(types)
payload = json.dumps({"name": "hostile", "amount": 1.5})
with psycopg.connect(uri, autocommit=True) as connection:
    for start in range(0, len(types), CHUNK):
        rows = [
            (str(uuid.UUID(int=chance.getrandbits(128), version=4)), event_type, payload)
            for event_type in types[start : start + CHUNK]
        ]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(INSERT, rows)
print(len(types))
