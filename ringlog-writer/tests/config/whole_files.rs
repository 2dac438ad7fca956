//! Findings about a file as a whole: it cannot be read, is not TOML, or may not mean what it says.

use std::fs;

use ringlog_testkit::Scratch;
use ringlog_writer::config::Config;

use crate::errors::{REST, check, parse};

#[test]
fn whole_files() {
    let handlers: String = (0..65).map(|i| format!("[handlers.h{i}]\nkind = \"null\"\n")).collect();
    check(
        &[
            ("", "1:1: there is no handler; expected at least one, such as [handlers.console]"),
            (
                "\n\n[handlers]\n",
                "3:2: there is no handler; expected at least one, such as [handlers.console]",
            ),
            (
                "[root]\npropagate = true\nhandlers = [\"console\"]\n",
                "1:1: there is no handler; expected at least one, such as [handlers.console]\n\
                 2:1: unknown key \"propagate\" in [root]; expected level, handlers",
            ),
            (&handlers, "129:11: 65 handlers; at most 64 are allowed"),
            // Keys beyond the limit are not read, and not reported as unknown.
            (
                &format!("{handlers}path = 1\n[root]\nhandlers = [\"h64\"]\n"),
                "129:11: 65 handlers; at most 64 are allowed",
            ),
        ],
        "",
    );
}

#[test]
fn syntax_errors_are_explained_and_lines_before_are_checked() {
    check(
        &[
            ("[root]\nlevel = INFO\n", "2:9: this is not TOML: the string INFO needs quotes; write \"INFO\""),
            (
                "rings = [a, b]\ngrace = c",
                "1:10: this is not TOML: the string a needs quotes; write \"a\"\n\
                 2:9: this is not TOML: the string c needs quotes; write \"c\"",
            ),
            ("grace = 10ms", "1:9: this is not TOML: the string 10ms needs quotes; write \"10ms\""),
            (
                "[root]\nlevel = \"lod\"\nhandlers =\nlevl = 1\n\"ä\" = x\n",
                "2:9: \"lod\" is not a level; expected trace, debug, info, warn, error, critical, notset, or a number \
                 from 0 to 255\n\
                 3:11: this is not TOML: the value is missing\n\
                 5:7: this is not TOML: the string x needs quotes; write \"x\"",
            ),
            ("[loggers.a]\npropagate = True", "2:13: this is not TOML: True is not a boolean; write true"),
            ("[root]\nlevel = 1\nlevel=2\n", "3:1: level is defined twice; keep one of them"),
            ("[root]\n[root]\n", "2:2: root is defined twice; keep one of them"),
            (
                "[root]\nhandlers = [\"a\"\n[handlers.a]\nkind = \"null\"\n",
                "3:1: this is not TOML: the list before this line lacks a `]`, or a comma at its end",
            ),
            ("[root\n", "1:6: this is not TOML: unclosed table, expected `]`"),
            ("just words", "1:6: this is not TOML: key with no value, expected `=`"),
        ],
        "",
    );
}

#[test]
fn warnings() {
    let warnings = |text: &str| -> Vec<String> {
        parse(text).unwrap().warnings.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        warnings(
            "[handlers.a]\nkind = \"null\"\n[handlers.b]\nkind = \"null\"\n[loggers.x]\nhandlers = [\"b\"]\n\
             propagate = false\n[loggers.y]\npropagate = false\n[formatters.f]\nformat = \"%(fucnName)s %(order)s\"",
        ),
        [
            "app.toml:1:1: warning: the root has no handlers; write [root] with handlers = [\"…\"]",
            "app.toml:1:11: warning: no logger uses the handler \"a\"",
            "app.toml:9:1: warning: records of \"y\" are discarded: the logger has no handlers and does not \
             propagate",
            "app.toml:10:13: warning: no handler uses the formatter \"f\"",
            "app.toml:11:10: warning: %(fucnName) is not an attribute and shows the record's field of that \
             name; did you mean \"funcName\"?",
        ]
    );
    assert_eq!(
        warnings("[root]\n[handlers.a]\nkind = \"null\"\n[loggers.x]\nhandlers = [\"a\"]"),
        [
            "app.toml:1:2: warning: the root has no handlers; records of other loggers that propagate are discarded"
        ]
    );
    assert_eq!(warnings(REST), [""; 0]);
}

#[test]
fn limits_for_closed_files_where_none_is_closed() {
    let file = |rotate: &str| {
        format!(
            "max-total-size = \"1GiB\"\nroot.handlers = [\"f\"]\n\
             handlers.f = {{ kind = \"file\", path = \"p\"{rotate} }}\n"
        )
    };
    let warnings = |rotate: &str| -> Vec<String> {
        parse(&file(rotate)).unwrap().warnings.iter().map(ToString::to_string).collect()
    };
    let only = "without size, every or on-start: files are closed only by `ringlog rotate`";
    assert_eq!(warnings(""), [format!("app.toml:1:1: warning: max-total-size {only}")]);
    assert_eq!(
        warnings(", rotate.min-free = \"1GiB\""),
        [
            format!("app.toml:1:1: warning: max-total-size {only}"),
            format!("app.toml:3:50: warning: min-free {only}")
        ]
    );
    for rotate in [", rotate.size = 100", ", rotate.every = \"1d\"", ", rotate.on-start = true"] {
        assert_eq!(warnings(rotate), [""; 0], "{rotate}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let dir = Scratch::on_disk();
    let at = dir.path().display();
    let report = |name: &str| Config::read(&dir.file(name)).unwrap_err().to_string();
    assert_eq!(
        report("app.toml"),
        format!("{at}/app.toml: there is no such file; give the path of a configuration")
    );
    assert_eq!(report(""), format!("{at}/: cannot be read: Is a directory (os error 21)"));
    fs::write(dir.file("latin1.toml"), b"# \n# \xc3\xa4 a\n# \xc3\xa4 \xe4\n").unwrap();
    assert_eq!(
        report("latin1.toml"),
        format!("{at}/latin1.toml:3:5: this is not UTF-8; save the file as UTF-8")
    );
    fs::write(dir.file("huge.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(
        report("huge.toml"),
        format!("{at}/huge.toml: this file has more than 1024 KiB; is it a configuration?")
    );
    fs::write(dir.file("right.toml"), REST).unwrap();
    assert!(Config::read(&dir.file("right.toml")).is_ok());
}
