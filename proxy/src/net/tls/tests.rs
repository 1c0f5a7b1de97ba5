use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::net::tls::testing::{Authority, parse, replace, settings};
use crate::net::tls::watched::FileCheck;
use crate::net::tls::*;

/// A key encrypted by `openssl pkcs8 -topk8 -passout pass:sesame`, with its certificate.
const ENCRYPTED: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgJMWrZkQSJBQICCAAw\n\
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEG1LYeWO5/8j6g6oi1h39nwEgZBd\n\
CQ+H5UBXPiR//xJ3RiWTahOUjkMgwNm2fMvo8p0DJncdH7/9tKJ65p9ETT4I9e9y\n\
megxot917g/2DVdlhpx0d+R/YcSfO32HY/i3OKgtsd/37G64ZjDkECBLWUlbOw99\n\
a2gVGi8/oV5UBGPXWygII6YDHRXkH3k8ooqeIidGzOoA2mDs5OPCApMFz6fGBUM=\n\
-----END ENCRYPTED PRIVATE KEY-----\n\
-----BEGIN CERTIFICATE-----\n\
MIIBhTCCASugAwIBAgIUGIuzB4SEDxLHWhqOvz66iZNk2pYwCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjUxMDA2MzNaGA8yMTI2MTEwMTEwMDYz\n\
M1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLRS\n\
DcrVijtwJJcvjB+ihHW/89SrGr89kmg4XkeX8dCZGBlJky59XkrBPvvkUqm5B2oh\n\
ayFpcxVTqznUElvISeKjYzBhMB0GA1UdDgQWBBQiFGcLXm6UXBszyg5heok8HIKr\n\
izAfBgNVHSMEGDAWgBQiFGcLXm6UXBszyg5heok8HIKrizAMBgNVHRMBAf8EAjAA\n\
MBEGA1UdEQQKMAiCBmJyb2tlcjAKBggqhkjOPQQDAgNIADBFAiBTyxcvUOiRFvin\n\
Nm7Do0XfIhlD73UEcy8+fG53PnYZ+QIhAOq97su0u1q3JrAkFaZf7WTtYQJiU6F0\n\
dE7FEqP1ZjzN\n\
-----END CERTIFICATE-----\n\
";

/// Does a handshake over a pipe, sends one byte in each direction, and closes.
async fn talk(
    server: &TlsServer,
    client: &TlsClient,
    name: &str,
) -> (Result<(), String>, Result<(), String>) {
    let (near, far) = tokio::io::duplex(4096);
    let serve = async {
        let mut stream = server.accept(far).await.map_err(|error| error.to_string())?;
        let byte = stream.read_u8().await.map_err(|error| error.to_string())?;
        stream.write_u8(byte + 1).await.map_err(|error| error.to_string())?;
        stream.shutdown().await.map_err(|error| error.to_string())
    };
    let ask = async {
        let mut stream = client.connect(near, name).await.map_err(|error| error.to_string())?;
        stream.write_u8(7).await.map_err(|error| error.to_string())?;
        assert_eq!(stream.read_u8().await.map_err(|error| error.to_string())?, 8);
        // Fails without close_notify.
        assert_eq!(stream.read(&mut [0]).await.map_err(|error| error.to_string())?, 0);
        Ok(())
    };
    tokio::join!(serve, ask)
}

fn server(configs: &[(&str, &str)]) -> TlsServer {
    TlsServer::load(settings(configs)).unwrap()
}

fn client(configs: &[(&str, &str)]) -> TlsClient {
    TlsClient::new("test", settings(configs))
}

