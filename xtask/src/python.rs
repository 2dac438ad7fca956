//! `cargo x wheel` and `cargo x python`: the Python package, in environments of its own under `target/python`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::shell::{self, cargo, root};

/// Where wheels lie when they are built.
const DIST: &str = "dist";
/// Cargo's target directory for what lies in a wheel. Its profile has no symbols, so it shares nothing with others.
const TARGET: &str = "target/wheel";
/// The versions of Python that the wheel is for, newest first.
const MINORS: [u32; 5] = [14, 13, 12, 11, 10];
/// What builds a wheel, and what tests one.
const MATURIN: &str = "maturin>=1.14,<2";
const TEST_TOOLS: &[&str] = &["pytest>=8,<10", "mypy>=1.13,<3", "PyYAML>=6,<7", "types-PyYAML>=6,<7"];

/// Servers whose workers log in tests, and the client of Redis, whose lists queues are compared with.
const PACKAGES: &[&str] = &["gunicorn>=25,<28", "uvicorn>=0.30,<1", "redis>=5,<9"];

/// What is done with the wheel.
#[derive(Clone, Copy, ValueEnum)]
pub enum What {
    /// Install it into an environment of its own, and run the demo
    Demo,
    /// Run its tests with each Python from 3.10 on that is on this machine
    Test,
}

/// A Python that can make environments.
struct Interpreter {
    program: PathBuf,
    minor: u32,
}

/// Builds the wheel, and returns its path.
pub fn wheel() -> Result<PathBuf> {
    let Some(python) = interpreters().into_iter().next() else { bail!("{NO_PYTHON}") };
    let tools = tools(&python)?;
    let mut binary = cargo(&["build", "--release", "-p", "ringlog-cli", "--target-dir", TARGET]);
    shell::run(binary.env("CARGO_PROFILE_RELEASE_STRIP", "symbols"))?;
    // maturin puts what lies in the data folder into the wheel: scripts are put on the user's PATH.
    let scripts = root()?.join("ringlog-python/data/scripts");
    fs::create_dir_all(&scripts)?;
    fs::copy(root()?.join(TARGET).join("release/ringlog"), scripts.join("ringlog"))
        .context("cannot copy the command into the wheel")?;
    let before = wheels()?;
    before.iter().try_for_each(fs::remove_file).context("cannot remove the old wheel")?;
    let mut build = Command::new(tools.join("bin/maturin"));
    build.args(["build", "--release", "--manifest-path", "ringlog-python/Cargo.toml", "--out", DIST]);
    shell::run(build.args(["--target-dir", TARGET]).env("CARGO_PROFILE_RELEASE_STRIP", "symbols"))?;
    match &wheels()?[..] {
        [wheel] => {
            println!("built {}", wheel.strip_prefix(root()?).unwrap_or(wheel).display());
            Ok(wheel.clone())
        }
        found => bail!("expected one wheel in {DIST}, found {}", found.len()),
    }
}

/// The environment with what builds wheels.
fn tools(python: &Interpreter) -> Result<PathBuf> {
    let tools = environment("tools", python)?;
    install(&tools, &[MATURIN])?;
    Ok(tools)
}

/// Builds the wheel, and does this with it. Tests are skipped, with a loud reason, where there is no Python, or nothing
/// can be installed.
pub fn run(what: What, version: Option<&str>) -> Result<()> {
    let mut found = interpreters();
    found.retain(|python| version.is_none_or(|version| version == format!("3.{}", python.minor)));
    if found.is_empty() {
        match version {
            Some(version) => bail!("no Python {version} with the module venv is on this machine"),
            None => println!("SKIPPED: {NO_PYTHON}"),
        }
        return Ok(());
    }
    if matches!(what, What::Demo) {
        found.truncate(1);
    } else if let Err(error) = prepare_tests(&found) {
        println!("SKIPPED: the tests of the Python package need {MATURIN} and {}", TEST_TOOLS.join(", "));
        println!("{error:#}");
        return Ok(());
    }
    let wheel = wheel()?;
    for python in &found {
        let environment = environment(&environment_name(what, python), python)?;
        install_wheel(&environment, &wheel)?;
        match what {
            What::Demo => shell::run(environment_python(&environment).arg("ringlog-python/demo.py"))?,
            What::Test => test(&environment)?,
        }
    }
    let versions: Vec<String> = found.iter().map(|python| format!("3.{}", python.minor)).collect();
    println!("done with Python {}", versions.join(", "));
    Ok(())
}

