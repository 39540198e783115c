//! The verdict on what clients got. Pure.
//!
//! A client is owed every event whose publishing began after it read `subscribed`, up to the last one that its
//! connection carried; one that was there to the end is owed all. What was published around the end of a
//! connection may be missing at its end, never in the middle. An event of Redis may be missing within a gap that
//! this client was told of; one that HTTP has answered with 202 may not.

use super::record::{HTTP, Log, Micros, Published, REDIS, STREAMS, Session, Taken};

/// What a gap's ends may be off by: they are told in milliseconds, and an answer takes its way.
const SLACK: Micros = 5_000;

/// What was counted, over all clients.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    pub published: usize,
    pub delivered: usize,
    /// Owed, not got, and no gap says so.
    pub lost: usize,
    /// Owed, and missing within a gap that was told.
    pub in_gaps: usize,
    pub doubled: usize,
    pub disordered: usize,
    pub gaps: usize,
    /// Connections after the first one of each client.
    pub reconnects: usize,
    /// Clients that in the end show another status than the last one published.
    pub stale: usize,
}

/// The two streams as they were published.
pub type Streams = [Vec<Published>; STREAMS];

/// Counts everything.
pub fn judge(streams: &Streams, logs: &[Log]) -> Counts {
    let mut counts = Counts { published: streams.iter().map(Vec::len).sum(), ..Counts::default() };
    for log in logs {
        for (stream, published) in streams.iter().enumerate() {
            judge_stream(stream, published, log, &mut counts);
        }
        counts.gaps += log.sessions.iter().map(|session| session.gaps.len()).sum::<usize>();
        counts.reconnects += log.sessions.len().saturating_sub(1);
        counts.stale += usize::from(is_stale(&streams[REDIS], log));
    }
    counts
}

fn judge_stream(stream: usize, published: &[Published], log: &Log, counts: &mut Counts) {
    let mut seen = vec![false; published.len()];
    let mut highest = None;
    for session in &log.sessions {
        let mut here = vec![false; published.len()];
        let (mut first, mut last) = (None, None);
        for seq in session.got.iter().filter(|got| got.stream == stream).map(|got| got.seq) {
            if seen.get(seq).copied().unwrap_or(true) {
                counts.doubled += 1; // or it was never published
                continue;
            }
            (seen[seq], here[seq]) = (true, true);
            counts.delivered += 1;
            counts.disordered += usize::from(highest.is_some_and(|highest| seq < highest));
            highest = highest.max(Some(seq));
            first = first.or(Some(seq));
            last = last.max(Some(seq));
        }
        for seq in owed(published, session, first, last) {
            if !here[seq] && published[seq].taken == Taken::Yes {
                let told = stream != HTTP && is_in_gap(&published[seq], session);
                *(if told { &mut counts.in_gaps } else { &mut counts.lost }) += 1;
            }
        }
    }
}

/// The numbers that a client was to get in this stay.
fn owed(
    published: &[Published],
    session: &Session,
    first: Option<usize>,
    last: Option<usize>,
) -> std::ops::Range<usize> {
    let since = published.partition_point(|event| event.begin < session.up);
    let from = first.map_or(since, |first| first.min(since));
    let to = match session.ended {
        None => published.len(),
        Some(_) => last.map_or(0, |last| last + 1),
    };
    from..to.max(from)
}

fn is_in_gap(event: &Published, session: &Session) -> bool {
    session.gaps.iter().any(|(since, until)| event.end + SLACK >= *since && event.begin <= until + SLACK)
}

/// The last status that was surely published is what everyone has to show, or a later one.
fn is_stale(published: &[Published], log: &Log) -> bool {
    let last = published.iter().rposition(|event| event.status && event.taken == Taken::Yes);
    let shown = log.status.0.strip_prefix('S').and_then(|seq| seq.parse::<usize>().ok());
    last.is_some() && log.is_in() && shown < last
}

#[cfg(test)]
mod tests {
    use super::super::record::Got;
    use super::*;

