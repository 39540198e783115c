//! All wiring on one page.
