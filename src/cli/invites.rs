//! `entrenous invite` and `entrenous add`: invites without the screen.

use std::io::{self, BufRead, IsTerminal, Write};

use color_eyre::eyre::{self, bail};

use super::{Options, open::Open};
use crate::{
    identity::{Invite, InviteError},
    node::api::{Answer, Command},
    tui::qr,
};

/// The longest text read as an invite; one is about 120 characters long.
const MAX_INPUT: u64 = 64 * 1024;

/// Makes an invite and prints it; on a terminal, with its QR code.
pub async fn create(options: &Options, uses: u32, days: u32) -> eyre::Result<()> {
    let mut node = Open::offline(options).await?;
    let expires_in_seconds = Some(u64::from(days) * 24 * 60 * 60);
    let answer = node.ask(Command::CreateInvite { uses: Some(uses), expires_in_seconds }).await?;
    let Answer::Invite(invite) = answer else { bail!("an unexpected answer") };
    let mut output = io::stdout().lock();
    if output.is_terminal() {
        for line in qr::rows(&invite.invite).unwrap_or_default() {
            writeln!(output, "{line}")?;
        }
    }
    writeln!(output, "{}", &*invite.invite)?;
    drop(output);
    eprintln!(
        "Give this to {} in private; it is good for {days} days. You become contacts when both \
         of you run entrenous.",
        if uses == 1 { "one friend" } else { "your friends" }
    );
    node.close().await
}

/// Accepts an invite from standard input.
pub async fn add(options: &Options, given_as_argument: bool) -> eyre::Result<()> {
    if given_as_argument {
        bail!(
            "an invite is a secret, and arguments can be read by others on this machine: start \
             `entrenous add` without it and paste it when asked"
        );
    }
    let mut node = Open::offline(options).await?;
    if io::stdin().is_terminal() {
        eprint!("Paste the invite, then press Enter: ");
    }
    let invite = read_invite(io::stdin().lock())?;
    node.ask(Command::AcceptInvite { invite: invite.into() }).await?;
    println!("Accepted. You become contacts when both of you run entrenous.");
    node.close().await
}

/// Reads lines until they are an invite, which may have been broken, or no text follows.
fn read_invite(input: impl BufRead) -> io::Result<String> {
    let mut input = input.take(MAX_INPUT);
    let mut text = String::new();
    while input.read_line(&mut text)? > 0 {
        let incomplete = matches!(Invite::parse(&text), Err(InviteError::Truncated));
        if !incomplete && !text.trim().is_empty() {
            break;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, IdentityKey, InviteSecret};

    fn invite() -> String {
        let identity: Identity = IdentityKey::generate(&mut rand::rng()).public();
        Invite::new(identity, InviteSecret::from_bytes([7; 16]), 1 << 31).to_text()
    }

    #[test]
    fn an_invite_over_two_lines_is_read_and_nothing_after_it() {
        let whole = invite();
        let (first, second) = whole.split_at(80);
        for text in [format!("{first}\n{second}\nmore\n"), format!("\n{whole}\nmore\n")] {
            let mut input = text.as_bytes();
            let read = read_invite(&mut input).unwrap();
            assert_eq!(Invite::parse(&read).unwrap().to_text(), whole);
            assert_eq!(input, b"more\n");
        }
        assert_eq!(read_invite(&b"hello\nmore\n"[..]).unwrap(), "hello\n");
        assert_eq!(read_invite(&b""[..]).unwrap(), "");
    }
}
