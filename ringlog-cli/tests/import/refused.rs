//! Broken configurations are refused, and none causes a panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use ringlog_cli::import::import;

use super::{TYPICAL, file_with, imported};

#[test]
fn what_python_refuses_is_refused_with_its_line() {
    let refused = |text: &str| import(text.as_bytes(), &[]).unwrap_err().to_string();
    let good = file_with("class=StreamHandler\nformatter=");
    imported(&good);
    for (old, new, said) in [
        ("[loggers]", "[logger]", "there is no section [loggers]"),
        ("keys=root", "keys=", "line 2: the keys of [loggers] lack root"),
        ("keys=root", "kys=root", "line 1: [loggers] has no \"keys\""),
        ("keys=h", "keys=h,i", "line 4: there is no section [handler_i], which is named here"),
        ("keys=\n", "keys=f\n", "line 6: there is no section [formatter_f]"),
        ("[handler_h]", "[handler_x]", "line 4: there is no section [handler_h]"),
        ("class=", "clas=", "line 9: [handler_h] has no \"class\""),
        ("handlers=h", "handlers=x", "line 8: the keys of [handlers] have no \"x\""),
        ("handlers=h", "level=INFO", "line 7: [logger_root] has no \"handlers\""),
        ("formatter=", "formatter=f", "line 11: the keys of [formatters] have no \"f\""),
        ("keys=root", "keys=root,a\n[logger_a]\nhandlers=", "line 3: [logger_a] has no \"qualname\""),
        (
            "keys=root",
            "keys=root,a\n[logger_a]\nqualname=a\nhandlers=\npropagate=no",
            "line 6: propagate is \"no\"; Python takes 0 or 1 alone",
        ),
    ] {
        assert!(good.contains(old));
        let said_of = refused(&good.replacen(old, new, 1));
        assert!(said_of.contains(said), "{old} -> {new}: {said_of}");
    }
    for (text, said) in [
        ("", "there is no section [formatters]"),
        ("[{\"version\": 1}]", "this is a JSON array; expected an object"),
        ("formatters:\n  f:\n", "; this looks like YAML"),
        ("import logging\n", "line 1: expected a [section], or JSON"),
        ("{\n\"version\": 1,\n}", "line 3: this is not JSON: trailing comma, column 1"),
        ("{}", "there is no \"version\": 1"),
        ("{\"version\": 2}", "version is 2; only 1 is known"),
        ("{\"version\": 1, \"incremental\": true}", "incremental only changes levels"),
        ("{\"version\": 1, \"handlers\": []}", "handlers: expected an object, found []"),
        ("{\"version\": 1, \"handlers\": {\"h\": 1}}", "handlers.h: expected an object, found 1"),
        ("{\"version\": 1, \"handlers\": {\"h\": {}}}", "handlers.h: it has no \"class\""),
        ("{\"version\": 1, \"root\": {\"handlers\": \"h\"}}", "root.handlers: expected a list of names"),
        ("{\"version\": 1, \"root\": {\"handlers\": [1]}}", "root.handlers: expected a list of names"),
        ("{\"version\": 1, \"root\": {\"handlers\": [\"h\"]}}", "root: there is no handler \"h\""),
        (
            "{\"version\": 1, \"formatters\": {\"f\": {\"format\": 1}}}",
            "formatters.f.format: expected a string, found 1",
        ),
    ] {
        assert!(refused(text).contains(said), "{text}: {}", refused(text));
    }
    let latin = import(b"[loggers]\nkeys=r\xfcot\n", &[]).unwrap_err();
    assert_eq!(latin.to_string(), "line 2: this is not UTF-8; save the file as UTF-8");
}

#[test]
fn what_python_refuses_of_handlers_and_formatters_is_refused() {
    let refused = |text: &str| match import(text.as_bytes(), &[]) {
        Ok(_) => panic!("it is taken: {text}"),
        Err(refused) => refused.to_string(),
    };
    for (handler, said) in [
        ("class=StreamHandler\nargs=(sys.stderr, 1)", "StreamHandler: 2 arguments, at most 1 are known"),
        ("class=FileHandler", "it has no filename"),
        (
            "class=FileHandler\nargs=('x', 'a', None, 0, None, 7)",
            "FileHandler: 6 arguments, at most 5 are known",
        ),
        (
            "class=FileHandler\nargs=('x',)\nkwargs={'filename': 'x'}",
            "FileHandler: the argument \"filename\" is given twice",
        ),
        ("class=FileHandler\nargs=('x',)\nkwargs={'size': 1}", "FileHandler: it takes no argument \"size\""),
        ("class=FileHandler\nargs=('x', 'q')", "mode=\"q\" is not a mode of open()"),
        ("class=handlers.RotatingFileHandler\nargs=('x', 'a', '1000')", "maxBytes=\"1000\" is not a number"),
        ("class=handlers.TimedRotatingFileHandler\nargs=('x', 'W7')", "when=\"W7\" is not a weekday"),
        (
            "class=handlers.TimedRotatingFileHandler\nargs=('x', 'fortnight')",
            "when=\"FORTNIGHT\"; expected S, M, H, D, midnight or W0 to W6",
        ),
        ("class=handlers.TimedRotatingFileHandler\nargs=('x', 5)", "when=5 is not text"),
    ] {
        let said_of = refused(&file_with(handler));
        let place = said_of.split_once(": [handler_h]: ").map(|(_, rest)| rest);
        assert_eq!(place, Some(&*format!("{said}; Python refuses that")), "{handler}: {said_of}");
    }
    let formatter = |keys: &str| {
        let text = file_with("class=StreamHandler\nformatter=f");
        format!("{}[formatter_f]\n{keys}\n", text.replace("[formatters]\nkeys=", "[formatters]\nkeys=f"))
    };
    imported(&formatter("format=%(message)s"));
    for (keys, said) in [
        ("format=hello", "the format \"hello\" has no field such as %(message)s; Python refuses that"),
        (
            "format=%(message)q",
            "the format \"%(message)q\" has no field such as %(message)s; Python refuses that",
        ),
        ("style=x", "the style is \"x\", not %, { or $; Python refuses that"),
    ] {
        let said_of = refused(&formatter(keys));
        assert!(said_of.ends_with(said), "{keys}: {said_of}");
    }
    // What code of the program makes of it is not known.
    imported(&formatter("class=my.Formatter\nformat=hello\nstyle=x"));
    for format in ["%(MESSAGE)S", "%(a)-*.3d", "%%(message)s", "%(a)%"] {
        imported(&formatter(&format!("format={format}")));
    }
    let bare = "{\"version\": 1, \"handlers\": {\"h\": {\"class\": \"StreamHandler\"}}}";
    assert!(refused(bare).contains("cannot be imported; it is \"logging.StreamHandler\""));
}

