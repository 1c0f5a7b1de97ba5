//! TLS and SASL settings of the daemon, for its listener and for its connections to brokers.

use crate::client::Security;
use crate::config::{ConfigReader, Listener, table};
use crate::net::SecurityProtocol;
use crate::net::tls::invalid::InvalidSetting;
use crate::net::tls::{ClientAuth, TlsServer, TlsSettings};

/// Security of the listener and of the connections to brokers.
#[derive(Default)]
pub(crate) struct Secured {
    pub(crate) listener_tls: Option<TlsServer>,
    pub(crate) security: Security,
}

impl ConfigReader {
    pub(crate) fn refuse_unknown(&mut self, listener: &Listener) {
        let names = [listener.scheme.to_ascii_lowercase()];
        for (key, (place, _)) in &self.values {
            if table::is_known(key, &names) {
                continue;
            }
            let hint = match table::listener_key(key) {
                Some((name, _)) if name != names[0] => {
                    format!("; the listener is called '{}'", names[0])
                }
                Some((_, key)) if key.starts_with("sasl.") => {
                    "; clients authenticate with the brokers, through the gateway".to_owned()
                }
                _ if key == table::CLIENT_AUTH => {
                    format!("; did you mean 'listener.name.{}.{key}'?", names[0])
                }
                _ => {
                    table::nearest(key).map(|known| format!("; did you mean '{known}'?")).unwrap_or_default()
                }
            };
            self.errors.push(format!("{place}: unknown configuration '{key}'{hint}"));
        }
    }

    /// Checks all settings of TLS and SASL. Reads the key and certificate files.
    pub(crate) fn secured(&mut self, listener: &Listener) -> Secured {
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
                "{place}: the listener is {protocol} and security.protocol is {}: SASL passes through the \
                 gateway, so enable it on both or on neither",
                security.protocol()
            ));
        }
        Secured { listener_tls, security }
    }

    /// Refuses to use Linkgate's certificate on behalf of clients that present none.
    ///
    /// With SASL the certificate is not the principal: the brokers authenticate each client by its own
    /// credentials.
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
            "{place}: {key}: the brokers identify Linkgate by this certificate, and the listener {listener} \
             does not require one of clients: every client that reaches it would act with Linkgate's rights. \
             Make it an SSL listener with listener.name.{name}.ssl.client.auth=required, or set {ALLOW}=true \
             if that is intended"
        ));
    }

    /// Adds warnings about listeners whose traffic others can read.
    fn warn_of_plain(&mut self, listener: &Listener, protocol: SecurityProtocol, brokers: SecurityProtocol) {
        if listener.is_loopback() || protocol.has_tls() {
            return;
        }
        let reason = match (protocol.has_sasl(), brokers.has_tls()) {
            (true, true) => {
                "clients send their credentials unencrypted, though the brokers want them encrypted; make \
                 it SASL_SSL"
            }
            (true, false) => "clients send their credentials unencrypted; SASL_SSL encrypts them",
            (false, _) => {
                "every client that reaches it is served, and the traffic can be read on the network; SSL or \
                 SASL_SSL protects clients"
            }
        };
        self.warnings.push(format!("listeners: {listener}: {reason}"));
    }

    /// Returns the security protocol of the listener, by its name or by `listener.security.protocol.map`.
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
            wrong.push(format!("{place}: {MAP} has no entry for the listener '{}'", listener.scheme));
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

    /// Returns the untrimmed value of `key`, even if it is empty.
    fn raw(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|(_, value)| value.clone())
    }
}
