-- Of a disconnect: how long the connection lasted, in milliseconds. NULL where nobody knows.
ALTER TABLE connection_events ADD COLUMN duration_ms BIGINT;

-- All that statistics read, so that they are made from the index alone; the retention looks for its beginning.
DROP INDEX connection_events_by_time;
CREATE INDEX connection_events_by_time ON connection_events ("timestamp", event, user_id, duration_ms);

-- Connections without an end yet. What stands here of a hub that is gone is closed by its next start, or by others.
CREATE TABLE open_connections (
    socket_id TEXT NOT NULL PRIMARY KEY,
    node      TEXT NOT NULL,
    user_id   TEXT NOT NULL
);
CREATE INDEX open_connections_by_node ON open_connections (node);

-- The hubs on this database, and when each last said that it is there, by the database's clock.
CREATE TABLE nodes (
    name    TEXT   NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
