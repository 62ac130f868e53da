-- The name of the file in which the hashes lie; that of the entry before there was this.
ALTER TABLE file ADD COLUMN hashes TEXT NOT NULL DEFAULT '';
UPDATE file SET hashes = lower(hex(entry));
