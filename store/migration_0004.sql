-- What a model finds in a slice: numbers for the work list and for what to annotate next. One row per
-- slice and model; a slice's pixels and a model's weights never change, so a row is never out of date.

CREATE TABLE predictions (
    slice INTEGER NOT NULL REFERENCES slices (seq) ON DELETE CASCADE,
    model INTEGER NOT NULL REFERENCES models (seq) ON DELETE CASCADE,
    area INTEGER NOT NULL,
    uncertainty REAL NOT NULL,
    disagreement REAL, -- NULL: the model does not translate
    PRIMARY KEY (slice, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX predictions_by_model ON predictions (model);

-- What was deleted on purpose: importing the same folder again does not bring it back.
CREATE TABLE deleted_slices (
    dataset INTEGER NOT NULL REFERENCES datasets (seq),
    sha256 TEXT NOT NULL,
    deleted_at TEXT NOT NULL,
    PRIMARY KEY (dataset, sha256)
) STRICT, WITHOUT ROWID;

-- Why a model that a training made became the active one, or did not. JSON; 'null': not decided.
ALTER TABLE jobs ADD COLUMN activation TEXT NOT NULL DEFAULT 'null';
ALTER TABLE models ADD COLUMN activation TEXT NOT NULL DEFAULT 'null';
