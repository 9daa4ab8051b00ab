"""Inserts rows for hostile handlers: hostile.py URI KINDS SEED.

KINDS is an array of objects with aggregate_type, event_type, payload and count. The rows are inserted in small
transactions, in an order that the seed decides.
"""

import json
import random
import sys
import uuid

import psycopg

CHUNK = 50
INSERT = """
    INSERT INTO activity.event_outbox (event_id, aggregate_id, aggregate_type, event_type, payload, status)
    VALUES (uuidv7(), %s, %s, %s, %s, 'pending')
"""

uri, kinds, seed = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
rows = [
    (str(uuid.UUID(int=chance.getrandbits(128), version=4)), kind["aggregate_type"], kind["event_type"], json.dumps(kind["payload"]))
    for kind in kinds
    for _ in range(kind["count"])
]
chance.shuffle(rows)
with psycopg.connect(uri, autocommit=True) as connection:
    for start in range(0, len(rows), CHUNK):
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(INSERT, rows[start : start + CHUNK])
print(len(rows))
