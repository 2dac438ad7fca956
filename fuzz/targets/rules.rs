//! `cargo x fuzz rules`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringlog_fuzz::rules(data));
