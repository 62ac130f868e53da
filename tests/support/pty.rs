//! The program's screen in a real pseudo-terminal, made by `script`.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Instant,
};

use super::{lab::wait_for, profile::Profile};

/// A running screen. Dropping it kills it.
pub struct Screen {
    script: Child,
    stdin: ChildStdin,
    output: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    directory: PathBuf,
    size: (u16, u16),
    pub started: Instant,
}

impl Screen {
    /// Whether there can be one; an error says what is missing.
    pub fn can_run() -> Result<(), String> {
        let found = Command::new("script").arg("--version").output().is_ok();
        found.then_some(()).ok_or_else(|| "`script` is missing (package bsdutils)".to_owned())
    }

    /// Opens the profile's screen on a terminal of this size (columns, rows).
    pub fn open(profile: &Profile, size: (u16, u16), environment: &[(&str, &str)]) -> Self {
        let arguments = profile.arguments();
        Self::run(&profile.command(), &arguments, profile.outside(), size, environment)
    }

    /// Runs any program, by its path and environment, on a terminal of this size. `directory` is
    /// for what is learned of it.
    pub fn run(
        program: &Command,
        arguments: &[String],
        directory: &Path,
        size: (u16, u16),
        environment: &[(&str, &str)],
    ) -> Self {
        let directory = directory.to_owned();
        let (columns, rows) = size;
        // The program's own process id, and the terminal's settings before and after.
        let shell = format!(
            "stty rows {rows} cols {columns}; stty -a > before; \
             sh -c 'echo $$ > pid; exec \"$PROGRAM\" \"$@\"' sh {}; \
             echo $? > code; stty -a > after",
            arguments.join(" ")
        );
        let mut command = Command::new("script");
        command.args(["-qfc", &shell, "/dev/null"]).current_dir(&directory);
        command.env_clear().envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.env("PROGRAM", program.get_program()).env("SHELL", "/bin/sh");
        command.env("COLORTERM", "truecolor").envs(environment.iter().copied());
        for file in ["pid", "before", "after", "code"] {
            let _ = fs::remove_file(directory.join(file));
        }
        let started = Instant::now();
        let mut script =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script` runs");
        let (stdin, mut stdout) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let output = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let output = Arc::clone(&output);
            move || {
                let mut bytes = [0; 8192];
                while let Ok(length @ 1..) = stdout.read(&mut bytes) {
                    output.lock().unwrap().extend_from_slice(&bytes[..length]);
                }
            }
        });
        Self { script, stdin, output, reader: Some(reader), directory, size, started }
    }

    /// Everything that was written to the terminal so far.
    pub fn output(&self) -> Vec<u8> {
        self.output.lock().unwrap().clone()
    }

    /// What the terminal shows.
    pub fn terminal(&self) -> vt100::Parser {
        let mut parser = vt100::Parser::new(self.size.1, self.size.0, 0);
        parser.process(&self.output());
        parser
    }

    pub fn text(&self) -> String {
        self.terminal().screen().contents()
    }

    /// Types, as it is.
    pub fn type_in(&mut self, keys: &str) {
        self.stdin.write_all(keys.as_bytes()).unwrap();
        self.stdin.flush().unwrap();
    }

    /// Has the terminal tell that its cells have this width and height, in pixels.
    pub fn has_cells_of(&self, (width, height): (u16, u16)) {
        let terminal = fs::File::open(format!("/proc/{}/fd/0", self.pid())).unwrap();
        let size = rustix::termios::Winsize {
            ws_col: self.size.0,
            ws_row: self.size.1,
            ws_xpixel: self.size.0 * width,
            ws_ypixel: self.size.1 * height,
        };
        rustix::termios::tcsetwinsize(terminal, size).unwrap();
    }

    #[track_caller]
    pub fn wait_until_shown(&self, what: &str) {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(what, || self.text().contains(what));
        }));
        assert!(found.is_ok(), "{what:?} is not shown:\n{}", self.text());
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        let mut pid = None;
        wait_for("the program starts", || {
            let text = fs::read_to_string(self.directory.join("pid")).unwrap_or_default();
            pid = text.trim().parse().ok();
            pid.is_some()
        });
        pid.unwrap()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the program's end; gives its exit code, as a shell counts it. The terminal must
    /// be as it was before.
    #[track_caller]
    pub fn ended_in_order(&mut self) -> i32 {
        wait_for("the program ends", || {
            fs::read_to_string(self.directory.join("after")).is_ok_and(|after| !after.is_empty())
        });
        let _ = self.script.wait();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        let settings = |name| fs::read_to_string(self.directory.join(name)).unwrap();
        assert_eq!(settings("after"), settings("before"), "the terminal's settings");
        let terminal = self.terminal();
        assert!(!terminal.screen().alternate_screen(), "still on the alternate screen");
        assert!(!terminal.screen().hide_cursor(), "the cursor is still hidden");
        assert!(!terminal.screen().bracketed_paste(), "pastes are still bracketed");
        settings("code").trim().parse().unwrap()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let text = fs::read_to_string(self.directory.join("pid")).unwrap_or_default();
        if !self.directory.join("code").exists() && !text.trim().is_empty() {
            let _ = Command::new("kill").args(["-KILL", text.trim()]).status();
        }
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
