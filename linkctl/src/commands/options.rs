//! Options that several commands share.

use std::time::Duration;

use crate::address::{self, Address, AddressError};
use crate::api::Api;
use crate::exit::Failure;
use crate::output::{self, Format};
use clap::Args;

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Address of the REST API [default: LINKGATE_REST_URL, else the host of --bootstrap-server or 127.0.0.1,
    /// port 8090]
    #[arg(long, global = true, value_name = "URL")]
    rest_url: Option<String>,
    /// Address of Linkgate for Kafka clients; its REST API is expected on the same host, port 8090
    #[arg(long, global = true, value_name = "HOST:PORT")]
    bootstrap_server: Option<String>,
    /// Output format
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

impl Global {
    /// Connects to the REST API.
    pub(crate) fn connect(&self) -> Result<Api, Failure> {
        Ok(Api::connect(self.address()?)?)
    }

    /// Connects, to send configs with these names. Fails if secrets among them would leave this machine
    /// unencrypted.
    pub(crate) fn connect_with<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        cleartext: &Cleartext,
    ) -> Result<Api, Failure> {
        let address = self.address()?;
        address.may_send(names, cleartext.allow_cleartext).map_err(|err| Failure::Usage(err.to_string()))?;
        Ok(Api::connect(address)?)
    }

    fn address(&self) -> Result<Address, Failure> {
        let environment = std::env::var(address::ENVIRONMENT).ok();
        let (url, server) = (self.rest_url.as_deref(), self.bootstrap_server.as_deref());
        match address::resolve(url, environment.as_deref(), server) {
            Err(AddressError::Missing) => {
                let url = format!("http://127.0.0.1:{}", address::DEFAULT_PORT);
                Ok(Address { url, origin: "the default" })
            }
            found => found.map_err(|err| Failure::Usage(err.to_string())),
        }
    }
}

/// `--allow-cleartext`
#[derive(Debug, Args)]
pub(crate) struct Cleartext {
    /// Send secrets to a REST API on another machine, although HTTP does not encrypt them
    #[arg(long)]
    allow_cleartext: bool,
}

/// `--watch`
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Repeat the output every SECONDS until interrupted [default: 2]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
}

impl Watch {
    /// Returns the interval of `--watch`, if given.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.watch.map(Duration::from_secs)
    }
}

/// `--wait`
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Wait until the change has happened; progress goes to stderr
    #[arg(long)]
    wait: bool,
    /// Maximum time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "wait",
          value_parser = clap::value_parser!(u64).range(0..=604_800))]
    wait_timeout: u64,
}

impl Wait {
    /// Returns the timeout of `--wait`, if given.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.wait.then(|| Duration::from_secs(self.wait_timeout))
    }
}

/// `--yes`
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// Do not ask for confirmation (without a terminal, linkctl never asks)
    #[arg(long, short)]
    yes: bool,
}

impl Confirm {
    /// Asks for confirmation, unless `--yes` is given.
    pub(crate) fn ask(&self, question: &str) -> Result<(), Failure> {
        if self.yes || output::confirm(question)? { Ok(()) } else { Err(Failure::Declined) }
    }
}
