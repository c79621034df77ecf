-- Who may do what: tokens, the browser sessions that were opened with them, and what was done.

CREATE TABLE tokens (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, -- also the public part of the token
    name TEXT NOT NULL,
    scopes TEXT NOT NULL, -- "read,annotate"
    sha256 TEXT NOT NULL, -- of the token; the token itself is nowhere
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL, -- '' = never
    revoked_at TEXT NOT NULL -- '' = not
) STRICT;
CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked_at = '';

CREATE TABLE sessions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    token INTEGER NOT NULL REFERENCES tokens (seq),
    sha256 TEXT NOT NULL, -- of the cookie
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_token ON sessions (token);

-- Ids and names as they were: a record stays true after what it names is gone.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    request TEXT NOT NULL,
    token TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL
) STRICT;

ALTER TABLE jobs ADD COLUMN author TEXT NOT NULL DEFAULT '';
