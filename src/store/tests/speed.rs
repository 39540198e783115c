//! Not a test: what the store does in a second. `cargo test --release --lib store::tests::speed -- --ignored --nocapture`

use super::*;

const MANY: u64 = 20_000;

fn rate(what: &str, kind: Kind, start: Instant) {
    println!("{kind:?}: {what}: {:.0}/s", MANY as f64 / start.elapsed().as_secs_f64());
}

async fn measure(db: &Db) {
    let (store, _) = db.store();
    let start = Instant::now();
    for n in 0..MANY {
        store.write(n, to(&format!("u{}", n % 500), &format!("n{n}")));
    }
    assert!(flush(&store).await);
    rate("notifications written", db.kind, start);

    let start = Instant::now();
    for n in 0..MANY {
        store.write(n, status(&format!("c{n}"), "ACTIVE", n as i64));
    }
    assert!(flush(&store).await);
    rate("statuses of different campaigns written", db.kind, start);

    let start = Instant::now();
    let mut waiting = std::collections::VecDeque::new();
    for n in 0..MANY {
        let (tell, told) = tokio::sync::oneshot::channel();
        store.campaign(&format!("c{n}"), "u", move |answer| drop(tell.send(answer)));
        waiting.push_back(told);
        if waiting.len() > 1_000 {
            assert!(waiting.pop_front().unwrap().await.unwrap().unwrap().row.is_some());
        }
    }
    for told in waiting {
        assert!(told.await.unwrap().unwrap().row.is_some());
    }
    rate("campaigns read", db.kind, start);

    let start = Instant::now();
    for n in 0..MANY / 20 {
        initial(&store, &format!("u{}", n % 500), &["c1", "c2"], &["c3"]).await;
    }
    println!(
        "{:?}: first data, one at a time: {:.0}/s",
        db.kind,
        (MANY / 20) as f64 / start.elapsed().as_secs_f64()
    );
}

#[test]
#[ignore = "a measurement"]
fn sqlite() {
    run(Kind::Sqlite, measure);
}

#[test]
#[ignore = "a measurement"]
fn postgres() {
    run(Kind::Postgres, measure);
}
