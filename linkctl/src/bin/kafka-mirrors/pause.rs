//! `kafka-mirrors --pause`

use linkctl::api::Action;
use linkctl::opts::Options;
use linkctl::tool::ToolError;

pub(crate) fn run(options: &Options) -> Result<(), ToolError> {
    crate::act::run(options, Action::Pause, "pause")
}
