-- Of an offer: what names its content (`conversation::File::content`), so that all offers of the
-- same are found; none: it is no offer, or deleted. `store::files::name_contents` fills it in.
ALTER TABLE entry ADD COLUMN content BLOB;
CREATE INDEX entry_content ON entry (content, mine, conversation, row DESC)
    WHERE content IS NOT NULL;
