//! What may be said on the command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use color_eyre::eyre::{self, bail};
use libp2p::Multiaddr;

use super::config::Config;
use crate::{net::serving::ServeDht, node::api::Scope};

/// What the exit codes say; see [`super::Stop`].
const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed; 2 the command line is wrong (also: no such contact or number); \
3 the profile is open in another window or process; 4 not done within --wait; 130 interrupted.

One process owns a profile: while its screen is open, this can't be done beside it.";

/// An encrypted peer-to-peer messenger for the terminal: no server, no relay, no account.
#[derive(Debug, Parser)]
#[command(name = "entrenous", version, arg_required_else_help = false)]
pub struct Arguments {
    /// The options that hold for every action.
    #[command(flatten)]
    pub options: Options,
    /// What to do; opens the screen unless given.
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// Options that hold for every action.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Options {
    /// Keep profiles in this directory
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which profile: each is a person of its own
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    pub profile: String,
    /// Talk to the local network only
    #[arg(long, global = true)]
    pub lan_only: bool,
    /// Open no socket at all
    #[arg(long, global = true, conflicts_with = "lan_only")]
    pub offline: bool,
    /// Link to this address, with or without /p2p/…; may be repeated
    #[arg(long, global = true, value_name = "MULTIADDR")]
    pub bootstrap: Vec<Multiaddr>,
    /// Do not use the public DHT (Amino, the one of IPFS) to find friends
    #[arg(long, global = true)]
    pub no_public_dht: bool,
    /// Serve the project's own DHT: keep sealed records for others
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "always"
    )]
    pub serve_dht: Option<ServeDht>,
    /// Listen on this address; may be repeated
    #[arg(long, global = true, value_name = "MULTIADDR")]
    pub listen: Vec<Multiaddr>,
    /// Neither look for others on the LAN by mDNS nor be found
    #[arg(long, global = true)]
    pub no_mdns: bool,
    /// Read the passphrase from this open file descriptor
    #[arg(long, global = true, value_name = "N")]
    pub passphrase_fd: Option<u32>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Speak JSON-RPC on standard input and output
    Rpc,
    /// Say what this computer's network allows
    Doctor,
    /// Make an invite and print it, with its QR code
    Invite {
        /// How many people may use it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        uses: u32,
        /// For how many days it is good
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365))]
        days: u32,
    },
    /// Accept an invite, read from standard input
    Add {
        /// Caught to explain why it is not taken from here.
        #[arg(hide = true)]
        invite: Option<String>,
    },
    /// Send a text, files or folders to a contact, and wait until they have them
    #[command(after_help = EXIT_CODES)]
    Send {
        /// To whom: a contact's name, or the beginning of their identity
        who: String,
        /// Offer this file or folder; may be repeated
        #[arg(long, value_name = "FILE", required_unless_present = "text")]
        file: Vec<PathBuf>,
        /// Write this text; "-" reads it from standard input, where nobody else on this machine
        /// can see it
        #[arg(long)]
        text: Option<String>,
        /// Only queue it: they get it when entrenous next runs here and there at the same time
        #[arg(long)]
        no_wait: bool,
        /// Wait so long at most; what was queued stays queued
        #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
        wait: Option<u64>,
    },
    /// List the files and folders that contacts offer, or fetch some of them
    #[command(after_help = EXIT_CODES)]
    Get {
        /// Whose, and which by the digits that the list shows; none: list them
        #[arg(value_name = "WHO] [FILE")]
        what: Vec<String>,
        /// Where to: a directory, or the name that it is to have
        #[arg(long, value_name = "PATH")]
        to: Option<PathBuf>,
        /// Wait so long at most: for the list 10 seconds unless given, for files without end; what
        /// has come stays
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
    },
    /// Try it: a throwaway profile, and a second process on this machine that answers
    Demo,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write all of them
    Man {
        /// Where to write them
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

impl Options {
    /// Whether any was given.
    pub fn any_given(&self) -> bool {
        let Self { data_dir, profile, bootstrap, listen, passphrase_fd, .. } = self;
        data_dir.is_some()
            || profile != "default"
            || !bootstrap.is_empty()
            || !listen.is_empty()
            || passphrase_fd.is_some()
            || self.lan_only
            || self.offline
            || self.no_public_dht
            || self.serve_dht.is_some()
            || self.no_mdns
    }

    /// The profile's directory.
    ///
    /// # Errors
    ///
    /// A name that is no name, or no home directory.
    pub fn directory(&self) -> eyre::Result<PathBuf> {
        let name = &self.profile;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(plain) {
            bail!(
                "--profile {name:?}: a profile's name is 1 to 64 letters, digits, '-', '_' or \
                 '.', and does not begin with a dot"
            );
        }
        let base = match &self.data_dir {
            Some(directory) => directory.clone(),
            None => match directories::ProjectDirs::from("", "", "entrenous") {
                Some(directories) => directories.data_dir().to_owned(),
                None => bail!("there is no home directory: say --data-dir"),
            },
        };
        Ok(base.join(name))
    }

    /// Where files go. Whoever says where profiles are kept finds everything there.
    pub fn downloads(&self, directory: &Path) -> PathBuf {
        let users = directories::UserDirs::new().filter(|_| self.data_dir.is_none());
        let downloads = users.and_then(|users| users.download_dir().map(Path::to_owned));
        let downloads = downloads.unwrap_or_else(|| directory.join("downloads"));
        std::path::absolute(&downloads).unwrap_or(downloads)
    }

    /// What the network may be used for.
    pub fn scope(&self, config: &Config) -> Scope {
        if self.offline {
            Scope::Offline
        } else if self.lan_only || config.lan_only {
            Scope::LanOnly
        } else {
            Scope::Everywhere
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_action() {
        for line in [["entrenous", "--offline", "rpc"], ["entrenous", "rpc", "--offline"]] {
            assert!(Arguments::parse_from(line).options.offline);
        }
        assert!(Arguments::try_parse_from(["entrenous", "--offline", "--lan-only"]).is_err());
        assert!(Arguments::try_parse_from(["entrenous", "--listen", "nonsense"]).is_err());
        assert!(Arguments::try_parse_from(["entrenous", "invite", "--uses", "0"]).is_err());
    }

    #[test]
    fn what_follows_serve_dht_is_no_part_of_it_without_an_equals_sign() {
        for (option, means) in [
            ("--serve-dht", ServeDht::Always),
            ("--serve-dht=always", ServeDht::Always),
            ("--serve-dht=never", ServeDht::Never),
            ("--serve-dht=when-reachable", ServeDht::WhenReachable),
        ] {
            let Arguments { options, action } =
                Arguments::parse_from(["entrenous", option, "doctor"]);
            assert_eq!(options.serve_dht, Some(means));
            assert!(options.any_given() && matches!(action, Some(Action::Doctor)));
        }
        assert!(Arguments::try_parse_from(["entrenous", "--serve-dht", "never"]).is_err());
    }

    #[test]
    fn a_profile_name_can_not_leave_the_directory() {
        let directory = |name: &str| {
            Arguments::parse_from(["entrenous", "--data-dir", "/d", "--profile", name])
                .options
                .directory()
        };
        assert_eq!(directory("work-2").unwrap(), PathBuf::from("/d/work-2"));
        for bad in ["", "..", ".x", "a/b", "a b", "é", "x\0"] {
            assert!(directory(bad).is_err(), "{bad:?}");
        }
    }
}
