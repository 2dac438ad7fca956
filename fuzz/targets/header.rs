//! `cargo x fuzz header`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringlog_fuzz::header(data));
