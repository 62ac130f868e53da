-- Nodes of DHTs that answered, as addresses: where to begin next time.
CREATE TABLE dht_node (number INTEGER PRIMARY KEY, address TEXT NOT NULL) STRICT;
