-- Version 1. Times are milliseconds since 1970, UTC. Positions count the steps of a flow from 0.

CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    flow TEXT NOT NULL,
    file TEXT NOT NULL,
    -- running: is worked on, or was when its process ended; then the next run of the flow goes on with it.
    state TEXT NOT NULL CHECK (state IN ('running', 'ok', 'failed')),
    variables TEXT NOT NULL,
    started INTEGER NOT NULL,
    finished INTEGER,
    -- How often it was taken up again.
    resumed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX runs_of_flow ON runs (flow, state);

CREATE TABLE steps (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed')),
    skipped INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE payloads (
    -- Never given twice: `seen` remembers it when the payload is purged.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    -- The position of the step that made it; -1 for the run's trigger.
    maker INTEGER NOT NULL,
    id TEXT NOT NULL,
    -- Empty where the connector gives none.
    version TEXT NOT NULL,
    -- JSON: what the contract's metadata says, with what steps have added.
    metadata TEXT NOT NULL,
    size INTEGER,
    -- BLAKE3 of the body.
    hash BLOB,
    -- A small body itself, or the name of a large one's file in the run's spool; neither when it is not needed any more.
    body BLOB,
    file TEXT,
    -- The step that it is for, or the number of steps when it is through.
    step INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'unknown', 'streaming', 'failed', 'done', 'consumed', 'superseded')),
    -- The try of the step in which it failed last.
    tries INTEGER NOT NULL DEFAULT 0,
    -- What the connector has noted for the case that this try is lost.
    note TEXT,
    -- JSON: why it failed.
    error TEXT,
    -- The run that accepted it first, which names it to web servers.
    origin TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX payloads_once ON payloads (run, maker, id, version);
CREATE INDEX payloads_to_do ON payloads (run, step, state);
CREATE INDEX payloads_parked ON payloads (id) WHERE state IN ('failed', 'pending', 'unknown', 'streaming');

CREATE INDEX payloads_files ON payloads (file) WHERE file IS NOT NULL;

CREATE TABLE deliveries (
    seq INTEGER NOT NULL REFERENCES payloads ON DELETE CASCADE,
    step INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- Where it is now, for steps whose places are taken once.
    place TEXT,
    -- JSON: what the step said of it, such as the path, the hash, the answer's status.
    proof TEXT NOT NULL,
    PRIMARY KEY (seq, step)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_places ON deliveries (place) WHERE place IS NOT NULL;

-- What went wrong and is no state of a payload: a step as a whole, a payload that was never accepted, one that was
-- delivered and whose original stayed.
CREATE TABLE problems (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    step INTEGER NOT NULL,
    -- failure: counts as a failure of the step. problem: does not.
    sort TEXT NOT NULL CHECK (sort IN ('failure', 'problem')),
    payload TEXT,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    code TEXT,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX problems_of_run ON problems (run, step);

-- What a flow has had before.
CREATE TABLE seen (
    flow_of TEXT NOT NULL,
    step_of TEXT NOT NULL,
    -- What makes two payloads the same: `id`, `name` or `content`, and its value.
    sort TEXT NOT NULL,
    key TEXT NOT NULL,
    -- The payload; it may have been purged.
    seq INTEGER NOT NULL,
    -- When it is forgotten, unless it is seen again before.
    expires INTEGER NOT NULL,
    PRIMARY KEY (flow_of, step_of, sort, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_expires ON seen (expires);
CREATE INDEX seen_of_payload ON seen (seq);
