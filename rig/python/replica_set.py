"""Makes mongod the only member of the replica set rs0, and waits until it accepts writes: replica_set.py PORT."""

import sys
import time

import pymongo
from pymongo.errors import OperationFailure

ALREADY_INITIALIZED = 23
PATIENCE_S = 60

port = sys.argv[1]
with pymongo.MongoClient("127.0.0.1", int(port), directConnection=True) as client:
    member = {"_id": 0, "host": f"127.0.0.1:{port}"}
    try:
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
    except OperationFailure as error:
        if error.code != ALREADY_INITIALIZED:
            raise
    end = time.monotonic() + PATIENCE_S
    while not client.admin.command("hello").get("isWritablePrimary"):
        if time.monotonic() > end:
            sys.exit(f"mongod did not become primary in {PATIENCE_S} s")
        time.sleep(0.05)
