-- What the retention looks for.
CREATE INDEX notifications_by_time ON notifications (created_at);
CREATE INDEX event_outbox_dispatched ON event_outbox (dispatched_at) WHERE dispatched_at IS NOT NULL;
