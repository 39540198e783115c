//! What operators call: who is connected, who is in which room, who has to go. A test's name begins with its call.
#![cfg(feature = "hub")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::tokens::publisher;
use common::*;

fn get(server: &TestServer, path: &str) -> Value {
    let answer = server.call("GET", path, &admin("boss"), "");
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

fn delete(server: &TestServer, path: &str) -> (u16, Value) {
    let answer = server.call("DELETE", path, &admin("boss"), "");
    (answer.status, answer.json())
}

/// All items of a list, read by pages of this size; between two pages something may happen.
fn pages(server: &TestServer, path: &str, key: &str, limit: usize, mut between: impl FnMut()) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(server, &format!("{path}limit={limit}{cursor}"));
        let items = page[key].as_array().unwrap();
        assert!(items.len() <= limit, "{} items", items.len());
        found.extend(items.iter().cloned());
        let Some(next) = page.get("nextCursor") else { return found };
        assert_eq!(items.len(), limit, "a page that is not the last one is full");
        cursor = format!("&cursor={}", next.as_str().unwrap());
        between();
    }
}

fn texts(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

fn join(client: &mut TestClient, campaign: &str) {
    client.emit("subscribe:campaign", json!({"campaignId": campaign}));
    client.wait_for("subscribed");
}

/// What a client sees of its end that is not to come back by itself.
fn kicked(protocol: Protocol) -> Close {
    Close { code: Some(if protocol == Protocol::Plain { 4403 } else { 1000 }), reason: "kicked".to_owned() }
}

// ── connections ─────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn get_connections_lists_each_with_its_user_rooms_transport_and_handshake() {
    let server = TestServer::start();
    let before = roomcast::clock::now_ms();
    let handshake =
        |protocol| Handshake::query(protocol, "version=4.5.6").header("User-Agent", "Phone/1.0 (é)");
    let mut clients = BTreeMap::new();
    for (name, protocol) in
        [("websocket", Protocol::SocketIo), ("polling", Protocol::Polling), ("plain", Protocol::Plain)]
    {
        let mut client = TestClient::open_with(&server, protocol, &handshake(protocol)).unwrap();
        client.send_token(&admin(&format!("auth0|{name}")));
        client.expect_connected();
        client.skip_initial();
        clients.insert(name, client);
    }
    let websocket = clients.get_mut("websocket").unwrap();
    join(websocket, "c/1");
    websocket.emit_bare("subscribe:user");
    websocket.wait_for("subscribed");
    let listed = get(&server, "/api/v1/connections");
    assert!(listed.get("nextCursor").is_none(), "{listed}");
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{listed}");
    for item in items {
        let time = |name: &str| roomcast::clock::parse_rfc3339(item[name].as_str().unwrap()).unwrap();
        let (came, heard) = (time("connectedAt"), time("lastActivity"));
        assert!(before <= came && came <= heard + 1 && heard <= roomcast::clock::now_ms() + 1, "{item}");
        let transport = item["transport"].as_str().unwrap();
        assert_eq!(item["userId"], format!("auth0|{transport}"));
        assert_eq!(item["metadata"]["ip"], "127.0.0.1");
        assert_eq!(item["metadata"]["version"], "4.5.6");
        let rooms: BTreeSet<&str> =
            item["rooms"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
        let expected: &[&str] =
            if transport == "websocket" { &["campaign:c/1", "user:auth0|websocket"] } else { &[] };
        assert_eq!(rooms, expected.iter().copied().collect());
    }
    let mut fields: Vec<&String> = items[0].as_object().unwrap().keys().collect();
    fields.sort();
    let expected = ["connectedAt", "lastActivity", "metadata", "rooms", "socketId", "transport", "userId"];
    assert_eq!(fields, expected);
}

#[test]
fn get_connections_takes_filters_by_user_and_room_and_refuses_other_parameters() {
    let server = TestServer::start();
    let mut clients: Vec<TestClient> =
        ["a|1", "a|1", "b+2"].iter().map(|user| server.connect(Protocol::Plain, &admin(user))).collect();
    join(&mut clients[0], "x");
    join(&mut clients[2], "x");
    let users = |query: &str| {
        let mut users = texts(
            get(&server, &format!("/api/v1/connections?{query}"))["items"].as_array().unwrap(),
            "userId",
        );
        users.sort();
        users
    };
    assert_eq!(users("userId=a%7C1"), ["a|1", "a|1"]);
    assert_eq!(users("userId=b%2B2"), ["b+2"]);
    assert_eq!(users("room=campaign:x"), ["a|1", "b+2"]);
    assert_eq!(users("room=campaign%3Ax&userId=a%7C1&limit=1"), ["a|1"]);
    assert!(users("userId=nobody").is_empty() && users("room=campaign:none").is_empty());
    assert!(users("room=user:b+2&userId=a%7C1").is_empty());
    for wrong in [
        "userid=a",
        "user=a",
        "userId=",
        "userId=a%20b",
        "room=x",
        "room=",
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=",
        "limit=1&limit=1",
        "cursor=",
        "cursor=x",
        "cursor=Y29ubmVjdGlvbnM6eA",
    ] {
        let answer = server.call("GET", &format!("/api/v1/connections?{wrong}"), &admin("boss"), "");
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!("invalid_payload")),
            "{wrong}"
        );
    }
}

