-- Times are milliseconds since 1970 in UTC, JSON is text: the same on both databases.

CREATE TABLE campaigns (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT,
    owner_id   TEXT,
    status     TEXT,
    status_at  BIGINT,          -- the publisher's time of `status`
    metadata   TEXT,            -- JSON
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX campaigns_by_owner ON campaigns (owner_id, created_at);

-- No foreign key: a right may be known before the campaign is, and a removal outlives it.
CREATE TABLE campaign_participants (
    campaign_id TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    removed_at  BIGINT,         -- set: stays out whatever his token claims
    PRIMARY KEY (campaign_id, user_id)
);
CREATE INDEX campaign_participants_by_user ON campaign_participants (user_id);

-- `seq` is the order of writing; AUTOINCREMENT: a number is never given twice, also after deletes.
CREATE TABLE notifications (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    type        TEXT    NOT NULL CHECK (type IN ('info', 'success', 'warning', 'error')),
    title       TEXT    NOT NULL,
    message     TEXT    NOT NULL,
    action_url  TEXT,
    metadata    TEXT,           -- JSON
    campaign_id TEXT,
    created_at  BIGINT  NOT NULL,
    read_at     BIGINT,
    UNIQUE (user_id, id)
);
CREATE INDEX notifications_by_user ON notifications (user_id, seq);
-- What a connect asks for: its cost does not grow with what has been read.
CREATE INDEX notifications_unread ON notifications (user_id, seq) WHERE read_at IS NULL;

CREATE TABLE connection_events (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    node        TEXT    NOT NULL,
    socket_id   TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    event       TEXT    NOT NULL CHECK (event IN ('connected', 'disconnected')),
    "timestamp" BIGINT  NOT NULL,
    metadata    TEXT            -- JSON: userAgent, ip, version, transport, reason, durationMs
);
CREATE INDEX connection_events_by_time ON connection_events ("timestamp");

CREATE TABLE token_revocations (
    user_id  TEXT   NOT NULL PRIMARY KEY,
    "before" BIGINT NOT NULL    -- tokens issued until then are refused
);

-- Programs outside insert (channel, payload); the rest is the hub's.
CREATE TABLE event_outbox (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    channel       TEXT    NOT NULL,
    payload       TEXT    NOT NULL,
    -- julianday and not unixepoch('subsec'): the inserting program's SQLite evaluates it, and may be old
    created_at    BIGINT  NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
    dispatched_at BIGINT,
    refused       TEXT          -- why it cannot be an event; it is then not tried again
);
CREATE INDEX event_outbox_waiting ON event_outbox (id) WHERE dispatched_at IS NULL;
