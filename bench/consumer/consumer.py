"""The consumer that people write by hand, for comparison: consumer.py SETTINGS, a JSON object of what `main` takes.

It uses aiokafka and pymongo's async API, awaits one operation at a time, and commits the offset after every record. It
does what the six handlers do and nothing more: no ledger, no transaction, no limits. An operation that is repeated
after a crash takes effect again. The consumer ends after a given number of records, and prints how long that took from
the first commit to the last.
"""

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaConsumer
from pymongo import AsyncMongoClient

# Of rig/python, which is on the path.
from handwritten import writes

TICKS = 100


async def handle(database, row: dict) -> None:
    for write in writes(row, json.loads(row["payload"])):
        write.check(await write.on(database))


def cpu(file: str) -> float:
    with open(file, encoding="utf-8") as pid:
        number = pid.read().split()[0]
    with open(f"/proc/{number}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_bytes(number: str) -> int:
    with open(f"/proc/{number}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


async def main(kafka: str, topic: str, group: str, mongodb: str, database: str, events: int, processes: dict) -> None:
    client = AsyncMongoClient(mongodb)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    done, begin, before, own = 0, 0.0, {}, 0.0
    try:
        async for message in consumer:
            envelope = json.loads(message.value)
            if envelope["op"] == "c":
                await handle(client[database], envelope["after"])
            await consumer.commit()
            if done == 0:
                begin, own = time.monotonic(), time.process_time()
                before = {name: cpu(file) for name, file in processes.items()}
            done += 1
            if done > events:
                break
        seconds = time.monotonic() - begin
        used = {"client": {"cpu_seconds": time.process_time() - own, "peak_bytes": peak_bytes("self")}}
        for name, file in processes.items():
            used[name] = {"cpu_seconds": cpu(file) - before[name], "peak_bytes": 0}
    finally:
        await consumer.stop()
    await client.drop_database(database)
    await client.close()
    print(json.dumps({"events": events, "seconds": seconds, "processes": used}))


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
