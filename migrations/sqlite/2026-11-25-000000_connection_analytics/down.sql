DROP TABLE nodes;
DROP TABLE open_connections;
ALTER TABLE connection_events DROP COLUMN duration_ms;