#[test]
fn get_connections_pages_are_stable_while_connections_come_and_go() {
    let server = TestServer::builder().set("limits.connections_per_user", 0).start();
    let mut clients: Vec<TestClient> =
        (0..20).map(|n| server.connect(Protocol::Plain, &user(&format!("u{}", n % 3)))).collect();
    for query in ["", "userId=u0&"] {
        let all = get(&server, &format!("/api/v1/connections?{query}"));
        let there: BTreeSet<String> =
            texts(all["items"].as_array().unwrap(), "socketId").into_iter().collect();
        let (mut left, mut count) = (clients.split_off(clients.len() - 2), clients.len() + 2);
        let mut came = Vec::new();
        let listed = pages(&server, &format!("/api/v1/connections?{query}"), "items", 3, || {
            came.push(server.connect(Protocol::Plain, &user("u0")));
            count += 1;
            if let Some(client) = left.pop() {
                client.close();
                count -= 1;
            }
            eventually_true("all have come and gone", || server.connections() == count);
        });
        let listed = texts(&listed, "socketId");
        let once: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(once.len(), listed.len(), "none is listed twice");
        let stayed = get(&server, &format!("/api/v1/connections?{query}"));
        let still: BTreeSet<String> =
            texts(stayed["items"].as_array().unwrap(), "socketId").into_iter().collect();
        assert!(there.intersection(&still).all(|id| once.contains(id)), "whoever stayed is listed");
        clients.extend(came);
    }
}

#[test]
fn get_connections_and_rooms_are_read_to_the_end_over_both_workers() {
    let server = TestServer::builder().set("limits.connections_per_user", 0).set("server.workers", 2).start();
    let clients: Vec<TestClient> = (0..300)
        .map(|n| {
            let mut client = server.connect(Protocol::Plain, &admin(&format!("u{n}")));
            client.emit("subscribe:campaign", json!({"campaignId": "big"}));
            client.emit("subscribe:campaign", json!({"campaignId": n.to_string()}));
            client
        })
        .collect();
    let members =
        || get(&server, "/api/v1/rooms/campaign:big?limit=1000")["members"].as_array().map(Vec::len);
    eventually_true("all are in", || members() == Some(clients.len()));
    let once = |items: Vec<Value>, field: &str| {
        let set: BTreeSet<String> = texts(&items, field).into_iter().collect();
        assert_eq!(set.len(), items.len(), "each {field} once");
        set
    };
    let all = once(pages(&server, "/api/v1/connections?", "items", 70, || ()), "socketId");
    assert_eq!(all.len(), 300);
    assert_eq!(
        once(pages(&server, "/api/v1/connections?room=campaign:big&", "items", 70, || ()), "socketId"),
        all
    );
    assert_eq!(once(pages(&server, "/api/v1/rooms/campaign:big?", "members", 70, || ()), "socketId"), all);
    assert_eq!(once(pages(&server, "/api/v1/rooms?", "items", 70, || ()), "room").len(), 301);
}

over_both! {
    fn delete_connections_socket_id_sends_that_one_away_for_good(protocol: Protocol) {
        let server = TestServer::start();
        let mut gone = server.connect(protocol, &user("u1"));
        let mut stays = server.connect(protocol, &user("u2"));
        let listed = get(&server, "/api/v1/connections?userId=u1");
        let path = format!("/api/v1/connections/{}", listed["items"][0]["socketId"].as_str().unwrap());
        assert_eq!(delete(&server, &path), (200, json!({"disconnected": 1})));
        let (heard, close) = gone.read_to_end();
        let error = json!({"code": "kicked", "message": "Disconnected by an administrator"});
        assert!(heard.contains(&Incoming::Event("error".to_owned(), error)), "{heard:?}");
        assert_eq!(heard.contains(&Incoming::Disconnected), protocol == Protocol::SocketIo, "{heard:?}");
        assert_eq!(close, kicked(protocol));
        eventually_true("one is left", || server.connections() == 1);
        assert_eq!(delete(&server, &path).0, 404);
        stays.expect_nothing_but_pong();
    }

    fn delete_users_id_connections_sends_all_of_that_user_away(protocol: Protocol) {
        let server = TestServer::start();
        let odd = "auth0|a/b+团";
        let mut gone: Vec<TestClient> = (0..3).map(|_| server.connect(protocol, &user(odd))).collect();
        let mut stays = server.connect(protocol, &user("a"));
        let path = "/api/v1/users/auth0%7Ca%2Fb+%E5%9B%A2/connections";
        assert_eq!(delete(&server, path), (200, json!({"disconnected": 3})));
        for client in &mut gone {
            assert_eq!(client.read_to_end().1, kicked(protocol));
        }
        eventually_true("one is left", || server.connections() == 1);
        assert_eq!(delete(&server, path), (200, json!({"disconnected": 0})));
        assert_eq!(delete(&server, "/api/v1/users/a%20b/connections").0, 400);
        stays.expect_nothing_but_pong();
    }
}

