-- Bytes of slices that are cut out of a volume. They are stored in portions while it is cut, before anything
-- shows them; the rows of the volume and its slices, which point to them, follow in one short transaction.

CREATE TABLE volume_contents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    bytes BLOB NOT NULL
) STRICT;

-- Those of them that no slice shows yet: what is left here by a process that ended is of no use.
CREATE TABLE waiting_contents (
    seq INTEGER PRIMARY KEY REFERENCES volume_contents (seq) ON DELETE CASCADE
) STRICT;

ALTER TABLE slices ADD COLUMN content INTEGER; -- of volume_contents; NULL: the bytes are in slice_contents

CREATE TRIGGER slice_deleted AFTER DELETE ON slices WHEN old.content IS NOT NULL
BEGIN
    DELETE FROM volume_contents WHERE seq = old.content;
END;
