//! What Redis does to a hub.

use std::time::Duration;

use super::rig::{RedisServer, Value, json};
use super::stage::{Scale, Setting, Stage, wait};
use super::table::Row;

/// A moment in which something is away.
const MOMENT: Duration = Duration::from_millis(300);

pub fn is_killed(scale: &Scale) -> Row {
    let mut stage = Stage::set("Redis is killed and started again", scale, |hub| hub);
    stage.redis.kill();
    std::thread::sleep(MOMENT);
    stage.redis.start_again();
    back_with_a_gap(stage)
}

/// Everyone stays, hears of the gap, and the hub listens once.
fn back_with_a_gap(mut stage: Stage) -> Row {
    stage.heal();
    stage.everyone_stayed_and_heard_of_a_gap();
    stage.subscriptions_are_single();
    stage.finish()
}

pub fn hangs_shortly(scale: &Scale) -> Row {
    let mut stage = Stage::set("Redis hangs for a second", scale, |hub| hub);
    stage.redis.freeze();
    std::thread::sleep(Duration::from_secs(1));
    stage.redis.thaw();
    stage.heal();
    stage.subscriptions_are_single();
    stage.nobody_heard_of_a_gap();
    stage.everyone_stayed();
    stage.finish()
}

pub fn hangs(scale: &Scale) -> Row {
    let mut stage = Stage::set("Redis hangs for longer than 5 s", scale, |hub| hub);
    stage.redis.freeze();
    let given_up = wait(scale.patience, || stage.hub.metric("roomcast_dependency_up", "redis") == 0.0);
    stage.row.require(given_up, || "the hub did not notice".to_owned());
    stage.redis.thaw();
    back_with_a_gap(stage)
}

/// It answers everything with -LOADING while it reads a large file.
pub fn is_loading(scale: &Scale) -> Row {
    let mut stage = Stage::set("Redis is loading its data", scale, |hub| hub);
    let mut pipeline = redis::pipe();
    for n in 0..2_000 {
        pipeline.cmd("SET").arg(n).arg("x").ignore();
    }
    pipeline.cmd("SAVE").ignore();
    let filled = pipeline.exec(&mut stage.redis.connection());
    stage.row.require(filled.is_ok(), || format!("{filled:?}"));
    stage.redis.kill();
    stage.redis.begin_again(&["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"]);
    let answer = || stage.redis.command(&["PING"]).map_err(|error| error.to_string());
    let loading = wait(scale.patience, || answer().is_err_and(|error| error.contains("oading")));
    wait(scale.patience, || answer().is_ok());
    stage.row.require(loading, || "it was never seen loading".to_owned());
    back_with_a_gap(stage)
}

/// The user that the hub is for Redis.
const RIGHTS: [&str; 9] =
    ["ACL", "SETUSER", "hub", "on", ">right", "+@all", "resetchannels", "allchannels", "resetkeys"];

fn stage_with_a_user(fault: &'static str, scale: &Scale) -> Stage {
    let redis = RedisServer::start();
    let set = redis.command(&RIGHTS);
    let url = redis.url().replace("//", "//hub:right@");
    let mut stage =
        Stage::set_with(fault, scale, redis, Setting::of(scale), |hub| hub.env("REDIS_URL", &url));
    stage.row.require(set.is_ok(), || format!("{set:?}"));
    stage
}

pub fn refuses_the_password(scale: &Scale) -> Row {
    let mut stage = stage_with_a_user("Redis refuses the password", scale);
    let changed = stage.redis.command(&["ACL", "SETUSER", "hub", "resetpass", ">wrong"]);
    let killed = stage.redis.command(&["CLIENT", "KILL", "USER", "hub"]);
    let refused = wait(scale.patience, || logged(&stage.redis, "auth"));
    stage.row.require(refused, || format!("no refusal: {changed:?} {killed:?}"));
    let set = stage.redis.command(&["ACL", "SETUSER", "hub", "resetpass", ">right"]);
    stage.row.require(set.is_ok(), || format!("{set:?}"));
    back_with_a_gap(stage)
}

pub fn takes_rights_away(scale: &Scale) -> Row {
    let mut stage = stage_with_a_user("rights are taken away while it runs", scale);
    let taken = stage.redis.command(&["ACL", "SETUSER", "hub", "resetchannels", "&roomcast:*"]);
    let refused = wait(scale.patience, || logged(&stage.redis, "campaign:*"));
    stage.row.require(refused, || format!("no refusal: {taken:?}"));
    let given = stage.redis.command(&["ACL", "SETUSER", "hub", "allchannels"]);
    stage.row.require(given.is_ok(), || format!("{given:?}"));
    back_with_a_gap(stage)
}

/// Whether Redis has refused this to somebody.
fn logged(redis: &RedisServer, object: &str) -> bool {
    redis.command(&["ACL", "LOG"]).is_ok_and(|log| format!("{log:?}").contains(object))
}

/// The hub hangs, so that what it is sent fills the buffers and Redis closes the link: all that is missing then
/// was published *before* the hub reads the last of what it was sent.
pub fn closes_a_link_that_does_not_read(scale: &Scale) -> Row {
    let mut stage = Stage::set("Redis closes a link that does not read", scale, |hub| hub);
    let set = stage.redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"]);
    stage.row.require(set.is_ok(), || format!("{set:?}"));
    stage.hub.signal("STOP");
    let filler: Vec<(String, Value)> =
        (0..40).map(|_| ("campaign:filler".to_owned(), json!({"filler": "x".repeat(400_000)}))).collect();
    let mut connection = stage.redis.connection();
    for (channel, payload) in &filler {
        let _ = redis::cmd("PUBLISH").arg(channel).arg(payload.to_string()).exec(&mut connection);
    }
    let links = || stage.redis.command(&["PUBSUB", "NUMPAT"]).ok();
    let closed = wait(scale.patience, || links() == Some(redis::Value::Int(0)));
    stage.row.require(closed, || "the link was not closed".to_owned());
    std::thread::sleep(2 * MOMENT); // what is published now is lost
    stage.hub.signal("CONT");
    back_with_a_gap(stage)
}
