-- The first schema. Every table has its own increasing `seq`: the order of creation, which lists and
-- their cursors follow; `id` is what clients see. Bytes of slices lie in a table of their own so that
-- walking the slices does not walk over them.

CREATE TABLE datasets (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    normalization TEXT NOT NULL CHECK (normalization IN ('none', 'unit', 'foreground')),
    channels INTEGER NOT NULL, -- 0: not fixed yet, as height and width
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE slices (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    dataset INTEGER NOT NULL REFERENCES datasets (seq),
    case_name TEXT NOT NULL,
    position INTEGER NOT NULL, -- in the case; -1: not given
    name TEXT NOT NULL,
    channels INTEGER NOT NULL,
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    content_size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    label TEXT NOT NULL CHECK (label IN ('presence', 'absence', 'unknown')),
    split TEXT NOT NULL CHECK (split IN ('train', 'validation', 'test', '')),
    annotation INTEGER REFERENCES annotations (seq) DEFERRABLE INITIALLY DEFERRED, -- the current one
    created_at TEXT NOT NULL,
    UNIQUE (dataset, sha256)
) STRICT;
CREATE INDEX slices_by_case ON slices (dataset, case_name);
CREATE INDEX slices_by_label ON slices (dataset, label);
CREATE INDEX slices_by_annotation ON slices (annotation) WHERE annotation IS NOT NULL;

CREATE TABLE slice_contents (
    slice INTEGER PRIMARY KEY REFERENCES slices (seq) ON DELETE CASCADE,
    bytes BLOB NOT NULL
) STRICT;

-- Append-only while the slice exists. An entry without a mask says that the annotation was removed.
CREATE TABLE annotations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    slice INTEGER NOT NULL REFERENCES slices (seq) ON DELETE CASCADE,
    author TEXT NOT NULL,
    created_at TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    mask BLOB
) STRICT;
CREATE INDEX annotations_by_slice ON annotations (slice);

-- parent and job are not foreign keys: where a model came from stays true after those are gone.
CREATE TABLE models (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    parent TEXT NOT NULL,
    job TEXT NOT NULL,
    preset TEXT NOT NULL,
    width REAL NOT NULL,
    config TEXT NOT NULL,
    metrics TEXT NOT NULL,
    dataset TEXT NOT NULL,
    weights_size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX models_by_sha256 ON models (sha256);
CREATE UNIQUE INDEX models_by_job ON models (job) WHERE job <> '';

CREATE TABLE active_model (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    model INTEGER NOT NULL REFERENCES models (seq)
) STRICT;

CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    dataset TEXT NOT NULL,
    request TEXT NOT NULL,
    dataset_snapshot TEXT NOT NULL,
    progress REAL NOT NULL,
    step INTEGER NOT NULL,
    losses TEXT NOT NULL,
    dice REAL, -- NULL: none
    model TEXT NOT NULL,
    error TEXT NOT NULL,
    runs INTEGER NOT NULL,
    last_event INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state);

CREATE TABLE job_events (
    job INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_events_by_name ON job_events (job, name, seq);

CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    record TEXT NOT NULL, -- the id of what the call made
    created_at TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
