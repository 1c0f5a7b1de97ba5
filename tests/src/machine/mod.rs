//! What the tests need of the machine: child processes, ports, directories, files of configs, and bounded waits.

pub mod ports;
pub mod process;
pub mod properties;
pub mod wait;
pub mod workdir;
