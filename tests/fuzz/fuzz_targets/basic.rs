//! Fuzzes `targets::basic`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::basic(input));
