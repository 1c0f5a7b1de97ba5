//! The listeners of the admin API.

use state::model::HostPort;

use super::{AllowedHosts, DEFAULT_ADMIN_PORT, Listener, Reader};

/// Where the admin API is served.
#[derive(Debug, Clone, Default)]
pub struct AdminListeners {
    /// All of it.
    pub control: Vec<Listener>,
    /// Health and metrics only.
    pub metrics: Vec<Listener>,
    /// Names by which the former may be called.
    pub hosts: AllowedHosts,
}

impl Reader {
    /// Where the admin API is, on a machine called `host`, beside the listener for clients.
    pub(super) fn admin(&mut self, host: &str, listener: &Listener, advertised: &Listener) -> AdminListeners {
        let default =
            || Listener { scheme: "http".into(), at: HostPort::new("127.0.0.1", DEFAULT_ADMIN_PORT) };
        let control = self.http_listeners("admin.listeners").unwrap_or_else(|| vec![default()]);
        let metrics = self.http_listeners("metrics.listeners").unwrap_or_default();
        let given = self.text("admin.allowed.hosts").map(|(_, value)| value).unwrap_or_default();
        let names = given.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        // The tools derive the address of the API from the one that clients have.
        let own = [host, &listener.at.host, &advertised.at.host].into_iter().map(str::to_owned);
        let bound = control.iter().map(|listener| listener.at.host.clone());
        let hosts = AllowedHosts::new(names.chain(own).chain(bound).collect::<Vec<_>>());
        for listener in control.iter().filter(|listener| !listener.is_loopback()) {
            self.warnings.push(format!(
                "admin.listeners: {listener}: whoever reaches it can promote, fail over and delete, since the admin API has no \
                 accounts; let metrics.listeners serve probes and scrapers, and keep admin.listeners on 127.0.0.1"
            ));
        }
        AdminListeners { control, metrics, hosts }
    }

    /// `http://host:port,…`; `None` when the name is not given.
    fn http_listeners(&mut self, key: &str) -> Option<Vec<Listener>> {
        let (place, value) = self.text(key)?;
        let mut listeners = Vec::new();
        for text in value.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match text.parse::<Listener>() {
                Ok(listener) if listener.scheme == "http" => listeners.push(listener),
                Ok(listener) => self
                    .errors
                    .push(format!("{place}: {key}: this version serves http only, not {}", listener.scheme)),
                Err(error) => self.errors.push(format!("{place}: {key}: {error}")),
            }
        }
        if listeners.is_empty() {
            self.errors.push(format!("{place}: {key}: expected http://host:port"));
        }
        Some(listeners)
    }
}