fn refused(configs: &[(&str, &str)]) -> String {
    let errors = parse(configs).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_store_may_be_a_file_or_a_text_without_line_breaks() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let (store, trust) = (dir.path().join("key.pem"), dir.path().join("trust.pem"));
    // OpenSSL writes attributes around the blocks. They must be ignored.
    let text =
        format!("Bag Attributes\n    localKeyID: 01\n{}", authority.identity(&["broker", "127.0.0.1"]));
    std::fs::write(&store, text).unwrap();
    std::fs::write(&trust, authority.pem()).unwrap();
    let by_file = server(&[("ssl.keystore.type", "pem"), ("ssl.keystore.location", store.to_str().unwrap())]);
    let trusting =
        client(&[("ssl.truststore.type", "PEM"), ("ssl.truststore.location", trust.to_str().unwrap())]);
    assert_eq!(talk(&by_file, &trusting, "broker").await, (Ok(()), Ok(())));
    assert_eq!(talk(&by_file, &trusting, "127.0.0.1").await, (Ok(()), Ok(())));

    let (key, chain) = authority.key_and_chain(&["broker"]);
    let (key, chain) = (key.replace('\n', " "), chain.replace('\n', ""));
    let by_text = server(&[("ssl.keystore.key", &key), ("ssl.keystore.certificate.chain", &chain)]);
    let trusted = authority.pem().replace('\n', "");
    let trusting = client(&[("ssl.truststore.certificates", &trusted)]);
    assert_eq!(talk(&by_text, &trusting, "broker").await, (Ok(()), Ok(())));
}

#[tokio::test]
async fn an_encrypted_key_needs_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("key.pem");
    std::fs::write(&store, ENCRYPTED).unwrap();
    let location = ("ssl.keystore.location", store.to_str().unwrap());
    let trust = client(&[("ssl.truststore.location", store.to_str().unwrap())]);
    let good = server(&[location, ("ssl.key.password", "sesame")]);
    assert_eq!(talk(&good, &trust, "broker").await, (Ok(()), Ok(())));
    let error = TlsServer::load(settings(&[location, ("ssl.key.password", "simsim")])).unwrap_err();
    assert_eq!(error.to_string(), "ssl.key.password: it does not decrypt the private key");
    let error = TlsServer::load(settings(&[location])).unwrap_err();
    assert_eq!(error.key, "ssl.key.password");
}

#[tokio::test]
async fn a_broker_with_an_untrusted_authority_or_a_wrong_name_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (key, chain) = authority.key_and_chain(&["broker"]);
    let server = server(&[("ssl.keystore.key", &key), ("ssl.keystore.certificate.chain", &chain)]);
    let (_, met) = talk(&server, &client(&[("ssl.truststore.certificates", &other.pem())]), "broker").await;
    assert!(met.unwrap_err().contains("UnknownIssuer"));

    let trust = authority.pem();
    let (_, met) = talk(&server, &client(&[("ssl.truststore.certificates", &trust)]), "elsewhere").await;
    let met = met.unwrap_err();
    assert!(met.starts_with("the broker's certificate is not accepted"), "{met}");

    // Kafka's empty algorithm accepts any name, but no certificate of another authority.
    let no_name = ("ssl.endpoint.identification.algorithm", "");
    let lax = client(&[("ssl.truststore.certificates", &trust), no_name]);
    assert_eq!(talk(&server, &lax, "elsewhere").await, (Ok(()), Ok(())));
    let (_, met) =
        talk(&server, &client(&[("ssl.truststore.certificates", &other.pem()), no_name]), "broker").await;
    assert!(met.unwrap_err().contains("UnknownIssuer"));
}

#[tokio::test]
async fn client_auth_decides_which_client_certificates_are_accepted() {
    let authority = Authority::new();
    let (key, chain) = authority.key_and_chain(&["broker"]);
    let (trust, stranger) = (authority.pem(), Authority::new());
    let listener = |auth: &str| {
        server(&[
            ("ssl.keystore.key", &key),
            ("ssl.keystore.certificate.chain", &chain),
            ("ssl.truststore.certificates", &trust),
            ("ssl.client.auth", auth),
        ])
    };
    let with = |authority: &Authority| {
        let (key, chain) = authority.key_and_chain(&["app"]);
        client(&[
            ("ssl.truststore.certificates", &trust),
            ("ssl.keystore.key", &key),
            ("ssl.keystore.certificate.chain", &chain),
        ])
    };
    let without = client(&[("ssl.truststore.certificates", &trust)]);
    for (auth, certified, strange, none) in
        [("required", true, false, false), ("requested", true, false, true), ("none", true, true, true)]
    {
        let listener = listener(auth);
        assert_eq!(talk(&listener, &with(&authority), "broker").await.0.is_ok(), certified, "{auth}");
        assert_eq!(talk(&listener, &with(&stranger), "broker").await.0.is_ok(), strange, "{auth}");
        assert_eq!(talk(&listener, &without, "broker").await.0.is_ok(), none, "{auth}");
    }
    let untrusting = settings(&[
        ("ssl.keystore.key", &key),
        ("ssl.keystore.certificate.chain", &chain),
        ("ssl.client.auth", "required"),
    ]);
    assert_eq!(TlsServer::load(untrusting).unwrap_err().key, "ssl.truststore.location");
}

