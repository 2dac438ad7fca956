//! `cargo x fuzz verbs`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringlog_fuzz::verbs(data));
