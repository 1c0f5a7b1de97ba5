//! Linkgate beside what a user would run instead.
//!
//! | module | what it owns |
//! |---|---|
//! | [`jobs`] | what is measured |
//! | [`peers`] | MirrorMaker 2, Kafka's follower, HAProxy |
//! | [`stage`] | brokers, links, topics |
//! | [`data`], [`pump`], [`copying`] | batches, writers and readers as fast as they get, watching a copy |
//! | [`mirroring`], [`probe`] | when mirror topics are up to date; when they take writes |
//! | [`usage`], [`spread`] | CPU and memory of processes, medians |
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

/// Says what goes on, with the time since the start.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {
        $crate::progress(&format!($($text)*))
    };
}

/// See [`say!`].
pub fn progress(text: &str) {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    eprintln!("[{:5.0} s] {text}", BEGIN.get_or_init(Instant::now).elapsed().as_secs_f64());
}
