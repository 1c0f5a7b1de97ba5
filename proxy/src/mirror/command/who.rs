//! Name of the caller that asked for a command. The journal records it with each change.

use std::future::Future;

tokio::task_local! {
    static WHO: String;
}

/// Runs `command` with `who` as the name of the caller.
pub(crate) async fn asked<F: Future>(who: String, command: F) -> F::Output {
    WHO.scope(who, command).await
}

/// Returns the name of the caller of the current task, or `operator` outside of [`asked`].
pub(crate) fn name() -> String {
    WHO.try_with(Clone::clone).unwrap_or_else(|_| "operator".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_knows_who_asked_for_it() {
        assert_eq!(name(), "operator");
        assert_eq!(asked("alice".into(), async { name() }).await, "alice");
    }
}
