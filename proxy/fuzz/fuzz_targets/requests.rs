#![no_main]

#[path = "../gateway.rs"]
mod gateway;

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway::read_request(input));
