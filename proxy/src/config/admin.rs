//! The listeners of the admin API.

use state::model::HostPort;

use crate::config::{AllowedHosts, ConfigReader, DEFAULT_ADMIN_PORT, Listener};

/// Listeners of the admin API and its allowed host names.
#[derive(Debug, Clone, Default)]
pub struct AdminListeners {
    /// Listeners that serve the whole API.
    pub control: Vec<Listener>,
    /// Listeners that serve only health and metrics.
    pub metrics: Vec<Listener>,
    /// Host names under which [`AdminListeners::control`] may be called.
    pub hosts: AllowedHosts,
}

impl ConfigReader {
    /// Reads the listeners of the admin API. `host` is the name of this machine; it and the hosts of the
    /// client listeners are allowed host names.
    pub(crate) fn admin(&mut self, host: &str, listener: &Listener, advertised: &Listener) -> AdminListeners {
        let default =
            || Listener { scheme: "http".into(), at: HostPort::new("127.0.0.1", DEFAULT_ADMIN_PORT) };
        let control = self.http_listeners("admin.listeners").unwrap_or_else(|| vec![default()]);
        let metrics = self.http_listeners("metrics.listeners").unwrap_or_default();
        let given = self.text("admin.allowed.hosts").map(|(_, value)| value).unwrap_or_default();
        let names = given.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        // The tools derive the address of the admin API from the bootstrap address of clients.
        let own = [host, &listener.at.host, &advertised.at.host].into_iter().map(str::to_owned);
        let bound = control.iter().map(|listener| listener.at.host.clone());
        let hosts = AllowedHosts::new(names.chain(own).chain(bound).collect::<Vec<_>>());
        for listener in control.iter().filter(|listener| !listener.is_loopback()) {
            self.warnings.push(format!(
                "admin.listeners: {listener}: everybody who reaches it can promote, fail over and delete, \
                 because the admin API has no accounts; keep admin.listeners on 127.0.0.1, and use \
                 metrics.listeners for probes and scrapers"
            ));
        }
        AdminListeners { control, metrics, hosts }
    }

    /// Reads `http://host:port,…`; `None` if the config is not given.
    fn http_listeners(&mut self, key: &str) -> Option<Vec<Listener>> {
        let (place, value) = self.text(key)?;
        let mut listeners = Vec::new();
        for text in value.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match text.parse::<Listener>() {
                Ok(listener) if listener.scheme == "http" => listeners.push(listener),
                Ok(listener) => self.errors.push(format!(
                    "{place}: {key}: this version supports http only, not {}",
                    listener.scheme
                )),
                Err(error) => self.errors.push(format!("{place}: {key}: {error}")),
            }
        }
        if listeners.is_empty() {
            self.errors.push(format!("{place}: {key}: expected http://host:port"));
        }
        Some(listeners)
    }
}
