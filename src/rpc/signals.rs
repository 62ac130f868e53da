//! The signals by which a system asks a program to end in order.

use std::time::Duration;

use futures::future::select_all;
use tokio::signal::unix::{SignalKind, signal};

/// What is under way may take so long to end; whoever stopped reading is not waited for.
const GRACE: Duration = Duration::from_secs(10);

/// Resolves when the program is asked to end: SIGTERM, SIGINT or SIGHUP. Ends it after [`GRACE`]
/// if it has not ended by itself.
pub async fn stop() {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let signals = kinds.into_iter().filter_map(|kind| signal(kind).ok());
    let arrivals: Vec<_> =
        signals.map(|mut signal| Box::pin(async move { signal.recv().await })).collect();
    if arrivals.is_empty() {
        return std::future::pending().await;
    }
    select_all(arrivals).await;
    tokio::spawn(async {
        tokio::time::sleep(GRACE).await;
        std::process::exit(1);
    });
}
