//! What is read from a file's tokens, and what is left out.

use super::*;

fn imports(text: &str) -> Vec<String> {
    let show = |import: &Import| {
        let public = if import.is_public { "pub " } else { "" };
        format!("{public}{} as {}", import.path.parts.join("::"), import.name)
    };
    read(text).unwrap().imports.iter().map(show).collect()
}

fn paths(text: &str) -> Vec<String> {
    read(text).unwrap().paths.iter().map(|path| path.parts.join("::")).collect()
}

#[test]
fn use_trees_are_flattened() {
    let text = "use crate::{a::{self, B}, c::D as E, f::*};\npub(crate) use g::H;\nuse self::i;";
    let expected = [
        "crate::a as a",
        "crate::a::B as B",
        "crate::c::D as E",
        "crate::f as *",
        "pub g::H as H",
        "self::i as i",
    ];
    assert_eq!(imports(text), expected);
    assert_eq!(imports("use ::log::Level; fn f() -> impl Sized + use<> {}"), ["::log::Level as Level"]);
}

#[test]
fn paths_are_read_in_code_and_macros() {
    let text = "fn f(a: b::C) -> D { m!(crate::e::F); <G>::h; ::i::j; k::l::<M>() }";
    assert_eq!(paths(text), ["b::C", "crate::e::F", "k::l"]);
    assert_eq!(paths("/// a::b\nconst C: &str = \"a::b\"; // a::b"), [""; 0]);
}

#[test]
fn lines_are_counted_from_one() {
    let scope = read("use a::b;\nfn f() { c::d() }").unwrap();
    assert_eq!((scope.imports[0].path.line, scope.paths[0].line), (1, 2));
}

#[test]
fn modules_are_read_with_their_path() {
    let scope = read("mod a; #[path = \"x/y.rs\"] pub mod b; mod c { use d::E; }").unwrap();
    let children: Vec<_> =
        scope.children.iter().map(|c| (&*c.name, c.path.as_deref(), c.body.is_some())).collect();
    assert_eq!(children, [("a", None, false), ("b", Some("x/y.rs"), false), ("c", None, true)]);
    assert!(scope.imports.is_empty());
    assert_eq!(scope.children[2].body.as_ref().unwrap().imports.len(), 1);
}

#[test]
fn what_only_tests_need_is_left_out() {
    for item in [
        "#[cfg(test)] mod tests { use a::b; }",
        "#[cfg(test)] mod tests;",
        "#[cfg(all(test, loom))] mod model;",
        "#[cfg(loom)] use a::{b, c};",
        "#[cfg(any(test, loom))] pub(crate) fn f<A, B>() -> a::b { a::c() }",
        "#[test] #[ignore = \"slow\"] fn t() { a::b() }",
        "#[cfg(test)] const A: a::b = a::b { c };",
    ] {
        let scope = read(&format!("{item} use kept::One; fn f() {{ kept::two() }}")).unwrap();
        assert!(scope.children.is_empty(), "{item}");
        assert_eq!((scope.imports.len(), scope.paths.len()), (1, 1), "{item}");
    }
    for item in ["#[cfg(not(test))]", "#[cfg(any(test, fuzzing))]", "#[cfg(feature = \"test\")]"] {
        assert_eq!(imports(&format!("{item} use a::b;")).len(), 1, "{item}");
    }
    assert_eq!(paths("struct S { #[cfg(test)] a: b::C, d: e::F }"), ["e::F"]);
}

#[test]
fn test_functions_are_found_inside_macros() {
    let text = "#[test]\nfn a() {}\nproptest! {\n    #[test]\n    fn b(x in 0..3) {}\n}\nfn c() {}";
    let found: Vec<_> = test_functions(text).unwrap().into_iter().map(|f| (f.name, f.line)).collect();
    assert_eq!(found, [("a".to_owned(), 2), ("b".to_owned(), 5)]);
}

#[test]
fn exhaustive_tests_are_known_by_their_reason() {
    let text =
        format!("#[test] #[ignore = \"{EXHAUSTIVE}\"] fn a() {{}} #[test] #[ignore = \"slow\"] fn b() {{}}");
    let found: Vec<_> =
        test_functions(&text).unwrap().into_iter().map(|f| (f.name, f.is_exhaustive)).collect();
    assert_eq!(found, [("a".to_owned(), true), ("b".to_owned(), false)]);
}
