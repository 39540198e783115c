//! The command line and what operators look at.
#![cfg(feature = "hub")]

mod common;

use common::process::{Process, free_port};
use common::server::roomcast;
use common::tokens::SECRET;
use common::*;
use std::process::{Command, Output};

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A command that must not start: it exits with 2 and names `named`.
fn assert_wrong_setting(command: &mut Command, named: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(command.current_dir(dir.path()));
    assert_eq!(code, Some(2), "{stdout}{stderr}");
    for name in named {
        assert!(stderr.contains(name) || stdout.contains(name), "{name} is not named:\n{stdout}{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn check_config_prints_what_holds_with_secrets_masked() {
    let mut command = roomcast();
    command
        .arg("check-config")
        .env("REDIS_URL", "redis://joe:hidden-password@localhost:6379/")
        .env("ROOMCAST_LIMITS__ROOM_SIZE", "77");
    let (code, stdout, stderr) = run(&mut command);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("room_size = 77"), "{stdout}");
    assert!(stdout.contains("max_payload = 1000000"), "{stdout}");
    for hidden in [SECRET, "hidden-password"] {
        assert!(!stdout.contains(hidden) && !stderr.contains(hidden), "{stdout}{stderr}");
    }
    assert!(stdout.contains("localhost:6379"), "{stdout}");
}

#[test]
fn check_config_names_what_is_wrong_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("roomcast.toml");
    std::fs::write(&file, "[server]\nport = 8080\n\n[limits]\nroom_sizes = 5\n").unwrap();
    let mut command = roomcast();
    command.args(["check-config", "--config"]).arg(&file);
    assert_wrong_setting(&mut command, &["room_sizes", "roomcast.toml", "5"]);
}

#[test]
fn a_configuration_file_is_overridden_by_variables_and_these_by_flags() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("roomcast.toml");
    std::fs::write(&file, "[limits]\nroom_size = 5\nrooms_per_socket = 6\n").unwrap();
    let mut command = roomcast();
    command.arg("check-config").env("ROOMCAST_CONFIG", &file).env("ROOMCAST_LIMITS__ROOM_SIZE", "7");
    let (code, stdout, stderr) = run(&mut command);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("room_size = 7") && stdout.contains("rooms_per_socket = 6"), "{stdout}");
}

#[test]
fn wrong_settings_end_serve_with_2_and_the_keys_name() {
    for (key, value) in [
        ("server.port", "70000"),
        ("limits.room_size", "many"),
        ("limits.no_such_limit", "1"),
        ("nonsense.key", "1"),
        ("auth.secret", "short"),
        ("auth.algorithms", "none"),
        ("log.format", "xml"),
    ] {
        let mut command = roomcast();
        command.args(["serve", "--port", "0"]).env(common::server::variable(key), value);
        assert_wrong_setting(&mut command, &[key.split_once('.').unwrap().1]);
    }
}

#[test]
fn a_missing_secret_ends_serve_with_2_and_names_the_setting() {
    let mut command = roomcast();
    command.args(["serve", "--port", "0"]).env_remove("ROOMCAST_AUTH__SECRET");
    assert_wrong_setting(&mut command, &["auth.secret"]);
    command.env("ROOMCAST_AUTH__SECRET", ""); // an empty variable counts as not set
    assert_wrong_setting(&mut command, &["auth.secret"]);
}

#[test]
fn every_origin_together_with_credentials_is_refused() {
    let mut command = roomcast();
    command.args(["serve", "--port", "0"]).env("ROOMCAST_CORS__ORIGINS", "*");
    assert_wrong_setting(&mut command, &["origins", "credentials"]);
}

#[test]
fn dev_serves_the_loopback_alone() {
    let mut command = roomcast();
    command.args(["serve", "--dev", "--host", "0.0.0.0", "--port", "0"]);
    assert_wrong_setting(&mut command, &["host"]);
}

#[test]
fn a_port_that_is_taken_ends_serve_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(roomcast().args(["serve", "--port", &port]).current_dir(dir.path()));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&port), "{stderr}");
}

#[test]
fn variables_that_platforms_set_are_passed_over() {
    let settings = TestServer::builder()
        .env("ROOMCAST_PORT", "tcp://10.0.0.1:80")
        .env("ROOMCAST_SERVICE_HOST", "10.0.0.1")
        .env("REDIS_PORT", "tcp://10.0.0.2:6379");
    assert_eq!(settings.start().get("/health/ready").status, 200);
}

#[test]
fn dev_needs_nothing_and_takes_tokens_of_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut serve = roomcast();
    serve
        .args(["serve", "--dev", "--port", &port.to_string()])
        .env_remove("ROOMCAST_AUTH__SECRET")
        .current_dir(dir.path());
    let process = Process::start(&mut serve, "");
    let line = process.wait_for_line(|line| Some(line.to_owned()));
    assert_eq!(line, Some(format!("listening on http://127.0.0.1:{port}")));
    let mut token = roomcast();
    token
        .args(["token", "--dev", "--sub", "u1", "--permissions", "admin"])
        .env_remove("ROOMCAST_AUTH__SECRET");
    let (code, token, stderr) = run(token.current_dir(dir.path()));
    assert_eq!(code, Some(0), "{stderr}");
    let body = json!({"channel": "campaign:c1", "payload": {"eventType": "updated"}}).to_string();
    let bearer = format!("Bearer {}", token.trim());
    let url = format!("http://127.0.0.1:{port}/api/v1/events");
    let answer = http::post(&url, &[("Authorization", &bearer)], &body);
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[test]
fn a_token_carries_what_was_asked_for() {
    let args = [
        "token",
        "--sub",
        "u|1",
        "--permissions",
        "admin,publish",
        "--ttl",
        "60",
        "--owned",
        "c1,c2",
        "--participating",
        "c3",
    ];
    let (code, token, stderr) = run(roomcast().args(args));
    assert_eq!(code, Some(0), "{stderr}");
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    rules.validate_aud = false;
    let key = jsonwebtoken::DecodingKey::from_secret(SECRET.as_bytes());
    let claims = jsonwebtoken::decode::<Value>(token.trim(), &key, &rules).unwrap().claims;
    assert_eq!(claims["sub"], "u|1");
    assert_eq!(claims["permissions"], json!(["admin", "publish"]));
    assert_eq!(claims["ownedCampaigns"], json!(["c1", "c2"]));
    assert_eq!(claims["participatingCampaigns"], json!(["c3"]));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
}

