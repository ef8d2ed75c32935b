//! Printing: results to stdout, everything else to stderr; colours only where they are wanted.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};

/// Why something that was printed did not get to stdout, the first time.
static LOST: OnceLock<String> = OnceLock::new();

/// Prints a text to stdout. A closed pipe is the reader's choice, not an error; of any other failure [`lost`] tells,
/// as what is under way is not to end with it.
pub fn text(text: &str) {
    let mut stdout = anstream::stdout();
    let written = stdout.write_all(text.as_bytes());
    if let Err(error) = written.and_then(|()| stdout.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error.to_string());
    }
}

/// Why stdout lacks some of what was printed, if so.
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Prints a line to stdout.
pub fn line(line: &str) {
    text(&format!("{line}\n"));
}

/// Prints a line to stderr.
pub fn note(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Prints an error to stderr.
pub fn error(message: &str) {
    let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    note(&format!("{style}error{style:#}: {message}"));
}

/// Asks a question. Without a terminal at both ends nothing is asked: `None`.
pub fn ask(question: &str) -> Option<String> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{question} ");
    let _ = stderr.flush();
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(_) => Some(answer.trim().to_owned()),
        Err(_) => None,
    }
}
