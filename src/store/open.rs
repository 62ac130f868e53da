//! Making and opening a profile.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    Directory, Presence, Result, Store, StoreError,
    actor::Starting,
    check::Check,
    core::{Core, Keys, Opened, own_name},
    key::{Cost, DatabaseKey, Sealed},
    schema::{self, Purpose},
};
use crate::identity::{Certificate, DeviceKey, IdentityKey};

/// The longest passphrase in bytes.
const MAX_PASSPHRASE_BYTES: usize = 1024;

/// Makes a profile with a new identity, and opens it. Takes as long as deriving a key from the
/// passphrase does; not for a thread that others wait for.
///
/// # Errors
/// [`StoreError::Presence`] if there is one, [`StoreError::InvalidInput`] for a passphrase that
/// is empty or longer than 1 KiB, [`StoreError::DiskFull`], [`StoreError::Unreadable`]. Then there
/// is no profile.
pub fn create(mut directory: Directory, name: &str, passphrase: Option<&str>) -> Result<Store> {
    create_with(&mut directory, name, passphrase, Cost::DEFAULT)?;
    open(directory, passphrase).map_err(|(_, error)| error)
}

pub(super) fn create_with(
    directory: &mut Directory,
    name: &str,
    passphrase: Option<&str>,
    cost: Cost,
) -> Result<()> {
    if directory.presence() != Presence::Fresh {
        return Err(StoreError::Presence("There is a profile here already."));
    }
    if passphrase.is_some_and(|p| p.is_empty() || p.len() > MAX_PASSPHRASE_BYTES) {
        return Err(StoreError::InvalidInput("A passphrase has between 1 and 1024 bytes."));
    }
    let mut rng = rand::rng();
    create_with_key(directory, name, passphrase, cost, &DatabaseKey::generate(&mut rng))
}

pub(super) fn create_with_key(
    directory: &mut Directory,
    name: &str,
    passphrase: Option<&str>,
    cost: Cost,
    key: &DatabaseKey,
) -> Result<()> {
    let mut rng = rand::rng();
    let key_file = Sealed::encode(key, passphrase, cost, &mut rng)?;
    directory.make_new_database()?;
    let mut connection = schema::connect(&directory.new_database(), key, Purpose::Own)?;
    schema::migrate(&mut connection, true)?;
    let identity_key = IdentityKey::generate(&mut rng);
    let device_key = DeviceKey::generate(&mut rng);
    let certificate = Certificate::issue(&identity_key, device_key.public(), 1, 1);
    let name = own_name(name, &identity_key.public());
    Keys { identity_key, device_key, certificate, name }.write(&connection)?;
    // Closing says that all is well even if what is in the log could not be moved; and it is the
    // database alone that is put in its place.
    if !schema::empty_log(&connection)? {
        return Err(StoreError::Storage("the new database is being read".to_owned()));
    }
    connection.close().map_err(|(_, error)| error)?;
    directory.finish(&key_file)
}

/// Opens a profile. Takes as long as deriving a key from the passphrase does; not for a thread
/// that others wait for.
///
/// # Errors
/// With the directory, so that it can be tried again: [`StoreError::PassphraseNeeded`],
/// [`StoreError::WrongPassphrase`], [`StoreError::Damaged`], [`StoreError::TooNew`],
/// [`StoreError::DiskFull`], [`StoreError::Unreadable`], [`StoreError::Presence`] if there is none.
pub fn open(
    directory: Directory,
    passphrase: Option<&str>,
) -> std::result::Result<Store, (Directory, StoreError)> {
    match prepare(&directory, passphrase) {
        Ok(prepared) => {
            let Prepared { opened, starting, damage } = prepared;
            let actor = starting.run(Core::new(opened, directory), damage);
            Ok(Store { actor: Arc::new(actor) })
        }
        Err(error) => Err((directory, error)),
    }
}

/// Everything that can fail, so that the directory can be given back.
struct Prepared {
    opened: Opened,
    starting: Starting,
    damage: watch::Receiver<Option<StoreError>>,
}

fn prepare(directory: &Directory, passphrase: Option<&str>) -> Result<Prepared> {
    if directory.presence() == Presence::Fresh {
        return Err(StoreError::Presence("There is no profile here yet."));
    }
    if passphrase.is_some_and(|p| p.len() > MAX_PASSPHRASE_BYTES) {
        return Err(StoreError::WrongPassphrase);
    }
    let sealed = Sealed::decode(&directory.read_key()?)?;
    let has_passphrase = sealed.has_passphrase();
    let key = sealed.open(passphrase)?;
    // SQLite takes an empty file for a new database.
    if directory.database().metadata()?.len() < schema::PAGE_BYTES {
        return Err(StoreError::Damaged("the database is cut off".to_owned()));
    }
    let unclean = directory.is_unclean();
    let mut connection = schema::connect(&directory.database(), &key, Purpose::Own)?;
    schema::migrate(&mut connection, false)?;
    let keys = Keys::read(&connection)?;
    let (found, damage) = watch::channel(None);
    let starting = Starting::new()?;
    let check = if unclean { Some(Check::start(directory, &key, found)?) } else { None };
    Ok(Prepared { opened: Opened { connection, keys, has_passphrase, check }, starting, damage })
}
