//! A row for each fault.

use super::judge::Counts;

/// What came of one fault.
pub struct Row {
    pub fault: &'static str,
    pub counts: Counts,
    /// From the end of the fault until every client had an event that was published after it.
    pub recovered_ms: Option<u64>,
    /// What was not as it has to be.
    pub faults: Vec<String>,
    /// What else there is to say.
    pub remarks: Vec<String>,
}

impl Row {
    pub fn of(fault: &'static str) -> Row {
        Row { fault, counts: Counts::default(), recovered_ms: None, faults: Vec::new(), remarks: Vec::new() }
    }

    /// Notes a fault unless it is as it has to be.
    pub fn require(&mut self, so: bool, else_say: impl FnOnce() -> String) {
        if !so {
            self.faults.push(else_say());
        }
    }

    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// The head of the table.
pub fn head() -> String {
    format!(
        "{:<38} {:>9} {:>9} {:>5} {:>7} {:>7} {:>10} {:>5} {:>10} {:>12}  verdict",
        "fault",
        "published",
        "delivered",
        "lost",
        "in gaps",
        "doubled",
        "disordered",
        "gaps",
        "reconnects",
        "recovered ms"
    )
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let c = &self.counts;
        let recovered = self.recovered_ms.map_or("-".to_owned(), |ms| ms.to_string());
        write!(
            f,
            "{:<38} {:>9} {:>9} {:>5} {:>7} {:>7} {:>10} {:>5} {:>10} {:>12}  {}",
            self.fault,
            c.published,
            c.delivered,
            c.lost,
            c.in_gaps,
            c.doubled,
            c.disordered,
            c.gaps,
            c.reconnects,
            recovered,
            if self.is_sound() { "ok" } else { "FAULT" }
        )?;
        for fault in &self.faults {
            write!(f, "\n    FAULT: {fault}")?;
        }
        for remark in &self.remarks {
            write!(f, "\n    {remark}")?;
        }
        Ok(())
    }
}
