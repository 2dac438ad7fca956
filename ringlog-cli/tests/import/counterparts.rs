//! The counterpart of each idiom.

use ringlog::Level;
use ringlog_writer::config::{
    Color, ConsoleConfig, EVERYTHING, FileConfig, Formatter, NullConfig, SinkConfig, Stream,
};
use ringlog_writer::rotation::{Naming, Rotation};
use ringlog_writer::{Existing, Newlines};

use super::{file_with, imported, lost};

/// A dictionary whose one handler has these keys.
fn dict_with(handler: &str) -> String {
    format!("{{\"version\": 1, \"handlers\": {{\"h\": {{{handler}}}}}, \"root\": {{\"handlers\": [\"h\"]}}}}")
}

/// Converts a configuration that has a counterpart, and returns the handler's output.
fn output(text: &str) -> SinkConfig {
    let imported = imported(text);
    assert_eq!(lost(&imported), [""; 0], "{text}");
    assert_eq!(imported.config.loggers[0].handlers, [0]);
    imported.config.handlers[0].sink.clone()
}

/// Converts a configuration whose handler has no counterpart, and returns the note.
fn left_out(text: &str) -> String {
    let imported = imported(&format!("{text}\n"));
    let [nowhere] = &imported.config.handlers[..] else { panic!("{text}") };
    assert_eq!((nowhere.name.as_str(), &nowhere.sink), ("nowhere", &SinkConfig::Null(NullConfig)), "{text}");
    assert!(imported.config.loggers.iter().all(|logger| logger.handlers.is_empty()), "{text}");
    let mut lost = lost(&imported);
    assert!(lost.pop().unwrap().contains("no handler has a counterpart, so nothing is written"));
    lost.remove(0)
}

#[test]
fn a_stream_handler_is_a_console() {
    let console = |stream| SinkConfig::Console(ConsoleConfig { stream, color: Color::Never });
    for (args, stream) in [
        ("", Stream::Stderr),
        ("args=()", Stream::Stderr),
        ("args=(None,)", Stream::Stderr),
        ("args=(sys.stderr,)", Stream::Stderr),
        ("args=[sys.stdout]", Stream::Stdout),
        ("kwargs={'stream': sys.stdout}", Stream::Stdout),
    ] {
        for class in ["StreamHandler", "logging.StreamHandler"] {
            assert_eq!(output(&file_with(&format!("class={class}\n{args}"))), console(stream), "{args}");
        }
    }
    let dict = |rest: &str| output(&dict_with(&format!("\"class\": \"logging.StreamHandler\"{rest}")));
    assert_eq!(dict(""), console(Stream::Stderr));
    assert_eq!(dict(", \"stream\": \"ext://sys.stdout\""), console(Stream::Stdout));
    let socket = left_out(&file_with("class=StreamHandler\nargs=(mystream,)"));
    assert!(socket.contains("its stream mystream is neither sys.stdout nor sys.stderr"), "{socket}");
    assert_eq!(output(&file_with("class=NullHandler")), SinkConfig::Null(NullConfig));
    assert_eq!(output(&file_with("class=NullHandler\nargs=(10,)")), SinkConfig::Null(NullConfig));
}

