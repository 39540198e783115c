-- What every node has to hear of: it looks for rows behind the last that it has seen. Rows are written in the
-- transaction of the change and under the writer's lock, so `seq` grows in the order of commits.
CREATE TABLE access_changes (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL,   -- revoked, participant, owner, deleted; a node passes over what it does not know
    user_id     TEXT,               -- whose tokens, whose part, who owned it before
    campaign_id TEXT,
    origin      BIGINT  NOT NULL,   -- the process that made it, and has acted on it
    changed_at  BIGINT  NOT NULL
);
-- What the retention looks for.
CREATE INDEX access_changes_by_time ON access_changes (changed_at);
