//! What is wrong with a configuration is said with file, line and column, all of it at once.

use std::path::Path;

use ringlog_writer::config::Config;

/// A file that is right but for what a case adds to it.
const REST: &str = "[root]\nhandlers = [\"c\"]\n[handlers.c]\nkind = \"console\"\n";

fn report(text: &str) -> String {
    match Config::parse(text, Path::new("ringlog.toml")) {
        Ok(checked) => panic!("nothing is wrong with {text:?}: {checked:?}"),
        Err(errors) => errors.to_string().replace("ringlog.toml:", ""),
    }
}

#[test]
fn probe() {
    for text in [
        "a = \nb",
        "rings = [\"a\"",
        "rings = [\"a\"\n[root]\nlevel = \"x\"\n",
        "grace = 10ms\nx=1",
        "grace = \"10ms\n",
        "[root\nlevel=1\n",
        "[root]\nlevel=1\nlevel=2\n[root]\n",
        "[root]\nlevel = INFO\n",
        "x = 1979-05-27T07:32:00Z y\n",
        "\u{feff}x = \n",
        "=\n",
        "[]\n",
        "a = '''\nfoo\n",
        "a = \"\\q\"\n",
        "a = 1\u{1}\n",
        "[handlers.x]\nkind = \"file\"\n[handlers.x.rotate]\nat = 02:30\n",
        "a.b.c = 1\na.b = 2",
        "[loggers.db.pool.x]\nlevel = 1",
        "root = 1\nhandlers = 2\nloggers = 3\nformatters = 4",
        "[[handlers.a]]\n",
        "size = 10MiB\n",
        "a = True",
        "a = [x, y]\n",
        "a = /var/x.log",
        "a = %(name)s\n",
        "handlers = []",
        "[handlers]\n",
        "a = [\"x\" \"y\"]",
        "a = b = c",
        "a 1",
        "just text",
        "{\"json\": 1}",
        "a = {b=1\nc=2",
        "a = yes no",
        "a = 'it's'",
        "[loggers.a b]\nx=1",
        "a = \"x\"\"y\"",
        "a = 1.2.3",
    ] {
        println!("-----\n{text}\n>>\n{}", report(text));
    }
    for d in [
        "a", "A", "w", "d", "b", "B", "m", "y", "Y", "H", "I", "p", "M", "S", "f", "z", "Z", "j", "U", "W",
        "c", "x", "X", "%", "G", "u", "V", "e", "s", "n", "t", "D", "F", "T", "R", "r", "k", "l", "E", "Q",
        "N", "L", "P", "C", "g", "h", "+", "i",
    ] {
        let text = format!("[formatters.x]\nformat=''\ndatefmt='%{d}'\n{REST}");
        if let Err(e) = Config::parse(&text, Path::new("r")) {
            println!("{e}");
        }
    }
}
