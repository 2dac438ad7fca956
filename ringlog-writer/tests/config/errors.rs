//! Every error in a configuration is reported at once, each with file, line and column.

use std::fs;
use std::path::Path;

use ringlog_testkit::Scratch;
use ringlog_writer::config::{Checked, Config};

/// The rest of a valid file, to which each case adds an error.
pub(crate) const REST: &str = "\n[root]\nhandlers = [\"c\"]\n[handlers.c]\nkind = \"console\"\n";

pub(crate) fn parse(text: &str) -> Result<Checked, String> {
    Config::parse(text, Path::new("app.toml")).map_err(|errors| errors.to_string())
}

pub(crate) fn check(cases: &[(&str, &str)], rest: &str) {
    assert!(rest.is_empty() || parse(rest).unwrap().warnings.is_empty());
    for (text, expected) in cases {
        let report = parse(&format!("{text}{rest}")).map(|_| ()).unwrap_err();
        let report: Vec<&str> = report.lines().map(|line| line.strip_prefix("app.toml:").unwrap()).collect();
        assert_eq!(report, expected.lines().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn a_pipe_is_read_and_not_waited_for_without_end() {
    let at = Scratch::on_disk();
    let pipe = at.file("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let config = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, format!("rings = [\"app\"]{REST}"))
    });
    assert_eq!(Config::read(&pipe).unwrap().config.rings, ["app"]);
    config.join().unwrap().unwrap();
    let begun = std::time::Instant::now();
    let error = Config::read(&pipe).unwrap_err().to_string();
    assert!(error.ends_with("cannot be read: it is a pipe, and nothing came out of it"), "{error}");
    assert!(begun.elapsed().as_secs() < 60);
}

#[test]
fn keys_and_types() {
    let known: Vec<_> =
        Config::keys().filter(|(table, _)| *table == "handlers.NAME").map(|(_, key)| key).collect();
    assert!(known.starts_with(&["kind", "level", "formatter", "stream", "color", "path"]), "{known:?}");
    check(
        &[
            ("ring = \"app\"", "1:1: unknown key \"ring\"; did you mean \"rings\"?"),
            (
                "version = 1",
                "1:1: unknown key \"version\"; expected rings, grace, stop-timeout, max-total-size, exit-notices, \
                 remove-rings, formatters, handlers, root, loggers",
            ),
            (
                "[handlers.file]\nkind = \"file\"\npath = \"a.log\"\n\n\n\nformater = \"json\"",
                "7:1: unknown key \"formater\" in [handlers.file]; did you mean \"formatter\"?",
            ),
            (
                "[handlers.\"a b\"]\nkind = \"file\"\nfilename = \"a.log\"\npath = \"a.log\"\nrotate.maxBytes = 7",
                "3:1: unknown key \"filename\" in [handlers.\"a b\"]; did you mean \"path\"?\n\
                 5:8: unknown key \"maxBytes\" in [handlers.\"a b\".rotate]; did you mean \"size\"?",
            ),
            (
                "[handlers.x]\nkind = \"null\"\nfoo.bar = 1",
                &format!("3:1: unknown key \"foo\" in [handlers.x]; expected {}", known.join(", ")),
            ),
            ("rings = \"app\"", "1:9: wrong type of \"rings\"; expected a list of strings, found a string"),
            (
                "rings = [\"ä\", 7, [], {}]",
                "1:15: wrong type in \"rings\"; expected a list of strings, found an integer in it\n\
                 1:18: wrong type in \"rings\"; expected a list of strings, found a list in it\n\
                 1:22: wrong type in \"rings\"; expected a list of strings, found a table in it",
            ),
            ("grace = 10", "1:9: wrong type of \"grace\"; expected a string, found an integer"),
            (
                "[loggers.a]\npropagate = 0.5\nlevel = true",
                "2:13: wrong type of \"propagate\" in [loggers.a]; expected true or false, found a float\n\
                 3:9: wrong type of \"level\" in [loggers.a]; expected a string or a whole number, found a boolean",
            ),
            (
                "[handlers.f]\nkind = \"file\"\npath = \"f.log\"\nrotate.at = 02:30",
                "4:13: wrong type of \"at\" in [handlers.f.rotate]; expected a string, found a date or time; \
                 write it in quotes, \"02:30\"",
            ),
            ("formatters = 1", "1:14: wrong type of \"formatters\"; expected a table, found an integer"),
            (
                "[[loggers.a]]",
                "1:1: wrong type of \"a\" in [loggers]; expected a table, found a list; write [loggers.a] in single \
                 brackets",
            ),
        ],
        REST,
    );
}

#[test]
fn values_of_the_whole_file() {
    let many: Vec<String> = (0..17).map(|i| format!("\"r{i}\"")).collect();
    check(
        &[
            ("rings = []", "1:9: 0 rings; expected 1 to 16"),
            (&format!("rings = [{}]", many.join(", ")), "1:9: 17 rings; expected 1 to 16"),
            ("rings = [\"a\", \"b\", 'a']", "1:20: \"a\" is twice in \"rings\"; once is enough"),
            (
                "rings = [\"\"]",
                "1:10: the ring's name is empty; expected a name, a path, or \".\" for $RINGLOG",
            ),
            ("stop_timeout = \"5s\"", "1:1: unknown key \"stop_timeout\"; did you mean \"stop-timeout\"?"),
            (
                "stop-timeout = \"5\"",
                "1:16: \"5\" is not a duration; expected numbers with units, such as 250ms, 10s, 5m or \
                 1h30m",
            ),
            (
                "grace = \"10\"",
                "1:9: \"10\" is not a duration; expected numbers with units, such as 250ms, 10s, 5m or \
                 1h30m",
            ),
            (
                "grace = \"-1s\"",
                "1:9: \"-1s\" is not a duration; expected numbers with units, such as 250ms, 10s, 5m or \
                 1h30m",
            ),
        ],
        REST,
    );
}

#[test]
fn formatters() {
    check(
        &[
            (
                "[formatters.x]\nformat = \"%(name)s 5% of\"",
                "2:21: `%` stands for itself only when doubled; write `%%`, or `%(name)s`",
            ),
            ("[formatters.x]\nformat = 'ä\\ %(name'", "2:14: `%(` has no `)`"),
            (
                "[formatters.x]\nformat = \"\\t%(name)\"",
                "2:10: expected a conversion, one of s d i u o x X e E f F g G, found the end (at character 9 of the \
                 format)",
            ),
            (
                "[formatters.x]\nformat = '''\n%(name)5d'''",
                "2:10: `name` is a text; write `%(name)s` (at character 1 of the format)",
            ),
            (
                "[formatters.x]\nformat = \"\"\ndatefmt = \"%H:%i\"",
                "3:15: unknown date directive `%i`; expected `%` and one of a A b B c C d D e F g G h H I j k l m M n \
                 p P r R s S t T u U V w W x X y Y z Z %",
            ),
            (
                "[formatters.x]\nformat = \"{asctime} {message}\"",
                "2:10: the format shows nothing of a record; expected %(message)s or the like; only Python's style \
                 `%` is known here",
            ),
            (
                "[formatters.x]\nformat = \"100%%\"",
                "2:10: the format shows nothing of a record; expected %(message)s or the like",
            ),
            (
                "[formatters.x]\nformat = \"\"\nzone = \"Europe/Berln\"",
                "3:8: invalid time zone \"Europe/Berln\"; expected utc, local, or a name such as \
                 Europe/Berlin; did you mean \"Europe/Berlin\"?",
            ),
            (
                "[formatters.x]\nkind = \"jsn\"\ndatefmt = \"\"",
                "2:8: invalid format \"jsn\"; expected text, json, raw; did you mean \"json\"?",
            ),
            (
                "[formatters.x]\nnewlines = \"keep\"",
                "2:12: invalid newline policy \"keep\"; expected escape, indent, raw",
            ),
            (
                "[formatters.x]\nkind = \"json\"\ndatefmt = \"\"\nnewlines = \"raw\"",
                "3:1: \"datefmt\" in [formatters.x] does not go with kind = \"json\"; it is for format\n\
                 4:1: \"newlines\" in [formatters.x] does not go with kind = \"json\"; it is for kind = \"text\" and \
                 format",
            ),
            (
                "[formatters.x]\nzone = \"utc\"",
                "2:1: \"zone\" in [formatters.x] does not go with kind = \"text\"; it is for format",
            ),
            (
                "[formatters.x]\nformat = \"\"\nids = true\nkind = \"text\"",
                "3:1: \"ids\" in [formatters.x] does not go with format; it is for kind = \"text\"\n\
                 4:1: \"kind\" in [formatters.x] does not go with format; leave out one of them",
            ),
            (
                "[formatters.json]\nformat = \"\"",
                "1:13: the formatter \"json\" is built in; choose another name",
            ),
            ("[formatters.\"\"]\nformat = \"\"", "1:13: a formatter without a name; give it one"),
        ],
        REST,
    );
}

#[test]
fn handlers() {
    check(
        &[
            (
                "[handlers.x]\nlevel = \"info\"",
                "1:11: the handler in [handlers.x] has no kind; expected console, file, null; write kind = \
                 \"console\"",
            ),
            (
                "[handlers.x]\npath = \"x\"",
                "1:11: the handler in [handlers.x] has no kind; expected console, file, null; write kind = \"file\"",
            ),
            (
                "[handlers.x]\nclass = \"logging.FileHandler\"",
                "1:11: the handler in [handlers.x] has no kind; expected console, file, null; write kind = \
                 \"console\"\n\
                 2:1: unknown key \"class\" in [handlers.x]; did you mean \"kind\"?",
            ),
            (
                "[handlers.x]\nkind = \"logging.handlers.RotatingFileHandler\"",
                "2:8: invalid handler kind \"logging.handlers.RotatingFileHandler\"; expected console, file, null; \
                 did you mean \"file\"?",
            ),
            (
                "[handlers.x]\nkind = \"console\"\npath = \"x\"\nstream = \"sdtout\"\ncolor = \"yes\"",
                "3:1: \"path\" in [handlers.x] does not go with kind = \"console\"; it is for kind = \"file\"\n\
                 4:10: invalid stream \"sdtout\"; expected stdout, stderr; did you mean \"stdout\"?\n\
                 5:9: invalid color \"yes\"; expected auto, always, never",
            ),
            (
                "[handlers.x]\nkind = \"file\"\npath = \"x\"\nstream = \"stdout\"",
                "4:1: \"stream\" in [handlers.x] does not go with kind = \"file\"; it is for kind = \"console\"",
            ),
            (
                "[handlers.x]\nkind = \"file\"",
                "1:11: the handler in [handlers.x] has no path; write path = \"app.log\"",
            ),
            (
                "[handlers.x]\nkind = \"file\"\npath = \"\"",
                "3:8: the path is empty; expected the path of a file, such as \"app.log\"",
            ),
            (
                "[handlers.x]\nkind = \"file\"\npath = 7",
                "3:8: wrong type of \"path\" in [handlers.x]; expected a string, found an integer",
            ),
            (
                "[handlers.x]\nkind = \"file\"\npath = \"~/x.log\"",
                "3:8: \"~/x.log\": `~` and `$` are not expanded; write the whole path",
            ),
            (
                "[handlers.x]\nkind = \"file\"\npath = \"x.log\"\n\
                 [handlers.y]\nkind = \"file\"\npath = \"./x.log.checkpoint\"",
                "6:8: this is the name of the checkpoint of the handler \"x\"; choose another path",
            ),
            (
                "[handlers.x]\nkind = \"file\"\npath = \"x.log\"\n\
                 rotate = { size = 9, keep = 3, naming = \"python\" }\n\
                 [handlers.y]\nkind = \"file\"\npath = \"x.log.1\"\n\
                 [handlers.z]\nkind = \"file\"\npath = \"x.log.x\"",
                "7:8: this is the name of a closed file of the handler \"x\"; choose another path",
            ),
            (
                "[handlers.x]\nkind = \"file\"\npath = \"-\"",
                "3:8: \"-\" is not a file; for standard output write kind = \"console\", stream = \"stdout\"",
            ),
            (
                "[handlers.x]\nkind = \"file\"\npath = \"a\\u0000b\"",
                "3:8: \"a\\0b\" is not a path: a file's name cannot contain NUL",
            ),
            (
                "[handlers.x]\nkind = \"null\"\nlevel = \"wrning\"",
                "3:9: \"wrning\" is not a level; expected trace, debug, info, warn, error, critical, notset, or a \
                 number from 0 to 255; did you mean \"warning\"?",
            ),
            (
                "[handlers.x]\nkind = \"null\"\nlevel = 0x100",
                "3:9: \"256\" is not a level; expected trace, debug, info, warn, error, critical, notset, or a number \
                 from 0 to 255",
            ),
            (
                "[handlers.x]\nkind = \"null\"\nformatter = \"breif\"\n[formatters.brief]\nformat = \"\"",
                "3:13: unknown formatter \"breif\" in [handlers.x]; did you mean \"brief\"?",
            ),
            (
                "[handlers.x]\nkind = \"null\"\nformatter = \"zzz\"\n[formatters.brief]\nformat = \"\"",
                "3:13: unknown formatter \"zzz\" in [handlers.x]; expected brief, text, json, raw",
            ),
            ("[handlers.\"\"]\nkind = \"null\"", "1:11: a handler without a name; give it one"),
            (
                "[handlers.x]\nkind = \"file\"\npath = \"x\"\nexisting = \"truncat\"\nfsync = \"alway\"\n\
                 checkpoint = 1",
                "4:12: invalid treatment of existing content \"truncat\"; expected append, truncate; did you mean \
                 \"truncate\"?\n\
                 5:9: invalid fsync policy \"alway\"; expected never, interval, batch, a duration like 5s, a level \
                 like error\n\
                 6:14: wrong type of \"checkpoint\" in [handlers.x]; expected true or false, found an integer",
            ),
        ],
        REST,
    );
}

/// A configuration of one file handler with these further keys.
fn file(rest: &str) -> String {
    format!("[handlers.x]\nkind = \"file\"\npath = \"x\"\n{rest}")
}

#[test]
fn modes_and_owners_of_files() {
    let cases = [
        ("mode = 640", "4:8: wrong type of \"mode\" in [handlers.x]; expected a string, found an integer"),
        ("mode = \"1777\"", "4:8: invalid mode \"1777\"; expected octal digits up to 0777, such as \"0640\""),
        (
            "owner = \"no-such-user\"\ngroup = \"no-such-group\"",
            "4:9: there is no user \"no-such-user\" here; expected a name that `getent passwd` knows, or a number\n\
             5:9: there is no group \"no-such-group\" here; expected a name that `getent group` knows, or a number",
        ),
    ];
    let handler = "[handlers.x]\nkind = \"file\"\npath = \"a.log\"\n";
    let files = cases.map(|(keys, expected)| (format!("{handler}{keys}"), expected));
    check(&files.each_ref().map(|(text, expected)| (text.as_str(), *expected)), REST);
    let shared = format!(
        "{handler}mode = \"0640\"\nowner = \"0\"\n[handlers.y]\nkind = \"file\"\npath = \"a.log\"\n\
         mode = \"0600\""
    );
    check(
        &[(
            &shared,
            "8:8: the handlers \"x\" and \"y\" write to the same file and differ in \"mode\"; give it to one of them, \
             or choose another path",
        )],
        REST,
    );
}

#[test]
fn two_names_of_one_file() {
    let at = Scratch::on_disk();
    let path = |name: &str| at.file(name).display().to_string();
    fs::write(at.file("a.log"), "").unwrap();
    fs::hard_link(at.file("a.log"), at.file("b.log")).unwrap();
    let text = format!(
        "[root]\n[handlers.a]\nkind = \"file\"\npath = {:?}\n[handlers.b]\nkind = \"file\"\npath = {:?}\n",
        path("a.log"),
        path("b.log")
    );
    assert_eq!(
        parse(&text).unwrap_err(),
        format!(
            "app.toml:7:8: this is another name (a hard link) of {}, the file of the handler \"a\"; give both the same \
             path, or replace one of the two by a copy",
            path("a.log")
        )
    );
    assert!(parse(&text.replace("b.log", "a.log")).is_ok());
    assert!(parse(&text.replace("b.log", "c.log")).is_ok());
}

#[test]
fn rotation() {
    let cases = [
        (
            "checkpoint = false\nrotate.size = 1",
            "4:1: a file without a checkpoint cannot be rotated; leave out checkpoint = false",
        ),
        (
            "fsync = \"batch\"\ncheckpoint = false",
            "5:1: a file without a checkpoint cannot be synced; leave out checkpoint = false",
        ),
        (
            "rotate.size = \"10MX\"\nrotate.keep = -1\nrotate.naming = \"python\"",
            "4:15: invalid size \"10MX\"; expected a number of bytes above 0 with a unit, such as 64KiB, 10MiB or \
             2GiB\n\
             5:15: invalid keep limit \"-1\"; expected a count, an age, a size, each at most once, such as \
             7 or 30d or 2GiB or 7,30d; or all",
        ),
        (
            "rotate.every = \"mondy\"\nrotate.at = \"2:30\"",
            "4:16: invalid rotation interval \"mondy\"; expected 30s, 15min, 6h, 1d, midnight, monday, tuesday, \
             wednesday, thursday, friday, saturday, sunday; did you mean \"monday\"?\n\
             5:13: invalid time of day \"2:30\"; expected hours and minutes from 00:00 to 23:59, such as 02:30",
        ),
        (
            "rotate.zone = \"loca\"\nrotate.compress = \"gz\"\nrotate.on-full = \"drop\"\nrotate.on_start = true",
            "4:15: invalid time zone \"loca\"; expected utc, local, or a name such as Europe/Berlin; did you mean \
             \"local\"?\n\
             5:19: invalid compression \"gz\"; expected gzip, zstd; did you mean \"gzip\"?\n\
             6:18: invalid full-disk policy \"drop\"; expected wait, drop-oldest-file; did you mean \
             \"drop-oldest-file\"?\n\
             7:8: unknown key \"on_start\" in [handlers.x.rotate]; did you mean \"on-start\"?",
        ),
        (
            "rotate.at = \"02:30\"\nrotate.size = 7",
            "4:8: at needs every = \"midnight\" or a weekday; remove at, or set every",
        ),
        (
            "rotate = { size = 7, naming = \"python\" }",
            "4:22: naming = \"python\" without every shifts files from app.log.1 on and needs to know the last one; \
             say keep = \"7\", or naming = \"number\"",
        ),
        (
            "rotate = { every = \"1d\", naming = \"python\", keep = 0 }",
            "4:45: keep = \"0\" does not go with naming = \"python\"; keep at least one file, or write \"all\"",
        ),
        (
            "rotate = { size = 7, naming = \"python\", keep = \"1001\" }",
            "4:41: keep = \"1001\" with naming = \"python\" would rename 1001 files at each rotation, at most 1000 \
             are allowed; keep fewer, or say naming = \"number\"",
        ),
        (
            "rotate.keep = 5.0",
            "4:15: wrong type of \"keep\" in [handlers.x.rotate]; expected a string or a whole number, found a float",
        ),
    ];
    for (text, expected) in cases {
        check(&[(&file(text), expected)], REST);
    }
}

#[test]
fn two_handlers_of_one_file_that_differ() {
    let dir = Scratch::on_disk();
    let at = dir.path().display();
    fs::create_dir(dir.file("logs")).unwrap();
    std::os::unix::fs::symlink("logs", dir.file("link")).unwrap();
    fs::write(dir.file("logs/old.log"), "").unwrap();
    std::os::unix::fs::symlink("logs/old.log", dir.file("alias.log")).unwrap();
    let one = "2:30: the handlers \"x\" and \"y\" write to the same file and differ in \"fsync\"; give it to one of \
               them, or choose another path";
    let two = |first: &str, second: &str| {
        format!(
            "handlers.x = {{ kind = \"file\", path = \"{first}\", fsync = \"batch\" }}\n\
                 handlers.y={{kind=\"file\",path={second:?},fsync=\"5s\"}}\n\
                 handlers.c.kind = \"console\"\nroot.handlers = [\"c\"]\n"
        )
    };
    for (first, second) in [
        ("app.log", "./app.log"),
        ("nowhere/../no/app.log", "no//app.log"),
        (&format!("{at}/logs/../link/app.log"), &format!("{at}/logs/app.log")),
        (&format!("{at}/alias.log"), &format!("{at}/logs/old.log")),
    ] {
        check(&[(&two(first, second), one)], "");
    }
    let without = "2:30: the handlers \"x\" and \"y\" write to the same file; a file without a checkpoint cannot be \
                   synced; leave out checkpoint = false";
    let text = two("app.log", "app.log").replace("fsync=\"5s\"", "checkpoint=false");
    check(&[(&text, without)], "");
    // A default that is written out counts, and a link to a file that is not there yet is known.
    std::os::unix::fs::symlink("absent.log", dir.file("dangling.log")).unwrap();
    let text = two(&format!("{at}/dangling.log"), &format!("{at}/absent.log")).replace("\"5s\"", "\"never\"");
    check(&[(&text, one)], "");
    // `..` behind a link leads elsewhere.
    std::os::unix::fs::symlink(dir.file("logs"), dir.file("logs/self")).unwrap();
    let checked = parse(&two(&format!("{at}/logs/self/../app.log"), &format!("{at}/logs/app.log")));
    assert_eq!(checked.unwrap().config.handlers.len(), 3);
}

#[test]
fn a_handler_does_not_write_into_the_configuration() {
    let dir = Scratch::on_disk();
    let file = dir.file("app.toml");
    let at = dir.path().display();
    let text = |path: &str| format!("[handlers.x]\nkind = \"file\"\npath = \"{path}\"\n");
    let read = |path: &str| {
        let text = format!("root.handlers = ['x']\nhandlers.x = {{ kind = 'file', path = '{path}' }}\n");
        fs::write(&file, text).unwrap();
        Config::read(&file).map(|checked| checked.warnings).map_err(|errors| errors.to_string())
    };
    std::os::unix::fs::symlink("app.toml", dir.file("link")).unwrap();
    for path in [format!("{at}/app.toml"), format!("{at}/./app.toml"), format!("{at}/link")] {
        let expected =
            format!("{at}/app.toml:2:38: this is the configuration file itself; choose another path");
        assert_eq!(read(&path), Err(expected), "{path}");
    }
    assert_eq!(read(&format!("{at}/app.log")), Ok(Vec::new()));
    // A text that is not in a file yet, and one with a syntax error behind it.
    let error = "3:8: this is the configuration file itself; choose another path";
    check(&[(&text("./app.toml"), error)], "");
    let report = parse(&(text("app.toml") + "=")).unwrap_err();
    assert!(report.starts_with(&format!("app.toml:{error}\n")), "{report}");
}

#[test]
fn loggers() {
    check(
        &[
            (
                "[loggers.a]\nhandlers = [\"cc\"]",
                "2:13: unknown handler \"cc\" in [loggers.a]; did you mean \"c\"?",
            ),
            (
                "[loggers.\"a.b\"]\nhandlers = [\"zzz\", \"c\", \"c\"]",
                "2:13: unknown handler \"zzz\" in [loggers.\"a.b\"]; expected c\n\
                 2:25: \"c\" is twice in \"handlers\" in [loggers.\"a.b\"]; once is enough",
            ),
            ("[loggers.\"\"]", "1:10: the logger has no name; write settings for all loggers into [root]"),
            (
                "[loggers.\"a..b.\"]",
                "1:10: the logger's name \"a..b.\" has an empty part; expected names with single dots between; did \
                 you mean \"a.b\"?",
            ),
            (
                "[loggers.\".\"]",
                "1:10: the logger's name \".\" has an empty part; expected names with single dots between",
            ),
            (
                "[loggers.root]",
                "1:10: the root logger has a table of its own; write [root] instead of [loggers.root]",
            ),
            (
                "[loggers.db.pool.slow]\nlevel = 10",
                "1:13: a logger's name with dots needs quotes; write [loggers.\"db.pool.slow\"]",
            ),
            (
                "[loggers.\"a.b\"]\n[loggers.\"a::b\"]",
                "2:10: the logger \"a.b\" is defined already; `::` in a name is the same as a dot",
            ),
            (
                "[loggers.a]\nqualname = \"a\"\nlevel = -5",
                "2:1: unknown key \"qualname\" in [loggers.a]; expected level, handlers, propagate\n\
                 3:9: \"-5\" is not a level; expected trace, debug, info, warn, error, critical, notset, or a number \
                 from 0 to 255",
            ),
        ],
        REST,
    );
}
