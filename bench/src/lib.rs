//! Benchmarks that compare Linkgate with the programs a user would run instead.
//!
//! | module | what it owns |
//! |---|---|
//! | [`jobs`] | the measurements |
//! | [`peers`] | MirrorMaker 2, Kafka's follower, HAProxy |
//! | [`stage`] | brokers, links, topics |
//! | [`data`], [`pump`], [`copying`] | prebuilt batches, fast writers and readers, watching a copy |
//! | [`mirroring`], [`probe`] | time until mirror topics are up to date, and until they accept writes |
//! | [`usage`], [`spread`] | CPU and memory of processes, statistics |
//! | [`finding`], [`report`] | a goal and its values; the table, the page, pictures, JSON |

pub mod copying;
pub mod data;
pub mod finding;
pub mod jobs;
pub mod mirroring;
pub mod peers;
pub mod probe;
pub mod pump;
pub mod report;
pub mod spread;
pub mod stage;
pub mod usage;

use std::time::Instant;

/// Prints a progress message to stderr, with the time since the start.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {
        $crate::progress(&format!($($text)*))
    };
}

/// Prints the message of [`say!`].
pub fn progress(text: &str) {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    eprintln!("[{:5.0} s] {text}", BEGIN.get_or_init(Instant::now).elapsed().as_secs_f64());
}
