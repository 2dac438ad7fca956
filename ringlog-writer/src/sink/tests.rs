use super::console::CONSOLE;
use super::file::outputs::{IRREGULAR, WITH_CHECKPOINT, WITHOUT_CHECKPOINT};
use super::*;

#[test]
fn every_sink_has_the_guarantee_of_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, checkpoint| {
        let path = if name.starts_with('/') { name.into() } else { dir.path().join(name) };
        SinkConfig::File(FileConfig { checkpoint, ..FileConfig::new(path) })
    };
    nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (config, expected) in [
        (file("new.log", true), WITH_CHECKPOINT),
        (file("plain.log", false), WITHOUT_CHECKPOINT),
        (file("pipe", true), IRREGULAR),
        (file("pipe", false), IRREGULAR),
        (file("/dev/null", true), IRREGULAR),
        (SinkConfig::Console(ConsoleConfig::default()), CONSOLE),
    ] {
        assert_eq!(config.kind().output(), Some(expected), "{config}");
        assert!(config.kind().outputs().contains(&expected), "{config}");
        let with = Opening { rings: &[], total: None, takes_all: false };
        let unopened = Unopened::new(&config, &with, Vec::new());
        let opened = open(&config, &with).unwrap().unwrap();
        for sink in [Box::new(unopened), opened] as [Box<dyn Sink>; 2] {
            assert_eq!(sink.guarantee(), expected.guarantee, "{config}");
        }
    }
    assert_eq!(SinkConfig::Null(NullConfig).kind().output(), None);
}
