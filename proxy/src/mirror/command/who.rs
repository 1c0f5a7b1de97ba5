//! Who asked for what a command writes: it stands in the journal beside what was written.

use std::future::Future;

tokio::task_local! {
    static WHO: String;
}

/// Carries out `command` in the name of `who`.
pub(crate) async fn asked<F: Future>(who: String, command: F) -> F::Output {
    WHO.scope(who, command).await
}

/// In whose name the present task works.
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