#[test]
fn the_address_is_the_only_line_on_standard_output() {
    let mut server = TestServer::builder().env("RUST_LOG", "debug").start();
    server.connect(Protocol::Plain, &user("u1")).close();
    server.signal("TERM");
    server.wait();
    assert_eq!(server.further_output(), Vec::<String>::new());
    assert!(!server.log().is_empty());
}

#[test]
fn health_says_the_state_of_each_part() {
    let redis = RedisServer::start();
    let server = TestServer::builder().redis(&redis).env("SERVICE_VERSION", "7.8.9").start();
    assert_eq!(server.get("/health/live").status, 200);
    let ready = server.get("/health/ready");
    assert_eq!(ready.status, 200);
    let body = ready.json();
    assert_eq!(body["version"], "7.8.9");
    assert!(body["status"].is_string(), "{body}");
    assert!(body["parts"]["redis"].is_string() && body["parts"]["database"].is_string(), "{body}");
}

#[test]
fn metrics_are_those_that_outside_programs_rely_on() {
    let redis = RedisServer::start();
    let server = TestServer::builder().redis(&redis).start();
    let mut client = server.connect(Protocol::SocketIo, &admin("a"));
    client.emit("subscribe:campaign", json!({"campaignId": "a|very|private|id"}));
    client.wait_for("subscribed");
    client.emit("an-event-of-my-own", json!({}));
    client.expect_event("error");
    redis.publish("campaign:a|very|private|id", &json!({"eventType": "updated"}));
    client.expect_event("campaign:updated");
    let body = server.get("/metrics").body;
    for name in [
        "websocket_connections_total{status=\"connected\"} 1",
        "websocket_connections_active 1",
        "websocket_messages_total{direction=\"inbound\",type=\"subscribe:campaign\"} 1",
        "websocket_messages_total{direction=\"inbound\",type=\"other\"} 1",
        "roomcast_unsent_bytes",
        "roomcast_slow_consumers_total 0",
        "roomcast_dependency_up{dependency=\"redis\"} 1",
        "roomcast_dependency_up{dependency=\"database\"} 1",
    ] {
        assert!(body.contains(name), "{name} is missing in\n{body}");
    }
    for private in ["private", "an-event-of-my-own"] {
        assert!(!body.contains(private), "a label has what a client chose:\n{body}");
    }
}

#[test]
fn publish_goes_through_redis_where_it_is_configured() {
    let redis = RedisServer::start();
    let server = TestServer::builder().redis(&redis).start();
    assert_publish_arrives(&server);
}

#[test]
fn publish_goes_to_the_running_hub_where_there_is_no_redis() {
    assert_publish_arrives(&TestServer::start());
}

fn assert_publish_arrives(server: &TestServer) {
    let mut client = server.connect(Protocol::Plain, &admin("a"));
    client.emit("subscribe:campaign", json!({"campaignId": "活动|1"}));
    client.wait_for("subscribed");
    let published = server.run(&["publish", "campaign:活动|1", r#"{"eventType":"updated","n":1}"#]);
    assert!(published.status.success(), "{published:?}");
    assert_eq!(client.expect_event("campaign:updated")["n"], 1);
    let bad = server.run(&["publish", "campaign:活动|1", "{no json"]);
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    client.expect_nothing_but_pong();
}

#[test]
fn migrate_makes_the_tables_and_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.db");
    let url = format!("sqlite://{}", file.display());
    for _ in 0..2 {
        let (code, stdout, stderr) = run(roomcast().arg("migrate").env("DATABASE_URL", &url));
        assert_eq!(code, Some(0), "{stdout}{stderr}");
    }
    let mut store = common::store::Store::open(&file);
    for table in [
        "campaigns",
        "campaign_participants",
        "notifications",
        "connection_events",
        "token_revocations",
        "event_outbox",
        "open_connections",
        "nodes",
    ] {
        assert_eq!(store.count(table), 0, "{table}");
    }
    store.assert_sound();
}

#[test]
fn connections_are_recorded_in_the_store() {
    let server = TestServer::start();
    let client = server.connect(Protocol::Plain, &user("u1"));
    client.close();
    for event in ["connected", "disconnected"] {
        eventually_true("coming and going are written", || {
            server.store().count(&format!("connection_events WHERE user_id = 'u1' AND event = '{event}'"))
                == 1
        });
    }
}

#[test]
fn help_lists_the_commands_and_nonsense_is_a_usage_error() {
    let (code, stdout, _) = run(roomcast().arg("--help"));
    assert_eq!(code, Some(0));
    for command in ["serve", "token", "publish", "migrate", "check-config", "demo"] {
        assert!(stdout.contains(command), "{command} is missing in\n{stdout}");
    }
    assert_eq!(run(roomcast().arg("nonsense")).0, Some(2));
}
