//! The tables as diesel sees them: one schema for both databases (times BIGINT, JSON TEXT).

diesel::table! {
    campaigns (id) {
        id -> Text,
        name -> Nullable<Text>,
        owner_id -> Nullable<Text>,
        status -> Nullable<Text>,
        status_at -> Nullable<BigInt>,
        metadata -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    campaign_participants (campaign_id, user_id) {
        campaign_id -> Text,
        user_id -> Text,
        removed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    notifications (seq) {
        seq -> BigInt,
        id -> Text,
        user_id -> Text,
        #[sql_name = "type"]
        kind -> Text,
        title -> Text,
        message -> Text,
        action_url -> Nullable<Text>,
        metadata -> Nullable<Text>,
        campaign_id -> Nullable<Text>,
        created_at -> BigInt,
        read_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    connection_events (id) {
        id -> BigInt,
        node -> Text,
        socket_id -> Text,
        user_id -> Text,
        event -> Text,
        timestamp -> BigInt,
        metadata -> Nullable<Text>,
        duration_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    open_connections (socket_id) {
        socket_id -> Text,
        node -> Text,
        user_id -> Text,
    }
}

diesel::table! {
    token_revocations (user_id) {
        user_id -> Text,
        before -> BigInt,
    }
}

diesel::table! {
    access_changes (seq) {
        seq -> BigInt,
        kind -> Text,
        user_id -> Nullable<Text>,
        campaign_id -> Nullable<Text>,
        origin -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    event_outbox (id) {
        id -> BigInt,
        channel -> Text,
        payload -> Text,
        created_at -> BigInt,
        dispatched_at -> Nullable<BigInt>,
        refused -> Nullable<Text>,
    }
}

diesel::joinable!(campaign_participants -> campaigns (campaign_id));
diesel::allow_tables_to_appear_in_same_query!(campaigns, campaign_participants);
