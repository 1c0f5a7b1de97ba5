use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
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
    assert_eq!(config.admin_listeners[0].to_string(), "http://127.0.0.1:8090");
    assert_eq!(config.log_format, LogFormat::Text);
}

#[test]
fn a_file_is_typed_and_the_command_line_wins() {
    let text = "bootstrap.servers = a:1, b:2\nlisteners=PLAINTEXT://127.0.0.1:0\n\
                admin.listeners=http://:8090,http://[::1]:8091\nstate.dir=/tmp/x\nmax.connections=7\n\
                log.format=json\nsecurity.protocol=plaintext\nssl.truststore.location=/x\n";
    let overrides = [("bootstrap.servers", "c:3".to_owned())];
    let config = Config::parse("f", text, &overrides, "gate-1").unwrap();
    assert_eq!(config.bootstrap_servers, [HostPort::new("c", 3)]);
    assert_eq!(config.advertised, config.listener);
    assert_eq!(config.admin_listeners.len(), 2);
    assert_eq!((config.state_dir, config.limits.connections), (PathBuf::from("/tmp/x"), 7));
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn unknown_names_point_to_the_nearest_known_one() {
    assert_eq!(
        errors("bootstrap.servers=a:1\nadvertised.listener=PLAINTEXT://a:1\n"),
        [
            "linkgate.properties:2: unknown configuration 'advertised.listener'; did you mean 'advertised.listeners'?"
        ]
    );
}

#[test]
fn all_errors_come_at_once_with_their_lines() {
    let all = errors(
        "listeners=SSL://a:1\nadvertised.listeners=PLAINTEXT://0.0.0.0:1\nadmin.listeners=https://a:1\n\
         security.protocol=SASL_SSL\nmax.connections=many\nbroker.id=1\nlog.format=xml",
    );
    let part = |text: &str| assert!(all.iter().any(|error| error.contains(text)), "{text} in {all:#?}");
    part("linkgate.properties: bootstrap.servers is required");
    part("linkgate.properties:1: listeners: this version speaks PLAINTEXT only, not SSL");
    part("linkgate.properties:2: advertised.listeners: clients cannot connect to 0.0.0.0:1");
    part("linkgate.properties:3: admin.listeners: this version serves http only, not https");
    part("linkgate.properties:4: security.protocol=SASL_SSL");
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