#[test]
fn a_file_handler_is_a_file() {
    let file = |change: fn(&mut FileConfig)| {
        let mut output = FileConfig::new("a b.log");
        change(&mut output);
        SinkConfig::File(output)
    };
    for (class, args) in [
        ("FileHandler", "args=('a b.log',)"),
        ("FileHandler", "args=(\"a\" ' b.log', 'a', 'UTF-8', True)"),
        ("FileHandler", "args=(\"\" + \"a\" + r' b.log', 'a', 'UTF-8', 00)"),
        ("handlers.WatchedFileHandler", "args=('a b.log', 'a')"),
        ("logging.FileHandler", "kwargs={'filename': 'a b.log', 'encoding': None, 'delay': 1}"),
        ("handlers.RotatingFileHandler", "args=('a b.log',)"),
        ("handlers.RotatingFileHandler", "args=('a b.log', 'a', 100, 0)"),
        ("handlers.RotatingFileHandler", "args=('a b.log', 'w', 100)"),
        ("handlers.RotatingFileHandler", "args=('a b.log', 'q', 100)"),
    ] {
        assert_eq!(output(&file_with(&format!("class={class}\n{args}"))), file(|_| ()), "{class} {args}");
    }
    let truncated = file(|file| file.existing = Existing::Truncate);
    assert_eq!(output(&file_with("class=FileHandler\nargs=('a b.log', 'w')")), truncated);
    assert_eq!(output(&file_with("class=handlers.RotatingFileHandler\nargs=('a b.log', 'w')")), truncated);
    let dict =
        "\"class\": \"logging.FileHandler\", \"filename\": \"a b.log\", \"mode\": \"w\", \"level\": null";
    assert_eq!(output(&dict_with(dict)), truncated);
    for (args, said) in [
        ("args=('x', 'w+')", "mode=\"w+\" has no counterpart"),
        ("args=('x', 'a', 'latin-1')", "encoding=\"latin-1\"; files are in UTF-8"),
    ] {
        let said_of = lost(&imported(&file_with(&format!("class=FileHandler\n{args}"))));
        assert!(said_of[0].starts_with("Some(11) [handler_h]: ") && said_of[0].contains(said), "{said_of:?}");
    }
    for (args, said) in [
        ("args=('x.log')", "args is \"x.log\", which is not a tuple; a tuple of one has a comma"),
        ("args=(os.path.join('a', 'b'),)", "the call of os.path.join is not evaluated"),
        ("args=(1,)", "its filename 1 is not usable"),
        ("args=('x', 'a', 010)", "\"010\" begins with a zero, which Python refuses in a number"),
        ("args=('x',)\nkwargs=[]", "kwargs is (), which is not a dictionary"),
    ] {
        let left_out = left_out(&file_with(&format!("class=FileHandler\n{args}")));
        assert!(left_out.contains(said), "{args}: {left_out}");
    }
}

#[test]
fn rotating_handlers_rotate() {
    let rotation = |text: &str| match output(text) {
        SinkConfig::File(file) => file.rotation,
        other => panic!("{other:?}"),
    };
    let sized = rotation(&file_with("class=handlers.RotatingFileHandler\nargs=('x', 'a', 2**20*5, 3)"));
    let expected = Rotation { size: Some(5 << 20), naming: Naming::Python, ..Rotation::default() };
    assert_eq!(sized, Rotation { keep: "3".parse().unwrap(), ..expected });
    let dict = "\"class\": \"logging.handlers.RotatingFileHandler\", \"filename\": \"x\", \"maxBytes\": 7, \
                \"backupCount\": 2";
    let sized = rotation(&dict_with(dict));
    assert_eq!((sized.size, sized.keep.count), (Some(7), Some(2)));
    for (arguments, every, zone, keep) in [
        ("", "1h", "local", "all"),
        (", 's'", "1s", "local", "all"),
        (", 'M', 15, 4", "15min", "local", "4"),
        (", 'H', 6, 0, None, False, True", "6h", "utc", "all"),
        (", 'D', 2, 30", "2d", "local", "30"),
        (", 'midnight', 1, 7, 'utf-8'", "midnight", "local", "7"),
        // Monday's file ends with Monday.
        (", 'W0'", "tuesday", "local", "all"),
        (", 'w6', 1, 4", "monday", "local", "4"),
    ] {
        let text = format!("class=handlers.TimedRotatingFileHandler\nargs=('x'{arguments})");
        let text = if arguments.is_empty() { text.replace("'x'", "'x',") } else { text };
        let expected = Rotation {
            every: Some(every.parse().unwrap()),
            zone: zone.parse().unwrap(),
            keep: keep.parse().unwrap(),
            naming: Naming::Python,
            ..Rotation::default()
        };
        assert_eq!(rotation(&file_with(&text)), expected, "{arguments}");
    }
    for (arguments, said) in [
        ("'D', 0", "interval=0 is not a positive number"),
        ("'D', 4294967296", "interval=4294967296 is too large; at most 4294967295 is taken"),
    ] {
        let text = format!("class=handlers.TimedRotatingFileHandler\nargs=('x', {arguments})");
        assert!(left_out(&file_with(&text)).contains(said), "{arguments}");
    }
    let text = "class=handlers.TimedRotatingFileHandler\nargs=('x', 'D', 1, 4294967296)";
    let said = lost(&imported(&file_with(text)));
    assert!(
        said[0].ends_with("backupCount=4294967296 is too large; at most 4294967295 files are kept"),
        "{said:?}"
    );
    let text = "class=handlers.TimedRotatingFileHandler\nargs=('x', 'midnight', 2)\nkwargs={'atTime': noon}";
    let said = lost(&imported(&file_with(text)));
    assert!(said[0].contains("interval=2") && said[1].contains("atTime is an object"), "{said:?}");
}

