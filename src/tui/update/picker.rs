//! The window that chooses a file to send.

use std::path::PathBuf;

use crate::tui::{
    disk::{Listing, Look},
    field::Field,
    keymap::Action,
    model::{LookFor, Model, Tone},
    window::{Picker, Window},
};

impl Model {
    /// Opens the window: there, or where a file was chosen last, or where the program was started.
    pub(super) fn open_picker(&mut self, directory: Option<PathBuf>) {
        let Some(conversation) = self.open else {
            self.notify(
                Tone::Bad,
                "There is nobody to send a file to yet: /invite a friend first.",
            );
            return;
        };
        let last = self.last_directory.clone();
        let directory = directory.or(last).unwrap_or_else(|| self.places.working.clone());
        self.window = Some(Window::Picker(Picker {
            conversation,
            directory: PathBuf::new(),
            listing: None,
            field: Field::new(),
            chosen: 0,
            is_narrowed: false,
            select: None,
        }));
        self.enter_directory(directory, None);
    }

    /// Shows another directory in the window, and selects this name in it.
    fn enter_directory(&mut self, directory: PathBuf, select: Option<String>) {
        let Some(Window::Picker(picker)) = &mut self.window else { return };
        picker.directory.clone_from(&directory);
        (picker.listing, picker.chosen, picker.select) = (None, 0, select);
        picker.field.clear();
        picker.is_narrowed = false;
        let look = Look::Directory { path: directory, begins: String::new() };
        self.look(look, LookFor::Picker);
    }

    /// What lies in the directory.
    pub(super) fn listed(&mut self, listing: Result<Listing, String>) {
        let Some(Window::Picker(picker)) = &mut self.window else { return };
        if listing.is_ok() {
            self.last_directory = Some(picker.directory.clone());
        }
        picker.listing = Some(listing);
        if let Some(name) = picker.select.take() {
            let at = picker.fitting().iter().position(|entry| entry.name == name);
            picker.chosen = at.unwrap_or(0);
        }
    }

    /// What is typed has changed. In a directory that is listed in part only, the names that begin
    /// so are looked for.
    pub(super) fn picker_typed(&mut self) {
        let Some(Window::Picker(picker)) = &mut self.window else { return };
        picker.chosen = 0;
        let is_cut = picker.listing.as_ref().is_some_and(|l| l.as_ref().is_ok_and(|l| l.is_cut));
        if is_cut || picker.is_narrowed {
            picker.is_narrowed = true;
            let path = picker.directory.clone();
            let look = Look::Directory { path, begins: picker.field.text().to_owned() };
            self.look(look, LookFor::Picker);
        }
    }

    /// An action in the window.
    pub(super) fn picker_action(&mut self, action: Action) {
        let Some(Window::Picker(picker)) = &mut self.window else { return };
        let fitting = picker.fitting();
        let chosen = fitting.get(picker.chosen).map(|&entry| entry.clone());
        let count = fitting.len();
        let path = chosen.as_ref().map(|entry| picker.directory.join(&entry.name));
        let conversation = picker.conversation;
        match action {
            Action::Up | Action::Down | Action::PageUp | Action::PageDown => {
                picker.chosen = Self::list_step(action, picker.chosen, count);
            }
            Action::DeleteBack if picker.field.text().is_empty() => self.leave_directory(),
            Action::Parent => self.leave_directory(),
            Action::Accept => match chosen.zip(path) {
                Some((entry, path)) if entry.is_directory => self.enter_directory(path, None),
                Some((_, path)) => {
                    self.window = None;
                    self.send_file(conversation, &path);
                }
                None => {}
            },
            Action::SendFile => {
                let directory = match chosen.zip(path) {
                    Some((entry, path)) if entry.is_directory => path,
                    _ => picker.directory.clone(),
                };
                self.ask_send_directory(conversation, directory);
            }
            action => {
                if picker.field.edit(action) {
                    self.picker_typed();
                }
            }
        }
    }

    fn leave_directory(&mut self) {
        let Some(Window::Picker(picker)) = &self.window else { return };
        let name = picker.directory.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(parent) = picker.directory.parent().map(PathBuf::from) {
            self.enter_directory(parent, name);
        }
    }
}
