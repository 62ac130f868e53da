//! `config.toml` in the profile's directory: what one would otherwise say at each start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use color_eyre::eyre::{self, Context, bail};
use libp2p::Multiaddr;
use serde::Deserialize;

use crate::{net::serving::ServeDht, node::files, tui};

/// The largest file read; a configuration is a page of text.
const MAX_BYTES: u64 = 64 * 1024;

/// The contents of `config.toml`. The command line wins over it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// As `--lan-only`.
    pub lan_only: bool,
    /// As `--listen`.
    pub listen: Vec<Multiaddr>,
    /// As `--bootstrap`.
    pub bootstrap: Vec<Multiaddr>,
    /// `false` as `--no-mdns`.
    pub mdns: bool,
    /// `false` as `--no-public-dht`.
    pub public_dht: bool,
    /// As `--serve-dht=`.
    pub serve_dht: ServeDht,
    /// Where files go, and which come unasked.
    pub files: Files,
    /// How the screen looks and which keys it has.
    pub screen: tui::Config,
}

/// What is done with files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Files {
    /// Where they go; the system's directory for downloads unless given.
    pub downloads: Option<PathBuf>,
    /// Those of so many bytes and less come unasked, if a verified contact offers them; 0: none.
    pub auto_accept: u64,
}

impl Default for Files {
    fn default() -> Self {
        Self { downloads: None, auto_accept: files::AUTO_ACCEPT }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lan_only: false,
            listen: Vec::new(),
            bootstrap: Vec::new(),
            mdns: true,
            public_dht: true,
            serve_dht: ServeDht::default(),
            files: Files::default(),
            screen: tui::Config::default(),
        }
    }
}

/// Reads the profile's configuration; without a file, the defaults.
pub fn load(directory: &Path) -> eyre::Result<Config> {
    let path = directory.join("config.toml");
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            bail!("{} is over {MAX_BYTES} bytes long: it can't be right", path.display())
        }
        _ => {}
    }
    let text = fs::read_to_string(&path)
        .wrap_err_with(|| format!("{} could not be read", path.display()))?;
    toml::from_str(&text)
        .wrap_err_with(|| format!("{} is not right; nothing was changed", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> eyre::Result<Config> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.toml"), text).unwrap();
        load(directory.path())
    }

    #[test]
    fn everything_can_be_said_and_nothing_must_be() {
        assert!(load(Path::new("/nonexistent")).unwrap().mdns);
        let config = parse(
            "lan-only = true\nmdns = false\nserve-dht = \"never\"\nlisten = [\"/ip4/127.0.0.1/tcp/1\"]",
        );
        let config = config.unwrap();
        assert!(config.lan_only && !config.mdns && config.listen.len() == 1);
        assert_eq!(config.serve_dht, ServeDht::Never);
    }

    #[test]
    fn an_unknown_key_or_a_wrong_value_is_named_with_its_line() {
        for (text, word) in [
            ("lan_only = true", "lan_only"),
            ("\nnonsense = 1", "nonsense"),
            ("mdns = 7", "mdns"),
            ("listen = [\"x\"]", "listen"),
            ("= =", "line 1"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(word) && error.contains("config.toml"), "{error}");
        }
        assert!(parse(&"#".repeat(100_000)).is_err());
    }
}
