//! Rules for every text file: clean line ends, and no path that exists on one machine only.

use super::Finding;

/// Directories that exist on one machine and not on the next. They are put
/// together from parts so that this file obeys its own rule.
const MACHINE_ROOTS: &[&str] = &[concat!("/", "home/"), concat!("/", "work/"), concat!("/", "root/")];

pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        findings.push(Finding::whole(path, "must end with exactly one line end"));
    }
    for (index, line) in text.split('\n').enumerate() {
        if line.ends_with(char::is_whitespace) {
            findings.push(Finding::at(path, index + 1, "trailing white space"));
        }
        for root in MACHINE_ROOTS.iter().filter(|root| has_absolute(line, root)) {
            findings.push(Finding::at(path, index + 1, format!("a path of one machine: {root}")));
        }
    }
    findings
}

/// Whether `root` begins a path in this line, and is not the middle of a relative one or of a URL.
fn has_absolute(line: &str, root: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || "_-.}*".contains(c);
    line.match_indices(root).any(|(start, _)| !line[..start].ends_with(continues))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        check("a.txt", text).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn clean_text_passes() {
        assert_eq!(messages("one\n\ntwo\n"), [""; 0]);
        assert_eq!(messages(""), [""; 0]);
    }

    #[test]
    fn the_last_line_ends_once() {
        let expected = ["a.txt: must end with exactly one line end"];
        assert_eq!(messages("one"), expected);
        assert_eq!(messages("one\n\n"), expected);
    }

    #[test]
    fn trailing_white_space_is_found() {
        let expected = ["a.txt:2: trailing white space"];
        assert_eq!(messages("one\ntwo \n"), expected);
        assert_eq!(messages("one\ntwo\r\n"), expected);
        assert_eq!(messages("one\n\t\nthree\n"), expected);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for root in MACHINE_ROOTS {
            let text = format!("cd {root}someone\n");
            assert_eq!(messages(&text), [format!("a.txt:1: a path of one machine: {root}")]);
        }
    }

    #[test]
    fn relative_paths_and_urls_are_no_absolute_paths() {
        for root in MACHINE_ROOTS {
            assert_eq!(messages(&format!("target{root}x and https://a.example{root}x\n")), [""; 0]);
        }
    }
}
