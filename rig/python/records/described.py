"""What a hostile record is, and what must become of it.

This is independent of Weir. It was written from docs/records.md alone, in another language, and shares no code with the
decoder. An expectation is made from the same description as its record, never from the result of a run.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

Bytes = bytes | None
Headers = list[tuple[bytes, Bytes]]

# The topic's last part, which is the type of the EventRouter's records if nothing else gives one.
ROUTE = "(the topic's last part)"
# The row's other columns that handlers get (OUTBOX_OTHER_COLUMNS).
OTHERS = ["attrs", "amount", "numbers", "day", "at_ms", "at_us", "at_ns", "blob", "label", "list", "extra"]
# An event type that the handler `verbatim` subscribes to. It stores what it gets as texts.
VERBATIM = "Verbatim"


# A lane whose name ends like this shares its partition with no other.
APART = "-apart"
# A record with more bytes is neither read nor kept.
RECORD_BYTES = 32 << 20
# An event with more bytes is dead (`event_bytes`).
EVENT_BYTES = 1 << 20


def quoted(text: str) -> str:
    """Returns a JSON string in which characters outside ASCII are not escaped."""
    return json.dumps(text, ensure_ascii=False)


def obj(members: dict[str, str] | list[tuple[str, str]]) -> str:
    """Returns a JSON object of members whose values are JSON text. A list may contain a name twice."""
    pairs = members.items() if isinstance(members, dict) else members
    return "{" + ",".join(f"{quoted(name)}:{value}" for name, value in pairs) + "}"


@dataclass(frozen=True)
class Row:
    """A row of the outbox, as the database holds it."""

    id: str
    aggregate_id: str
    event_type: str = VERBATIM
    aggregate_type: str = "Thing"
    payload: str = '{"n": 1.50}'
    # RFC 3339, and the same in milliseconds. Without one, the record's time counts.
    created_at: str | None = None
    created_ms: int | None = None
    sequence: str | None = None

    def columns(self, **changes: str | None) -> dict[str, str]:
        """Returns the columns as JSON. A change gives another value, or removes the column if it is None."""
        columns = {
            "event_id": quoted(self.id),
            "sequence_id": self.sequence or "null",
            "aggregate_id": quoted(self.aggregate_id),
            "aggregate_type": quoted(self.aggregate_type),
            "event_type": quoted(self.event_type),
            "payload": quoted(self.payload),
            "status": '"pending"',
            "created_at": "null" if self.created_at is None else quoted(self.created_at),
        }
        columns |= changes
        return {name: value for name, value in columns.items() if value is not None}

    def event(self, **changes: Any) -> dict[str, Any]:
        """Returns what the handler must get."""
        event = {
            "id": self.id,
            "sequence": self.sequence,
            "event_type": self.event_type,
            "aggregate_type": self.aggregate_type,
            "aggregate_id": self.aggregate_id,
            "payload": self.payload,
            # None means the record's own time.
            "created_ms": self.created_ms,
            "headers": [],
            "columns": "{}",
        }
        return {"is": "event"} | event | changes

    def with_(self, **changes: Any) -> Row:
        return replace(self, **changes)


def dead(message: str, reason: str = "undecodable", handler: str | None = None, **known: str | None) -> dict[str, Any]:
    """Kept with its bytes, under a reason whose message contains these words."""
    return {"is": "dead", "reason": reason, "message": message, "handler": handler} | known


def left_out(record_bytes: int) -> dict[str, Any]:
    """Too large to be read and kept. Only the number of its bytes is left."""
    return dead("at most 33554432 are read and kept") | {"left_out_bytes": record_bytes}


def ignored(kind: str) -> dict[str, Any]:
    return {"is": "ignored", "kind": kind}


DUPLICATE = {"is": "duplicate"}
ABORTED = {"is": "aborted"}


@dataclass
class Record:
    family: str
    key: Bytes
    value: Bytes
    headers: Headers
    expect: dict[str, Any]
    # Records of one lane are written in their order into one partition. Without a lane the order is free.
    lane: str | None = None
    compression: str = "none"
    transaction: str | None = None

    def line(self, route: str) -> dict[str, Any]:
        """Returns the record as JSON, with the topic's last part in place of ROUTE."""
        def text(value: Bytes) -> str | None:
            return None if value is None else base64.b64encode(value).decode()

        routed = {"aggregate_type": route} if self.expect.get("aggregate_type") == ROUTE else {}
        return {
            "family": self.family,
            "key": text(self.key),
            # A value that is not kept need not be compared.
            "value": None if "left_out_bytes" in self.expect else text(self.value),
            "headers": [[text(name), text(value)] for name, value in self.headers],
            "expect": self.expect | routed,
        }


@dataclass
class Family:
    """Records of one kind. Every id in it begins with the tag, so that a family may be written more than once."""

    name: str
    tag: str
    # The approximate size of its largest records.
    large: int = 1 << 20
    records: list[Record] = field(default_factory=list)
    rows: int = 0

    def row(self, **changes: Any) -> Row:
        """Returns a row that no other record has."""
        self.rows += 1
        name = f"{self.tag}-{self.name}-{self.rows}"
        return Row(id=name, aggregate_id=f"a-{name}").with_(**changes)

    def number(self) -> int:
        """Returns a number of ten digits that no other family has."""
        return 10**9 + zlib.crc32(f"{self.tag}-{self.name}".encode())

    def add(
        self,
        value: str | Bytes,
        expect: dict[str, Any],
        key: str | Bytes = b"k",
        headers: list[tuple[str | bytes, str | Bytes]] = (),
        **more: Any,
    ) -> None:
        def raw(text: str | Bytes) -> Bytes:
            return text.encode() if isinstance(text, str) else text

        pairs = [(raw(name), raw(value)) for name, value in headers]
        self.records.append(Record(self.name, raw(key), raw(value), pairs, expect, **more))
