//! `cargo x fuzz observer`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringlog_fuzz::observer(data));