#[test]
fn other_classes_are_left_out_with_a_reason() {
    for (class, said) in [
        ("handlers.SocketHandler", "nothing is sent over a network"),
        ("handlers.DatagramHandler", "nothing is sent over a network"),
        ("logging.handlers.HTTPHandler", "nothing is sent over a network"),
        ("handlers.SysLogHandler", "the system's log is not written to"),
        ("handlers.NTEventLogHandler", "the system's log is not written to"),
        ("handlers.BufferingHandler", "it keeps records and writes none"),
        ("handlers.QueueHandler", "the ring is the queue, and the program says which handlers"),
        ("handlers.MemoryHandler", "it has no target, and the ring is the buffer"),
        ("myapp.RotatingFileHandler", "it is Python code"),
        ("RotatingFileHandler", "it is Python code"),
    ] {
        let said_of = left_out(&file_with(&format!("class={class}\nargs=()")));
        assert!(said_of.contains(&format!("{class} \"h\" is left out: {said}")), "{said_of}");
    }
    let factory = left_out(&dict_with("\"()\": \"myapp.Handler\", \"level\": \"INFO\""));
    assert!(
        factory.contains("None handlers.h: myapp.Handler() \"h\" is left out: it is Python code"),
        "{factory}"
    );
}

#[test]
fn a_handler_that_forwards_is_replaced_by_its_target() {
    let text = "[loggers]\nkeys=root\n[formatters]\nkeys=\n[handlers]\nkeys=memory,console\n[logger_root]\n\
                handlers=memory\n[handler_memory]\nclass=handlers.MemoryHandler\nargs=(10,)\ntarget=console\n\
                [handler_console]\nclass=StreamHandler\n";
    let memory = imported(text);
    assert!(
        memory.is_complete() && memory.notes[0].what.contains("the ring is the buffer"),
        "{:?}",
        memory.notes
    );
    assert_eq!((memory.config.handlers.len(), &memory.config.loggers[0].handlers), (1, &vec![0]));
    let quiet = text.replace("[handler_console]\n", "[handler_console]\nlevel=ERROR\n");
    assert!(lost(&imported(&quiet))[0].contains("here the level of \"console\" applies"));
    let dict = |rest: &str| {
        imported(&format!(
            "{{\"version\": 1, \"handlers\": {{
                \"a\": {{\"class\": \"logging.StreamHandler\", \"level\": \"ERROR\"}},
                \"b\": {{\"class\": \"logging.FileHandler\", \"filename\": \"b\"}},
                \"q\": {{\"class\": \"logging.handlers.QueueHandler\", \"handlers\": [\"b\", \"a\"]{rest}}}}},
              \"root\": {{\"handlers\": [\"q\"]}}}}"
        ))
    };
    let queue = dict(", \"respect_handler_level\": true");
    assert!(queue.is_complete(), "{:?}", queue.notes);
    assert_eq!(queue.config.loggers[0].handlers, [1, 0]);
    assert!(lost(&dict(""))[0].contains("here the level of \"a\" applies"));
}

