DROP INDEX event_outbox_dispatched;
DROP INDEX notifications_by_time;
