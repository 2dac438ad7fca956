//! The result of compressing, with crashes and changes meanwhile.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::rotation::{Closing, Plan, Rotation};

struct Scratch {
    dir: tempfile::TempDir,
    directory: Arc<Directory>,
    rotation: Rotation,
    family: Family,
    said: Arc<Mutex<Vec<String>>>,
}

impl Scratch {
    fn new(naming: &str, keep: &str) -> Scratch {
        let rotation =
            Rotation { naming: naming.parse().unwrap(), keep: keep.parse().unwrap(), ..Rotation::default() };
        let dir = tempfile::tempdir().unwrap();
        let family = Family::new(OsStr::new("app.log"), &rotation);
        Scratch {
            directory: Arc::new(Directory::new(dir.path())),
            dir,
            rotation,
            family,
            said: Arc::default(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self, compression: Compression) -> Compressor {
        let said = self.said.clone();
        let say = move |what: &str| said.lock().unwrap().push(what.to_owned());
        Compressor::start(self.directory.clone(), self.family.clone(), compression, say).unwrap()
    }

    fn worker(&self, compression: Compression) -> Worker {
        Worker {
            directory: self.directory.clone(),
            family: self.family.clone(),
            compression,
            stop: Arc::default(),
            say: Box::new(|what| panic!("{what}")),
            said: HashSet::new(),
            is_refusal_said: Cell::new(false),
        }
    }

    fn entry(&self, name: &str) -> FileEntry {
        self.directory.lock().entry(name).unwrap().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let listing = self.directory.lock().list().unwrap();
        let mut names: Vec<_> = listing.into_iter().map(|entry| entry.name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What the closed files hold, oldest first, decompressed by other means than the worker's.
    fn contents(&self) -> Vec<String> {
        let closed = self.directory.lock().list().unwrap().into_iter();
        let keyed = closed.filter_map(|entry| Some((self.family.parse(&entry.name)?, entry.name)));
        let text = |(member, name): (Member, _)| {
            let bytes = fs::read(self.path(&name)).unwrap();
            let mut text = String::new();
            match member.archive {
                None => text = String::from_utf8(bytes).unwrap(),
                Some(Compression::Gzip) => {
                    flate2::bufread::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
                }
                Some(Compression::Zstd) => {
                    text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap()
                }
            }
            (member.key, text)
        };
        keyed.map(text).collect::<BTreeMap<_, _>>().into_values().collect()
    }

    fn rotate(&self, text: &str) {
        self.write("app.log", text);
        let names = self.directory.lock();
        let file = names.entry("app.log").unwrap().unwrap().file;
        let now = Timestamp::UNIX_EPOCH;
        let clock = WallClock::at(now);
        let closing = Closing { file, now, due: None, number_at_least: 0, clock };
        let plan = Plan::new(&self.family, &self.rotation, &names.list().unwrap(), &closing);
        plan.carry_out(&names).unwrap();
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn closed_files_are_compressed_and_nothing_else_is_touched() {
    for (compression, suffix) in [(Compression::Gzip, "gz"), (Compression::Zstd, "zst")] {
        let scratch = Scratch::new("number", "all");
        for name in ["app.log", "app.000001.log", "app.000002.log", "app.log.1", "other.000001.log"] {
            scratch.write(name, &format!("{name} {}", "x".repeat(200_000)));
        }
        let first = scratch.path("app.000001.log");
        fs::set_permissions(&first, fs::Permissions::from_mode(0o640)).unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::options().write(true).open(&first).unwrap().set_modified(long_ago).unwrap();
        let before = scratch.contents();
        scratch.start(compression).finish();
        let first = format!("app.000001.log.{suffix}");
        let expected =
            [&first, &format!("app.000002.log.{suffix}"), "app.log", "app.log.1", "other.000001.log"];
        assert_eq!((scratch.names(), scratch.contents()), (expected.map(str::to_owned).to_vec(), before));
        let meta = fs::metadata(scratch.path(first)).unwrap();
        assert_eq!((meta.mode() & 0o777, meta.mtime(), meta.len() < 1000), (0o640, 1_000_000, true));
        assert_eq!(scratch.said(), [""; 0]);
    }
}

#[test]
fn work_that_a_crash_interrupted_is_finished() {
    let scratch = Scratch::new("number", "all");
    for name in ["app.000001.log", "app.000002.log", "app.000003.log", "app.000004.log"] {
        scratch.write(name, name);
    }
    // Of the first and the second the archives are complete, one of either kind.
    for (name, compression) in [("app.000001.log", Compression::Gzip), ("app.000002.log", Compression::Zstd)]
    {
        let text = fs::read(scratch.path(name)).unwrap();
        scratch.worker(compression).compress(&scratch.entry(name)).unwrap();
        fs::write(scratch.path(name), text).unwrap();
    }
    // The third has a torn temporary file.
    let temporary = scratch.family.temporary(scratch.entry("app.000003.log").file, Compression::Gzip);
    fs::write(scratch.path(&temporary), "torn").unwrap();
    scratch.write("app.log.1-2-3.zst.tmp", "of a file that has gone");
    scratch.write("app.log.gz.tmp", "another file's");
    let before = scratch.contents();
    scratch.start(Compression::Gzip).finish();
    let expected = [
        "app.000001.log.gz",
        "app.000002.log.zst",
        "app.000003.log.gz",
        "app.000004.log.gz",
        "app.log.gz.tmp",
    ];
    assert_eq!(
        (scratch.names(), scratch.contents(), scratch.said()),
        (expected.map(str::to_owned).to_vec(), before, vec![])
    );
}

#[test]
fn a_different_archive_is_kept_and_reported_once() {
    let scratch = Scratch::new("number", "all");
    // As long, but not the same.
    scratch.write("app.000001.log", "two");
    scratch.worker(Compression::Gzip).compress(&scratch.entry("app.000001.log")).unwrap();
    scratch.write("app.000001.log", "one");
    scratch.write("app.000002.log", "two");
    scratch.write("app.000002.log.gz", "torn");
    scratch.write("app.000003.log", "three");
    let compressor = scratch.start(Compression::Gzip);
    wait_until("the third is compressed", || !scratch.path("app.000003.log").exists());
    scratch.write("app.000004.log", "four");
    compressor.closed();
    compressor.finish();
    let names = [
        "app.000001.log",
        "app.000001.log.gz",
        "app.000002.log",
        "app.000002.log.gz",
        "app.000003.log.gz",
        "app.000004.log.gz",
    ];
    assert_eq!(scratch.names(), names);
    let at = scratch.dir.path().display();
    let said = |number| {
        let path = format!("{at}/app.00000{number}.log");
        format!("{path}.gz is not what {path} compresses to; both are kept, remove one of them")
    };
    assert_eq!(scratch.said(), [said(1), said(2)]);
}

#[test]
fn a_failure_is_reported_once_and_delays_no_other_file() {
    let scratch = Scratch::new("number", "all");
    scratch.write("app.000001.log", "one");
    scratch.write("app.000002.log", "two");
    let temporary = scratch.family.temporary(scratch.entry("app.000001.log").file, Compression::Zstd);
    fs::create_dir(scratch.path(&temporary)).unwrap();
    let compressor = scratch.start(Compression::Zstd);
    wait_until("the second is compressed", || !scratch.path("app.000002.log").exists());
    scratch.write("app.000003.log", "three");
    compressor.closed();
    wait_until("the third is compressed", || !scratch.path("app.000003.log").exists());
    let said = scratch.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with(&format!("cannot compress {}", scratch.path("app.000001.log").display())),
        "{said:?}"
    );
    // It is tried again with the next one.
    fs::remove_dir(scratch.path(&temporary)).unwrap();
    compressor.closed();
    compressor.finish();
    assert_eq!(scratch.names(), ["app.000001.log.zst", "app.000002.log.zst", "app.000003.log.zst"]);
    assert_eq!(scratch.said().len(), 1);
}

#[test]
fn a_file_that_is_shifted_meanwhile_is_found() {
    let scratch = Scratch::new("python", "3");
    scratch.rotate("first");
    let worker = scratch.worker(Compression::Gzip);
    let file = scratch.entry("app.log.1").file;
    scratch.write("compressed", "");
    // Between the compression and the rename.
    scratch.rotate("second");
    assert!(worker.name(file, &scratch.path("compressed")).unwrap());
    assert_eq!(scratch.names(), ["app.log.1", "app.log.2", "app.log.2.gz"]);
    // Between the rename and the deletion.
    scratch.rotate("third");
    worker.delete(file).unwrap();
    assert_eq!(scratch.names(), ["app.log.1", "app.log.2", "app.log.3.gz"]);
    // It goes before its archive has a name.
    scratch.write("compressed", "");
    let file = scratch.entry("app.log.2").file;
    fs::remove_file(scratch.path("app.log.2")).unwrap();
    assert!(!worker.name(file, &scratch.path("compressed")).unwrap());
}

#[test]
fn shifting_and_compressing_at_once_lose_nothing() {
    for naming in ["python", "number"] {
        let scratch = Scratch::new(naming, "20");
        let compressor = scratch.start(Compression::Gzip);
        let text = |number: usize| format!("{number} {}", "line\n".repeat(number % 7 * 2000));
        for number in 0..150 {
            scratch.rotate(&text(number));
            compressor.closed();
        }
        compressor.finish();
        let expected: Vec<String> = (130..150).map(text).collect();
        assert_eq!(scratch.contents(), expected);
        assert!(scratch.names().iter().all(|name| name.ends_with(".gz")), "{:?}", scratch.names());
        assert_eq!((scratch.names().len(), scratch.said()), (20, vec![]));
    }
}

#[test]
fn dropping_the_compressor_keeps_the_original() {
    let scratch = Scratch::new("number", "all");
    let large = File::create(scratch.path("app.000001.log")).unwrap();
    large.set_len(1 << 40).unwrap();
    let compressor = scratch.start(Compression::Zstd);
    let temporary = scratch.family.temporary(scratch.entry("app.000001.log").file, Compression::Zstd);
    wait_until("it has begun", || scratch.path(&temporary).exists());
    let dropped = thread::spawn(|| drop(compressor));
    wait_until("it has ended", || dropped.is_finished());
    assert_eq!((scratch.names(), scratch.said()), (vec!["app.000001.log".to_owned()], vec![]));
}

#[test]
fn an_archive_that_comes_out_differently_is_refused() {
    for compression in Compression::ALL {
        let scratch = Scratch::new("number", "all");
        let worker = scratch.worker(compression);
        scratch.write("original", "line\nline\n");
        let original = File::open(scratch.path("original")).unwrap();
        let create = || File::options().read(true).write(true).create_new(true).open(scratch.path("archive"));
        let archive = create().unwrap();
        let sum = codec::compress(&original, &archive, compression, &worker.stop).unwrap();
        worker.verify(&archive, sum, 10).unwrap();
        assert!(worker.verify(&archive, sum, 11).is_err());
        let other = codec::sum(&File::open(scratch.path("archive")).unwrap(), &worker.stop).unwrap();
        assert!(worker.verify(&archive, other, other.len).is_err());
        archive.set_len(archive.metadata().unwrap().len() - 1).unwrap();
        assert!(worker.verify(&archive, sum, 10).is_err());
    }
}