#[test]
fn two_handlers_of_one_file_share_it() {
    let text = |other: &str, root: &str| {
        format!(
            "{{\"version\": 1, \"handlers\": {{
            \"a\": {{\"class\": \"logging.FileHandler\", \"filename\": \"x\"}},
            \"b\": {{\"class\": \"logging.{other}}}}},
            \"loggers\": {{\"c\": {{\"handlers\": [\"b\"], \"propagate\": false}}}},
            \"root\": {{\"handlers\": {root}}}}}"
        )
    };
    let rotating = "handlers.RotatingFileHandler\", \"filename\": \"x\", \"maxBytes\": 1000, \"backupCount\": 2, \
                    \"level\": \"ERROR\"";
    let shared = imported(&text(rotating, "[\"a\"]"));
    assert!(shared.is_complete());
    let [a, b] = &shared.config.handlers[..] else { panic!("{:?}", shared.config.handlers) };
    let (SinkConfig::File(file), SinkConfig::File(same)) = (&a.sink, &b.sink) else { panic!("{a:?}") };
    assert!(file == same && file.rotation.size == Some(1000), "{file:?}");
    assert_eq!([a.level, b.level], [EVERYTHING, Level::ERROR]);
    let handlers_of = |name: &str| {
        let mut loggers = shared.config.loggers.iter();
        loggers.find(|logger| logger.name == name).map(|logger| logger.handlers.clone())
    };
    assert_eq!([handlers_of(""), handlers_of("c")], [Some(vec![0]), Some(vec![1])]);
    // Both write a record that both take, as in Python.
    assert!(imported(&text("FileHandler\", \"filename\": \"x\"", "[\"a\", \"b\"]")).is_complete());
    let two = text(rotating, "[\"a\"]").replace(
        "FileHandler\", \"filename\": \"x\"}",
        "handlers.RotatingFileHandler\", \"filename\": \"x\", \"maxBytes\": 50, \"backupCount\": 1}",
    );
    let lost = lost(&imported(&two));
    assert!(lost.len() == 1 && lost[0].contains("the same file as \"a\", whose rotate counts"), "{lost:?}");
}

#[test]
fn formatters_become_patterns() {
    let formatter = |formatter: &str| {
        let text = format!(
            "{{\"version\": 1, \"formatters\": {{\"f\": {{{formatter}}}}}, \"handlers\": {{\"h\": {{\"class\": \
             \"logging.StreamHandler\", \"formatter\": \"f\"}}}}, \"root\": {{\"handlers\": [\"h\"]}}}}"
        );
        let imported = imported(&text);
        (imported.config.handlers[0].formatter.clone(), lost(&imported).join("\n"))
    };
    let pattern = |text: &str, date: Option<&str>| Formatter::Pattern {
        pattern: text.to_owned(),
        date: date.map(str::to_owned),
        zone: "local".parse().unwrap(),
        newlines: Newlines::Raw,
    };
    let plain = |text: &str, date| (pattern(text, date), String::new());
    assert_eq!(formatter(""), plain("%(message)s", None));
    assert_eq!(formatter("\"format\": \"%(name)s\", \"datefmt\": \"%H\""), plain("%(name)s", Some("%H")));
    assert_eq!(formatter("\"format\": \"{name:<8}%\", \"style\": \"{\""), plain("%(name)-8s%%", None));
    assert_eq!(
        formatter("\"format\": \"$name\", \"style\": \"$\", \"validate\": false"),
        plain("%(name)s", None)
    );
    assert_eq!(formatter("\"style\": \"{\""), plain("%(message)s", None));
    let text = Formatter::Text { newlines: Newlines::Raw, ids: false };
    for (broken, expected, said) in [
        ("\"format\": \"%(name)r\"", &text, "the format \"%(name)r\": at character 8, expected a conversion"),
        ("\"format\": \"{name:^8}\", \"style\": \"{\"", &text, "has no counterpart in the style %"),
        (
            "\"format\": \"hello\", \"validate\": false",
            &text,
            "the format \"hello\": it shows nothing of a record; lines are",
        ),
        (
            "\"format\": \"%%(message)s\"",
            &text,
            "the format \"%%(message)s\": it shows nothing of a record; lines",
        ),
        (
            "\"datefmt\": \"%H:%f\"",
            &pattern("%(message)s", None),
            "datefmt \"%H:%f\": at character 4, unknown date directive `%f`",
        ),
        (
            "\"class\": \"my.F\", \"format\": \"%(name)s\"",
            &pattern("%(name)s", None),
            "the class my.F is Python code",
        ),
        (
            "\"()\": \"my.F\", \"fmt\": \"%(name)s\"",
            &pattern("%(name)s", None),
            "the class my.F is Python code",
        ),
        ("\"()\": \"pythonjsonlogger.jsonlogger.JsonFormatter\"", &Formatter::Json, "but with other keys"),
        ("\"defaults\": {\"ip\": 1}", &pattern("%(message)s", None), "defaults of a formatter"),
    ] {
        let (found, notes) = formatter(broken);
        assert_eq!(found, *expected, "{broken}");
        assert!(notes.contains(said), "{broken}: {notes}");
    }
}

