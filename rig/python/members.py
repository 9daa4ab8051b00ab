"""A replica set of several members: members.py initiate PORT HOST,... | stepdown URI | primary URI.

`initiate` makes the set rs0 from members that are known by other names than their own ports, and waits for its primary.
`stepdown` makes the primary step down. `primary` prints its address.
"""

import sys
import time

import pymongo
from pymongo.errors import PyMongoError

PATIENCE_S = 60
# With these, an election takes a second or two rather than ten.
SETTINGS = {"electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 500}


def initiate(port: str, hosts: str) -> None:
    members = [{"_id": number, "host": host} for number, host in enumerate(hosts.split(","))]
    with pymongo.MongoClient("127.0.0.1", int(port), directConnection=True) as client:
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": members, "settings": SETTINGS})
    primary(f"mongodb://{hosts}/?replicaSet=rs0")


def stepdown(uri: str) -> None:
    end = time.monotonic() + PATIENCE_S
    with pymongo.MongoClient(uri, appname="prove", serverSelectionTimeoutMS=PATIENCE_S * 1_000) as client:
        while True:
            try:
                client.admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5)
                return
            except PyMongoError as error:
                # No member has caught up yet, or the primary has just changed.
                if time.monotonic() > end:
                    sys.exit(f"the primary does not stand back: {error}")
                time.sleep(0.2)


def primary(uri: str) -> None:
    with pymongo.MongoClient(uri, appname="prove", serverSelectionTimeoutMS=PATIENCE_S * 1_000) as client:
        print(client.admin.command("hello")["primary"])


if __name__ == "__main__":
    {"initiate": initiate, "stepdown": stepdown, "primary": primary}[sys.argv[1]](*sys.argv[2:])
