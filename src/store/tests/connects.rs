//! What connects cost the database.

use prometheus::IntCounter;
use tokio::sync::oneshot::Receiver;

use super::*;

fn counted(db: &Db) -> (Store, IntCounter) {
    let statements = IntCounter::new("statements", "asked").unwrap();
    let options = StoreOptions { pool_size: 1, statements: Some(statements.clone()), ..db.options() };
    (db.store_with(options, Bounds::default()).0, statements)
}

fn connect(store: &Store, user: &str, claimed: &[&str]) -> Receiver<Result<Initial, StoreError>> {
    let claimed_owned = claimed.iter().map(ToString::to_string).collect();
    let ask = InitialAsk { user: user.into(), claimed_owned, claimed_participating: vec![] };
    let (tell, told) = tokio::sync::oneshot::channel();
    store.initial(ask, move |initial| drop(tell.send(initial)));
    told
}

on_both! {
    async fn connects_that_wait_for_the_same_share_one_read_and_others_have_their_own(db) {
        let (store, statements) = counted(db);
        store.write(1, to("u", "n1"));
        assert!(flush(&store).await);
        let before = statements.get();
        let alone = connect(&store, "u", &[]).await.unwrap().unwrap();
        let cost = statements.get() - before;
        assert!((1..=5).contains(&cost), "{cost} statements a connect");

        let busy = store.occupy_a_reader().await;
        let before = statements.get();
        let of_one: Vec<_> = (0..50).map(|_| connect(&store, "u", &[])).collect();
        let of_another = connect(&store, "v", &[]);
        let with_another_token = connect(&store, "u", &["c1"]);
        assert_eq!(store.reading(), 53, "who shares a read counts as well");
        drop(busy);
        for told in of_one {
            assert_eq!(told.await.unwrap().unwrap(), alone);
        }
        assert_eq!(of_another.await.unwrap().unwrap().notifications, []);
        assert_eq!(with_another_token.await.unwrap().unwrap(), alone);
        // a claim is one statement more
        assert_eq!(statements.get() - before, 3 * cost + 1);
        until("all places are free", || store.reading() == 0).await;
    }

    async fn a_connect_sees_what_was_written_before_it_though_others_wait(db) {
        let (store, _) = counted(db);
        let busy = store.occupy_a_reader().await;
        let first = connect(&store, "u", &[]);
        store.write(1, to("u", "n1"));
        assert!(flush(&store).await);
        let second = connect(&store, "u", &[]);
        drop(busy);
        for told in [first, second] {
            assert_eq!(ids(&told.await.unwrap().unwrap().notifications), ["n1"]);
        }
        store.write(2, to("u", "n2"));
        assert!(flush(&store).await);
        let third = connect(&store, "u", &[]).await.unwrap().unwrap();
        assert_eq!(ids(&third.notifications), ["n2", "n1"], "nothing is kept");
    }

    async fn connects_that_find_no_place_are_told_so_at_once(db) {
        let (store, _) = counted(db);
        let busy = store.occupy_a_reader().await;
        let told: Vec<_> = (0..4_200).map(|_| connect(&store, "u", &[])).collect();
        drop(busy);
        let mut refused = 0;
        for told in told {
            match told.await.unwrap() {
                Ok(_) => {}
                Err(StoreError::Busy) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(refused, 4_200 - (4_096 - 1));
    }
}
