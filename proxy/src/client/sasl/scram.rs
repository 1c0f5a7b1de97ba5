//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677), compatible with Kafka's `ScramSaslClient`: no
//! channel binding, no SASLprep, delegation tokens by the extension `tokenauth`.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom as _;
use ring::{digest, hmac, pbkdf2};

use crate::client::sasl::Step;
use crate::client::sasl::error::SaslError;
use crate::net::Secret;

/// Minimum iteration count that is accepted, the same as in Kafka's `ScramMechanism`.
const MIN_ITERATIONS: u32 = 4096;
/// Maximum iteration count that is accepted; it takes seconds. Kafka's broker has no maximum.
const MAX_ITERATIONS: u32 = 5_000_000;
/// Number of random bytes in a nonce.
const NONCE_BYTES: usize = 24;

/// Hash function of the mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScramHash {
    Sha256,
    Sha512,
}

impl ScramHash {
    pub(crate) fn mechanism(self) -> &'static str {
        match self {
            ScramHash::Sha256 => "SCRAM-SHA-256",
            ScramHash::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            ScramHash::Sha256 => hmac::HMAC_SHA256,
            ScramHash::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        self.hmac().digest_algorithm()
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            ScramHash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            ScramHash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// SCRAM credentials.
#[derive(Debug)]
pub(crate) struct Scram {
    pub(crate) hash: ScramHash,
    pub(crate) username: String,
    pub(crate) password: Secret,
    /// True if they are the id and HMAC of a delegation token.
    pub(crate) is_token: bool,
}

/// State of an exchange, named by the broker message that it expects.
#[derive(Debug)]
pub(crate) enum ScramState {
    /// Salt and iteration count.
    Challenge { hash: ScramHash, password: Secret, nonce: String, first_bare: String },
    /// The proof that the broker knows the credentials.
    Proof { key: ServerKey, auth_message: String },
    /// No message.
    Over,
}

/// Key that verifies the broker's signature. `Debug` hides it.
pub(crate) struct ServerKey(hmac::Key);

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerKey")
    }
}

impl Scram {
    /// Begins an exchange with a fresh nonce.
    pub(crate) fn begin(&self) -> Result<(ScramState, Vec<u8>), SaslError> {
        let mut random = [0; NONCE_BYTES];
        ring::rand::SystemRandom::new().fill(&mut random).map_err(|_| SaslError::Ended)?;
        Ok(self.begin_with(&STANDARD.encode(random)))
    }

    pub(crate) fn begin_with(&self, nonce: &str) -> (ScramState, Vec<u8>) {
        let username = self.username.replace('=', "=3D").replace(',', "=2C");
        let extension = if self.is_token { ",tokenauth=true" } else { "" };
        let first_bare = format!("n={username},r={nonce}{extension}");
        let message = format!("n,,{first_bare}").into_bytes();
        let (hash, password) = (self.hash, self.password.clone());
        (ScramState::Challenge { hash, password, nonce: nonce.to_owned(), first_bare }, message)
    }
}

impl ScramState {
    /// Handles a message of the broker. The first one takes a while: it needs thousands of hashes.
    pub(crate) fn on(&mut self, message: &[u8]) -> Result<Step, SaslError> {
        let message = std::str::from_utf8(message).map_err(|_| SaslError::Message("it is not UTF-8"))?;
        match std::mem::replace(self, ScramState::Over) {
            ScramState::Challenge { hash, password, nonce, first_bare } => {
                let challenge = Challenge::parse(message, &nonce)?;
                let (proof, key, auth_message) = answer(hash, &password, &first_bare, message, &challenge);
                *self = ScramState::Proof { key, auth_message };
                Ok(Step::Send(proof))
            }
            ScramState::Proof { key, auth_message } => {
                if let Some(error) = message.strip_prefix("e=") {
                    let shown: String = error.chars().filter(|c| !c.is_control()).take(200).collect();
                    return Err(SaslError::Refused(shown));
                }
                let signature = attribute(message.split(',').next(), "v=")?;
                let signature = STANDARD
                    .decode(signature)
                    .map_err(|_| SaslError::Message("the signature is not base64"))?;
                hmac::verify(&key.0, auth_message.as_bytes(), &signature)
                    .map_err(|_| SaslError::Signature)?;
                Ok(Step::Done)
            }
            ScramState::Over => Err(SaslError::Message("unexpected message after the end")),
        }
    }
}

struct Challenge<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> Challenge<'a> {
    fn parse(message: &'a str, own_nonce: &str) -> Result<Self, SaslError> {
        if let Some(error) = message.strip_prefix("e=") {
            return Err(SaslError::Refused(error.chars().filter(|c| !c.is_control()).take(200).collect()));
        }
        let mut parts = message.split(',');
        let nonce = attribute(parts.next(), "r=")?;
        let salt = attribute(parts.next(), "s=")?;
        let iterations = attribute(parts.next(), "i=")?;
        // Without the client's nonce in it, the broker could replay an old exchange.
        if !nonce.starts_with(own_nonce) || nonce.len() == own_nonce.len() {
            return Err(SaslError::Message("the nonce does not begin with the client's nonce"));
        }
        let salt = STANDARD.decode(salt).map_err(|_| SaslError::Message("the salt is not base64"))?;
        let count: u32 =
            iterations.parse().map_err(|_| SaslError::Message("the iteration count is not a number"))?;
        let iterations = NonZeroU32::new(count)
            .filter(|_| (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&count))
            .ok_or(SaslError::Iterations(count, MIN_ITERATIONS, MAX_ITERATIONS))?;
        Ok(Challenge { nonce, salt, iterations })
    }
}

fn attribute<'a>(part: Option<&'a str>, name: &str) -> Result<&'a str, SaslError> {
    part.and_then(|part| part.strip_prefix(name)).ok_or(SaslError::Message("an attribute is missing"))
}

/// Computes the final message, and the key and text that verify the broker's own proof.
fn answer(
    hash: ScramHash,
    password: &Secret,
    first_bare: &str,
    server_first: &str,
    challenge: &Challenge<'_>,
) -> (Vec<u8>, ServerKey, String) {
    // `biws` is base64 of "n,,": no channel binding.
    let without_proof = format!("c=biws,r={}", challenge.nonce);
    let auth_message = format!("{first_bare},{server_first},{without_proof}");
    let mut salted = vec![0; hash.digest().output_len()];
    let password = password.reveal().as_bytes();
    pbkdf2::derive(hash.pbkdf2(), challenge.iterations, &challenge.salt, password, &mut salted);
    let salted = hmac::Key::new(hash.hmac(), &salted);
    let client_key = hmac::sign(&salted, b"Client Key");
    let stored_key = digest::digest(hash.digest(), client_key.as_ref());
    let signature = hmac::sign(&hmac::Key::new(hash.hmac(), stored_key.as_ref()), auth_message.as_bytes());
    let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
    let server_key = hmac::sign(&salted, b"Server Key");
    let key = ServerKey(hmac::Key::new(hash.hmac(), server_key.as_ref()));
    (format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes(), key, auth_message)
}
