//! `cargo x fuzz checkpoint`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringlog_fuzz::checkpoint(data));
