"""The tables of the embedded backend, as `flowplan.state.format` has them."""

from __future__ import annotations

APPLICATION_ID = 0x666C6F77
"""Marks the file as ours ("flow"), so that a foreign database is recognised."""

SCHEMA = """
CREATE TABLE stacks (
    name TEXT PRIMARY KEY CHECK (name <> ''), lineage TEXT NOT NULL CHECK (lineage <> ''),
    serial INTEGER NOT NULL CHECK (serial >= 0), key BLOB NOT NULL, project TEXT NOT NULL, source TEXT NOT NULL,
    token INTEGER NOT NULL, resources INTEGER NOT NULL CHECK (resources >= 0), total INTEGER NOT NULL,
    open INTEGER NOT NULL, sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE resources (
    stack TEXT NOT NULL REFERENCES stacks(name), address TEXT NOT NULL, kind TEXT NOT NULL,
    id TEXT NOT NULL CHECK (id <> ''), body TEXT NOT NULL, sum INTEGER NOT NULL,
    UNIQUE (stack, address), UNIQUE (stack, kind, id)
) STRICT;
CREATE TABLE outputs (
    stack TEXT PRIMARY KEY REFERENCES stacks(name), body TEXT NOT NULL, sum INTEGER NOT NULL
) STRICT;
CREATE TABLE serials (
    stack TEXT NOT NULL REFERENCES stacks(name), lineage TEXT NOT NULL,
    serial INTEGER NOT NULL CHECK (serial > 0), at TEXT NOT NULL,
    operation TEXT NOT NULL, version TEXT NOT NULL, project TEXT NOT NULL, resources INTEGER NOT NULL,
    total INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (stack, serial)
) STRICT, WITHOUT ROWID;
CREATE TABLE changes (
    stack TEXT NOT NULL, serial INTEGER NOT NULL, address TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('add', 'change', 'remove')), kind TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, sum INTEGER NOT NULL,
    FOREIGN KEY (stack, serial) REFERENCES serials(stack, serial) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE UNIQUE INDEX changes_in_order ON changes(stack, serial, address);
CREATE TABLE operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stack TEXT NOT NULL REFERENCES stacks(name), run TEXT NOT NULL,
    token INTEGER NOT NULL, operation TEXT NOT NULL, address TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('begun', 'done', 'failed')), begun_at TEXT NOT NULL, ended_at TEXT,
    body TEXT NOT NULL, sum INTEGER NOT NULL, CHECK ((status = 'begun') = (ended_at IS NULL))
) STRICT;
CREATE INDEX open_operations ON operations(stack) WHERE status = 'begun';
CREATE TABLE leases (
    stack TEXT PRIMARY KEY REFERENCES stacks(name), id TEXT NOT NULL, token INTEGER NOT NULL, operation TEXT NOT NULL,
    who TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL, version TEXT NOT NULL,
    created_at TEXT NOT NULL, expires_at TEXT NOT NULL, machine TEXT NOT NULL, done INTEGER NOT NULL,
    steps INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
"""``changes`` holds what each serial added, changed or removed, and is only ever added to: a removed row's ``body`` is
what it was. ``operations.token`` and ``status`` say who began an entry and where it stands."""

TABLES = ("stacks", "serials", "resources", "outputs", "changes", "operations", "leases")
"""In an order in which they can be filled."""
