//! Creates SCRAM users and ACLs, through an unsecured listener.

use std::num::NonZeroU32;

use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, CreateAclsRequest};
use ring::pbkdf2;

use crate::client::{Connection, Error, text};
use crate::machine::wait::{LONG, until_ok};

/// Resource of an ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A topic; `*` for all.
    Topic(&'a str),
    /// A group; `*` for all.
    Group(&'a str),
    /// A transactional id; `*` for all.
    TransactionalId(&'a str),
    /// The cluster.
    Cluster,
}

/// Operation of an ACL, with the numbers of Kafka's `AclOperation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Operation {
    All = 2,
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
}

const ITERATIONS: i32 = 4096;

/// Creates `user` with a password for SCRAM-SHA-256 and SCRAM-SHA-512.
///
/// # Panics
/// Panics if the cluster refuses.
pub fn scram_user(bootstrap: &str, user: &str, password: &str) {
    let salt = b"a salt for tests";
    let of = |mechanism: i8, algorithm, length: usize| {
        let mut salted = vec![0; length];
        let iterations = NonZeroU32::new(ITERATIONS.unsigned_abs()).expect("some");
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut salted);
        ScramCredentialUpsertion::default()
            .with_name(text(user))
            .with_mechanism(mechanism)
            .with_iterations(ITERATIONS)
            .with_salt(salt.to_vec().into())
            .with_salted_password(salted.into())
    };
    // A request may name a user only once.
    for credential in [of(1, pbkdf2::PBKDF2_HMAC_SHA256, 32), of(2, pbkdf2::PBKDF2_HMAC_SHA512, 64)] {
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![credential]);
        until_ok(&format!("user {user} is known"), LONG, || {
            let answer = connect(bootstrap)?.ask(0, &request)?;
            Error::check("alter user", answer.results.first().map_or(-1, |result| result.error_code))
        });
    }
}

/// Allows operations to a principal, from every host.
///
/// # Panics
/// Panics if the cluster refuses.
pub fn allow(bootstrap: &str, principal: &str, resource: Resource<'_>, operations: &[Operation]) {
    let (kind, name) = match resource {
        Resource::Topic(name) => (2, name),
        Resource::Group(name) => (3, name),
        Resource::Cluster => (4, "kafka-cluster"),
        Resource::TransactionalId(name) => (5, name),
    };
    let creations = operations
        .iter()
        .map(|operation| {
            AclCreation::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_resource_pattern_type(3)
                .with_principal(text(principal))
                .with_host(text("*"))
                .with_operation(*operation as i8)
                .with_permission_type(3)
        })
        .collect();
    let request = CreateAclsRequest::default().with_creations(creations);
    until_ok(&format!("{principal} is allowed {operations:?} on {resource:?}"), LONG, || {
        let answer = connect(bootstrap)?.ask(2, &request)?;
        let codes = answer.results.iter().map(|result| result.error_code);
        Error::check("create acls", codes.into_iter().find(|code| *code != 0).unwrap_or(0))
    });
}

fn connect(bootstrap: &str) -> Result<Connection, Error> {
    Connection::open(bootstrap.split(',').next().unwrap_or_default())
}