#[test]
fn delete_connections_of_an_unknown_socket_is_not_found() {
    let server = TestServer::start();
    for id in ["nobody", "AAAAAAAAAAAAAAAAAAAAAAAAAA", "%FF", "a%2Fb"] {
        let (status, body) = delete(&server, &format!("/api/v1/connections/{id}"));
        assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")), "{id}");
    }
}

// ── rooms ───────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn get_rooms_lists_each_with_its_number_of_members() {
    let server = TestServer::start();
    let mut one = server.connect(Protocol::SocketIo, &admin("a"));
    let mut two = server.connect(Protocol::Plain, &admin("b"));
    join(&mut one, "x|1");
    join(&mut two, "x|1");
    two.emit_bare("subscribe:system");
    two.wait_for("subscribed");
    let counts = || -> BTreeMap<String, u64> {
        let items = pages(&server, "/api/v1/rooms?", "items", 1, || ());
        let count =
            |item: &Value| (item["room"].as_str().unwrap().to_owned(), item["memberCount"].as_u64().unwrap());
        items.iter().map(count).collect()
    };
    let expected = |list: &[(&str, u64)]| list.iter().map(|(room, n)| ((*room).to_owned(), *n)).collect();
    assert_eq!(counts(), expected(&[("campaign:x|1", 2), ("system", 1)]));
    two.close();
    eventually_true("the rooms of who is gone", || counts() == expected(&[("campaign:x|1", 1)]));
}

#[test]
fn get_rooms_room_lists_its_members_by_pages_and_is_not_found_where_nobody_is() {
    let server = TestServer::builder().set("limits.connections_per_user", 0).start();
    let mut clients: Vec<TestClient> =
        (0..7).map(|n| server.connect(Protocol::Plain, &admin(&format!("u{n}")))).collect();
    clients.iter_mut().for_each(|client| join(client, "a/团"));
    let path = "/api/v1/rooms/campaign%3Aa%2F%E5%9B%A2";
    let room = get(&server, &format!("{path}?limit=3"));
    assert_eq!((&room["room"], &room["memberCount"]), (&json!("campaign:a/团"), &json!(7)));
    let members = pages(&server, &format!("{path}?"), "members", 3, || ());
    let users: BTreeSet<String> = texts(&members, "userId").into_iter().collect();
    assert_eq!((members.len(), users), (7, (0..7).map(|n| format!("u{n}")).collect()));
    let known: BTreeSet<String> =
        texts(get(&server, "/api/v1/connections")["items"].as_array().unwrap(), "socketId")
            .into_iter()
            .collect();
    assert_eq!(texts(&members, "socketId").into_iter().collect::<BTreeSet<_>>(), known);
    for nobody in ["campaign:none", "nonsense", "%FF", "owner:a%2F%E5%9B%A2"] {
        let answer = server.call("GET", &format!("/api/v1/rooms/{nobody}"), &admin("boss"), "");
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!("not_found")), "{nobody}");
    }
}

// ── rights ──────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn admin_calls_are_for_administrators_alone() {
    let key = "a-key-of-a-backend-that-is-long-enough-to-be-one";
    let server = TestServer::builder().set("auth.api_keys", key).start();
    let _member = server.connect(Protocol::Plain, &user("u"));
    for (method, path) in [
        ("GET", "/api/v1/connections"),
        ("DELETE", "/api/v1/connections/AAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("DELETE", "/api/v1/users/u/connections"),
        ("GET", "/api/v1/rooms"),
        ("GET", "/api/v1/rooms/system"),
        ("GET", "/api/v1/rejected"),
    ] {
        for (token, status, code) in [
            ("nonsense".to_owned(), 401, "auth_failed"),
            (Claims::of("u").with("exp", json!(1)).token(), 401, "auth_failed"),
            (user("u"), 403, "admin_required"),
            (publisher(), 403, "admin_required"),
            (
                Claims::of("u").with("permissions", json!(["not-admin", "system:read"])).token(),
                403,
                "admin_required",
            ),
        ] {
            let answer = server.call(method, path, &token, "");
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (status, &json!(code)),
                "{method} {path}"
            );
        }
        for headers in [&[][..], &[("X-Api-Key", key)]] {
            let answer = http::call(method, &server.url(path), headers, "");
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (401, &json!("auth_failed")),
                "{path}"
            );
        }
        assert!(
            [200, 404].contains(&server.call(method, path, &admin("boss"), "").status),
            "{method} {path}"
        );
    }
}
