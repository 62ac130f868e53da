//! Contacts and invites.

use super::*;

async fn complete(ann: &Person, number: i64, who: &Person) -> Result<Contact> {
    let name = "someone".to_owned();
    ann.store.complete_issued(number, who.id, who.certificate, name, NOW).await
}

#[tokio::test]
async fn two_race_for_an_invite_and_one_gets_it() {
    let ann = Person::new("Ann").await;
    let (ben, eve) = (Person::new("Ben").await, Person::new("Eve").await);
    let number = ann.store.issue_invite(invite(&ann.id, 1), 1, NOW).await.unwrap();
    let (one, other) = tokio::join!(complete(&ann, number, &ben), complete(&ann, number, &eve));
    assert_eq!(one.unwrap().identity, ben.id);
    assert_eq!(other.unwrap_err(), StoreError::InviteUsed);
    assert_eq!(ann.store.contacts().await.unwrap().len(), 1);
    let ann = ann.reopen().await;
    assert_eq!(complete(&ann, number, &ben).await.unwrap().identity, ben.id, "again");
    assert_eq!(complete(&ann, number, &eve).await.unwrap_err(), StoreError::InviteUsed);
    let known = ann.store.open_invites(NOW).await.unwrap();
    assert_eq!(known[0].state, InviteState::Used, "remembered, so that eve can be told");
    assert!(ann.store.list_invites(NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_invite_for_two_is_for_two() {
    let ann = Person::new("Ann").await;
    let number = ann.store.issue_invite(invite(&ann.id, 1), 2, NOW).await.unwrap();
    for expected in [Ok(()), Ok(()), Err(StoreError::InviteUsed)] {
        let who = Person::new("someone").await;
        assert_eq!(complete(&ann, number, &who).await.map(|_| ()), expected);
    }
}

#[tokio::test]
async fn revoked_expired_and_unknown_invites_make_no_contact() {
    let (ann, ben) = (Person::new("Ann").await, Person::new("Ben").await);
    let number = ann.store.issue_invite(invite(&ann.id, 1), 1, NOW).await.unwrap();
    ann.store.revoke_invite(number, NOW).await.unwrap();
    assert_eq!(complete(&ann, number, &ben).await.unwrap_err(), StoreError::InviteRevoked);
    let number = ann.store.issue_invite(invite(&ann.id, 2), 1, NOW).await.unwrap();
    let late = NOW + 3_600_000;
    let name = String::new();
    let expired = ann.store.complete_issued(number, ben.id, ben.certificate, name, late).await;
    assert_eq!(expired.unwrap_err(), StoreError::InviteExpired);
    assert_eq!(complete(&ann, 99, &ben).await.unwrap_err(), StoreError::UnknownInvite);
    assert_eq!(complete(&ann, number, &ann).await.unwrap_err(), StoreError::InviteOwn);
    assert_eq!(ann.store.revoke_invite(99, NOW).await.unwrap_err(), StoreError::UnknownInvite);
    let late = ann.store.issue_invite(invite(&ann.id, 3), 1, late).await;
    assert_eq!(late.unwrap_err(), StoreError::InviteExpired);
    let none = ann.store.issue_invite(invite(&ann.id, 3), 0, NOW).await;
    assert!(matches!(none.unwrap_err(), StoreError::InvalidInput(_)));
}

#[tokio::test]
async fn accepting_own_known_expired_or_too_many_invites_fails() {
    let (ann, ben) = pair().await;
    let accept = |invite, now| ben.store.accept_invite(invite, now);
    assert_eq!(accept(invite(&ben.id, 1), NOW).await.unwrap_err(), StoreError::InviteOwn);
    assert_eq!(accept(invite(&ann.id, 1), NOW).await.unwrap_err(), StoreError::InviteKnown);
    let eve = Identity([9; 32]);
    let late = accept(invite(&eve, 1), NOW + 3_600_000).await;
    assert_eq!(late.unwrap_err(), StoreError::InviteExpired);
    let number = accept(invite(&eve, 0), NOW).await.unwrap();
    assert_eq!(accept(invite(&eve, 0), NOW).await.unwrap(), number, "the same one again");
    for secret in 1..64 {
        accept(invite(&eve, secret), NOW).await.unwrap();
    }
    assert_eq!(accept(invite(&eve, 64), NOW).await.unwrap_err(), StoreError::InviteLimit);
    ben.store.fail_accepted(number).await.unwrap();
    accept(invite(&eve, 64), NOW).await.unwrap();
}

#[tokio::test]
async fn an_accepted_invite_with_another_expiry_is_said_to_be_changed() {
    let (ann, ben) = (Person::new("Ann").await, Person::new("Ben").await);
    let number = ben.store.accept_invite(invite(&ann.id, 1), NOW).await.unwrap();
    let mut changed = invite(&ann.id, 1);
    changed.expires_at += 1;
    let refused = ben.store.accept_invite(changed, NOW).await.unwrap_err();
    assert!(matches!(refused, StoreError::InvalidInput(_)), "{refused}");
    assert!(refused.to_string().contains("expiry"), "{refused}");
    assert_eq!(ben.store.accept_invite(invite(&ann.id, 1), NOW).await.unwrap(), number);
}

#[tokio::test]
async fn only_so_many_invites_are_remembered() {
    let ann = Person::new("Ann").await;
    for secret in 0..=255 {
        let number = ann.store.issue_invite(invite(&ann.id, secret), 1, NOW).await.unwrap();
        ann.store.revoke_invite(number, NOW).await.unwrap();
    }
    assert_eq!(ann.store.open_invites(NOW).await.unwrap().len(), 256);
    let other = Invite::new(ann.id, InviteSecret::from_bytes([1; 16]), NOW / 1000 + 1);
    let known = ann.store.issue_invite(other, 1, NOW).await;
    assert!(known.is_err(), "one secret, one invite");
    let mut secret = [3; 16];
    secret[0] = 9;
    let other = Invite::new(ann.id, InviteSecret::from_bytes(secret), NOW / 1000 + 1);
    ann.store.issue_invite(other, 1, NOW).await.unwrap();
    let kept = ann.store.open_invites(NOW).await.unwrap();
    assert_eq!(kept.len(), 256);
    assert_eq!(kept.last().unwrap().state, InviteState::Open);
}

#[tokio::test]
async fn there_is_a_tag_for_everybody() {
    let (ann, ben) = pair().await;
    let fill_up = |contacts: usize| {
        ann.store.call(move |core| {
            for n in 1..contacts {
                core.connection()
                    .prepare_cached(
                        "INSERT INTO contact (identity, certificate)
                         SELECT randomblob(32), certificate FROM contact LIMIT 1",
                    )?
                    .execute([])
                    .unwrap_or_else(|error| panic!("{n}: {error}"));
            }
            Ok(())
        })
    };
    fill_up(MAX_CONTACTS).await.unwrap();
    assert_eq!(ann.store.contacts().await.unwrap().len(), MAX_CONTACTS);
    let eve = Person::new("Eve").await;
    let number = ann.store.issue_invite(invite(&ann.id, 1), 1, NOW).await.unwrap();
    assert_eq!(complete(&ann, number, &eve).await.unwrap_err(), StoreError::ContactLimit);
    let accepted = ann.store.accept_invite(invite(&eve.id, 1), NOW).await.unwrap();
    ann.store.note_issuer(accepted, eve.certificate).await.unwrap();
    let refused = ann.store.complete_accepted(accepted, "Eve".to_owned(), NOW).await;
    assert_eq!(refused.unwrap_err(), StoreError::ContactLimit);
    // Everything that may be met, with as many invites as there can be.
    let most = MAX_CONTACTS + 2 * MAX_INVITES as usize;
    assert!(most <= crate::session::MAX_TAGS, "{most} tags");
    ann.store.remove_contact(ben.id).await.unwrap();
    assert_eq!(complete(&ann, number, &eve).await.unwrap().identity, eve.id);
}

#[tokio::test]
async fn so_many_issued_invites_are_open_at_once() {
    let ann = Person::new("Ann").await;
    let issue = |secret| ann.store.issue_invite(invite(&ann.id, secret), 1, NOW);
    let mut last = 0;
    for secret in 0..64 {
        last = issue(secret).await.unwrap();
    }
    assert_eq!(issue(64).await.unwrap_err(), StoreError::InviteLimit);
    ann.store.revoke_invite(last, NOW).await.unwrap();
    issue(64).await.unwrap();
}

#[tokio::test]
async fn accepted_invites_become_contacts_after_the_issuers_certificate() {
    let (ann, ben) = (Person::new("Ann").await, Person::new("Ben").await);
    let number = ben.store.accept_invite(invite(&ann.id, 1), NOW).await.unwrap();
    let ben = ben.reopen().await;
    let open = ben.store.open_invites(NOW).await.unwrap();
    assert_eq!((open[0].number, open[0].direction), (number, Direction::Accepted));
    let early = ben.store.complete_accepted(number, "Ann".to_owned(), NOW).await;
    assert_eq!(early.unwrap_err(), StoreError::UnknownInvite);
    ben.store.note_issuer(number, ann.certificate).await.unwrap();
    let contact = ben.store.complete_accepted(number, "Ann".to_owned(), NOW).await.unwrap();
    assert_eq!((contact.identity, contact.name.as_str()), (ann.id, "Ann"));
    let again = ben.store.complete_accepted(number, "Ann".to_owned(), NOW).await.unwrap();
    assert_eq!(again, contact);
    assert!(ben.store.open_invites(NOW).await.unwrap().is_empty());
    let list = ben.store.conversations().await.unwrap();
    assert_eq!((list[0].id, list[0].name.as_str()), (contact.conversation, "Ann"));
}

#[tokio::test]
async fn a_removed_contacts_conversation_can_be_read_and_not_written() {
    let (ann, ben) = pair().await;
    let first = ann.say(&ben, "hello").await;
    push(&ann, &ben).await;
    ben.store.rename_contact(ann.id, "Annie".to_owned()).await.unwrap();
    ben.store.remove_contact(ann.id).await.unwrap();
    let ben = ben.reopen().await;
    assert_eq!(ben.texts(&ann).await, ["hello"]);
    assert_eq!(ben.store.conversations().await.unwrap()[0].name, "Annie");
    let body = Body::Text { text: "hello".to_owned() };
    let refused = ben.store.write(ben.with(&ann), body, NOW).await;
    assert_eq!(refused.unwrap_err(), StoreError::ReadOnly);
    let mark = ben.store.mark_read(ben.with(&ann), first.entry.id, NOW).await.unwrap();
    assert!(mark.is_none());
    assert_eq!(ben.store.conversations().await.unwrap()[0].unread, 0);
    let wire = vec![first.entry.wire];
    let refused = ben.store.receive(ann.id, ben.with(&ann), wire, NOW).await;
    assert_eq!(refused.unwrap_err(), StoreError::UnknownConversation);
    assert_eq!(ben.store.have(ann.id).await.unwrap_err(), StoreError::UnknownContact);
}

#[tokio::test]
async fn nobody_who_was_removed_comes_back_by_an_older_invite() {
    let (ann, ben, eve) =
        (Person::new("Ann").await, Person::new("Ben").await, Person::new("Eve").await);
    let used = ann.store.issue_invite(invite(&ann.id, 1), 10, NOW).await.unwrap();
    let other = ann.store.issue_invite(invite(&ann.id, 2), 10, NOW).await.unwrap();
    complete(&ann, used, &ben).await.unwrap();
    ann.store.remove_contact(ben.id).await.unwrap();
    let ann = ann.reopen().await;
    for number in [used, other] {
        assert_eq!(complete(&ann, number, &ben).await.unwrap_err(), StoreError::InviteUsed);
    }
    assert!(ann.store.contacts().await.unwrap().is_empty());
    // Others may use what is left, and one issued since is a new word.
    complete(&ann, used, &eve).await.unwrap();
    let new = ann.store.issue_invite(invite(&ann.id, 3), 1, NOW).await.unwrap();
    complete(&ann, new, &ben).await.unwrap();
    assert_eq!(complete(&ann, used, &ben).await.unwrap().identity, ben.id, "known again");
}

#[tokio::test]
async fn what_is_known_of_a_contact_changes_and_stays_bounded() {
    let (ann, ben) = pair().await;
    let store = &ann.store;
    assert!(store.contact_hello(ben.id, "someone".to_owned()).await.unwrap().is_none());
    let hello = store.contact_hello(ben.id, "Ben\u{202e}\u{7}".to_owned()).await.unwrap();
    assert!(!hello.unwrap().name.contains('\u{7}'));
    let renamed = store.rename_contact(ben.id, "Benny".to_owned()).await.unwrap();
    assert_eq!(renamed.name, "Benny");
    let back = store.rename_contact(ben.id, String::new()).await.unwrap();
    assert_eq!(back.name, back.their_name.unwrap());
    assert!(store.set_verified(ben.id, true).await.unwrap().verified);

    let addresses: Vec<_> = (0..20).map(|n| format!("/ip4/10.0.0.{n}/tcp/1")).collect();
    store.contact_seen(ben.id, 5, addresses.clone()).await.unwrap();
    store.contact_seen(ben.id, 3, vec![addresses[19].clone(), "x".repeat(300)]).await.unwrap();
    let ann = ann.reopen().await;
    let contact = ann.store.contacts().await.unwrap().remove(0);
    assert_eq!(contact.last_seen, Some(5), "never goes back");
    assert_eq!(contact.addresses.len(), MAX_ADDRESSES);
    assert_eq!(contact.addresses[..2], [addresses[19].clone(), addresses[0].clone()]);

    let older = ann.store.contact_certificate(ben.id, ben.certificate).await.unwrap();
    assert!(older.is_none());
    let newer = Certificate { seq: 2, ..ben.certificate };
    let changed = ann.store.contact_certificate(ben.id, newer).await.unwrap();
    assert_eq!(changed.unwrap().certificate, newer);
    let stranger = ann.store.set_verified(Identity([1; 32]), true).await;
    assert_eq!(stranger.unwrap_err(), StoreError::UnknownContact);
}

#[tokio::test]
async fn a_second_invite_that_was_accepted_brings_nobody_back() {
    let (ann, ben) = (Person::new("Ann").await, Person::new("Ben").await);
    let accepted = [1, 2].map(|secret| ben.store.accept_invite(invite(&ann.id, secret), NOW));
    let [first, second] = accepted;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    ben.store.note_issuer(first, ann.certificate).await.unwrap();
    ben.store.complete_accepted(first, "Ann".to_owned(), NOW).await.unwrap();
    let open = ben.store.open_invites(NOW).await.unwrap();
    assert!(open.iter().all(|i| i.number != second), "it waits for somebody who is a contact");
    ben.store.remove_contact(ann.id).await.unwrap();
    assert!(ben.store.open_invites(NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn nodes_of_dhts_are_replaced_and_bounded() {
    let ann = Person::new("Ann").await;
    assert!(ann.store.dht_nodes().await.unwrap().is_empty());
    let nodes: Vec<_> = (0..50).map(|n| format!("/ip4/203.0.113.{n}/tcp/4001")).collect();
    ann.store.set_dht_nodes(vec!["x".repeat(MAX_ADDRESS_BYTES + 1)]).await.unwrap();
    assert!(ann.store.dht_nodes().await.unwrap().is_empty());
    ann.store.set_dht_nodes(nodes.clone()).await.unwrap();
    let ann = ann.reopen().await;
    assert_eq!(ann.store.dht_nodes().await.unwrap(), nodes[..MAX_DHT_NODES]);
}
