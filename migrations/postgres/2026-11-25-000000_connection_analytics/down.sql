DROP TABLE nodes;
DROP TABLE open_connections;
DROP INDEX connection_events_by_time;
CREATE INDEX connection_events_by_time ON connection_events ("timestamp");
ALTER TABLE connection_events DROP COLUMN duration_ms;
