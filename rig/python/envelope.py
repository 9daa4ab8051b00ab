"""Records as Debezium writes them for rows of the outbox, made without PostgreSQL and Connect.

They have the form that the connector in deploy/debezium gives them: an envelope without a schema, keyed by the
aggregate.
"""

import json
import time
from dataclasses import dataclass
from datetime import datetime, timezone

HEADERS = [
    ("__debezium.context.connectorLogicalName", b"postgres"),
    ("__debezium.context.taskId", b"0"),
    ("__debezium.context.connectorName", b"postgresql"),
    ("__debezium.context.runId", b"01a20747-1190-7aad-ba04-3490d77fa7c3"),
]


@dataclass
class Record:
    event_id: str
    key: bytes
    value: bytes


class Outbox:
    """Gives rows their place in a table and its log."""

    def __init__(self):
        self.sequence = 0

    def insert(
        self,
        event_id: str,
        aggregate: str,
        aggregate_type: str,
        event_type: str,
        payload: str,
        created: datetime | None = None,
    ) -> Record:
        """Returns the record of a row. Its time is now unless one is given."""
        self.sequence += 1
        now_ns = time.time_ns()
        now_us, now_ms = now_ns // 1_000, now_ns // 1_000_000
        created = created or datetime.fromtimestamp(now_us / 1_000_000, timezone.utc)
        lsn = 26_736_816 + self.sequence * 752
        after = {
            "event_id": event_id,
            "sequence_id": self.sequence,
            "aggregate_id": aggregate,
            "aggregate_type": aggregate_type,
            "event_type": event_type,
            "payload": payload,
            "status": "pending",
            "retry_count": 0,
            "last_error": None,
            "lock_id": None,
            "created_at": created.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "published_at": None,
        }
        source = {
            "version": "3.7.0.Final",
            "connector": "postgresql",
            "name": "postgres",
            "ts_ms": now_ms,
            "snapshot": "false",
            "db": "activity",
            "sequence": f'["{lsn - 752}","{lsn}"]',
            "ts_us": now_us,
            "ts_ns": now_ns,
            "schema": "activity",
            "table": "event_outbox",
            "txId": 900 + self.sequence,
            "lsn": lsn,
            "xmin": None,
            "origin": None,
            "origin_lsn": None,
        }
        value = {
            "before": None,
            "after": after,
            "source": source,
            "transaction": None,
            "op": "c",
            "ts_ms": now_ms,
            "ts_us": now_us,
            "ts_ns": now_ns,
        }
        key = json.dumps({"aggregate_id": aggregate}, separators=(",", ":"))
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return Record(event_id, key.encode(), text.encode())
