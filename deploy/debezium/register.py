"""Registers a connector with Connect, or updates it to what its file says: register.py FILE.

CONNECT_URL says where Connect is. POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB and POSTGRES_USER override the file if they
are set. The script ends with 0 once the connector has read the log, so that everything written from now on is sent, or
once the connector is paused or stopped because somebody left it so. It ends with 1 and the reason if the connector or
its task has failed, if Connect refuses the settings, or if the connector is not ready within two minutes. It needs
nothing but Python.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

PATIENCE_S = 120
SETTLED_S = 5
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
    """Calls Connect. A worker that has just started, or is in a rebalance, refuses for a moment."""
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


def wait(url: str, before: list) -> str:
    """Waits until the connector and its task are in a final state, and returns it. `before` is what the connector had
    read before it was registered."""
    begin = time.monotonic()
    seen, failed_since = "nothing yet", None
    while time.monotonic() - begin < PATIENCE_S:
        try:
            status = ask("GET", f"{url}/status")
            parts = [status["connector"], *status["tasks"]]
            states = {part["state"] for part in parts}
            # States from before the settings were changed remain visible for a moment.
            settled = time.monotonic() - begin > SETTLED_S
            if states == {"STOPPED"} or len(parts) > 1 and states == {"PAUSED"}:
                return states.pop().lower()
            seen = ", ".join(part["state"] for part in parts)
            if len(parts) > 1 and states == {"RUNNING"}:
                read = offsets(url)
                if read is None or read and (settled or not before):
                    return "running"
                seen += ", and has read nothing: it needs heartbeat.interval.ms where the table is idle"
            failed = next((part for part in parts if part["state"] == "FAILED"), None)
            failed_since = failed and (failed_since or time.monotonic())
            if failed and time.monotonic() - failed_since > SETTLED_S:
                sys.exit(f"the connector failed: {failed.get('trace', 'without a reason')}")
        except OSError as error:
            seen = str(error)
        time.sleep(1)
    sys.exit(f"the connector is not ready after {PATIENCE_S} s: {seen}")


def offsets(url: str) -> list | None:
    """Returns how far it has read. A task runs before it has a slot, and has offsets from its first heartbeat or row
    on. Returns None if Connect is older than 3.6 and does not say."""
    try:
        return ask("GET", f"{url}/offsets")["offsets"]
    except urllib.error.HTTPError as error:
        return None if error.code == 404 else []


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        connector = json.load(file)
    settings = connector["config"]
    settings.update({key: os.environ[name] for name, key in OVER.items() if os.environ.get(name)})
    url = f"{os.environ.get('CONNECT_URL', 'http://localhost:8083')}/connectors/{connector['name']}"
    try:
        before = offsets(url) or []
    except OSError:
        before = []
    register(url, settings)
    print(f"{connector['name']} is {wait(url, before)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
