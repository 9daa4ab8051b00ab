"""Registers a connector with Connect, or changes it to what its file says: register.py FILE.

CONNECT_URL says where Connect is. POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB and POSTGRES_USER go before what the file
says, where they are set. Ends with 0 once the connector has read the log, so that what is written from now on is sent, or
is paused as somebody left it, and with 1 and the reason where it or its task has failed, Connect refuses the settings, or
nothing has come of it in two minutes. Needs nothing but Python.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

PATIENCE_S = 120
FAILED_S = 5
OVER = {
    "POSTGRES_HOST": "database.hostname",
    "POSTGRES_PORT": "database.port",
    "POSTGRES_DB": "database.dbname",
    "POSTGRES_USER": "database.user",
}


def ask(method: str, url: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def register(url: str, settings: dict) -> None:
    """A worker that has just started, or is in the middle of a rebalance, refuses for a moment."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            ask("PUT", f"{url}/config", settings)
            return
        except urllib.error.HTTPError as error:
            why = error.read().decode(errors="replace")
            if error.code not in (404, 409, 500, 503) or time.monotonic() > end:
                sys.exit(f"Connect refused the connector with {error.code}: {why}")
        except OSError as error:
            if time.monotonic() > end:
                sys.exit(f"Connect does not answer: {error}")
        time.sleep(1)


def wait(url: str) -> str:
    """What the connector and its task do, once they do it."""
    end = time.monotonic() + PATIENCE_S
    seen, failed_since = "nothing yet", None
    while time.monotonic() < end:
        try:
            status = ask("GET", f"{url}/status")
            parts = [status["connector"], *status["tasks"]]
            states = {part["state"] for part in parts}
            if len(parts) > 1 and states == {"PAUSED"}:
                return "paused"
            if len(parts) > 1 and states == {"RUNNING"} and has_read(url):
                return "running"
            seen = ", ".join(part["state"] for part in parts)
            # What stood there before the settings were changed stands there for a moment more.
            failed = next((part for part in parts if part["state"] == "FAILED"), None)
            failed_since = failed and (failed_since or time.monotonic())
            if failed and time.monotonic() - failed_since > FAILED_S:
                sys.exit(f"the connector failed: {failed.get('trace', 'without a reason')}")
        except OSError as error:
            seen = str(error)
        time.sleep(1)
    sys.exit(f"the connector does not run after {PATIENCE_S} s: {seen}")


def has_read(url: str) -> bool:
    """A task runs before it has a slot. It has offsets from its first heartbeat on, or its first row."""
    try:
        return bool(ask("GET", f"{url}/offsets")["offsets"])
    except urllib.error.HTTPError as error:
        # Connect before 3.6 does not say.
        if error.code == 404:
            return True
        raise


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        connector = json.load(file)
    settings = connector["config"]
    settings.update({key: os.environ[name] for name, key in OVER.items() if os.environ.get(name)})
    url = f"{os.environ.get('CONNECT_URL', 'http://localhost:8083')}/connectors/{connector['name']}"
    register(url, settings)
    print(f"{connector['name']} is {wait(url)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
