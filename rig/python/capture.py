"""Records what Debezium writes: capture.py SETTINGS. The settings are JSON: where the services are, which set of
captures, which names of it, and the folder to write to."""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import captures
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from outbox import connect

SLOT = "capture_slot"
PATIENCE_S = 60
# Whatever is in flight arrives within this time.
QUIET_S = 3
INTERNAL = ("__consumer_offsets", "__transaction_state", "__share_group_state", "connect-")


def rest(url: str, method: str, body: dict | None = None) -> dict:
    """Returns Connect's answer. During a rebalance Connect refuses, or fails, for a moment."""
    data = json.dumps(body).encode() if body is not None else None
    end = time.monotonic() + PATIENCE_S
    while True:
        request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {}
            if error.code not in (409, 500) or time.monotonic() > end:
                sys.exit(f"Connect answers {error.code}: {error.read().decode()}")
        time.sleep(0.5)


def until(what: str, there) -> None:
    end = time.monotonic() + PATIENCE_S
    while not there():
        if time.monotonic() > end:
            sys.exit(f"{what} did not come within {PATIENCE_S} s")
        time.sleep(0.1)


def topics(admin: AdminClient) -> list[str]:
    return sorted(name for name in admin.list_topics(timeout=30).topics if not name.startswith(INTERNAL))


def fresh(there: dict, table: str, admin: AdminClient) -> None:
    """Removes what an earlier capture has left."""
    for connector in rest(f"{there['connect']}/connectors", "GET"):
        rest(f"{there['connect']}/connectors/{connector}", "DELETE")
    with connect(there["postgres"]) as postgres:
        until("the end of the slot's reader", lambda: postgres.execute(
            "SELECT FROM pg_replication_slots WHERE slot_name = %s AND active", [SLOT]).fetchone() is None)
        postgres.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", [SLOT])
        postgres.execute("DROP TABLE IF EXISTS activity.event_outbox CASCADE")
        postgres.execute(table)
        postgres.execute("DROP PUBLICATION IF EXISTS capture")
        postgres.execute("CREATE PUBLICATION capture FOR TABLE activity.event_outbox")
    if old := topics(admin):
        for done in admin.delete_topics(old, operation_timeout=30).values():
            done.result(30)
        until("the end of the topics", lambda: not topics(admin))


def start(there: dict, name: str, settings: dict, key: str) -> None:
    config = there["connector"] | {
        "slot.name": SLOT,
        "publication.name": "capture",
        "message.key.columns": f"activity.event_outbox:{key}",
        "heartbeat.interval.ms": "0",
    }
    if key == "event_id":
        del config["message.key.columns"]
    config |= settings
    # Connect keeps offsets by this name, and each capture must begin from scratch.
    url = f"{there['connect']}/connectors/capture-{name}"
    rest(f"{url}/config", "PUT", config)

    def streams() -> bool:
        status = rest(f"{url}/status", "GET")
        for part in [status.get("connector", {}), *status.get("tasks", [])]:
            if part.get("state") == "FAILED":
                sys.exit(f"the connector failed: {part.get('trace', '')[:2000]}")
        return postgres.execute(
            "SELECT FROM pg_replication_slots WHERE slot_name = %s AND active", [SLOT]).fetchone() is not None

    with connect(there["postgres"]) as postgres:
        until("the connector", streams)


def records(there: dict, admin: AdminClient, most: int) -> list[dict]:
    """Returns what is in all topics, once nothing more comes or that many records have come."""
    found, positions, quiet = [], {}, time.monotonic() + PATIENCE_S
    consumer = Consumer({"bootstrap.servers": there["kafka"], "group.id": "capture", "enable.auto.commit": False})
    while time.monotonic() < quiet:
        partitions = [(topic, number) for topic in topics(admin)
                      for number in admin.list_topics(topic, timeout=30).topics[topic].partitions]
        if any(partition not in positions for partition in partitions):
            positions |= {partition: positions.get(partition, OFFSET_BEGINNING) for partition in partitions}
            consumer.assign([TopicPartition(*partition, offset) for partition, offset in positions.items()])
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        quiet = time.monotonic() + QUIET_S
        positions[message.topic(), message.partition()] = message.offset() + 1
        found.append({
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "timestamp": message.timestamp()[1],
            "key": text(message.key()),
            "value": text(message.value()),
            "headers": [[name, text(value)] for name, value in message.headers()] if message.headers() else None,
        })
        if len(found) >= most:
            break
    consumer.close()
    return sorted(found, key=lambda record: (record["topic"], record["partition"], record["offset"]))


def text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def main() -> None:
    there = json.loads(sys.argv[1])
    chosen = {"current": captures.CURRENT, "old": captures.OLD}[there["set"]]
    admin = AdminClient({"bootstrap.servers": there["kafka"]})
    nothing = []
    for name, capture in chosen.items():
        if there["names"] and name not in there["names"]:
            continue
        fresh(there, capture["table"], admin)
        start(there, name, capture["settings"], capture["key"])
        with connect(there["postgres"]) as postgres:
            for statement in capture["statements"]:
                postgres.execute(statement)
        found = records(there, admin, capture["most"])
        with open(Path(there["folder"]) / f"{name}.jsonl", "w", encoding="utf-8") as file:
            for record in found:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        print(f"  {name}: {len(found)} records", flush=True)
        if not found:
            nothing.append(name)
            print(json.dumps(rest(f"{there['connect']}/connectors/capture-{name}/status", "GET"))[:4000], flush=True)
    if nothing:
        sys.exit(f"Debezium wrote nothing: {', '.join(nothing)}")


if __name__ == "__main__":
    main()
