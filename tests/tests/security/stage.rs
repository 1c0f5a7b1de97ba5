//! Two clusters with SASL_SSL listeners and an authorizer, and a Linkgate between them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use linkgate_tests::client::python;
use linkgate_tests::kafka::access::{Operation, Resource, allow, scram_user};
use linkgate_tests::kafka::certificates::Authority;
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::wait;
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::stage::linkgate::Linkgate;
use serde_json::{Value, json};

/// The right password of every user.
pub(crate) const PASSWORD: &str = "open, \"sesame\"; = 7";
/// Time for which brokers accept requests on an authenticated connection (connections.max.reauth.ms).
pub(crate) const REAUTHENTICATION: std::time::Duration = std::time::Duration::from_secs(5);

/// The clusters, the daemon and the certificates. Fields drop in order: the daemon first.
pub(crate) struct Stage {
    pub(crate) linkgate: Linkgate,
    pub(crate) source: Cluster,
    pub(crate) destination: Cluster,
    pub(crate) authority: Authority,
    pub(crate) certificates: WorkDir,
}

impl Stage {
    pub(crate) fn start(name: &str) -> Stage {
        let certificates = WorkDir::new(&format!("{name}-certificates"));
        let authority = Authority::new(certificates.path());
        let broker = authority.identity("broker");
        let launch = |side: &str| {
            let configs = broker_configs(&broker, &authority.trust());
            let configs: Vec<(&str, &str)> = configs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            Cluster::launch_secured(WorkDir::new(&format!("{name}-{side}")), Version::V4_3_1, 1, &configs)
        };
        let (mut source, mut destination) = (launch("source"), launch("destination"));
        source.wait_ready();
        destination.wait_ready();
        for cluster in [&source, &destination] {
            scram_user(&cluster.direct_bootstrap(), "mirror", PASSWORD);
            scram_user(&cluster.direct_bootstrap(), "linkgate", PASSWORD);
            scram_user(&cluster.direct_bootstrap(), "app", PASSWORD);
        }
        allow_linkgate(&destination.direct_bootstrap(), "User:linkgate");
        allow_mirror(&source.direct_bootstrap(), "User:mirror");

        let gateway = authority.identity("gateway");
        let trust = authority.trust();
        let jaas = escaped(&jaas("scram.ScramLoginModule", "linkgate", PASSWORD));
        let mut linkgate = Linkgate::prepare_listening(
            "SASL_SSL",
            WorkDir::new(&format!("{name}-linkgate")),
            &destination.bootstrap(),
            &[
                ("listener.name.sasl_ssl.ssl.keystore.type", "PEM"),
                ("listener.name.sasl_ssl.ssl.keystore.location", &gateway),
                ("security.protocol", "SASL_SSL"),
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.location", &trust),
                ("sasl.mechanism", "SCRAM-SHA-512"),
                ("sasl.jaas.config", &jaas),
            ],
        );
        linkgate.launch();
        linkgate.wait_ready();
        Stage { linkgate, source, destination, authority, certificates }
    }

    /// Writes configs of a link to a file. Returns its path.
    pub(crate) fn link_file(&self, name: &str, configs: &[(&str, &str)]) -> String {
        let path: PathBuf = self.certificates.path().join(format!("{name}.properties"));
        let text: String = configs.iter().map(|(key, value)| format!("{key}={}\n", escaped(value))).collect();
        std::fs::write(&path, text).expect("the work directory is writable");
        path.display().to_string()
    }

    /// Returns confluent-kafka configs of a client with SASL_SSL.
    pub(crate) fn client(&self, bootstrap: &str, mechanism: &str, user: &str, password: &str) -> Value {
        json!({
            "bootstrap.servers": bootstrap, "security.protocol": "SASL_SSL", "ssl.ca.location": self.authority.trust(),
            "sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password,
        })
    }
}

/// Runs `tests/clients/secured.py`.
pub(crate) fn run(config: &Value, topic: &str, more: &[&str]) -> Value {
    let config = config.to_string();
    let mut args = vec!["--config", &config, "--topic", topic];
    args.extend_from_slice(more);
    python::json("secured.py", &args, wait::LONG)
}

/// Returns the `sasl.jaas.config` of a user.
pub(crate) fn jaas(module: &str, user: &str, password: &str) -> String {
    let password = password.replace('\\', "\\\\").replace('"', "\\\"");
    format!("org.apache.kafka.common.security.{module} required username=\"{user}\" password=\"{password}\";")
}

/// Escapes a value for a .properties file.
pub(crate) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\")
}

/// Allows what docs/security.md lists for Linkgate on the destination.
fn allow_linkgate(bootstrap: &str, principal: &str) {
    use Operation::{Alter, AlterConfigs, Create, Delete, Describe, DescribeConfigs, Read, Write};
    let topics = [Create, Describe, Read, Write, Delete, Alter, DescribeConfigs, AlterConfigs];
    allow(bootstrap, principal, Resource::Topic("*"), &topics);
    allow(bootstrap, principal, Resource::Group("*"), &[Describe, Read]);
}

/// Allows what docs/security.md lists for a link on the source.
pub(crate) fn allow_mirror(bootstrap: &str, principal: &str) {
    use Operation::{Describe, DescribeConfigs, Read};
    allow(bootstrap, principal, Resource::Topic("*"), &[Describe, Read, DescribeConfigs]);
    allow(bootstrap, principal, Resource::Group("*"), &[Describe]);
    allow(bootstrap, principal, Resource::TransactionalId("*"), &[Describe]);
}

fn broker_configs(identity: &str, trust: &str) -> BTreeMap<String, String> {
    let plain = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_mirror=\"{0}\" user_app=\"{0}\";",
        PASSWORD.replace('"', "\\\"")
    );
    let lifetime = REAUTHENTICATION.as_millis().to_string();
    [
        ("listener.security.protocol.map", "CLIENT:SASL_SSL,MUTUAL:SSL,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.location", identity),
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.location", trust),
        ("listener.name.mutual.ssl.client.auth", "required"),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER"),
        (
            "listener.name.client.scram-sha-512.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        ),
        (
            "listener.name.client.scram-sha-256.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        ),
        ("listener.name.client.plain.sasl.jaas.config", plain.as_str()),
        (
            "listener.name.client.oauthbearer.sasl.jaas.config",
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";",
        ),
        ("connections.max.reauth.ms", lifetime.as_str()),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        // The harness and the brokers among themselves.
        ("super.users", "User:ANONYMOUS"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), escaped(value)))
    .collect()
}
