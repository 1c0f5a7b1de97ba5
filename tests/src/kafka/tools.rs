//! Kafka's own command-line tools, run like their shell scripts run them.

use std::path::Path;
use std::time::Duration;

use crate::kafka::{Dist, Version};
use crate::machine::process::{Daemon, Output, run};

/// Timeout of a tool. No tool takes that long normally.
const LIMIT: Duration = Duration::from_secs(120);

/// The tools of one version.
#[derive(Debug, Clone)]
pub struct Tools {
    dist: Dist,
}

impl Tools {
    /// Returns the tools of `dist`.
    #[must_use]
    pub fn new(dist: Dist) -> Tools {
        Tools { dist }
    }

    /// Runs a main class with `input` on standard input.
    #[must_use]
    pub fn main_class(&self, class: &str, args: &[&str], input: &str) -> Output {
        let mut command = self.dist.java(class, 256, "warn");
        command.args(args);
        run(command, input.as_bytes(), LIMIT)
    }

    /// Runs `kafka-topics --bootstrap-server B ARGS`.
    #[must_use]
    pub fn topics(&self, bootstrap: &str, args: &[&str]) -> Output {
        self.with_bootstrap(
            self.name("org.apache.kafka.tools.TopicCommand", "kafka.admin.TopicCommand"),
            bootstrap,
            args,
        )
    }

    /// Runs `kafka-configs --bootstrap-server B ARGS`.
    #[must_use]
    pub fn configs(&self, bootstrap: &str, args: &[&str]) -> Output {
        self.with_bootstrap("kafka.admin.ConfigCommand", bootstrap, args)
    }

    /// Runs `kafka-consumer-groups --bootstrap-server B ARGS`.
    #[must_use]
    pub fn consumer_groups(&self, bootstrap: &str, args: &[&str]) -> Output {
        let newer = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        self.with_bootstrap(self.name(newer, "kafka.admin.ConsumerGroupCommand"), bootstrap, args)
    }

    /// Runs `kafka-get-offsets --bootstrap-server B ARGS`.
    #[must_use]
    pub fn get_offsets(&self, bootstrap: &str, args: &[&str]) -> Output {
        let server = self.name("--bootstrap-server", "--broker-list");
        let class = self.name("org.apache.kafka.tools.GetOffsetShell", "kafka.tools.GetOffsetShell");
        self.main_class(class, &[&[server, bootstrap], args].concat(), "")
    }

    /// Runs `kafka-console-producer --bootstrap-server B --topic T ARGS`, with `input` on standard input.
    #[must_use]
    pub fn console_producer(&self, bootstrap: &str, topic: &str, args: &[&str], input: &str) -> Output {
        let class = match self.dist.version {
            Version::V4_3_1 => "org.apache.kafka.tools.ConsoleProducer",
            Version::V3_9_1 | Version::V2_8_2 => "kafka.tools.ConsoleProducer",
        };
        let mut all = vec!["--bootstrap-server", bootstrap, "--topic", topic];
        all.extend_from_slice(args);
        self.main_class(class, &all, input)
    }

    /// Runs `kafka-console-consumer --bootstrap-server B --topic T ARGS`. Give `--max-messages` or
    /// `--timeout-ms`.
    #[must_use]
    pub fn console_consumer(&self, bootstrap: &str, topic: &str, args: &[&str]) -> Output {
        let mut all = vec!["--bootstrap-server", bootstrap, "--topic", topic];
        all.extend_from_slice(args);
        let class =
            self.name("org.apache.kafka.tools.consumer.ConsoleConsumer", "kafka.tools.ConsoleConsumer");
        self.main_class(class, &all, "")
    }

    /// Starts `connect-standalone ARGS`. It runs until it is dropped, and logs to `log`.
    #[must_use]
    pub fn connect_standalone(&self, worker: &Path, connector: &Path, log: &Path) -> Daemon {
        let mut command = self.dist.java("org.apache.kafka.connect.cli.ConnectStandalone", 384, "info");
        command.arg(worker).arg(connector);
        Daemon::start("connect-standalone", command, log.to_owned())
    }

    /// Returns the name of a tool or option: since 3.x, or in 2.8.
    fn name(&self, name: &'static str, in_2_8: &'static str) -> &'static str {
        if self.dist.version == Version::V2_8_2 { in_2_8 } else { name }
    }

    fn with_bootstrap(&self, class: &str, bootstrap: &str, args: &[&str]) -> Output {
        let mut all = vec!["--bootstrap-server", bootstrap];
        all.extend_from_slice(args);
        self.main_class(class, &all, "")
    }
}
