-- What every node has to hear of: it looks for rows after the last that it has seen. Rows are written in the
-- transaction of the change and under the writer's lock, so `seq` grows in the order of commits.
CREATE TABLE access_changes (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id     TEXT,            -- alone: tokens of his were revoked
    campaign_id TEXT,            -- who may see it has changed: for the user, or for anybody where none is named
    changed_at  BIGINT NOT NULL
);
-- What the retention looks for.
CREATE INDEX access_changes_by_time ON access_changes (changed_at);
