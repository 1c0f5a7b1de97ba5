//! `kafka-mirrors --resume`, also known as `--unpause`

use linkctl::api::Action;
use linkctl::opts::Options;
use linkctl::tool::ToolError;

pub(crate) fn run(options: &Options, word: &str) -> Result<(), ToolError> {
    crate::act::run(options, Action::Resume, word)
}
