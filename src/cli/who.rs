//! Which contact is meant.

use super::Stop;
use crate::node::api::Contact;

/// The shortest beginning of an identity that is taken for one, in digits.
const MIN_DIGITS: usize = 4;

/// The one contact of this name, or whose identity begins so. A name as it is written wins over
/// one in other capitals, and that over an identity.
///
/// # Errors
/// None is meant, or several may be.
pub fn find<'a>(contacts: &'a [Contact], who: &str) -> Result<&'a Contact, Stop> {
    let lower = who.to_lowercase();
    let begins = |id: &str| lower.len() >= MIN_DIGITS && id.starts_with(&lower);
    let ways: [&dyn Fn(&Contact) -> bool; 3] = [
        &|contact| contact.name == who,
        &|contact| contact.name.to_lowercase() == lower,
        &|contact| begins(&contact.id.to_string()),
    ];
    for way in ways {
        let found: Vec<_> = contacts.iter().filter(|contact| way(contact)).collect();
        match found[..] {
            [] => {}
            [one] => return Ok(one),
            _ => {
                let all = found.iter().map(|one| format!("\n  {}  {}", one.id, one.name));
                return Err(Stop::Usage(format!(
                    "{who:?} may be any of these; say the beginning of the identity:{}",
                    all.collect::<String>()
                )));
            }
        }
    }
    let names: Vec<_> = contacts.iter().map(|contact| contact.name.as_str()).collect();
    Err(Stop::Usage(match &names[..] {
        [] => "there are no contacts yet: `entrenous invite` and `entrenous add` make some".into(),
        names => format!("there is no contact {who:?}; there are: {}", names.join(", ")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::Identity, node::api::ContactState};

    fn contact(name: &str, first: u8) -> Contact {
        let mut bytes = [7; 32];
        bytes[0] = first;
        Contact {
            id: Identity(bytes),
            name: name.to_owned(),
            verified: false,
            state: ContactState::Offline,
            path: None,
            unasked: None,
            last_seen: None,
        }
    }

    #[test]
    fn a_name_or_the_beginning_of_an_identity_means_one() {
        let contacts = [
            contact("Ann", 0xa1),
            contact("ann", 0xa2),
            contact("Bob", 0xb1),
            contact("Bob", 0xb2),
            contact("c107", 0xc0),
            contact("Cleo", 0xc1),
        ];
        let means = |who: &str| find(&contacts, who).map(|contact| contact.id.to_string());
        let begins = |who: &str, digits: &str| {
            let id = means(who).unwrap_or_else(|error| panic!("{who}: {error}"));
            assert!(id.starts_with(digits), "{who}: {id}");
        };
        begins("Ann", "a1");
        begins("ann", "a2");
        begins("CLEO", "c1");
        begins("B107", "b1");
        begins("b2070707", "b2");
        begins("c107", "c0");
        for (who, words) in [
            ("ANN", "may be any"),
            ("Bob", "may be any"),
            ("b1", "no contact"),
            ("", "no contact"),
            ("Dan", "there are: Ann, ann, Bob"),
        ] {
            let error = means(who).unwrap_err();
            assert_eq!(error.code(), 2);
            assert!(error.to_string().contains(words), "{who:?}: {error}");
        }
        assert!(find(&[], "Ann").unwrap_err().to_string().contains("no contacts yet"));
    }
}
