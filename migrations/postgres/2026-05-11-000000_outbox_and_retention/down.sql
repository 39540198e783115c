DROP TRIGGER event_outbox_notify ON event_outbox;
DROP FUNCTION event_outbox_notify();
DROP INDEX event_outbox_dispatched;
DROP INDEX notifications_by_time;
