use crate::config::*;

fn parse(text: &str) -> Result<Config, InvalidConfig> {
    Config::parse("linkgate.properties", text, &[], "gate-1")
}

fn errors(text: &str) -> Vec<String> {
    parse(text).unwrap_err().0
}

#[test]
fn bootstrap_servers_alone_are_enough() {
    let overrides = [("bootstrap.servers", "b:9092".to_owned())];
    let config = Config::parse("command line", "", &overrides, "gate-1").unwrap();
    assert_eq!(config.bootstrap_servers, [HostPort::new("b", 9092)]);
    assert_eq!(config.listener.to_string(), "PLAINTEXT://0.0.0.0:19092");
    assert_eq!(config.advertised.to_string(), "PLAINTEXT://gate-1:19092");
    assert_eq!(config.admin.control[0].to_string(), "http://127.0.0.1:8090");
    assert_eq!(config.log_format, LogFormat::Text);
}

#[test]
fn the_command_line_overrides_the_file() {
    let text = "bootstrap.servers = a:1, b:2\nlisteners=PLAINTEXT://127.0.0.1:0\n\
                admin.listeners=http://:8090,http://[::1]:8091\nstate.dir=/tmp/x\nmax.connections=7\n\
                log.format=json\nsecurity.protocol=plaintext\nssl.truststore.location=/x\n";
    let overrides = [("bootstrap.servers", "c:3".to_owned())];
    let config = Config::parse("f", text, &overrides, "gate-1").unwrap();
    assert_eq!(config.bootstrap_servers, [HostPort::new("c", 3)]);
    assert_eq!(config.advertised, config.listener);
    assert_eq!((config.journal, config.limits.connections), (StoreOptions::new(Path::new("/tmp/x")), 7));
    assert_eq!(config.admin.control.len(), 2);
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn the_admin_api_allows_its_own_host_names() {
    let text = "bootstrap.servers=a:1\nadvertised.listeners=PLAINTEXT://kafka.example:9\n\
                admin.listeners=http://admin.example:8090\nadmin.allowed.hosts=one.example, two.example\n\
                metrics.listeners=http://0.0.0.0:9090\n";
    let config = parse(text).unwrap();
    for name in ["gate-1", "kafka.example", "admin.example", "one.example", "two.example"] {
        assert!(config.admin.hosts.has(name), "{name}");
    }
    assert!(!config.admin.hosts.has("three.example"));
    assert_eq!(config.admin.metrics[0].to_string(), "http://0.0.0.0:9090");
    assert!(config.warnings.iter().any(|warning| warning.contains("http://admin.example:8090")));
    assert_eq!(
        errors("bootstrap.servers=a:1\nmetrics.listeners=https://a:1\n"),
        [
            "linkgate.properties:2: metrics.listeners: this version supports http only, not https",
            "linkgate.properties:2: metrics.listeners: expected http://host:port"
        ]
    );
}

#[test]
fn listeners_without_encryption_cause_warnings() {
    let told = |text: &str| parse(&format!("bootstrap.servers=a:1\n{text}")).unwrap().warnings.join("\n");
    assert!(
        told("").contains("PLAINTEXT://0.0.0.0:19092: every client that reaches it is served"),
        "{}",
        told("")
    );
    assert_eq!(told("listeners=PLAINTEXT://127.0.0.1:9092"), "");
    assert_eq!(told("listeners=PLAINTEXT://[::1]:9092"), "");
    let sasl = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=\
                org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"p\";\n";
    let mixed = told(&format!("listeners=SASL_PLAINTEXT://:9092\n{sasl}"));
    assert!(mixed.contains("credentials unencrypted, though the brokers want them encrypted"), "{mixed}");
    assert_eq!(told(&format!("listeners=SASL_PLAINTEXT://127.0.0.1:9092\n{sasl}")), "");
}

#[test]
fn unknown_names_suggest_the_nearest_known_one() {
    assert_eq!(
        errors("bootstrap.servers=a:1\nadvertised.listener=PLAINTEXT://a:1\n"),
        [
            "linkgate.properties:2: unknown configuration 'advertised.listener'; did you mean 'advertised.listeners'?"
        ]
    );
}

#[test]
fn all_errors_are_reported_together_with_their_lines() {
    let all = errors(
        "listeners=TLS://a:1\nadvertised.listeners=PLAINTEXT://0.0.0.0:1\nadmin.listeners=https://a:1\n\
         security.protocol=GSSAPI\nmax.connections=many\nbroker.id=1\nlog.format=xml",
    );
    let part = |text: &str| assert!(all.iter().any(|error| error.contains(text)), "{text} in {all:#?}");
    part("linkgate.properties: bootstrap.servers is required");
    part("linkgate.properties:1: listeners: 'TLS' is not one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL");
    part("linkgate.properties:2: advertised.listeners: the listener is TLS, not PLAINTEXT");
    part("linkgate.properties:2: advertised.listeners: clients cannot connect to 0.0.0.0:1");
    part("linkgate.properties:3: admin.listeners: this version supports http only, not https");
    part("linkgate.properties:5: max.connections=many: expected a number");
    part("linkgate.properties:6: unknown configuration 'broker.id'");
    part("linkgate.properties:7: log.format=xml");
}

#[test]
fn limits_have_kafkas_names() {
    let text = "bootstrap.servers=a:1\nmax.connections.per.ip=5\nconnections.max.idle.ms=1000\n\
                max.connections.per.ip.overrides=10.0.0.1:7, [::ffff:10.0.0.2]:8,fd00::1:9\n\
                socket.request.max.bytes=2048\n";
    let limits = parse(text).unwrap().limits;
    let overrides = [("10.0.0.1", 7), ("10.0.0.2", 8), ("fd00::1", 9)];
    let overrides = overrides.map(|(address, count)| (address.parse().unwrap(), count));
    assert_eq!(limits.connections_per_ip_overrides, overrides.into());
    assert_eq!((limits.connections_per_ip, limits.request_bytes), (5, 2048));
    assert_eq!(limits.idle_timeout, std::time::Duration::from_secs(1));
    assert_eq!(
        errors("bootstrap.servers=a:1\nmax.connections.per.ip.overrides=gate:7\nmax.request.bytes=1\n"),
        [
            "linkgate.properties:3: unknown configuration 'max.request.bytes'; did you mean 'socket.request.max.bytes'?",
            "linkgate.properties:2: max.connections.per.ip.overrides: 'gate:7' is not of the form address:count",
        ]
    );
}

#[test]
fn journal_settings_are_parsed_and_checked() {
    let text = "bootstrap.servers=a:1\nstate.dir=/s\nstate.create=false\njournal.retention.ms=-1\n\
                journal.retention.bytes=2000000\njournal.backup.dir=/b\n";
    let journal = parse(text).unwrap().journal;
    assert_eq!((journal.create, journal.backup_dir.as_deref()), (false, Some(Path::new("/b"))));
    assert_eq!((journal.retention.age, journal.retention.bytes), (None, 2_000_000));
    let age = parse("bootstrap.servers=a:1\njournal.retention.ms=1000\n").unwrap().journal.retention.age;
    assert_eq!(age, Some(Duration::from_secs(1)));
    for wrong in [
        "journal.retention.ms=0",
        "journal.retention.ms=-2",
        "journal.retention.bytes=9",
        "state.create=maybe",
    ] {
        let all = errors(&format!("bootstrap.servers=a:1\n{wrong}\n"));
        assert!(all.len() == 1 && all[0].starts_with(&format!("linkgate.properties:2: {wrong}")), "{all:?}");
    }
}

#[test]
fn duplicates_and_missing_files_are_errors() {
    assert_eq!(
        errors("listeners=a\nlisteners=b\n"),
        ["linkgate.properties:2: 'listeners' is given a second time (first on line 1)"]
    );
    let missing = Config::load(Some(Path::new("/no/such/file")), &[]).unwrap_err();
    assert!(missing.to_string().starts_with("/no/such/file: "));
}

#[test]
fn a_name_given_twice_is_refused() {
    let error = Config::parse("f", "bootstrap.servers=a:1\n\nbootstrap.servers=b:1\n", &[], "h").unwrap_err();
    assert_eq!(error.0, ["f:3: 'bootstrap.servers' is given a second time (first on line 1)"]);
}

/// Returns the path of a PEM file with a key and its chain (it is a trust store for it, too), and the
/// directory that deletes the file when dropped.
fn key_store() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    std::fs::write(&path, crate::net::tls::testing::Authority::new().identity(&["gate-1"])).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

const JAAS: &str = "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
                    username=\"gate\" password=\"hunter2\";";

#[test]
fn each_side_is_secured_by_its_own_keys() {
    let (_dir, path) = key_store();
    let text = format!(
        "bootstrap.servers=a:1\nlisteners=SASL_SSL://:9092\nlistener.name.sasl_ssl.ssl.keystore.location={path}\n\
         security.protocol=SASL_SSL\nssl.truststore.location={path}\nssl.endpoint.identification.algorithm=\n\
         sasl.mechanism=SCRAM-SHA-512\n{JAAS}\nsocket.connection.setup.timeout.ms=700\n"
    );
    let config = parse(&text).unwrap();
    assert!(config.listener_tls.is_some());
    assert_eq!(config.security.protocol().name(), "SASL_SSL");
    assert_eq!(config.advertised.to_string(), "SASL_SSL://gate-1:9092");
    assert_eq!(config.limits.handshake, Duration::from_millis(700));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn linkgates_certificate_is_not_lent_to_clients_without_one() {
    let (_dir, path) = key_store();
    let brokers = format!(
        "bootstrap.servers=a:1\nsecurity.protocol=SSL\nssl.keystore.location={path}\nssl.truststore.location={path}\n"
    );
    let listener = |auth: &str| {
        format!(
            "listeners=SSL://:9092\nlistener.name.ssl.ssl.keystore.location={path}\n\
             listener.name.ssl.ssl.truststore.location={path}\nlistener.name.ssl.ssl.client.auth={auth}\n"
        )
    };
    // The default listener, a listener without TLS, and listeners that accept clients without a certificate.
    for text in [
        String::new(),
        "listeners=PLAINTEXT://127.0.0.1:9092".into(),
        listener("none"),
        listener("requested"),
    ] {
        let all = errors(&format!("{brokers}{text}"));
        assert_eq!(all.len(), 1, "{all:#?}");
        for part in ["ssl.keystore.location", ".ssl.client.auth=required", "allow.anonymous.clients=true"] {
            assert!(all[0].contains(part), "{}", all[0]);
        }
        parse(&format!("{brokers}{text}\nallow.anonymous.clients=true")).unwrap();
    }
    parse(&format!("{brokers}{}", listener("required"))).unwrap();
    // Without a key store Linkgate has no certificate to lend.
    parse(&format!("bootstrap.servers=a:1\nsecurity.protocol=SSL\nssl.truststore.location={path}\n"))
        .unwrap();
}

#[test]
fn a_listener_may_have_a_custom_name() {
    let (_dir, path) = key_store();
    let text = format!(
        "bootstrap.servers=a:1\nlisteners=CLIENTS://:9092\nlistener.security.protocol.map=CLIENTS:SSL,X:PLAINTEXT\n\
         listener.name.clients.ssl.keystore.location={path}\nlistener.name.clients.ssl.client.auth=none\n\
         security.protocol=PLAINTEXT\n"
    );
    assert!(parse(&text).unwrap().listener_tls.is_some());
    let all = errors(&text.replace("CLIENTS:SSL", "OTHERS:SSL"));
    assert_eq!(
        all,
        ["linkgate.properties:3: listener.security.protocol.map has no entry for the listener 'CLIENTS'"]
    );
}

#[test]
fn security_errors_name_the_keys_and_hide_secrets() {
    let all = errors(
        "bootstrap.servers=a:1\nlisteners=SSL://:9092\nlistener.name.ssl.ssl.client.auth=perhaps\n\
         listener.name.ssl.sasl.enabled.mechanisms=PLAIN\nlistener.name.internal.ssl.protocol=TLS\n\
         ssl.client.auth=none\nsecurity.protocol=SASL_SSL\nssl.keystore.type=JKS\nssl.keystore.location=/k.jks\n\
         sasl.mechanism=PLAIN\nsasl.jaas.config=x required password=\"hunter2\";\n",
    );
    let part = |text: &str| assert!(all.iter().any(|error| error.contains(text)), "{text} in {all:#?}");
    part("linkgate.properties:3: listener.name.ssl.ssl.client.auth: 'perhaps'");
    part(
        "linkgate.properties:4: unknown configuration 'listener.name.ssl.sasl.enabled.mechanisms'; clients authenticate with the brokers",
    );
    part(
        "linkgate.properties:5: unknown configuration 'listener.name.internal.ssl.protocol'; the listener is called 'ssl'",
    );
    part(
        "linkgate.properties:6: unknown configuration 'ssl.client.auth'; did you mean 'listener.name.ssl.ssl.client.auth'?",
    );
    part("linkgate.properties:8: ssl.keystore.type: JKS stores are not supported; convert it with `keytool");
    part("linkgate.properties:11: sasl.jaas.config: sasl.mechanism=PLAIN needs the login module");
    assert!(!all.join("").contains("hunter2"));

    let all = errors("bootstrap.servers=a:1\nlisteners=SSL://:9092\n");
    assert_eq!(
        all,
        [
            "linkgate.properties: listener.name.ssl.ssl.keystore.location: a TLS listener needs a key and a certificate: a PEM file with both"
        ]
    );
    let all = errors("bootstrap.servers=a:1\nlisteners=SASL_PLAINTEXT://:9092\n");
    assert!(all[0].contains("enable it on both or on neither"), "{all:?}");
}

#[test]
fn the_defaults_of_the_table_are_the_ones_in_force() {
    let defaults: String = table::OWN
        .iter()
        .filter_map(|def| match def.default {
            table::Default::Value(value) => Some(format!("{}={value}\n", def.name)),
            table::Default::Number(number) => Some(format!("{}={number}\n", def.name)),
            table::Default::Required | table::Default::None | table::Default::Derived(_) => None,
        })
        .collect();
    let mut written = parse(&format!("bootstrap.servers=a:1\n{defaults}")).unwrap();
    assert_eq!(written.log_level.take().as_deref(), Some(crate::obs::DEFAULT_LEVEL));
    let silent = parse("bootstrap.servers=a:1\n").unwrap();
    assert_eq!(format!("{written:#?}"), format!("{silent:#?}"));
}

#[test]
fn the_page_of_configs_has_every_config_and_no_other() {
    let row = |def: &table::ConfigDef| {
        let default = match def.default {
            table::Default::Required => "required".to_owned(),
            table::Default::None => "none".to_owned(),
            table::Default::Value(value) => format!("`{value}`"),
            table::Default::Number(number) => format!("`{number}`"),
            table::Default::Derived(text) => text.to_owned(),
        };
        format!("| `{}` | {default} | {} |", def.name, def.doc)
    };
    let page = include_str!("../../../docs/configuration.md");
    let own = page.split("\n## ").next().unwrap();
    let rows: Vec<&str> = own.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = table::OWN.iter().map(row).collect();
    assert_eq!(rows, expected, "docs/configuration.md should have these rows:\n{}\n", expected.join("\n"));
    for name in table::SASL.iter().chain(&table::TLS).chain([&table::CLIENT_AUTH]) {
        assert!(page.contains(&format!("`{name}`")), "docs/configuration.md does not name {name}");
    }
}

#[test]
fn the_example_is_a_valid_file_that_names_every_config() {
    let example = Config::example();
    let errors = errors(&example);
    assert_eq!(errors.len(), 1, "only bootstrap.servers is missing: {errors:?}");
    for def in &table::OWN {
        assert!(example.contains(&format!("\n#{}=", def.name)), "{}", def.name);
    }
    // Without its comment signs it sets every config to its default.
    let set: String = example
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|line| line.contains('=') && !line.starts_with(' ')))
        .filter(|line| !line.ends_with('='))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(parse(&format!("bootstrap.servers=a:1\n{set}")).is_ok());
    assert!(!example.contains(['`', '[']), "no Markdown: {example}");
}
