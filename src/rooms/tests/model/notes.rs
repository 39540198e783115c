//! What must hold of stored events: never twice, none lost in the own room, in order of arrival.

use super::check::Told;
use super::facts::Verdict;
use super::journal::Word;
use super::steps::{Room, USERS, What};

pub fn check_notes(told: &Told<'_>) -> Verdict {
    let came: Vec<(usize, usize)> = told.journal.iter().enumerate().filter_map(note).collect();
    for (position, &(index, number)) in came.iter().enumerate() {
        let twice = came[..position].iter().any(|(_, other)| *other == number);
        // one that went out to one owner and was written for the next is in two rooms
        let is_of_two =
            !(0..USERS).any(|user| is_certainly_of(told, number, user)) && told.world.owners_changed;
        told.fail(!twice || is_of_two, "a stored event twice")?;
        let is_in =
            (0..USERS).any(|user| may_be_of(told, number, user) && told.is_in(Room::User(user), index));
        told.fail(is_in, "a stored event outside a stay")?;
        let initial = is_certainly_of(told, number, told.life.user) && told.life.initial.contains(&number);
        told.fail(!initial, "a stored event that it was sent when it connected")?;
    }
    for user in 0..USERS {
        let own: Vec<usize> = came
            .iter()
            .map(|(_, number)| *number)
            .filter(|number| is_certainly_of(told, *number, user))
            .collect();
        let recovers = told.life.user == user && told.world.unread.contains(&told.life.place.uid);
        told.fail(own.is_sorted() || recovers, "stored events of one room out of order")?;
    }
    none_is_lost(told, &came)
}

fn note((index, entry): (usize, &super::journal::Entry)) -> Option<(usize, usize)> {
    match entry.word {
        Word::Note(number) => Some((index, number)),
        _ => None,
    }
}

fn may_be_of(told: &Told<'_>, number: usize, user: usize) -> bool {
    match told.world.events[number].what {
        What::NoteTo { user: to } => to == user,
        _ => told.world.owners_changed || is_certainly_of(told, number, user),
    }
}

/// Whose it is where no owner has changed: what the hub believes and what the store says are one thing then.
fn is_certainly_of(told: &Told<'_>, number: usize, user: usize) -> bool {
    match told.world.events[number].what {
        What::NoteTo { user: to } => to == user,
        _ => !told.world.owners_changed && told.world.store.rows.contains(&(number, user)),
    }
}

/// Who is in its own room in the end, and was not let in without the store, has been sent everything that is stored for it.
fn none_is_lost(told: &Told<'_>, came: &[(usize, usize)]) -> Verdict {
    let user = told.life.user;
    let is_in = told.stays.iter().any(|stay| stay.open && stay.room == Room::User(user));
    let unread = told.world.unread.contains(&told.life.place.uid);
    if told.life.died.is_some() || !is_in || unread {
        return Ok(());
    }
    for (number, _) in told.world.store.rows.iter().filter(|(number, _)| is_certainly_of(told, *number, user))
    {
        let has = told.life.initial.contains(number) || came.iter().any(|(_, other)| other == number);
        told.fail(has, &format!("the stored event {number} was lost"))?;
    }
    Ok(())
}
