"""PostgreSQL's side of the pipeline: outbox.py prepare URI FILE... | sql URI STATEMENT."""

import sys
import time

import psycopg

PATIENCE_S = 60


def connect(uri: str) -> psycopg.Connection:
    """Connects. A server that has just opened its port may refuse for another moment."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return psycopg.connect(uri, autocommit=True)
        except psycopg.OperationalError as error:
            if "does not exist" in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def prepare(uri: str, *files: str) -> None:
    """Makes the database, and in it the outbox table, its publication and Debezium's role from files of SQL."""
    server, name = uri.rsplit("/", 1)
    with connect(f"{server}/postgres") as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"')
    with connect(uri) as connection:
        for name in files:
            with open(name, encoding="utf-8") as file:
                connection.execute(file.read())


def sql(uri: str, statement: str) -> None:
    """Runs one statement. Prints how many rows it affected."""
    with connect(uri) as connection:
        print(connection.execute(statement).rowcount)


if __name__ == "__main__":
    {"prepare": prepare, "sql": sql}[sys.argv[1]](*sys.argv[2:])
