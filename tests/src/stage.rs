//! A folder for one story: a stack document, a simulated world, and commands that each run with an empty
//! home, an empty working directory and a clean environment.
//!
//! That the tool keeps nothing outside the world is judged on every single run: whatever a command left
//! in its home, working or temporary directory is a failure.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use spore_sandbox::door::{OpenError, Options, Sandbox};
use spore_sandbox::store::StoreError;
use tempfile::TempDir;

use crate::binary;
use crate::live::Live;
use crate::updater;

/// The domain of [`DOCUMENT`].
pub const DOMAIN: &str = "spore.example.edu";

/// Three lines are a stack.
pub const DOCUMENT: &str =
    "version = 1\ndomain  = \"spore.example.edu\"\naccount = \"123456789012\"\n";

/// A run that takes longer hangs, and would hold up everything behind it without a word.
const LONGEST: Duration = Duration::from_secs(300);

/// A folder for one story.
#[derive(Debug)]
pub struct Stage {
    dir: TempDir,
    runs: AtomicUsize,
    updater: &'static Path,
}

/// A command that was not started yet.
#[derive(Debug)]
pub struct Run {
    command: Command,
    own: PathBuf,
}

/// A command that ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it printed as its result.
    pub stdout: String,
    /// Everything else it said.
    pub stderr: String,
}

impl Stage {
    /// A stage with [`DOCUMENT`] and no world yet.
    ///
    /// It lies in memory where the system has a place for that: a test of thousands of stored writes
    /// would else mostly measure the disk's fsync.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir())
        } else {
            tempfile::tempdir()
        };
        let stage = Self {
            dir: dir.expect("a temporary folder can be made"),
            runs: AtomicUsize::new(0),
            updater: updater::stand_in_zip(),
        };
        stage.write("stack.toml", DOCUMENT);
        stage
    }

    /// With the updater itself instead of its stand-in, for stories in which somebody calls it.
    #[must_use]
    pub fn with_real_updater(self) -> Self {
        Self {
            updater: updater::zip(),
            ..self
        }
    }

    /// A stage with a copy of another one's world.
    pub fn copy_of(other: &Stage) -> Self {
        let stage = Self::new();
        fs::create_dir(stage.world()).expect("the world's folder is new");
        fs::copy(
            other.world().join("world.json"),
            stage.world().join("world.json"),
        )
        .expect("the other world is stored");
        // Code of functions is kept beside the world.
        let blobs = other.world().join("blobs");
        if let Ok(files) = fs::read_dir(&blobs) {
            fs::create_dir(stage.world().join("blobs")).expect("the world's folder is new");
            for file in files.map(|file| file.expect("the folder can be read")) {
                let copy = stage.world().join("blobs").join(file.file_name());
                fs::copy(file.path(), copy).expect("the other world is stored");
            }
        }
        stage
    }

    /// A path on the stage.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The stack document.
    pub fn document(&self) -> PathBuf {
        self.path("stack.toml")
    }

    /// The folder of the simulated world.
    pub fn world(&self) -> PathBuf {
        self.path("world")
    }

    /// The world, which no command uses.
    pub fn open_world(&self) -> Sandbox {
        open_world(&self.world(), &Options::default())
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the stage can be written");
        path
    }

    /// A command of the tool, as from a machine that has never seen it.
    pub fn run<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        let mut run = self.program(binary::path());
        run.command.args(arguments);
        run
    }

    /// The tool on the stage's document and its simulated world: `apply`, `plan`, `destroy`, `ds`.
    pub fn on_world(&self, command: &str, more: &[&str]) -> Run {
        let mut run = self.run([command]);
        run.command.arg(self.document()).args(more);
        run.command
            .arg(format!("--sandbox={}", self.world().display()));
        run
    }

    /// `apply --yes`.
    pub fn apply(&self) -> Run {
        self.on_world("apply", &["--yes"])
    }

    /// `destroy --yes`.
    pub fn destroy(&self) -> Run {
        self.on_world("destroy", &["--yes"])
    }

    /// `plan --detailed-exitcode`.
    pub fn plan(&self) -> Run {
        self.on_world("plan", &["--detailed-exitcode"])
    }

    /// Another program in the same surroundings.
    pub fn program(&self, program: &Path) -> Run {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let own = self.path(&format!("run-{number}"));
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env(updater::VARIABLE, self.updater);
        // Every command has the rights that `spore-infra policy` prints for it, and no others. Who comes
        // to a served world comes as its administrator.
        if !self.world().join("serve.json").exists() {
            command.env("SPORE_SANDBOX_POLICY", "own");
        }
        for (variable, name) in [("HOME", "home"), ("TMPDIR", "tmp"), ("", "work")] {
            let folder = own.join(name);
            fs::create_dir_all(&folder).expect("the stage can be written");
            if !variable.is_empty() {
                command.env(variable, folder);
            }
        }
        command.current_dir(own.join("work"));
        Run { command, own }
    }

    /// The stored world.
    pub fn live(&self) -> Result<Live, String> {
        Live::read(&self.world())
    }

    /// The world is what a finished apply leaves, and a plan agrees.
    pub fn is_converged(&self) -> Result<(), String> {
        self.live()?.is_converged(DOMAIN)?;
        self.plan().done("the plan afterwards")?;
        Ok(())
    }

    /// The world is what a finished destroy leaves.
    pub fn is_gone(&self) -> Result<(), String> {
        self.live()?.is_gone(DOMAIN)
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Run {
    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Lets something go wrong.
    #[must_use]
    pub fn fault(self, fault: &str) -> Self {
        self.env("SPORE_SANDBOX_FAULT", fault)
    }

    /// Changes the command in another way.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// The command's working directory.
    pub fn work(&self) -> PathBuf {
        self.own.join("work")
    }

    /// Starts it, with its output kept.
    pub fn spawn(mut self) -> Child {
        self.command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started")
    }

    /// Starts it, with only its result kept: nobody has to read what else it says.
    pub fn spawn_quiet(mut self) -> Child {
        self.command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary can be started")
    }

    /// Runs it to its end, and judges that it left nothing behind.
    pub fn end(self) -> Result<Finished, String> {
        let own = self.own.clone();
        let child = self.spawn();
        let id = child.id().to_string();
        let (ended, is_ended) = mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            if is_ended.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
                Command::new("kill").args(["-KILL", &id]).status().ok();
            }
        });
        let output = child.wait_with_output();
        drop(ended);
        watchdog.join().ok();
        let finished = Finished::of(output.expect("the command was started"));
        let litter = litter(&own);
        if litter.is_empty() {
            fs::remove_dir_all(own).ok();
            Ok(finished)
        } else {
            Err(format!("left on the disk: {}", litter.join(", ")))
        }
    }

    /// Runs it to exit code 0.
    pub fn done(self, what: &str) -> Result<Finished, String> {
        self.exits(0, what)
    }

    /// Runs it to an exit code.
    pub fn exits(self, code: i32, what: &str) -> Result<Finished, String> {
        let finished = self.end()?;
        if finished.code == Some(code) {
            Ok(finished)
        } else {
            Err(format!("{what} was to exit {code}: {}", finished.tell()))
        }
    }

    /// Runs it to its death by a `crash` fault: SIGKILL, 137 in a shell.
    pub fn dies(self, what: &str) -> Result<(), String> {
        let finished = self.end()?;
        if finished.signal == Some(9) {
            Ok(())
        } else {
            Err(format!("{what} was to be killed: {}", finished.tell()))
        }
    }
}

