//! The `entrenous` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: libp2p-tls would write its keys to the file this names.
    if let Err(error) = entrenous::cli::scrub_environment() {
        eprintln!("entrenous: {error}");
        return ExitCode::FAILURE;
    }
    entrenous::cli::main()
}
