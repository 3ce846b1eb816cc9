"""Acts on the events of qs exactly once, from its Redis Stream.

QS_REDIS_URL says where Redis is; STATE names the SQLite file that remembers what was done, EVENTS ends it after so many.
"""

import json
import os
import sqlite3
import sys

import redis

STREAM, GROUP, ME = "qs:events:plan", "example", "one"


def act(database: sqlite3.Connection, event: dict[str, str]) -> bool:
    """Does what follows from the event, unless that was done: the id and the effect are one transaction."""
    with database:
        new = database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (event["id"],)).rowcount == 1
        if new:
            database.execute("INSERT INTO effect VALUES (?, ?)", (event["type"], event["subject"]))
    return new


def main() -> None:
    database = sqlite3.connect(os.environ.get("STATE", "subscriber.sqlite"))
    database.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")
    database.execute("CREATE TABLE IF NOT EXISTS effect (type TEXT, subject TEXT)")
    client = redis.Redis.from_url(os.environ["QS_REDIS_URL"], decode_responses=True)
    try:
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    left = int(os.environ.get("EVENTS", "0")) or None
    # First what an earlier run was given and did not acknowledge, then what is new.
    place = "0"
    while True:
        found = client.xreadgroup(GROUP, ME, {STREAM: place}, count=100, block=1000)
        entries = found[0][1] if found else []
        if place != ">" and not entries:
            place = ">"
        for entry_id, fields in entries:
            event = json.loads(fields["event"])
            if act(database, event):
                sys.stdout.write(f"{event['sequence']} {event['type']} {event['subject']}\n")
                left = None if left is None else left - 1
            client.xack(STREAM, GROUP, entry_id)
            place = entry_id if place != ">" else place
            if left == 0:
                return


if __name__ == "__main__":
    main()
