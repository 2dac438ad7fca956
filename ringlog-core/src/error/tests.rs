use super::*;
use crate::record::level::Level;

/// One of each variant that names a path or a text from outside.
fn each_of(path: &Path) -> Vec<Error> {
    let (path, text) = (path.to_owned(), path.to_str().unwrap().to_owned());
    vec![
        Error::NoSuchRing {
            name: text.clone(),
            dir: path.clone(),
            elsewhere: String::new(),
            similar: Some(text.clone()),
        },
        Error::SharedRing { name: text.clone(), dir: path.clone(), path: path.clone() },
        Error::Closed { dir: path.clone(), owner: 0, group: 1, uid: 2 },
        Error::NotPersisted { path: path.clone(), records: 1 },
        Error::Exists { path: path.clone() },
        Error::NotARing { path: path.clone(), found: "x".to_owned() },
        Error::Version { path: path.clone(), major: 2, minor: 0 },
        Error::Damaged { path: path.clone(), what: "x".to_owned() },
        Error::Truncated { path: path.clone(), what: "x".to_owned() },
        Error::Name { name: text, why: "x".to_owned() },
        Error::Directory { dir: path.clone(), why: "x".to_owned() },
        Error::Permission { action: "x", path: path.clone(), owner: 0, uid: 1 },
        Error::NoSpace { path: path.clone(), bytes: 2, free: 1 },
        Error::FileSizeLimit { path: path.clone(), bytes: 2, limit: 1 },
        Error::EarlierBoot { path: path.clone(), why: "x".to_owned() },
        Error::LocksNotKept { path: path.clone() },
        Error::Resize { path: path.clone(), why: "x".to_owned() },
        Error::Replacement { path: path.clone(), why: "x".to_owned() },
        Error::OtherOwner { path: path.clone(), owner: 0, uid: 1 },
        Error::LockFile { path: path.clone(), why: "x".to_owned() },
        Error::LockFileMissing { path: path.clone(), lock_file: path.clone() },
        Error::LanesExhausted { path: path.clone(), lanes: 1 },
        Error::ConsumerExists { path: path.clone(), holder: "x".to_owned() },
        Error::QueueInUse { path: path.clone(), holder: "x".to_owned() },
        Error::ClaimsExhausted { path: path.clone(), claims: 1 },
        Error::InUse { path: path.clone(), holders: "x".to_owned() },
        Error::Io { action: "x", path, source: io::ErrorKind::Other.into() },
    ]
}

#[test]
fn no_message_takes_control_characters_from_a_path() {
    for error in each_of(Path::new("/x\n\x1b[2J\u{202e}\u{200f}/ring")) {
        let message = error.to_string();
        assert!(!message.contains(shown::is_harmful), "{message:?}");
        assert!(message.contains(r"/x\n\u{1b}[2J\u{202e}\u{200f}/ring"), "{message:?}");
    }
}

#[test]
fn debug_output_of_an_error_is_its_message() {
    let (name, dir, similar) = ("ap".into(), "/rings".into(), Some("app".into()));
    let error = Error::NoSuchRing { name, dir, elsewhere: String::new(), similar };
    assert_eq!(format!("{error:?}"), "no ring \"ap\" in /rings; did you mean \"app\"?");
    assert_eq!(format!("{:?}", PushError::Gone), "the ring is gone; records go on once it is made again");
    let error = "loud".parse::<Level>().unwrap_err();
    assert!(format!("{error:?}").starts_with("\"loud\" is not a level; expected trace,"), "{error:?}");
}
