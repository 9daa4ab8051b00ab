"""PostgreSQL's side of the pipeline: outbox.py prepare URI FILE... | sql URI STATEMENT."""

import sys
import time

import psycopg

PATIENCE_S = 60


def connect(uri: str) -> psycopg.Connection:
    """A server that has just opened its port may refuse for a moment more."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return psycopg.connect(uri, autocommit=True)
        except psycopg.OperationalError as error:
            if "does not exist" in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def prepare(uri: str, *files: str) -> None:
    """The database; the outbox table, its publication and Debezium's role, of files of SQL."""
    server, name = uri.rsplit("/", 1)
    with connect(f"{server}/postgres") as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"')
    with connect(uri) as connection:
        for name in files:
            with open(name, encoding="utf-8") as file:
                connection.execute(file.read())


def sql(uri: str, statement: str) -> None:
    """One statement; says how many rows it touched."""
    with connect(uri) as connection:
        print(connection.execute(statement).rowcount)


if __name__ == "__main__":
    {"prepare": prepare, "sql": sql}[sys.argv[1]](*sys.argv[2:])
