"""Registers a connector with Connect, or changes it to what its file says: register.py FILE.

CONNECT_URL says where Connect is. POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB and POSTGRES_USER go before what the file
says, where they are set. Ends with 0 once the connector and its task run, or are paused as somebody left them, and with 1
and the reason where one of them has failed, Connect refuses the settings, or nothing has come of it in two minutes. Needs
nothing but Python.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

PATIENCE_S = 120
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
    seen = "nothing yet"
    while time.monotonic() < end:
        try:
            status = ask("GET", f"{url}/status")
        except OSError as error:
            seen = str(error)
        else:
            parts = [status["connector"], *status["tasks"]]
            for part in parts:
                if part["state"] == "FAILED":
                    sys.exit(f"the connector failed: {part.get('trace', 'without a reason')}")
            states = {part["state"] for part in parts}
            if len(parts) > 1 and len(states) == 1 and states <= {"RUNNING", "PAUSED"}:
                return states.pop().lower()
            seen = ", ".join(part["state"] for part in parts)
        time.sleep(1)
    sys.exit(f"the connector does not run after {PATIENCE_S} s: {seen}")


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
