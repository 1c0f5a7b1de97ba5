//! Reads the user name from the first message of a SASL exchange. Verifies nothing and keeps no secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Position of a message in its SASL exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslMessage {
    /// The only message of its exchange, with the user name.
    Only(String),
    /// The only message if the broker's answer is empty, with the user name. Any other answer means that the
    /// broker refuses the token (RFC 7628 §3.2.2).
    OnlyIfAnswerEmpty(String),
    /// The first of several messages, with the user name.
    First(String),
    /// The last of several messages.
    Last,
}

/// Reads a message of a SASL mechanism that Kafka has. Returns `None` if the message names no user.
///
/// - PLAIN: RFC 4616, the name that the password belongs to.
/// - SCRAM: RFC 5802, the user name, without SASLprep, as in Kafka's `ScramFormatter`.
/// - OAUTHBEARER: RFC 7628, the claim `sub` of the token, unverified.
#[must_use]
pub fn read_message(mechanism: &str, message: &[u8]) -> Option<SaslMessage> {
    match mechanism {
        "PLAIN" => plain(message).map(SaslMessage::Only),
        "OAUTHBEARER" => token_subject(message).map(SaslMessage::OnlyIfAnswerEmpty),
        _ if mechanism.starts_with("SCRAM-") => scram(message),
        _ => None,
    }
}

/// Reads the name from `[authzid] NUL authcid NUL passwd`.
fn plain(message: &[u8]) -> Option<String> {
    let mut parts = message.split(|byte| *byte == 0);
    let (_authorize_as, name, _password) = (parts.next()?, parts.next()?, parts.next()?);
    text(name)
}

fn scram(message: &[u8]) -> Option<SaslMessage> {
    if message.starts_with(b"c=") {
        return Some(SaslMessage::Last);
    }
    let name = attributes(message)?.find_map(|part| part.strip_prefix(b"n="))?;
    let name = text(name)?.replace("=2C", ",").replace("=3D", "=");
    Some(SaslMessage::First(name))
}

/// Splits the message after its GS2 header (`n,,`, `y,a=name,`, …) at commas.
fn attributes(message: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let mut parts = message.split(|byte| *byte == b',');
    let binding = parts.next()?;
    let _authorize_as = parts.next()?;
    (matches!(binding, b"n" | b"y") || binding.starts_with(b"p=")).then_some(parts)
}

/// Reads the subject from `n,,^Aauth=Bearer header.payload.signature^A…^A^A`.
fn token_subject(message: &[u8]) -> Option<String> {
    let mut pairs = message.split(|byte| *byte == 1);
    let _gs2_header = pairs.next()?;
    let value = pairs.find_map(|pair| pair.strip_prefix(b"auth="))?;
    let (scheme, token) = value.split_at_checked(7)?;
    let payload = token.split(|byte| *byte == b'.').nth(1)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return None;
    }
    #[derive(serde::Deserialize)]
    struct Claims {
        sub: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Claims>(&payload).ok().map(|claims| claims.sub)
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(mechanism: &str, message: &str) -> Option<SaslMessage> {
        read_message(mechanism, message.as_bytes())
    }

    #[test]
    fn the_user_name_is_read_for_each_mechanism() {
        let alice = || "alice".to_owned();
        assert_eq!(named("PLAIN", "\0alice\0secret"), Some(SaslMessage::Only(alice())));
        assert_eq!(named("PLAIN", "alice\0alice\0secret"), Some(SaslMessage::Only(alice())));
        assert_eq!(named("SCRAM-SHA-256", "n,,n=alice,r=abc"), Some(SaslMessage::First(alice())));
        assert_eq!(named("SCRAM-SHA-512", "y,a=x,n=alice,r=abc"), Some(SaslMessage::First(alice())));
        let escaped = SaslMessage::First("a,b=c".into());
        assert_eq!(named("SCRAM-SHA-512", "n,,n=a=2Cb=3Dc,r=abc,tokenauth=true"), Some(escaped));
        assert_eq!(named("SCRAM-SHA-512", "c=biws,r=abc,p=proof"), Some(SaslMessage::Last));
        let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"sub":"alice","exp":1}"#));
        let message = format!("n,a=alice,\u{1}auth=Bearer {token}\u{1}x=y\u{1}\u{1}");
        assert_eq!(named("OAUTHBEARER", &message), Some(SaslMessage::OnlyIfAnswerEmpty(alice())));
    }

    proptest::proptest! {
        /// Arbitrary bytes cause no panic, and no name that is longer than the message.
        #[test]
        fn arbitrary_bytes_never_panic(message: Vec<u8>, opening in "(n,,|\\x00|n,,\\x01auth=Bearer |)", at in 0usize..4) {
            let mechanism = ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER", "GSSAPI"][at];
            let message = [opening.as_bytes(), &message].concat();
            if let Some(SaslMessage::Only(name) | SaslMessage::First(name)) = read_message(mechanism, &message) {
                proptest::prop_assert!(name.len() <= message.len());
            }
        }
    }

    #[test]
    fn malformed_messages_name_no_user() {
        let broken = [
            "",
            "\0",
            "\0\0",
            "n",
            "n,",
            "n,,",
            "n,,r=abc",
            "\u{1}",
            "n,,\u{1}auth=",
            "n,,\u{1}auth=Bearer a.b.c",
        ];
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER", "GSSAPI", ""] {
            for message in broken {
                assert_eq!(named(mechanism, message), None, "{mechanism} {message:?}");
            }
        }
        assert_eq!(read_message("PLAIN", b"\0\xff\xfe\0secret"), None);
        assert_eq!(named("OAUTHBEARER", "\u{1}"), None, "the answer to a refusal");
    }
}
