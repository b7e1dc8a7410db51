//! Fuzzes `targets::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::token(input));
