//! The signals by which a system asks a program to end in order.

use futures::future::select_all;
use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the program is asked to end: SIGTERM, SIGINT or SIGHUP.
pub async fn stop() {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let signals = kinds.into_iter().filter_map(|kind| signal(kind).ok());
    let arrivals: Vec<_> =
        signals.map(|mut signal| Box::pin(async move { signal.recv().await })).collect();
    if arrivals.is_empty() {
        return std::future::pending().await;
    }
    select_all(arrivals).await;
}
