"""What stands in the handlers' database, exactly: documents.py MONGODB [COLLECTION ID].

Writes every document of every collection, sorted, as canonical Extended JSON; or the one asked for, or null.
"""

import json
import sys

import pymongo
from bson import json_util

DATABASE = "activity_read"


def exact(value) -> object:
    return json.loads(json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS))


with pymongo.MongoClient(sys.argv[1], serverSelectionTimeoutMS=30_000) as client:
    database = client[DATABASE]
    if len(sys.argv) == 4:
        answer = exact(database[sys.argv[2]].find_one({"_id": sys.argv[3]}))
    else:
        answer = {name: exact(list(database[name].find().sort("_id"))) for name in sorted(database.list_collection_names())}
    json.dump(answer, sys.stdout, sort_keys=True, ensure_ascii=False)
