//! `cargo x fuzz records`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringlog_fuzz::records(data));
