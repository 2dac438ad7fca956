//! `cargo x fuzz consumer`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringlog_fuzz::consumer(data));
