-- Beginnings of words are looked up as fast as words.
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5 (
    place, text,
    content = 'searchable', content_rowid = 'row', columnsize = 0, prefix = '1 2 3',
    tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
INSERT INTO search (search) VALUES ('rebuild');
