DROP TABLE event_outbox;
DROP TABLE token_revocations;
DROP TABLE connection_events;
DROP TABLE notifications;
DROP TABLE campaign_participants;
DROP TABLE campaigns;