#[test]
fn loggers_and_levels_are_converted() {
    let handlers = "\"handlers\": {\"h\": {\"class\": \"logging.NullHandler\"}}";
    let dict = |rest: &str| imported(&format!("{{\"version\": 1, {handlers}, {rest}}}"));
    let root = |rest: &str| dict(rest).config.loggers[0].clone();
    assert_eq!(root("\"root\": {}").level, Some(Level::WARN), "Python's root begins there");
    assert_eq!(root("\"root\": {\"level\": \"NOTSET\"}").level, None);
    assert_eq!(root("\"root\": {\"level\": 35}").level, Some(Level::from_number(35)));
    assert_eq!(root("\"loggers\": {\"\": {\"level\": \"DEBUG\"}}").level, Some(Level::DEBUG));
    assert_eq!(
        root("\"loggers\": {\"root\": {\"level\": \"DEBUG\"}}, \"root\": {\"level\": 20}").level,
        Some(Level::INFO)
    );
    for (level, said) in [
        ("\"loud\"", "the level \"loud\" is not one of Python's own"),
        ("\"info\"", "the level \"info\" is not one of Python's own"),
        ("1000", "the level 1000 is outside of the range from 0 to 255; 255 is taken"),
        ("1.5", "1.5 is not a level"),
    ] {
        let said_of = lost(&dict(&format!("\"root\": {{\"level\": {level}}}")));
        assert!(said_of[0].starts_with("None root: ") && said_of[0].contains(said), "{said_of:?}");
    }
    let twice = |propagate| {
        lost(&dict(&format!(
            "\"loggers\": {{\"a\": {{\"propagate\": {propagate}}}, \"a.b.c\": {{\"handlers\": [\"h\"]}}}}, \
             \"root\": {{\"handlers\": [\"h\"]}}"
        )))
    };
    assert_eq!(
        twice(true),
        [
            "None loggers.a.b.c: it names \"h\", as a logger above it does; Python writes its records there twice, \
          ringlog once"
        ]
    );
    assert_eq!(twice(false), [""; 0]);
    let filtered = lost(&dict(
        "\"filters\": {\"f\": {}}, \"loggers\": {\"a\": {\"filters\": [\"f\"]}, \"a..b\": {}}, \
         \"disable_existing_loggers\": true",
    ));
    assert!(filtered[0].contains("filters.f: filters have no counterpart"), "{filtered:?}");
    assert!(filtered[1].contains("loggers.a: its filters [\"f\"] have no counterpart"), "{filtered:?}");
    assert!(filtered[2].contains("the logger's name \"a..b\" is not valid here"), "{filtered:?}");
}
