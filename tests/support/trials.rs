//! Runs tests, and counts as ignored those that cannot run.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};

/// Its name and what it does.
pub type Test = (&'static str, fn());

/// What those need whose names begin so; an error says what is missing. In order: where all lack
/// something, nothing else is looked for.
pub type Need = (&'static str, fn() -> Result<(), String>);

/// What takes longer is told: the tests together have to be done in half an hour, on two cores.
const SLOW: Duration = Duration::from_secs(15);

/// Runs these tests.
pub fn run(tests: &[Test], needs: &[Need]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Beginnings of names, and why those tests cannot run.
    let mut lacking: Vec<(&str, String)> = Vec::new();
    if !arguments.list {
        for (names, need) in needs {
            let Err(reason) = need() else { continue };
            lacking.push((names, reason));
            if names.is_empty() {
                break;
            }
        }
    }
    for (names, reason) in &lacking {
        println!("tests {names}* cannot run: {reason}");
    }
    // Each test is two busy programs; more at a time would only measure each other.
    arguments.test_threads.get_or_insert(if super::measuring() { 1 } else { 2 });
    let trials = tests.iter().map(|&(name, test)| {
        let reason = lacking.iter().find(|(names, _)| name.starts_with(names));
        let reason = reason.map(|(_, reason)| reason.clone());
        let ignored = reason.is_some() && !super::required();
        let run = move || {
            reason.map_or(Ok(()), |reason| Err(Failed::from(reason)))?;
            let began = Instant::now();
            test();
            if began.elapsed() > SLOW {
                println!("slow: {name}, {} s", began.elapsed().as_secs());
            }
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
