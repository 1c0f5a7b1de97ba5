//! The memory allocator of the program, and the time for which it keeps free memory.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// mimalloc. Large frames are allocated and freed all the time. This allocator keeps their pages; the
/// system's allocator would give them back and request them again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Environment variable of the allocator: the time for which it keeps free memory, in milliseconds.
const OPTION: &str = "MIMALLOC_PURGE_DELAY";
/// Ten seconds instead of the default of one: memory that goes back to the system must be zeroed page by page
/// when the next frame needs it.
const KEPT_MS: &str = "10000";

/// Makes the allocator keep free memory for ten seconds. mimalloc reads its options (`mi_option_purge_delay`)
/// before `main`, and only from the environment. So this sets the option and executes the program again in
/// the same process. An option that is already set is kept. If the program cannot be executed again, it goes
/// on without the option and is a little slower.
pub(crate) fn keep_free_memory() {
    if std::env::var_os(OPTION).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut args = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = args.next() {
        let _ = again.arg0(name);
    }
    // `exec` returns only if it fails.
    let _failed = again.args(args).env(OPTION, KEPT_MS).exec();
}
