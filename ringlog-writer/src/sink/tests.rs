use super::*;
use crate::config::{Color, FileConfig, OutputKind, Stream};

#[test]
fn every_sink_has_the_guarantee_of_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, checkpoint| {
        let path = if name.starts_with('/') { name.into() } else { dir.path().join(name) };
        SinkConfig::File(FileConfig { checkpoint, ..FileConfig::new(path) })
    };
    nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (config, expected) in [
        (file("new.log", true), OutputKind::File),
        (file("plain.log", false), OutputKind::PlainFile),
        (file("pipe", true), OutputKind::Irregular),
        (file("pipe", false), OutputKind::Irregular),
        (file("/dev/null", true), OutputKind::Irregular),
        (SinkConfig::Console { stream: Stream::Stderr, color: Color::Never }, OutputKind::Console),
    ] {
        assert_eq!(OutputKind::of(&config), Some(expected), "{config}");
        let unopened = Unopened::new(&config, &[], None, Vec::new());
        let opened = open(&config, &[], None, false).unwrap().unwrap();
        for sink in [Box::new(unopened), opened] as [Box<dyn Sink>; 2] {
            assert_eq!(sink.guarantee(), expected.guarantee(), "{config}");
        }
    }
    assert_eq!(OutputKind::of(&SinkConfig::Null), None);
}