#[tokio::test]
async fn only_enabled_versions_and_suites_are_used() {
    let authority = Authority::new();
    let (key, chain) = authority.key_and_chain(&["broker"]);
    let only_12 = server(&[
        ("ssl.keystore.key", &key),
        ("ssl.keystore.certificate.chain", &chain),
        ("ssl.enabled.protocols", "TLSv1.2"),
        ("ssl.cipher.suites", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ]);
    let trust = ("ssl.truststore.certificates", authority.pem());
    let trust = (trust.0, trust.1.as_str());
    assert_eq!(talk(&only_12, &client(&[trust]), "broker").await, (Ok(()), Ok(())));
    assert!(
        talk(&only_12, &client(&[trust, ("ssl.enabled.protocols", "TLSv1.3")]), "broker").await.1.is_err()
    );
    let other = ("ssl.cipher.suites", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert!(talk(&only_12, &client(&[trust, other]), "broker").await.1.is_err());
}

#[test]
fn invalid_settings_are_refused_with_a_hint() {
    for (configs, parts) in [
        (
            &[("ssl.enabled.protocols", "TLSv1.1,TLSv1.2")][..],
            &["ssl.enabled.protocols: 'TLSv1.1'", "TLSv1.3"][..],
        ),
        (&[("ssl.protocol", "SSLv3")], &["ssl.protocol: 'SSLv3'"]),
        (&[("ssl.cipher.suites", "TLS_RSA_WITH_RC4_128_MD5")], &["RC4", "TLS_AES_256_GCM_SHA384"]),
        (
            &[("ssl.cipher.suites", "TLS_AES_256_GCM_SHA384"), ("ssl.enabled.protocols", "TLSv1.2")],
            &["none of them belongs"],
        ),
        (&[("ssl.client.auth", "maybe")], &["ssl.client.auth: 'maybe'"]),
        (&[("ssl.endpoint.identification.algorithm", "ldaps")], &["'ldaps'"]),
        (&[("ssl.keystore.key", "k")], &["ssl.keystore.certificate.chain: it must be set"]),
        (&[("ssl.keystore.certificate.chain", "c")], &["ssl.keystore.key: it must be set"]),
        (&[("ssl.keystore.key", "k"), ("ssl.keystore.location", "l")], &["not both"]),
        (&[("ssl.truststore.certificates", "c"), ("ssl.truststore.location", "l")], &["not both"]),
        (
            &[("ssl.keystore.location", "l"), ("ssl.keystore.password", "p")],
            &["ssl.keystore.password: a PEM"],
        ),
        (&[("ssl.truststore.location", "l"), ("ssl.truststore.password", "p")], &["has no password"]),
        (
            &[
                ("ssl.keystore.type", "JKS"),
                ("ssl.keystore.location", "/k.jks"),
                ("ssl.keystore.password", "p"),
            ],
            &[
                "ssl.keystore.type: JKS stores",
                "keytool -importkeystore -srckeystore /k.jks",
                "openssl pkcs12",
                "-nodes",
            ],
        ),
        (
            &[("ssl.truststore.type", "pkcs12"), ("ssl.truststore.location", "/t.p12")],
            &["openssl pkcs12 -in /t.p12 -nokeys"],
        ),
        (&[("ssl.keystore.type", "BCFKS"), ("ssl.keystore.location", "/k")], &["'BCFKS' is not supported"]),
    ] {
        let error = refused(configs);
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let both = refused(&[("ssl.client.auth", "maybe"), ("ssl.protocol", "SSLv3")]);
    assert_eq!(both.lines().count(), 2, "{both}");
}

#[test]
fn other_store_types_are_detected_by_their_content() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let trust =
        || client(&[("ssl.truststore.location", path.to_str().unwrap())]).check().unwrap_err().to_string();
    assert!(trust().contains("No such file"), "{}", trust());
    std::fs::write(&path, [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).unwrap();
    assert!(trust().contains("JKS stores are not supported; convert it with `keytool"), "{}", trust());
    std::fs::write(&path, [0x30, 0x82, 1, 2, 3]).unwrap();
    assert!(
        trust().contains("PKCS12 stores are not supported; convert it with `openssl pkcs12"),
        "{}",
        trust()
    );
    for (text, part) in [
        ("hello", "contains no PEM block"),
        ("-----BEGIN CERTIFICATE-----\nAAAA", "is cut short"),
        ("-----BEGIN CERT", "is cut short"),
        ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "is not base64"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be trusted"),
        ("-----BEGIN X-----\nAAAA\n-----END X-----", "it contains no certificate"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----",
            "openssl pkcs8 -topk8",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        assert!(trust().contains(part), "{} for {text}", trust());
    }
}

#[tokio::test]
async fn changed_files_are_reloaded_and_broken_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let (old, new) = (Authority::new(), Authority::new());
    std::fs::write(&path, old.identity(&["broker"])).unwrap();
    let server = server(&[("ssl.keystore.location", path.to_str().unwrap())]);
    let trusts = |authority: &Authority| client(&[("ssl.truststore.certificates", &authority.pem())]);
    let watched = server.watched();
    assert_eq!(watched.refresh(), FileCheck::Unchanged);

    replace(&path, "-----BEGIN PRIVATE KEY-----\nhalf");
    assert!(matches!(watched.refresh(), FileCheck::Failed(_)));
    // The failure is reported once, not at every check.
    assert_eq!(watched.refresh(), FileCheck::Unchanged);
    assert_eq!(talk(&server, &trusts(&old), "broker").await, (Ok(()), Ok(())));

    replace(&path, &new.identity(&["broker"]));
    assert_eq!(watched.refresh(), FileCheck::Reloaded);
    assert_eq!(talk(&server, &trusts(&new), "broker").await, (Ok(()), Ok(())));
    assert!(talk(&server, &trusts(&old), "broker").await.1.is_err());

    std::fs::remove_file(&path).unwrap();
    assert!(matches!(watched.refresh(), FileCheck::Failed(_)));
    assert_eq!(talk(&server, &trusts(&new), "broker").await, (Ok(()), Ok(())));
    assert_eq!(watched.counts(), ReloadCounts { reloaded: 1, failed: 2 });
}

#[tokio::test]
async fn a_client_works_once_its_trust_store_exists() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trust.pem");
    let authority = Authority::new();
    let (key, chain) = authority.key_and_chain(&["broker"]);
    let server = server(&[("ssl.keystore.key", &key), ("ssl.keystore.certificate.chain", &chain)]);
    let client = client(&[("ssl.truststore.location", path.to_str().unwrap())]);
    let (_, met) = talk(&server, &client, "broker").await;
    assert!(met.unwrap_err().starts_with("ssl.truststore.location: "));
    replace(&path, &authority.pem());
    assert_eq!(talk(&server, &client, "broker").await, (Ok(()), Ok(())));
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_gets_its_own_error() {
    let authority = Authority::new();
    let client = client(&[("ssl.truststore.certificates", &authority.pem())]);
    let (near, mut far) = tokio::io::duplex(4096);
    let broker = async {
        let _ = far.read(&mut [0; 512]).await;
        far.write_all(b"\0\0\0\x0a not tls at all").await.unwrap();
        far
    };
    let asked = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::join!(client.connect(near, "broker"), broker)
    });
    let (met, _far) = asked.await.unwrap();
    assert!(met.unwrap_err().to_string().contains("does not speak TLS"));
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!(
        "{:?}",
        settings(&[
            ("ssl.keystore.key", "my-private-key"),
            ("ssl.keystore.certificate.chain", "chain"),
            ("ssl.key.password", "my-password")
        ])
    );
    assert!(!shown.contains("my-private-key") && !shown.contains("my-password"), "{shown}");
}
