//! The first start, and the passphrase at later ones.

use zeroize::Zeroizing;

use crate::{
    node::api::{Command, Failure, Passphrase},
    text::MAX_NAME_BYTES,
    tui::{
        field::Field,
        keymap::Action,
        model::{Effect, Form, Model, Pending, Phase},
    },
};

fn passphrase(field: &Field) -> Passphrase {
    Passphrase(Zeroizing::new(field.text().to_owned()))
}

impl Form<3> {
    /// Whether a name is typed; if not, it is asked for.
    fn has_name(&mut self) -> bool {
        let [name, ..] = &self.fields;
        if name.text().trim().is_empty() {
            self.error = Some("Type a name: your friends need one to call you by.".to_owned());
            self.focus = 0;
            return false;
        }
        true
    }
}

impl Model {
    /// The directory holds no profile.
    pub(super) fn begin_welcome(&mut self) {
        self.phase = Phase::Welcome(Form::new([Field::new(), Field::secret(), Field::secret()]));
    }

    /// The profile has a passphrase.
    pub(super) fn begin_unlock(&mut self) {
        self.phase = Phase::Unlock(Form::new([Field::secret()]));
    }

    /// An action before the profile is open.
    pub(super) fn start_action(&mut self, action: Action) {
        match (&mut self.phase, action) {
            (_, Action::Close) | (Phase::Stopped(_), _) => {
                let reason = match &self.phase {
                    Phase::Stopped(reason) => Some(reason.clone()),
                    _ => None,
                };
                self.effects.push(Effect::Quit(reason));
            }
            (Phase::Welcome(form), Action::NextField | Action::Down) => {
                form.focus = (form.focus + 1) % form.fields.len();
            }
            (Phase::Welcome(form), Action::PreviousField | Action::Up) => {
                form.focus = (form.focus + form.fields.len() - 1) % form.fields.len();
            }
            (Phase::Welcome(form), Action::Accept) if form.focus + 1 < form.fields.len() => {
                if form.focus > 0 || form.has_name() {
                    form.focus += 1;
                }
            }
            (Phase::Welcome(_), Action::Accept) => self.create(),
            (Phase::Unlock(_), Action::Accept) => self.unlock(),
            (_, action) => {
                if let Some(field) = self.start_field() {
                    field.edit(action);
                }
            }
        }
    }

    /// A text was typed or pasted: into the field, and what was wrong before is taken away.
    pub(super) fn start_typed(&mut self, text: &str) {
        let Some(field) = self.start_field() else { return };
        field.insert(text);
        match &mut self.phase {
            Phase::Welcome(form) => form.error = None,
            Phase::Unlock(form) => form.error = None,
            _ => {}
        }
    }

    /// The field that is typed into.
    pub(super) fn start_field(&mut self) -> Option<&mut Field> {
        match &mut self.phase {
            Phase::Welcome(form) if !form.is_busy => form.field(),
            Phase::Unlock(form) if !form.is_busy => form.field(),
            _ => None,
        }
    }

    fn create(&mut self) {
        let Phase::Welcome(form) = &mut self.phase else { return };
        if form.is_busy || !form.has_name() {
            return;
        }
        let [name, first, second] = &form.fields;
        if name.text().len() > MAX_NAME_BYTES {
            form.error = Some(format!("The name is too long: at most {MAX_NAME_BYTES} bytes."));
            form.focus = 0;
            return;
        }
        if first.text() != second.text() {
            form.error = Some("The two passphrases differ. Type them again.".to_owned());
            form.fields[1].clear();
            form.fields[2].clear();
            form.focus = 1;
            return;
        }
        let command = Command::CreateProfile {
            name: name.text().trim().to_owned(),
            passphrase: (!first.text().is_empty()).then(|| passphrase(first)),
        };
        form.is_busy = true;
        form.error = None;
        self.ask(command, Pending::Profile);
    }

    fn unlock(&mut self) {
        let Phase::Unlock(form) = &mut self.phase else { return };
        let [field] = &mut form.fields;
        if form.is_busy || field.text().is_empty() {
            return;
        }
        let command = Command::Unlock { passphrase: passphrase(field) };
        form.is_busy = true;
        form.error = None;
        field.clear();
        self.ask(command, Pending::Profile);
    }

    /// The profile was not made or not opened: the reason, and again.
    pub(super) fn start_failed(&mut self, failure: &Failure) {
        match &mut self.phase {
            Phase::Welcome(form) => {
                form.is_busy = false;
                form.error = Some(failure.text.clone());
            }
            Phase::Unlock(form) => {
                form.is_busy = false;
                form.error = Some(failure.text.clone());
            }
            _ => self.trouble(failure),
        }
    }
}
