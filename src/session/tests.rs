//! Two sessions and the stream between them, under a clock and with faults of the test's choice.

mod established;
mod fake;
mod faults;
mod hostile;
mod pair;
mod rules;
pub(crate) mod vectors;
