-- Volumes: what was uploaded as one, whose slices know where they lie in it; and jobs on volumes.
-- The volumes' files are beside the database, in volumes/<id>/.

CREATE TABLE volumes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    dataset INTEGER NOT NULL REFERENCES datasets (seq),
    case_name TEXT NOT NULL,
    name TEXT NOT NULL,
    preset TEXT NOT NULL,
    channels INTEGER NOT NULL,
    labels INTEGER NOT NULL, -- whether there is a label volume
    organ INTEGER NOT NULL, -- whether there is an organ volume
    geometry TEXT NOT NULL, -- JSON
    sha256 TEXT NOT NULL, -- of the uploaded bytes and how they are cut
    created_at TEXT NOT NULL,
    UNIQUE (dataset, sha256)
) STRICT;

ALTER TABLE slices ADD COLUMN volume INTEGER REFERENCES volumes (seq) ON DELETE CASCADE;
ALTER TABLE slices ADD COLUMN part TEXT NOT NULL DEFAULT '' CHECK (part IN ('left', 'right', ''));
CREATE INDEX slices_by_volume ON slices (volume) WHERE volume IS NOT NULL;

-- Not a foreign key: what a job was about stays true after that is gone.
ALTER TABLE jobs ADD COLUMN volume TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN outputs TEXT NOT NULL DEFAULT '[]'; -- JSON
CREATE INDEX jobs_by_volume ON jobs (volume) WHERE volume <> '';

-- From now on a NIfTI slice is turned as its header says. Those stored before keep the axes that their
-- masks were drawn on.
UPDATE slices SET content_type = 'application/x-nifti; axes=stored'
WHERE content_type = 'application/x-nifti';
