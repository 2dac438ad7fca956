use super::*;

const ME: u32 = 77;

fn rule(logger: &str, level: Level) -> LevelRule {
    LevelRule { logger: logger.to_owned(), level, pid: None, until_unix: None }
}

fn rules(rules: impl IntoIterator<Item = LevelRule>) -> LevelRules {
    let mut all = LevelRules::default();
    rules.into_iter().for_each(|rule| all.set(rule));
    all
}

fn level(rules: &LevelRules, own: &str, logger: &str) -> Level {
    rules.level_of(logger, ME, Some(&own.parse().unwrap())).unwrap()
}

#[test]
fn the_longest_name_counts_then_the_nearer_rule() {
    let mine = |rule| LevelRule { pid: Some(ME), ..rule };
    let brief = |rule| LevelRule { until_unix: Some(9), ..rule };
    let none = rules([]);
    assert_eq!(level(&none, "info,db=error", "db.pool"), Level::ERROR);
    assert_eq!(none.level_of("db", ME, None), None);
    let root = rules([rule("", Level::DEBUG)]);
    assert_eq!(level(&root, "info,db=error", "db.pool"), Level::ERROR, "the longer name, though our own");
    assert_eq!(level(&root, "info,db=error", "http"), Level::DEBUG);
    let db = rules([rule("", Level::CRITICAL), rule("db", Level::TRACE), rule("db.pool", Level::WARN)]);
    assert_eq!(level(&db, "info,db=error", "db"), Level::TRACE, "of equal names the one from outside");
    assert_eq!(level(&db, "info,db=error", "db::query"), Level::TRACE);
    assert_eq!(level(&db, "info,db=error", "db.pool.worker"), Level::WARN);
    assert_eq!(level(&db, "info,db=error", "dbx"), Level::CRITICAL);
    let pid = rules([mine(rule("db", Level::DEBUG)), rule("db", Level::ERROR), rule("db.pool", Level::WARN)]);
    assert_eq!(level(&pid, "info", "db.query"), Level::DEBUG, "for this process before one for all");
    assert_eq!(level(&pid, "info", "db.pool"), Level::WARN, "but the name comes first");
    assert_eq!(pid.level_of("db.query", ME + 1, None), Some(Level::ERROR));
    let brief = rules([rule("db", Level::ERROR), brief(rule("db", Level::TRACE))]);
    assert_eq!(level(&brief, "info", "db"), Level::TRACE, "one with an end before one without");
}

#[test]
fn dots_and_colons_separate_the_same_names() {
    let from_outside = rules([rule("shop.db", Level::DEBUG)]);
    assert_eq!(level(&from_outside, "info,shop::db=error", "shop::db"), Level::DEBUG, "not by the letters");
    let mut all = rules([rule("shop.db", Level::DEBUG), rule("shop::db", Level::ERROR)]);
    assert_eq!(&all[..], [rule("shop::db", Level::ERROR)]);
    all.remove("shop.db", None);
    assert!(all.is_empty());
}

#[test]
fn a_rule_with_an_end_leaves_the_other_in_place() {
    let brief = |level, until| LevelRule { until_unix: Some(until), ..rule("db", level) };
    let mut all = rules([rule("db", Level::ERROR), brief(Level::DEBUG, 100), brief(Level::TRACE, 200)]);
    assert_eq!(&all[..], [rule("db", Level::ERROR), brief(Level::TRACE, 200)]);
    all.remove_ended(199);
    assert_eq!(all.len(), 2);
    all.remove_ended(200);
    assert_eq!(&all[..], [rule("db", Level::ERROR)]);
    let mut all = rules([brief(Level::TRACE, 200), rule("db", Level::WARN)]);
    assert_eq!(&all[..], [rule("db", Level::WARN)], "one for ever replaces both");
    all.remove("db", Some(ME));
    all.remove("d", None);
    assert_eq!(all.len(), 1);
    all.remove("db", None);
    assert!(all.is_empty());
}

#[test]
fn rules_read_back_and_malformed_lines_are_skipped() {
    let odd = LevelRule { pid: Some(u32::MAX), until_unix: Some(u64::MAX), ..rule("a b=c ä", Level::INFO) };
    let all = rules([rule("", Level::from_number(255)), odd]);
    assert_eq!(LevelRules::decode(&all.encode().unwrap()), all);
    let nonsense = b"\n20\n20 0\n20 0 0\n0 0 0 zero\n256 0 0 big\n20 4294967296 0 pid\n-1 0 0 x\n20  0 0 x\n\
        \xff 0 0 x\n20 0 18446744073709551616 x\n30 0 0 good\n";
    assert_eq!(&LevelRules::decode(nonsense)[..], [rule("good", Level::WARN)]);
    assert_eq!(lines(b"10 0 0 \xff\xfe").count(), 1);
}

#[test]
fn rules_that_do_not_fit_are_refused_with_the_numbers() {
    let many = rules((0..100).map(|n| rule(&format!("logger.{n}"), Level::DEBUG)));
    let error = many.encode().unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot steer levels: 100 rules take 1690 bytes, a ring keeps 1016: remove some with LOGGER=default"
    );
    let error = rules([rule("a\nb", Level::DEBUG)]).encode().unwrap_err().to_string();
    assert_eq!(error, "cannot steer levels: \"a\\nb\" is not a logger's name: it holds a control character");
}

proptest::proptest! {
    #[test]
    fn any_text_of_rules_gives_a_level(text: Vec<u8>, logger: String, own in "[a-z.]{0,3}=(debug|35)|") {
        let own: Filter = own.parse().unwrap();
        let rule = nearest(lines(&text), Some(&own), &logger, || ME).unwrap();
        proptest::prop_assert!(rule.least.number() > 0);
    }

    /// By another way: the one rule that goes before each of the others.
    #[test]
    fn the_nearest_rule_goes_before_everything_else(
        list in proptest::collection::vec(("(a(\\.b){0,2})?", 1..255_u8, 0..3_u32, 0..2_u64), 0..8),
        own in "(debug|35|error),a=(warn|3),a\\.b=critical",
        logger in "a(\\.[ab]){0,3}",
        me in 1..3_u32,
    ) {
        let own: Filter = own.parse().unwrap();
        let all = rules(list.into_iter().map(|(logger, number, pid, until)| LevelRule {
            pid: Some(pid).filter(|pid| *pid != 0),
            until_unix: Some(until).filter(|until| *until != 0),
            ..rule(&logger, Level::from_number(number))
        }));
        let text = all.encode().unwrap();
        let covering = all.iter().filter(|rule| {
            let below = [format!("{}.", rule.logger), rule.logger.clone()];
            let covers = rule.logger.is_empty() || logger.starts_with(&below[0]) || logger == below[1];
            covers && rule.pid.is_none_or(|pid| pid == me)
        });
        let first = covering.max_by_key(|rule| (rule.logger.len(), rule.pid.is_some(), rule.until_unix.is_some()));
        let (name, mine) = own.rule_for(&logger);
        let expected = first.filter(|rule| rule.logger.len() >= name.len()).map_or(mine, |rule| rule.level);
        proptest::prop_assert_eq!(nearest(lines(&text), Some(&own), &logger, || me).unwrap().least, expected);
        proptest::prop_assert_eq!(all.level_of(&logger, me, Some(&own)), Some(expected));
    }
}
