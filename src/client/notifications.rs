//! `notifications:read`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::smallvec;

use super::answers::{RETRY_AFTER_MS, about, done, refuse};
use super::requests::{self, NotificationsReadRequest};
use super::{Client, Hub, Request, ToClient};
use crate::auth::User;
use crate::events::route::user_room;
use crate::events::server::{ErrorData, NotificationsRead};
use crate::events::{Code, names};
use crate::protocol::ack::AckRef;
use crate::protocol::frame::Event;
use crate::rooms::registry::Publish;
use crate::rooms::{Publication, Publications};
use crate::store::{Record, StoreError};

/// What the store says of a request to mark notifications as read.
pub struct Marked {
    ids: Result<Vec<String>, StoreError>,
    ack: Option<AckRef>,
    /// Set when the asker has been answered: by the store, or because its time was over.
    answered: Arc<AtomicBool>,
}

pub(super) fn read(hub: &Hub, conn: &mut Client<'_>, user: &User, request: Request<'_>) {
    let data = requests::read::<NotificationsReadRequest>(request.data).ok().flatten();
    let Some(ids) = data.and_then(NotificationsReadRequest::checked) else {
        let expected = Code::InvalidPayload(NotificationsReadRequest::EXPECTED);
        return refuse(conn, request.ack.as_ref(), &about(expected, request.event));
    };
    let (mailbox, ack) = (conn.mailbox(), request.ack);
    let answered = Arc::new(AtomicBool::new(false));
    let late = StoreError::Timeout("the notifications".to_owned());
    let deadline = Marked { ids: Err(late), ack: ack.clone(), answered: Arc::clone(&answered) };
    conn.later(hub.shared.store_patience, ToClient::Read(deadline));
    hub.shared.store.mark_read(&user.id, ids, move |ids| {
        mailbox.send(ToClient::Read(Marked { ids, ack, answered }));
    });
}

/// The asker is told first, then its user's other sockets. What the store did after the asker was told that
/// it is unavailable is told to all of them alike.
pub(super) fn marked(hub: &Hub, conn: &mut Client<'_>, Marked { ids, ack, answered }: Marked) {
    let first = !answered.swap(true, Ordering::Relaxed);
    let Ok(ids) = ids else {
        let error = about(Code::Unavailable, names::NOTIFICATIONS_READ);
        let error = ErrorData { retry_after_ms: Some(RETRY_AFTER_MS), ..error };
        return if first {
            refuse(conn, ack.as_ref(), &error)
        };
    };
    if first {
        done(conn, ack.as_ref(), &read_event(&ids));
    }
    let place = conn.place();
    let Some(user) = conn.state().map(|state| Arc::clone(&state.user)) else { return };
    let Some(publication) = told_read(&user.id, &ids) else { return };
    let publication = Publication { except: first.then_some(place), ..publication };
    let permit = hub.shared.permits.take(1, 0);
    hub.publisher.do_send(Publish(Publications { list: vec![publication], permit }));
}

fn read_event(ids: &[String]) -> Event {
    Event::new(names::NOTIFICATIONS_READ, &NotificationsRead { ids })
}

/// What a user's room is told of the notifications that were marked; nothing where there are none.
pub fn told_read(user: &str, ids: &[String]) -> Option<Publication<Record>> {
    let publication = Publication {
        event: Some(Arc::new(read_event(ids))),
        rooms: smallvec![user_room(user)],
        state: None,
        item: None,
        record: None,
        except: None,
    };
    (!ids.is_empty()).then_some(publication)
}
