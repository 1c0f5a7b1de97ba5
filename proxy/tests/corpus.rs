//! Replays the corpus of the fuzz targets, and damaged copies of each input, through the functions that are
//! fuzzed. `LINKGATE_DAMAGED` sets the number of damaged copies per input.
#![allow(clippy::disallowed_methods, reason = "a test, which reads its own corpus")]

#[path = "../fuzz/bodies.rs"]
mod bodies;
#[path = "../fuzz/gateway.rs"]
mod gateway;

use std::path::Path;

/// Returns all inputs of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let inputs: Vec<Vec<u8>> = files.filter_map(|file| std::fs::read(file.path()).ok()).collect();
    assert!(!inputs.is_empty(), "{} has no inputs", folder.display());
    inputs
}

/// Runs each input as it is, then copies with one to three bytes changed and up to three bytes cut from the
/// end.
fn replay(target: &str, body: fn(&[u8])) {
    replay_damaged(target, 2000, body);
}

fn replay_damaged(target: &str, copies: usize, body: fn(&[u8])) {
    let mut random = fastrand::Rng::with_seed(4);
    let copies = std::env::var("LINKGATE_DAMAGED").map_or(copies, |copies| copies.parse().unwrap_or(2000));
    for input in corpus(target) {
        body(&input);
        for _ in 0..copies {
            let mut damaged = input.clone();
            for _ in 0..random.usize(1..4) {
                if let Some(byte) = random.choice(&mut damaged) {
                    *byte = random.u8(..);
                }
            }
            damaged.truncate(damaged.len() - random.usize(0..damaged.len().clamp(1, 4)));
            body(&damaged);
        }
    }
}

#[test]
fn the_batch_walker_survives_its_corpus() {
    replay("walk", bodies::walk_records);
}

#[test]
fn the_reencoder_survives_its_corpus() {
    replay("densify", bodies::densify_batch);
}

#[test]
fn the_decompressors_survive_their_corpus() {
    replay("decompress", bodies::decompress_payload);
}

#[test]
fn the_filter_of_the_gateway_survives_its_corpus() {
    replay("hide_filler", bodies::hide_in);
}

#[test]
fn the_decoders_of_requests_survive_their_corpus() {
    replay("requests", gateway::read_request);
}

#[test]
fn the_rewriters_of_answers_survive_their_corpus() {
    replay("answers", gateway::rewrite);
}

#[test]
fn a_gateway_survives_the_corpus_of_whole_sessions() {
    // Each input needs a connection, so there are fewer copies.
    replay_damaged("session", 100, gateway::session);
}
