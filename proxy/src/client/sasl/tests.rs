use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{digest, hmac, pbkdf2};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::sasl::scram::{Scram, ScramHash};
use crate::client::sasl::*;

fn sasl(configs: &[(&str, &str)]) -> Result<Sasl, String> {
    let configs: BTreeMap<&str, &str> = configs.iter().copied().collect();
    Sasl::parse(&|name| configs.get(name).map(|value| (*value).to_owned())).map_err(|error| error.to_string())
}

fn with_jaas(mechanism: &str, jaas: &str) -> Result<Sasl, String> {
    sasl(&[("sasl.mechanism", mechanism), ("sasl.jaas.config", jaas)])
}

async fn first(sasl: &Sasl) -> String {
    String::from_utf8(sasl.begin().await.unwrap().1).unwrap()
}

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
const BEARER: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

#[tokio::test]
async fn jaas_is_parsed_as_in_java() {
    for (options, message) in [
        (r#"username="alice" password="secret";"#, "\0alice\0secret"),
        ("username='alice' password='se\"cret' ;", "\0alice\0se\"cret"),
        (r#"username=alice password="a\"b\\c\u";"#, "\0alice\0a\"b\\cu"),
        (r#"username="al=ice;" password="tab\tend\101";"#, "\0al=ice;\0tab\tendA"),
        ("\n  username=\"alice\" // who\n  password=\"s\" /* why\n */ serviceName=\"x\";\n", "\0alice\0s"),
        ("username=al-ice_1.x password=$ecret;", "\0al-ice_1.x\0$ecret"),
    ] {
        for flag in ["required", "REQUISITE", "optional", "Sufficient"] {
            let sasl = with_jaas("PLAIN", &format!("{PLAIN} {flag} {options}")).unwrap();
            assert_eq!(first(&sasl).await, message);
        }
    }
}

#[test]
fn invalid_jaas_is_refused_with_a_reason_and_without_the_password() {
    for (jaas, part) in [
        (String::new(), "requires it, in this form"),
        ("\"".into(), "followed by a control flag"),
        (format!("{PLAIN} username=\"u\" password=\"hunter2\";"), "followed by a control flag"),
        (format!("{PLAIN} required username=\"u\" password=\"hunter2\""), "semicolon"),
        (format!("{PLAIN} required username=\"u\" password=12;"), "double quotes"),
        (format!("{PLAIN} required username=\"u\" password;"), "expected name="),
        (format!("{PLAIN} required username=\"u\" password="), "expected name="),
        (format!("{PLAIN} required username=\"u\" password=\"a\"hunter2\";"), "as \\\""),
        (format!("{PLAIN} required username=\"u\" =\"hunter2\";"), "expected name="),
        (format!("{PLAIN} required username=\"u\" password=\"hunter2\"; {PLAIN} required;"), "more than one"),
        (format!("{PLAIN} required username=\"u\";"), "password=\"…\""),
        (format!("{PLAIN} required username=\"\" password=\"hunter2\";"), "username is empty"),
        (format!("{PLAIN} required username=\"u\" password=\"hunter2\\0\";"), "NUL"),
        (
            format!("{SCRAM} required username=\"u\" password=\"hunter2\";"),
            "PLAIN needs the login module org.apache.kafka.common.security.plain.PlainLoginModule, not",
        ),
    ] {
        let error = with_jaas("PLAIN", &jaas).unwrap_err();
        assert!(error.starts_with("sasl.jaas.config: ") && error.contains(part), "{error} for {jaas}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let wrong = with_jaas("SCRAM-SHA-512", &format!("{PLAIN} required username=\"u\" password=\"p\";"));
    assert!(wrong.unwrap_err().contains("SCRAM-SHA-512 needs the login module"));
    assert!(sasl(&[]).unwrap_err().starts_with("sasl.mechanism: 'GSSAPI' is not supported"));
}

#[test]
fn debug_shows_no_secret() {
    for (mechanism, jaas) in [
        ("PLAIN", format!("{PLAIN} required username=\"u\" password=\"hunter2\";")),
        ("SCRAM-SHA-256", format!("{SCRAM} required username=\"u\" password=\"hunter2\";")),
    ] {
        let sasl = with_jaas(mechanism, &jaas).unwrap();
        assert!(!format!("{sasl:?}").contains("hunter2"));
    }
    let scram = Scram {
        hash: ScramHash::Sha256,
        username: "u".into(),
        password: Secret::new("hunter2"),
        is_token: false,
    };
    assert!(!format!("{:?}", scram.begin().unwrap().0).contains("hunter2"));
}

fn pencil(hash: ScramHash) -> Scram {
    Scram { hash, username: "user".into(), password: Secret::new("pencil"), is_token: false }
}

/// The example of RFC 7677, section 3.
#[test]
fn scram_sha_256_gives_the_messages_of_the_rfc() {
    let (mut exchange, first) = pencil(ScramHash::Sha256).begin_with("rOprNGfwEbeRWgbNEkqO");
    assert_eq!(first, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let challenge = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_eq!(exchange.on(challenge.as_bytes()).unwrap(), Step::Send(last.into_bytes()));
    let proof = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    assert_eq!(exchange.on(proof).unwrap(), Step::Done);
    assert!(exchange.on(proof).is_err());
}

/// The server's side by RFC 5802, section 3: checks the client's proof and returns the server's.
fn serve(
    algorithm: (pbkdf2::Algorithm, hmac::Algorithm),
    messages: [&str; 3],
    salt: &[u8],
) -> Option<String> {
    let [first_bare, challenge, last] = messages;
    let (without_proof, proof) = last.rsplit_once(",p=")?;
    let auth_message = format!("{first_bare},{challenge},{without_proof}");
    let hash = algorithm.1.digest_algorithm();
    let mut salted = vec![0; hash.output_len()];
    pbkdf2::derive(algorithm.0, 8192.try_into().unwrap(), salt, b"pencil", &mut salted);
    let sign =
        |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(algorithm.1, key), text).as_ref().to_vec();
    let stored = digest::digest(hash, &sign(&salted, b"Client Key"));
    let signature = sign(stored.as_ref(), auth_message.as_bytes());
    let client_key: Vec<u8> =
        STANDARD.decode(proof).ok()?.iter().zip(signature).map(|(a, b)| a ^ b).collect();
    (digest::digest(hash, &client_key).as_ref() == stored.as_ref()).then(|| {
        format!("v={}", STANDARD.encode(sign(&sign(&salted, b"Server Key"), auth_message.as_bytes())))
    })
}

#[test]
fn scram_proves_the_client_and_verifies_the_server() {
    for (hash, algorithm) in [
        (ScramHash::Sha256, (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256)),
        (ScramHash::Sha512, (pbkdf2::PBKDF2_HMAC_SHA512, hmac::HMAC_SHA512)),
    ] {
        let (mut exchange, first) = pencil(hash).begin_with("abc");
        let first_bare = String::from_utf8(first).unwrap().split_off(3);
        let challenge = format!("r=abcdef,s={},i=8192", STANDARD.encode(b"salt"));
        let Step::Send(last) = exchange.on(challenge.as_bytes()).unwrap() else { panic!("no proof") };
        let last = String::from_utf8(last).unwrap();
        let proof = serve(algorithm, [&first_bare, &challenge, &last], b"salt").expect("a good proof");
        assert_eq!(exchange.on(proof.as_bytes()).unwrap(), Step::Done);

        let (mut exchange, _) = pencil(hash).begin_with("abc");
        drop(exchange.on(challenge.as_bytes()).unwrap());
        let forged = format!("v={}", STANDARD.encode([7; 64]));
        assert_eq!(exchange.on(forged.as_bytes()).unwrap_err(), SaslError::Signature);
    }
}

#[test]
fn scram_escapes_names_and_marks_delegation_tokens() {
    let scram = Scram {
        hash: ScramHash::Sha512,
        username: "a=b,c".into(),
        password: Secret::new("p"),
        is_token: true,
    };
    assert_eq!(scram.begin_with("n").1, b"n,,n=a=3Db=2Cc,r=n,tokenauth=true");
    let jaas = format!("{SCRAM} required username=\"u\" password=\"p\" tokenauth=true;");
    assert!(matches!(with_jaas("SCRAM-SHA-256", &jaas), Ok(Sasl::Scram(Scram { is_token: true, .. }))));
}

#[test]
fn a_broker_that_violates_scram_is_refused() {
    for (challenge, part) in [
        ("", "missing"),
        ("\u{fffd}", "missing"),
        ("m=ext,r=abcd,s=c2FsdA==,i=4096", "missing"),
        ("r=xyz,s=c2FsdA==,i=4096", "nonce"),
        ("r=abc,s=c2FsdA==,i=4096", "nonce"),
        ("r=abcd,s=!,i=4096", "base64"),
        ("r=abcd,s=c2FsdA==,i=many", "iteration"),
        ("r=abcd,s=c2FsdA==,i=1", "4096"),
        ("r=abcd,s=c2FsdA==,i=2000000000", "5000000"),
        ("e=unknown-user", "unknown-user"),
    ] {
        let (mut exchange, _) = pencil(ScramHash::Sha256).begin_with("abc");
        let error = exchange.on(challenge.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{error} for {challenge}");
    }
    let (mut exchange, _) = pencil(ScramHash::Sha256).begin_with("abc");
    assert!(exchange.on(&[0xff, 0xfe]).is_err());
}

#[tokio::test]
async fn an_unsecured_token_holds_the_configured_claims() {
    let jaas = format!(
        "{BEARER} required unsecuredLoginStringClaim_sub=\"alice\" unsecuredLoginListClaim_scope=\",a,b\" \
         unsecuredLoginNumberClaim_n=\"7\" unsecuredLoginLifetimeSeconds=\"60\" unsecuredLoginExtension_traceId=\"1\";"
    );
    let message = first(&with_jaas("OAUTHBEARER", &jaas).unwrap()).await;
    let rest = message.strip_prefix("n,,\u{1}auth=Bearer ").unwrap();
    let (token, rest) = rest.split_once('\u{1}').unwrap();
    assert_eq!(rest, "traceId=1\u{1}\u{1}");
    let parts: Vec<&str> = token.split('.').collect();
    let json = |part: &str| -> serde_json::Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!((parts.len(), parts[2]), (3, ""));
    assert_eq!(json(parts[0]), serde_json::json!({"alg": "none"}));
    let claims = json(parts[1]);
    assert_eq!(
        (&claims["sub"], &claims["scope"], &claims["n"]),
        (&"alice".into(), &serde_json::json!(["a", "b"]), &7.into())
    );
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);

    for (options, part) in [
        ("", "sasl.oauthbearer.token.endpoint.url: required for OAUTHBEARER"),
        ("unsecuredLoginStringClaim_name=\"x\"", "unsecuredLoginStringClaim_sub is missing"),
        ("unsecuredLoginStringClaim_sub=\"x\" unsecuredLoginLifetimeSeconds=\"soon\"", "number of seconds"),
        ("unsecuredLoginStringClaim_sub=\"x\" extension_auth=\"x\"", "extension 'auth'"),
    ] {
        let error = with_jaas("OAUTHBEARER", &format!("{BEARER} required {options};")).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

/// Starts a token endpoint that gives the same answer to every request. Returns its URL and the requests.
async fn endpoint(status: &str, body: &str) -> (String, tokio::sync::mpsc::Receiver<String>) {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/token?x=1", listener.local_addr().unwrap().port());
    let (sender, requests) = tokio::sync::mpsc::channel(8);
    drop(tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.contains("grant_type") {
                let mut some = [0; 1024];
                let read = stream.read(&mut some).await.unwrap();
                request.push_str(std::str::from_utf8(&some[..read]).unwrap());
            }
            sender.send(request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }));
    (url, requests)
}

fn bearer(url: &str) -> Result<Sasl, String> {
    sasl(&[
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.token.endpoint.url", url),
        (
            "sasl.jaas.config",
            &format!(
                "{BEARER} required clientId=\"me\" clientSecret=\"hunter2\" scope=\"a b\" extension_logicalCluster=\"lkc\";"
            ),
        ),
    ])
}

#[tokio::test]
async fn a_token_is_fetched_from_the_endpoint_and_reused() {
    let (url, mut requests) =
        endpoint("200 OK", r#"{"access_token":"a.b.c", "token_type":"Bearer", "expires_in": 3600}"#).await;
    let sasl = bearer(&url).unwrap();
    assert_eq!(first(&sasl).await, "n,,\u{1}auth=Bearer a.b.c\u{1}logicalCluster=lkc\u{1}\u{1}");
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("POST /token?x=1 HTTP/1.1\r\n"), "{request}");
    let basic = format!("Basic {}", STANDARD.encode("me:hunter2"));
    assert!(
        request.contains(&basic) && request.ends_with("grant_type=client_credentials&scope=a%20b"),
        "{request}"
    );
    let _ = first(&sasl).await;
    assert!(requests.try_recv().is_err(), "asked again for a token that is still good");
    assert!(!format!("{sasl:?}").contains("hunter2") && !format!("{sasl:?}").contains("a.b.c"));
}

#[tokio::test]
async fn errors_of_a_token_endpoint_hide_the_secret() {
    for (status, body, part) in [
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, "401 Unauthorized: invalid_client"),
        ("503 Busy", "busy", "503"),
        ("200 OK", "{}", "has no access_token"),
        ("200 OK", r#"{"access_token":"a\nb"}"#, "characters that are not allowed"),
        ("nonsense", "", "127.0.0.1"),
    ] {
        let (url, _requests) = endpoint(status, body).await;
        let error = bearer(&url).unwrap().begin().await.unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
    }
    assert!(bearer("ftp://h/").unwrap_err().contains("neither an http nor an https URL"));
    assert!(bearer("http:///x").is_err());
}

#[tokio::test]
async fn a_bearer_exchange_ends_after_an_empty_challenge_or_asks_for_the_error_code() {
    assert_eq!(Exchange::Bearer.on(Vec::new()).await.unwrap(), Step::Done);
    let refused = Exchange::Bearer.on(b"{\"status\":\"invalid_token\"}".to_vec()).await.unwrap();
    assert_eq!(refused, Step::Send(vec![1]));
}
