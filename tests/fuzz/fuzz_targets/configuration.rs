//! Fuzzes `targets::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::configuration(input));
