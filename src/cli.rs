//! The command line: which front end on which profile.

mod config;
mod demo;
mod doctor;
mod get;
mod invites;
mod log;
mod open;
mod options;
mod progress;
mod send;
mod who;

use std::{
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{self, ExitCode},
    time::Duration,
};

use clap::{CommandFactory, Parser};
use color_eyre::eyre::{self, Context, bail};

pub use self::options::{Action, Arguments, Options};
use crate::{net, node, node::api::Passphrase, rpc, tui};

/// The variable by which TLS libraries are told to write their keys to a file.
const KEY_LOG: &str = "SSLKEYLOGFILE";

/// How long the threads of the runtime may take to end what they are at. One that hashes a file, or
/// waits for a disk, may take longer, and is left.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// Makes sure that no library logs session keys: if the environment asks for it, starts the
/// program again without that. (Removing a variable from a running process is not safe in Rust;
/// a new process image is.)
///
/// # Errors
///
/// When the program can't be started again; then it must not go on.
pub fn scrub_environment() -> io::Result<()> {
    if std::env::var_os(KEY_LOG).is_none() {
        return Ok(());
    }
    let program = std::env::current_exe()?;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    Err(process::Command::new(program).arg0(name).args(arguments).env_remove(KEY_LOG).exec())
}

/// Reads the arguments and does what they ask.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let installed = color_eyre::config::HookBuilder::default().display_env_section(false).install();
    match installed.and_then(|()| run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("entrenous: {error:#}");
            error.downcast_ref::<Stop>().map_or(ExitCode::FAILURE, |stop| stop.code().into())
        }
    }
}

/// Why something was not done, where the exit code says it.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// As what `clap` refuses.
    #[error("{0}")]
    Usage(String),
    /// Another process has the profile open.
    #[error(
        "this profile is open in another window or process, and only one can have it open: do it \
         there, or close that first"
    )]
    InUse,
    /// It was not done in time.
    #[error("{0}")]
    Late(String),
    /// The user has ended it.
    #[error("{0}")]
    Interrupted(String),
}

impl Stop {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::InUse => 3,
            Self::Late(_) => 4,
            // As shells have it: 128 and the number of SIGINT.
            Self::Interrupted(_) => 130,
        }
    }
}

fn run(arguments: Arguments) -> eyre::Result<()> {
    let Arguments { options, action } = arguments;
    match action {
        Some(Action::Completions { shell }) => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "entrenous", &mut io::stdout());
            return Ok(());
        }
        Some(Action::Man { directory }) => return man_pages(directory.as_deref()),
        _ => {}
    }
    allow_files();
    // What takes long has threads of its own. Beside these a second one for the network would but hand
    // things to and fro where there are no more processors.
    let is_small =
        std::thread::available_parallelism().is_ok_and(|processors| processors.get() <= 2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(if is_small { 1 } else { 2 })
        .enable_all()
        .build()
        .wrap_err("the runtime could not be started")?;
    let result = runtime.block_on(async {
        match action {
            Some(Action::Demo) if options.any_given() => bail!(
                "the demo takes no options: it runs on a throwaway profile, on this machine's \
                 loopback"
            ),
            Some(Action::Demo) => demo::run().await,
            Some(Action::Rpc) => {
                let profile = Profile::prepare(&options)?;
                let input = rpc::standard_input()?;
                let node = node::start(profile.node);
                Ok(rpc::run(node, input, tokio::io::stdout()).await?)
            }
            Some(Action::Doctor) => {
                let profile = Profile::prepare(&options)?;
                let report = doctor::run(&profile.node.network).await;
                print!("{}", report.map_err(|sentence| eyre::eyre!(sentence))?);
                Ok(())
            }
            Some(Action::Invite { uses, days }) => invites::create(&options, uses, days).await,
            Some(Action::Send { who, file, text, no_wait, wait }) => {
                send::run(&options, &send::What { who, files: file, text, no_wait, wait }).await
            }
            Some(Action::Get { what, to, wait }) => get::run(&options, &what, to, wait).await,
            Some(Action::Add { invite }) => invites::add(&options, invite.is_some()).await,
            _ => {
                tui::check_terminal()?;
                let profile = Profile::prepare(&options)?;
                let screen = tui::Options::new(profile.screen, &profile.node.directory);
                Ok(tui::run(node::start(profile.node), screen).await?)
            }
        }
    });
    // What AWS-LC takes its random numbers from is gone once the process begins to exit, and a
    // thread that then asks for some aborts it.
    runtime.shutdown_timeout(LAST_THREADS);
    result
}

