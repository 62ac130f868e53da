//! The terminal's modes: entered, and always left again: at the end, on a panic, before Ctrl-Z.

use std::{
    io::{self, BufWriter, IsTerminal as _, Stdout, Write as _},
    panic,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    cursor::Show,
    event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange},
    execute, queue,
    style::Print,
    terminal::{
        BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
        LeaveAlternateScreen, SetTitle, WindowSize, disable_raw_mode, enable_raw_mode, window_size,
    },
};
use ratatui::{Terminal, backend::CrosstermBackend};
use rustix::process::{Signal, kill_current_process_group};

use super::{Model, picture::Picture, view};
use crate::picture::is_decoding;

/// Output is collected, so that a frame reaches the terminal in few writes.
const OUTPUT_BYTES: usize = 64 * 1024;

/// XTWINOPS 22/23 with 2: put the window's title on the terminal's stack, take it back.
const SAVE_TITLE: &str = "\x1b[22;2t";
const RESTORE_TITLE: &str = "\x1b[23;2t";

/// The modes are on, so they have to be taken back.
static IS_ENTERED: AtomicBool = AtomicBool::new(false);
static PANIC_HOOK: Once = Once::new();

/// A width and a height.
type Sides = (u16, u16);

/// Whether there is a terminal to show the screen on.
///
/// # Errors
/// Input or output is none.
pub fn check() -> io::Result<()> {
    if io::stdout().is_terminal() && io::stdin().is_terminal() {
        return Ok(());
    }
    Err(io::Error::other(
        "input and output are not both a terminal; `entrenous rpc` is for programs",
    ))
}

/// The terminal in the modes that the screen needs.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    /// The picture that covers what is written over it.
    covering: Option<Arc<Picture>>,
}

impl Screen {
    /// Enters the modes.
    ///
    /// # Errors
    /// Input or output is no terminal, or it refuses.
    pub fn enter() -> io::Result<Self> {
        check()?;
        PANIC_HOOK.call_once(|| {
            let previous = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if is_decoding() {
                    return;
                }
                leave();
                previous(info);
            }));
        });
        enter()?;
        let output = BufWriter::with_capacity(OUTPUT_BYTES, io::stdout());
        let terminal = Terminal::new(CrosstermBackend::new(output)).inspect_err(|_| leave())?;
        Ok(Self { terminal, covering: None })
    }

    /// Columns and rows; and the width and height of a cell, in pixels, none if the terminal does
    /// not tell.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn size(&self) -> io::Result<(Sides, Option<Sides>)> {
        let WindowSize { rows, columns, width, height } = window_size()?;
        let cell = width.checked_div(columns).zip(height.checked_div(rows));
        Ok(((columns, rows), cell))
    }

    /// Asks the terminal something. One that shows the question instead has nothing left of it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn ask(&mut self, question: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), Print(question), Clear(ClearType::All))
    }

    /// Draws the model, in one go where the terminal knows how.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, model: &Model) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let before = std::mem::replace(&mut self.covering, model.covering().cloned());
        if before.is_some_and(|old| !self.covering.as_ref().is_some_and(|it| Arc::ptr_eq(it, &old)))
        {
            self.redraw()?;
        }
        self.terminal.draw(|frame| view(model, frame))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Makes the next frame draw everything.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn redraw(&mut self) -> io::Result<()> {
        // Not ratatui's own way: it asks where the cursor is, and whoever waits for keys has the
        // answer, so that it would wait in vain.
        execute!(self.terminal.backend_mut(), Clear(ClearType::All))?;
        self.terminal.swap_buffers();
        Ok(())
    }

    /// Rings the bell.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn bell(&mut self) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), Print('\x07'))
    }

    /// Sets the window's title.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn title(&mut self, title: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), SetTitle(title))
    }

    /// Gives the terminal back, stops this process as Ctrl-Z would have, and comes back when the
    /// shell continues it. The whole group of processes is stopped, as the terminal does: a shell
    /// that waits for a parent of this one would not notice otherwise.
    ///
    /// # Errors
    /// The terminal is gone, or the process cannot be stopped.
    pub fn suspend(&mut self) -> io::Result<()> {
        leave();
        kill_current_process_group(Signal::TSTP)?;
        self.resume()
    }

    /// Enters the modes again after somebody else had the terminal.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        enter()?;
        self.redraw()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    let mut output = io::stdout();
    if IS_ENTERED.swap(true, Ordering::SeqCst) {
        // Continued after somebody else stopped this process: the shell has set its own modes,
        // which `enable_raw_mode` does not notice. The title is saved already.
        disable_raw_mode()?;
    } else {
        queue!(output, Print(SAVE_TITLE))?;
    }
    enable_raw_mode()?;
    // Without this crossterm drops bold and reverse as well when NO_COLOR is set. The mono theme
    // has no colours, so none are written.
    crossterm::style::force_color_output(true);
    execute!(output, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)
        .inspect_err(|_| leave())
}

/// Takes the modes back, once. What fails cannot be helped: the terminal may be gone.
fn leave() {
    if !IS_ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut output = io::stdout();
    let _ = execute!(
        output,
        EndSynchronizedUpdate,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Print(RESTORE_TITLE),
        Show,
    );
    let _ = output.flush();
    let _ = disable_raw_mode();
}
