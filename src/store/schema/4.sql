-- What is known here of files that entries offer; of those without a row: nothing yet.
CREATE TABLE file (
    entry         BLOB NOT NULL PRIMARY KEY,
    -- `conversation.id`
    conversation  BLOB NOT NULL,
    -- 1: being fetched, 2: stopped, 3: here, 4: gone from where it was.
    state         INTEGER NOT NULL,
    -- Where its content lies, or is gathered.
    path          TEXT NOT NULL,
    -- Of one that is not here yet: the path that it is to have.
    target        TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX file_fetching ON file (state) WHERE state = 1;
-- Files of a contact of so many bytes and less come unasked; none: as of everybody.
ALTER TABLE contact ADD COLUMN unasked INTEGER;
