"""Sends one partition's records to Kafka by its protocol, because no client library sends such header names.

It uses Produce v7 and batches of version 2, as described in the protocol's guide. It speaks to one broker, which is
every partition's leader here.
"""

from __future__ import annotations

import socket
import struct

PRODUCE, VERSION = 0, 7
CASTAGNOLI = 0x82F63B78


def table() -> list[int]:
    found = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (CASTAGNOLI if byte & 1 else 0)
        found.append(byte)
    return found


TABLE = table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def varint(number: int) -> bytes:
    """Returns a zigzag number with seven bits per byte."""
    number = number << 1 ^ number >> 63
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record(place: int, delta: int, key: bytes | None, value: bytes | None, headers: list) -> bytes:
    body = b"\0" + varint(delta) + varint(place) + sized(key) + sized(value) + varint(len(headers))
    body += b"".join(sized(name) + sized(content) for name, content in headers)
    return varint(len(body)) + body


def batch(records: list[tuple], timestamp: int) -> bytes:
    """Returns a batch of records, each given as key, value and headers."""
    parts = b"".join(record(place, 0, *one) for place, one in enumerate(records))
    last = len(records) - 1
    body = struct.pack(">hiqqqhii", 0, last, timestamp, timestamp, -1, -1, -1, len(records)) + parts
    checked = struct.pack(">ibI", -1, 2, crc32c(body)) + body
    return struct.pack(">qi", 0, len(checked)) + checked


def text(value: str | None) -> bytes:
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value)) + value.encode()


def produce(bootstrap: str, topic: str, partition: int, records: list[tuple], timestamp: int) -> int:
    """Writes the records, and returns the offset of the first."""
    data = batch(records, timestamp)
    request = struct.pack(">hhi", PRODUCE, VERSION, 1) + text("hostile") + text(None) + struct.pack(">hii", -1, 30_000, 1)
    request += text(topic) + struct.pack(">iii", 1, partition, len(data)) + data
    host, port = bootstrap.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", exactly(connection, 4))
        answer = exactly(connection, length)
    at = 4 + 4 + 2 + len(topic.encode()) + 4 + 4
    code, offset = struct.unpack_from(">hq", answer, at)
    if code != 0:
        raise SystemExit(f"kafka refuses a batch of {len(records)} records by error {code}")
    return offset


def exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = connection.recv(count - len(found))
        if not piece:
            raise SystemExit("kafka closed the connection")
        found += piece
    return found