    /// Ten events a stream, one each hundred milliseconds.
    fn streams() -> Streams {
        let event = |n: u64| Published {
            begin: n * 100_000,
            end: n * 100_000 + 100,
            taken: Taken::Yes,
            status: false,
        };
        [(0..10).map(event).collect(), (0..10).map(event).collect()]
    }

    fn session(up_ms: u64, got: &[usize]) -> Session {
        let both = [REDIS, HTTP].into_iter().flat_map(|stream| got.iter().map(move |seq| (stream, *seq)));
        let got = both.map(|(stream, seq)| Got { stream, seq, at: 0 }).collect();
        Session { up: up_ms * 1_000, got, ..Session::default() }
    }

    fn of(sessions: Vec<Session>) -> Counts {
        judge(&streams(), &[Log { sessions, ..Log::default() }])
    }

    #[test]
    fn each_once_and_in_order_from_subscribed_on_is_sound() {
        let counts = of(vec![session(250, &[3, 4, 5, 6, 7, 8, 9])]);
        assert_eq!(counts, Counts { published: 20, delivered: 14, ..Counts::default() });
        // one that was under way when the client came may come; what follows it has to
        assert_eq!(of(vec![session(250, &[2, 4, 5, 6, 7, 8, 9])]).lost, 2);
    }

    #[test]
    fn a_hole_a_repeat_and_a_swap_are_faults_on_each_stream() {
        assert_eq!(of(vec![session(0, &[0, 1, 3, 4, 5, 6, 7, 8, 9])]).lost, 2);
        assert_eq!(of(vec![session(0, &[0, 1, 2, 3, 4, 5, 6, 7, 8])]).lost, 2, "also at the end");
        assert_eq!(of(vec![session(0, &[0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9])]).doubled, 2);
        assert_eq!(of(vec![session(0, &[0, 2, 1, 3, 4, 5, 6, 7, 8, 9])]).disordered, 2);
        assert_eq!(of(vec![session(0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])]).doubled, 2, "never published");
    }

    #[test]
    fn what_a_told_gap_covers_may_be_missing_but_not_what_http_has_accepted() {
        let mut member = session(0, &[0, 1, 2, 6, 7, 8, 9]);
        member.gaps.push((290_000, 450_000));
        let counts = of(vec![member]);
        // 3 and 4 of Redis are in the gap, 5 is not; all three of HTTP are owed
        assert_eq!((counts.in_gaps, counts.lost, counts.gaps), (2, 1 + 3, 1));
    }

    #[test]
    fn around_the_end_of_a_connection_events_may_be_missing_but_not_before_it() {
        let mut first = session(0, &[0, 1, 2, 3]);
        first.ended = Some(420_000);
        let second = session(650, &[7, 8, 9]);
        let counts = of(vec![first.clone(), second.clone()]);
        assert_eq!((counts.lost, counts.reconnects), (0, 1));
        first.got.retain(|got| got.seq != 2);
        assert_eq!(of(vec![first.clone(), second]).lost, 2);
        // what the first has shown the second shows again
        assert_eq!(of(vec![first, session(650, &[3, 7, 8, 9])]).doubled, 2);
    }

    #[test]
    fn one_that_may_not_have_gone_out_is_not_owed() {
        let mut streams = streams();
        streams[REDIS][4].taken = Taken::Unknown;
        streams[HTTP][4].taken = Taken::Unknown;
        let log = Log { sessions: vec![session(0, &[0, 1, 2, 3, 5, 6, 7, 8, 9])], ..Log::default() };
        assert_eq!(judge(&streams, &[log]).lost, 0);
    }

    #[test]
    fn who_shows_an_old_status_is_stale() {
        let mut streams = streams();
        streams[REDIS][8].status = true;
        let mut log = Log { sessions: vec![session(0, &[])], ..Log::default() };
        log.show("S8", "2026-01-01T00:00:00.002Z");
        log.show("S2", "2026-01-01T00:00:00.001Z");
        assert_eq!(judge(&streams, std::slice::from_ref(&log)).stale, 0);
        log.show("S2", "2026-01-01T00:00:00.003Z");
        assert_eq!(judge(&streams, &[log]).stale, 1);
    }
}
