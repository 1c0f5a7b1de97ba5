//! TLS and SASL of the daemon: the listener's and towards the brokers.

use super::{Listener, Reader, keys};
use crate::client::Security;
use crate::net::SecurityProtocol;
use crate::net::tls::{ClientAuth, InvalidSetting, TlsServer, TlsSettings};

/// Both sides.
#[derive(Default)]
pub(super) struct Secured {
    pub(super) listener_tls: Option<TlsServer>,
    pub(super) security: Security,
}

impl Reader {
    pub(super) fn refuse_unknown(&mut self, listener: &Listener) {
        let names = [listener.scheme.to_ascii_lowercase()];
        for (key, (place, _)) in &self.values {
            if keys::is_known(key, &names) {
                continue;
            }
            let hint = match keys::listener_key(key) {
                Some((name, _)) if name != names[0] => {
                    format!("; the listener is called '{}'", names[0])
                }
                Some((_, key)) if key.starts_with("sasl.") => {
                    "; clients authenticate with the brokers, through the gateway".to_owned()
                }
                _ if key == keys::CLIENT_AUTH => {
                    format!("; did you mean 'listener.name.{}.{key}'?", names[0])
                }
                _ => keys::nearest(key).map(|known| format!("; did you mean '{known}'?")).unwrap_or_default(),
            };
            self.errors.push(format!("{place}: unknown configuration '{key}'{hint}"));
        }
    }

    /// Everything about security. Reads the files that are named.
    pub(super) fn secured(&mut self, listener: &Listener) -> Secured {
        let Some(protocol) = self.listener_protocol(listener) else { return Secured::default() };
        let (mut listener_tls, mut client_auth) = (None, ClientAuth::None);
        if protocol.has_tls() {
            let prefix = format!("listener.name.{}.", listener.scheme.to_ascii_lowercase());
            let settings = TlsSettings::parse(&|key| self.raw(&format!("{prefix}{key}")));
            client_auth = settings.as_ref().map_or(client_auth, TlsSettings::client_auth);
            match settings.and_then(|settings| TlsServer::load(settings).map_err(|error| vec![error])) {
                Ok(tls) => listener_tls = Some(tls),
                Err(errors) => self.complain(&prefix, &errors),
            }
        }
        let parsed = Security::parse("destination", &|key| self.raw(key));
        let security = match parsed.and_then(|security| match security.check() {
            Ok(()) => Ok(security),
            Err(error) => Err(vec![error]),
        }) {
            Ok(security) => security,
            Err(errors) => {
                self.complain("", &errors);
                return Secured { listener_tls, security: Security::default() };
            }
        };
        self.judge_anonymous(listener, client_auth, security.protocol());
        self.warn_of_plain(listener, protocol, security.protocol());
        if protocol.has_sasl() != security.protocol().has_sasl() {
            let (place, _) =
                self.text("listeners").or_else(|| self.text("security.protocol")).unwrap_or_default();
            self.errors.push(format!(
                "{place}: the listener is {protocol} and security.protocol is {}: SASL passes through, so that either both have it or neither",
                security.protocol()
            ));
        }
        Secured { listener_tls, security }
    }

    /// Refuses to lend Linkgate's certificate to clients that show none.
    ///
    /// With SASL, a certificate is no principal: the brokers know each client by its own credentials.
    fn judge_anonymous(&mut self, listener: &Listener, client_auth: ClientAuth, brokers: SecurityProtocol) {
        const ALLOW: &str = "allow.anonymous.clients";
        let is_allowed = self.parsed::<bool>(ALLOW).unwrap_or(false);
        let given =
            ["ssl.keystore.location", "ssl.keystore.key"].into_iter().find(|key| self.text(key).is_some());
        let Some(key) = given.filter(|_| brokers == SecurityProtocol::Ssl) else { return };
        if is_allowed || client_auth == ClientAuth::Required {
            return;
        }
        let name = listener.scheme.to_ascii_lowercase();
        let place = self.text(key).map(|(place, _)| place).unwrap_or_default();
        self.errors.push(format!(
            "{place}: {key}: the brokers know Linkgate by this certificate, and the listener {listener} does not ask clients \
             for one: whoever reaches it would act with Linkgate's rights. Make it a listener of SSL with \
             listener.name.{name}.ssl.client.auth=required, or set {ALLOW}=true if that is meant"
        ));
    }

    /// Tells of connections that others may read.
    fn warn_of_plain(&mut self, listener: &Listener, protocol: SecurityProtocol, brokers: SecurityProtocol) {
        if listener.is_loopback() || protocol.has_tls() {
            return;
        }
        let reason = match (protocol.has_sasl(), brokers.has_tls()) {
            (true, true) => {
                "clients send their credentials in the clear, though the brokers want them encrypted; make it SASL_SSL"
            }
            (true, false) => "clients send their credentials in the clear; SASL_SSL encrypts them",
            (false, _) => {
                "whoever reaches it is served, and everybody in between reads along; SSL or SASL_SSL protects clients"
            }
        };
        self.warnings.push(format!("listeners: {listener}: {reason}"));
    }

    /// What the listener's name stands for.
    fn listener_protocol(&mut self, listener: &Listener) -> Option<SecurityProtocol> {
        const MAP: &str = "listener.security.protocol.map";
        let by_name = |name: &str| name.parse::<SecurityProtocol>();
        let Some((place, map)) = self.text(MAP) else {
            let place = self.text("listeners").map(|(place, _)| place).unwrap_or_default();
            let known = by_name(&listener.scheme);
            return known
                .map_err(|error| {
                    self.errors.push(format!("{place}: listeners: {error}; other names need {MAP}"));
                })
                .ok();
        };
        let mut found = by_name(&listener.scheme).ok();
        let mut wrong = Vec::new();
        for entry in map.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match entry.split_once(':').map(|(name, protocol)| (name.trim(), by_name(protocol))) {
                Some((name, Ok(protocol))) => {
                    if name.eq_ignore_ascii_case(&listener.scheme) {
                        found = Some(protocol);
                    }
                }
                Some((_, Err(error))) => wrong.push(format!("{place}: {MAP}: {error}")),
                None => wrong.push(format!("{place}: {MAP}: '{entry}' is not of the form NAME:PROTOCOL")),
            }
        }
        if found.is_none() && wrong.is_empty() {
            wrong.push(format!("{place}: {MAP} says nothing of the listener '{}'", listener.scheme));
        }
        self.errors.extend(wrong);
        found
    }

    fn complain(&mut self, prefix: &str, errors: &[InvalidSetting]) {
        for error in errors {
            let key = format!("{prefix}{}", error.key);
            let place = self.values.get(&key).map_or_else(|| self.file.clone(), |(place, _)| place.clone());
            self.errors.push(format!("{place}: {key}: {}", error.reason));
        }
    }

    /// The value as it stands there, also when it is empty.
    fn raw(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|(_, value)| value.clone())
    }
}