/// Python reads them, and ignores them too.
#[test]
fn what_python_ignores_is_noted_and_loses_nothing() {
    let hints = |text: &str| {
        let imported = imported(text);
        assert!(imported.is_complete(), "{:?}", imported.notes);
        let notes = imported.notes.into_iter();
        notes.map(|note| format!("{:?} {}: {}", note.at.line, note.at.place, note.what)).collect::<Vec<_>>()
    };
    let text = file_with("class=StreamHandler\nlevle=ERROR\ntarget=foo") + "[handler_i]\n[alembic]\nx=1\n";
    let ignored = "is ignored, as Python does";
    assert_eq!(
        hints(&text),
        [
            format!("Some(11) [handler_h]: levle {ignored}"),
            format!("Some(12) [handler_h]: target {ignored}: it is no MemoryHandler"),
            format!("Some(13) [handler_i]: it {ignored}: [handlers] does not name it"),
        ]
    );
    assert_eq!(hints(&file_with("class=StreamHandler").replace('\n', "\r")), [""; 0]);
    let dict = "{\"version\": true, \"logers\": {}, \"formatters\": {\"f\": {\"fromat\": \"x\"}}, \"handlers\": \
                {\"h\": {\"class\": \"logging.StreamHandler\"}}, \"root\": {\"levle\": 1, \"handlers\": [\"h\"]}}";
    assert_eq!(
        hints(dict),
        [
            format!("None the dictionary: logers {ignored}"),
            format!("None formatters.f: fromat {ignored}"),
            format!("None root: levle {ignored}"),
        ]
    );
}

/// A configuration with random changes.
fn near() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[a-z]{0,4}[=:] ?.{0,12}",
        r"args=[\(\['\x22\\a-z0-9,*+%<{}\)\]-]{0,24}",
        "(format|datefmt|style|level|class|keys|handlers|target)=.{0,20}",
        r"[ \t]?.{0,10}",
        Just("class=handlers.TimedRotatingFileHandler".to_owned()),
        Just("args=('x', 'W3', 1)".to_owned()),
        Just("style={".to_owned()),
    ];
    prop::collection::vec((0..80_usize, line), 0..12).prop_map(|changes| {
        let mut lines: Vec<String> = TYPICAL.lines().map(str::to_owned).collect();
        for (at, line) in changes {
            let at = at % lines.len();
            if line.len() % 3 == 0 { lines[at] = line } else { lines.insert(at, line) }
        }
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_make_the_import_panic(bytes: Vec<u8>, text: String) {
        let _ = import(&bytes, &[]);
        let _ = import(text.as_bytes(), &[]);
        let _ = import(format!("{{{text}").as_bytes(), &[]);
    }

    #[test]
    fn an_imported_configuration_can_be_read(text in near()) {
        if import(text.as_bytes(), &[]).is_ok() {
            imported(&text);
        }
    }

    #[test]
    fn no_arguments_cause_a_panic(args in r"[\(\[\{'\x22\\a-z0-9 ,:*+%<\}\)\]-]{0,40}") {
        let _ = import(file_with(&format!("class=handlers.TimedRotatingFileHandler\nargs={args}")).as_bytes(), &[]);
        let _ = import(file_with(&format!("class=FileHandler\nargs=('x',)\nkwargs={args}")).as_bytes(), &[]);
    }
}

#[test]
fn endless_references_are_refused_soon() {
    let mut text = String::from("[DEFAULT]\nx0=aaaaaaaaaaaaaaaa\n");
    for i in 1..5 {
        text.push_str(&format!("x{i}={}\n", format!("%(x{})s", i - 1).repeat(40)));
    }
    text.push_str(&file_with("class=%(x4)s"));
    let begun = Instant::now();
    assert!(import(text.as_bytes(), &[]).unwrap_err().to_string().contains("never end"));
    assert!(begun.elapsed() < Duration::from_secs(5));
}
