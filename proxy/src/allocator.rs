//! The program's allocator, and how long it keeps what is free.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Large frames come and go all the time: this allocator keeps their pages, where the system's gives them back and takes them anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The allocator's option: for how many milliseconds free memory is kept.
const OPTION: &str = "MIMALLOC_PURGE_DELAY";
/// Ten seconds, not one: what goes back to the system is zeroed page by page when the next frame needs it.
const KEPT_MS: &str = "10000";

/// Has the allocator keep free memory for ten seconds. It reads its options before `main`, from the environment alone (mimalloc,
/// `mi_option_purge_delay`), so the program starts once more in the same process, with the option set. A value that is set already
/// stays. Where the program cannot start again all goes on as it is, and only costs a little more.
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
    // Comes back only when it failed.
    let _failed = again.args(args).env(OPTION, KEPT_MS).exec();
}