/// Opening a way through a NAT can take 256 sockets, and systems allow few by default (macOS: 256).
/// If it is refused, those ways take longer.
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// Two such ways at a time, and the rest.
    const WANTED: u64 = 2048;
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if limit.current.is_some_and(|current| current < most) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    }
}

/// A profile as the options and its `config.toml` say.
struct Profile {
    node: node::Config,
    screen: tui::Config,
}

impl Profile {
    fn prepare(options: &Options) -> eyre::Result<Self> {
        let directory = options.directory()?;
        let config = config::load(&directory)?;
        log::start(&directory);
        let scope = options.scope(&config);
        let either = |given: &[_], configured: Vec<_>| {
            if given.is_empty() { configured } else { given.to_vec() }
        };
        let network = net::Config {
            scope,
            listen: either(&options.listen, config.listen),
            bootstrap: either(&options.bootstrap, config.bootstrap),
            mdns: !options.no_mdns && config.mdns,
            serve_dht: options.serve_dht.unwrap_or(config.serve_dht),
            public_dht: !options.no_public_dht && config.public_dht,
        };
        let passphrase = options.passphrase_fd.map(read_passphrase).transpose()?;
        let files = node::files::Config {
            downloads: match config.files.downloads {
                Some(downloads) if downloads.is_absolute() => downloads,
                Some(_) => bail!("files.downloads in config.toml begins at the root"),
                None => options.downloads(&directory),
            },
            auto_accept: config.files.auto_accept,
        };
        let node = node::Config { directory, network, files, passphrase };
        Ok(Self { node, screen: config.screen })
    }
}

/// Reads the first line of a file descriptor that the caller opened.
fn read_passphrase(descriptor: u32) -> eyre::Result<Passphrase> {
    /// Longer than anyone types, and a bound for `/dev/zero`.
    const MAX_PASSPHRASE: usize = 4096;
    let mut file = std::fs::File::open(format!("/dev/fd/{descriptor}"))
        .wrap_err_with(|| format!("--passphrase-fd {descriptor}: nothing is open there"))?;
    // Byte by byte: what comes after the line is not ours, and need not come.
    let mut line = zeroize::Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE));
    let mut byte = [0];
    loop {
        let read = file
            .read(&mut byte)
            .wrap_err_with(|| format!("--passphrase-fd {descriptor} could not be read"))?;
        match byte {
            _ if read == 0 => break,
            [b'\n'] => break,
            _ if line.len() == MAX_PASSPHRASE => bail!("a passphrase is at most 4096 bytes long"),
            [byte] => line.push(byte),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    match std::str::from_utf8(&line) {
        Ok("") => bail!("--passphrase-fd {descriptor} held no passphrase"),
        Ok(text) => Ok(Passphrase(zeroize::Zeroizing::new(text.to_owned()))),
        Err(_) => bail!("the passphrase is not UTF-8"),
    }
}

/// Writes the man pages: all of them into a directory, or the main one to standard output.
fn man_pages(directory: Option<&Path>) -> eyre::Result<()> {
    let command = Arguments::command();
    let Some(directory) = directory else {
        clap_mangen::Man::new(command).render(&mut io::stdout())?;
        return Ok(());
    };
    clap_mangen::generate_to(command, directory).wrap_err_with(|| {
        format!("the man pages could not be written to {}", directory.display())
    })?;
    writeln!(io::stdout(), "Wrote the man pages to {}.", directory.display())?;
    Ok(())
}
