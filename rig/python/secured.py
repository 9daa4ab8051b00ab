"""The services' side of the proof `secured`: secured.py VERB JSON.

`kafka` makes the topic and the SCRAM users, through a listener of the tests' own. `mongodb` makes the replica set, the
role from deploy/roles and the users. `send` sends events, `seen` prints what MongoDB holds, and `token` writes a token.
"""

import base64
import json
import sys
import time
import uuid
from pathlib import Path

import pymongo
from bson import json_util
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from pymongo.errors import PyMongoError

from envelope import HEADERS, Outbox

PATIENCE_S = 60


def kafka(bootstrap: str, topic: str, users: dict) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 3, 1)], operation_timeout=60)[topic].result(60)
    for mechanism in [ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512]:
        info = ScramCredentialInfo(mechanism, 4096)
        wanted = [UserScramCredentialUpsertion(name, info, password.encode()) for name, password in users.items()]
        for made in admin.alter_user_scram_credentials(wanted).values():
            made.result(60)


def mongodb(port: int, ca: str, role: str, subject: str, password: str) -> None:
    """Makes the first users, which a client on the same machine may do as long as there are none."""
    plain = {"directConnection": True, "tls": True, "tlsCAFile": ca, "serverSelectionTimeoutMS": 30_000}
    with pymongo.MongoClient("127.0.0.1", port, **plain) as client:
        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        end = time.monotonic() + PATIENCE_S
        while not client.admin.command("hello").get("isWritablePrimary"):
            if time.monotonic() > end:
                sys.exit(f"mongod did not become primary in {PATIENCE_S} s")
            time.sleep(0.05)
        client.admin.command("createUser", "root", pwd=password, roles=["root"])
    with pymongo.MongoClient("127.0.0.1", port, username="root", password=password, **plain) as client:
        client.admin.command(json.loads(Path(role).read_text(encoding="utf-8")))
        client.admin.command("createUser", "weir", pwd=password, roles=["weir"])
        client.admin.command("createUser", "nobody", pwd=password, roles=[])
        client["$external"].command("createUser", subject, roles=[{"role": "weir", "db": "admin"}])


def send(bootstrap: str, topic: str, events: int) -> None:
    producer, outbox, failed = Producer({"bootstrap.servers": bootstrap}), Outbox(), []
    for number in range(events):
        record = outbox.insert(str(uuid.uuid4()), f"a{number}", "Test", "Echo", "{}")
        told = lambda error, _: failed.append(error) if error else None
        producer.produce(topic, record.value, record.key, headers=HEADERS, on_delivery=told)
    if producer.flush(30) or failed:
        sys.exit(f"records were not taken: {failed}")


def seen(mongodb: str) -> None:
    with pymongo.MongoClient(mongodb, serverSelectionTimeoutMS=30_000) as client:
        found = {
            "documents": client["activity_read"]["echo"].count_documents({}),
            "passed": sum(progress["next"] for progress in client["weir"]["progress"].find()),
            "parked": json.loads(json_util.dumps(list(client["weir"]["parked"].find({}, {"reason": 1, "message": 1})))),
            "format": (client["weir"]["format"].find_one({"_id": "weir"}) or {}).get("version"),
        }
    print(json.dumps(found))


def token(path: str, subject: str, seconds: int) -> None:
    """Writes a token without a signature, which a broker accepts if it is set to."""
    now = int(time.time())
    parts = [{"alg": "none"}, {"sub": subject, "iat": now, "exp": now + seconds}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    # A reader gets the old token or the new one, never a part of one.
    unfinished = Path(f"{path}.part")
    unfinished.write_text(".".join([*encoded, ""]), encoding="utf-8")
    unfinished.rename(path)


VERBS = {"kafka": kafka, "mongodb": mongodb, "send": send, "seen": seen, "token": token}

try:
    VERBS[sys.argv[1]](**json.loads(sys.argv[2]))
except PyMongoError as error:
    sys.exit(f"mongodb: {error}")
