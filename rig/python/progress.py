"""Weir's progress in each partition, polled."""

import threading
import time

import pymongo
from pymongo.errors import PyMongoError


class Progress(threading.Thread):
    """The progress documents of a group, and how often each partition was claimed since it last committed."""

    def __init__(self, uri: str, own: str, group: str, topic: str, partitions: int, step_s: float):
        super().__init__(daemon=True)
        self.uri, self.own, self.step_s = uri, own, step_s
        self.filter = {"_id.group": group, "_id.topic": topic}
        nothing = {"next": 0, "epoch": 0, "commits": 0, "owner": None, "claims": 0}
        self.partitions = [dict(nothing) for _ in range(partitions)]
        self.epochs = [0] * partitions

    def run(self) -> None:
        client = pymongo.MongoClient(self.uri, appname="prove", serverSelectionTimeoutMS=2_000, socketTimeoutMS=5_000)
        progress = client[self.own]["progress"]
        while True:
            try:
                for found in progress.find(self.filter):
                    self.found(found)
            except PyMongoError:
                pass  # MongoDB is away for a while: that is what the run is about.
            time.sleep(self.step_s)

    def found(self, document: dict) -> None:
        number = document["_id"]["partition"]
        epoch, commits = document["epoch"], document["commits"]
        if commits != self.partitions[number]["commits"]:
            self.epochs[number] = epoch
        self.partitions[number] = {
            "next": document["next"],
            "epoch": epoch,
            "commits": commits,
            "owner": document.get("owner"),
            "claims": epoch - self.epochs[number],
        }
