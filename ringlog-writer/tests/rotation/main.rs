//! Rotation compared with Python's handlers and Python's time zones.

mod handlers;
mod schedule;

use std::process::{Command, Stdio};

/// Python 3 running this program; `None`, with a message, if no version that meets `needs` is installed.
fn python(program: &str, needs: &str) -> Option<Command> {
    let probe = format!(
        "import sys\nassert {needs}, sys.version\nimport zoneinfo\nzoneinfo.ZoneInfo('Europe/Berlin')"
    );
    let mut last = String::new();
    for name in ["python3.14", "python3.13", "python3", "python3.11"] {
        match Command::new(name).args(["-c", &probe]).stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => {
                let mut command = Command::new(name);
                command.args(["-X", "utf8", "-c", program]);
                return Some(command);
            }
            Ok(output) => last = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => last = error.to_string(),
        }
    }
    eprintln!("SKIPPED, nothing is compared with Python: needs python3 with {needs}, found: {last}");
    None
}