impl Finished {
    /// From what the system says.
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// How it ended and its last words, for failures.
    pub fn tell(&self) -> String {
        let end = match (self.code, self.signal) {
            (Some(code), _) => format!("exit {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        let said = format!("{}{}", self.stdout, self.stderr);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines
            .get(lines.len().saturating_sub(25)..)
            .unwrap_or_default();
        format!("{end}\n    | {}", last.join("\n    | "))
    }
}

fn litter(own: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["home", "tmp", "work"] {
        let entries = fs::read_dir(own.join(name)).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| format!("{name}/{}", entry.file_name().display())));
    }
    found
}

/// The world in a folder that no command uses.
///
/// A child that another test starts at the same moment has this process's files open until it is another program,
/// the lock of a world that was just closed among them: so it is asked for again.
///
/// # Panics
/// When it cannot be used.
pub fn open_world(dir: &Path, options: &Options) -> Sandbox {
    for _ in 0..300 {
        match Sandbox::open(Some(dir.to_owned()), options.clone()) {
            Err(OpenError::Store(StoreError::Held { .. })) => {
                thread::sleep(Duration::from_millis(100));
            }
            opened => return opened.expect("the world can be used"),
        }
    }
    panic!("{} is in use", dir.display())
}

/// The lines of a record (`SPORE_RECORD`).
pub fn record(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| serde_json::from_str(line).ok();
    text.lines().filter_map(line).collect()
}
