//! `cargo x fuzz producer`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringlog_fuzz::producer(data));