/// The environments for tests, with all that is to be fetched for them.
fn prepare_tests(found: &[Interpreter]) -> Result<()> {
    for python in found {
        let environment = environment(&environment_name(What::Test, python), python)?;
        install(&environment, TEST_TOOLS)?;
        if let Err(error) = install(&environment, PACKAGES) {
            println!("SKIPPED with Python 3.{}: the tests with {}", python.minor, PACKAGES.join(", "));
            println!("{error:#}");
        }
    }
    found.first().map_or(Ok(()), |python| tools(python).map(drop))
}

fn environment_name(what: What, python: &Interpreter) -> String {
    let kind = if matches!(what, What::Demo) { "demo" } else { "test" };
    format!("{kind}-3.{}", python.minor)
}

fn test(environment: &Path) -> Result<()> {
    let mut mypy = environment_python(environment);
    shell::run(mypy.args(["-m", "mypy", "--config-file", "ringlog-python/pyproject.toml"]))?;
    let mut pytest = environment_python(environment);
    shell::run(pytest.args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "ringlog-python/tests"]))
}

const NO_PYTHON: &str = "no Python from 3.10 on that has the module venv is on this machine; on Debian: \
                         apt-get install python3 python3-venv";

/// The Pythons on the PATH and those of pyenv, one of each version, newest first.
fn interpreters() -> Vec<Interpreter> {
    let of_pyenv = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".pyenv")))
        .and_then(|pyenv| fs::read_dir(pyenv.join("versions")).ok());
    let mut programs: Vec<PathBuf> = MINORS.iter().map(|minor| format!("python3.{minor}").into()).collect();
    programs.push("python3".into());
    programs.extend(of_pyenv.into_iter().flatten().flatten().map(|entry| entry.path().join("bin/python3")));
    let mut found: Vec<Interpreter> = Vec::new();
    for program in programs {
        let Some(minor) = minor_version(&program) else { continue };
        if MINORS.contains(&minor) && found.iter().all(|python| python.minor != minor) {
            found.push(Interpreter { program, minor });
        }
    }
    found.sort_by_key(|python| std::cmp::Reverse(python.minor));
    found
}

/// The minor version of a Python 3 that can make environments; `None` for any other program.
fn minor_version(program: &Path) -> Option<u32> {
    let script = "import sys, venv, ensurepip; print(*sys.version_info[:2])";
    let printed = shell::read(Command::new(program).args(["-c", script])).ok()?;
    let (major, minor) = printed.trim().split_once(' ')?;
    (major == "3").then(|| minor.parse().ok())?
}

/// The environment of this name, made if it is not there.
fn environment(name: &str, python: &Interpreter) -> Result<PathBuf> {
    let path = root()?.join("target/python").join(name);
    // Moved or half-made ones do not work.
    if minor_version(&path.join("bin/python")) != Some(python.minor) {
        shell::run(Command::new(&python.program).args(["-m", "venv", "--clear"]).arg(&path))?;
    }
    Ok(path)
}

fn environment_python(environment: &Path) -> Command {
    Command::new(environment.join("bin/python"))
}

fn install(environment: &Path, packages: &[&str]) -> Result<()> {
    let mut pip = environment_python(environment);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    shell::run(&mut pip)
}

/// Installs the wheel in place of any other: its version does not change with each build.
fn install_wheel(environment: &Path, wheel: &Path) -> Result<()> {
    let mut pip = environment_python(environment);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--force-reinstall"]);
    shell::run(pip.arg(wheel))
}

fn wheels() -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(root()?.join(DIST)) else { return Ok(Vec::new()) };
    let mut wheels = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            wheels.push(path);
        }
    }
    Ok(wheels)
}
