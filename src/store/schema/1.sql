-- Oneself: exactly one row.
CREATE TABLE profile (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    identity_key  BLOB NOT NULL,
    device_key    BLOB NOT NULL,
    certificate   BLOB NOT NULL,
    name          TEXT NOT NULL
) STRICT;

CREATE TABLE conversation (
    number  INTEGER PRIMARY KEY,
    id      BLOB NOT NULL UNIQUE,
    -- 1: direct.
    kind    INTEGER NOT NULL,
    -- What to call it when nothing else says: a direct one's other member is no contact any more.
    name    TEXT NOT NULL,
    -- A feed in it forked.
    forked  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Who is in it, oneself included, and up to which position each has read.
CREATE TABLE member (
    conversation  INTEGER NOT NULL REFERENCES conversation,
    identity      BLOB NOT NULL,
    read_time     INTEGER,
    read_id       BLOB,
    PRIMARY KEY (conversation, identity)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_identity ON member (identity);

CREATE TABLE contact (
    number       INTEGER PRIMARY KEY,
    identity     BLOB NOT NULL UNIQUE,
    certificate  BLOB NOT NULL,
    own_name     TEXT,
    their_name   TEXT,
    verified     INTEGER NOT NULL DEFAULT 0,
    last_seen    INTEGER,
    -- A JSON array of texts.
    addresses    TEXT NOT NULL DEFAULT '[]'
) STRICT;

CREATE TABLE invite (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 0: issued, 1: accepted.
    accepted     INTEGER NOT NULL,
    issuer       BLOB NOT NULL,
    secret       BLOB NOT NULL,
    -- Unix seconds, as in the invite.
    expires_at   INTEGER NOT NULL,
    uses_left    INTEGER NOT NULL,
    -- 0: open, 1: used, 2: revoked, 3: failed. Expiry is a matter of time.
    state        INTEGER NOT NULL,
    -- Of the issuer of an accepted one, once seen.
    certificate  BLOB,
    UNIQUE (accepted, issuer, secret)
) STRICT;

CREATE TABLE invite_use (
    invite    INTEGER NOT NULL REFERENCES invite ON DELETE CASCADE,
    identity  BLOB NOT NULL,
    PRIMARY KEY (invite, identity)
) STRICT, WITHOUT ROWID;

-- Runs of entries of one feed: see `conversation::Branch`.
CREATE TABLE branch (
    conversation   INTEGER NOT NULL REFERENCES conversation,
    number         INTEGER NOT NULL,
    author         BLOB NOT NULL,
    device         INTEGER NOT NULL,
    parent_branch  INTEGER,
    parent_seq     INTEGER,
    tip_seq        INTEGER NOT NULL,
    tip_id         BLOB NOT NULL,
    tip_time       INTEGER NOT NULL,
    tip_arrival    INTEGER NOT NULL,
    PRIMARY KEY (conversation, number)
) STRICT, WITHOUT ROWID;

-- How far of each branch of the own feed is on a member's disk.
CREATE TABLE reached (
    conversation  INTEGER NOT NULL REFERENCES conversation,
    branch        INTEGER NOT NULL,
    identity      BLOB NOT NULL,
    seq           INTEGER NOT NULL,
    PRIMARY KEY (conversation, branch, identity)
) STRICT, WITHOUT ROWID;

-- The log. The small columns come first, so that they are read without the large ones.
CREATE TABLE entry (
    -- In order of arrival.
    row           INTEGER PRIMARY KEY,
    conversation  INTEGER NOT NULL,
    -- The first 8 bytes of `id`: a quarter of the index, and the whole `id` decides.
    prefix        INTEGER NOT NULL,
    id            BLOB NOT NULL,
    branch        INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    -- `conversation::Placed::time`
    time          INTEGER NOT NULL,
    kind          INTEGER NOT NULL,
    -- By oneself.
    mine          INTEGER NOT NULL,
    -- It came without its body, and that was not pruned here since.
    lacks         INTEGER NOT NULL,
    -- An item of its own.
    shown         INTEGER NOT NULL,
    -- Of an edit: the row of what it edits.
    edits         INTEGER,
    header        BLOB NOT NULL,
    -- None: pruned.
    body          BLOB,
    -- Of an item: the text as it is now; none: deleted.
    text          TEXT
) STRICT;
CREATE INDEX entry_prefix ON entry (prefix);
CREATE UNIQUE INDEX entry_point ON entry (conversation, branch, seq);
CREATE INDEX entry_shown ON entry (conversation, time, id, mine) WHERE shown;
CREATE INDEX entry_lacks ON entry (conversation, row) WHERE lacks;
CREATE INDEX entry_edits ON entry (edits) WHERE edits IS NOT NULL;

-- Of each item the last edit, delete and reaction by each author, in the order shown.
CREATE TABLE modifier (
    target  INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    author  BLOB NOT NULL,
    row     INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    id      BLOB NOT NULL,
    PRIMARY KEY (target, kind, author)
) STRICT, WITHOUT ROWID;

-- The search index. `place` is a word that stands for the conversation, so that a search in one
-- conversation is one more word to look up.
CREATE VIEW searchable AS
    SELECT row, 'c' || conversation AS place, text FROM entry WHERE text IS NOT NULL;
CREATE VIRTUAL TABLE search USING fts5 (
    place, text,
    content = 'searchable', content_rowid = 'row', columnsize = 0,
    tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
