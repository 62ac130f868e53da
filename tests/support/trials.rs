//! Runs tests in a network of their own, and counts as ignored those that cannot run.

use std::{collections::BTreeSet, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

/// Its name and what it does.
pub type Test = (&'static str, fn());

/// Runs these tests inside of a laboratory. `missing` says what else a test lacks here, if
/// anything, by its name.
pub fn run(tests: &[Test], missing: impl Fn(&str) -> Option<String>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    let mut no_laboratory = None;
    if !arguments.list {
        match super::lab::enter() {
            Ok(Some(code)) => return code,
            Ok(None) => {}
            Err(reason) => no_laboratory = Some(reason),
        }
    }
    // Each test is two busy programs; more at a time would only measure each other.
    arguments.test_threads.get_or_insert(if super::measuring() { 1 } else { 2 });
    let mut reasons = BTreeSet::new();
    let trials = tests.iter().map(|&(name, test)| {
        let reason = no_laboratory.clone().or_else(|| missing(name)).filter(|_| !arguments.list);
        reasons.extend(reason.clone());
        let ignored = reason.is_some() && !super::required();
        let run = move || {
            reason.map_or(Ok(()), |reason| Err(Failed::from(reason)))?;
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    });
    let trials = trials.collect();
    for reason in reasons {
        println!("tests cannot run: {reason}");
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
