//! Fetches tokens from a token endpoint: the client credentials grant of OAuth 2 (RFC 6749, section 4.4).

use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::client::sasl::jaas::LoginModule;
use crate::net::tls::invalid::InvalidSetting;
use crate::net::tls::{TlsClient, TlsSettings};
use crate::net::{HostPort, Secret, SocketOptions, dial};

const URL: &str = "sasl.oauthbearer.token.endpoint.url";
const JAAS: &str = "sasl.jaas.config";

/// Timeout for fetching one token, connecting included.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a response, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// Lifetime of a token for which the endpoint names none.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// A token endpoint and the client credentials for it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    url: Uri,
    address: HostPort,
    tls: Option<TlsClient>,
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
    /// `sasl.oauthbearer.header.urlencode`: RFC 6749 requires it, many servers do not.
    encodes: bool,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<f64>,
}

impl Endpoint {
    /// Reads the endpoint; `None` if none is configured. Configs override the options of the login module, as
    /// in Kafka 4.1.
    pub(crate) fn parse(
        text: &dyn Fn(&str) -> Option<String>,
        module: &LoginModule,
    ) -> Result<Option<Endpoint>, InvalidSetting> {
        let Some(given) = text(URL) else { return Ok(None) };
        let wrong = |reason: &str| InvalidSetting::new(URL, format!("'{given}' {reason}"));
        let url: Uri = given.parse().map_err(|_| wrong("is not a URL"))?;
        let (port, has_tls) = match url.scheme_str() {
            Some("http") => (80, false),
            Some("https") => (443, true),
            _ => return Err(wrong("is neither an http nor an https URL")),
        };
        let host = url.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("has no host"))?;
        let address = HostPort::new(host, url.port_u16().unwrap_or(port));
        let option = |name: &str| module.options.get(name).filter(|value| !value.is_empty()).cloned();
        let client_id = text("sasl.oauthbearer.client.credentials.client.id").or_else(|| option("clientId"));
        let client_secret =
            text("sasl.oauthbearer.client.credentials.client.secret").or_else(|| option("clientSecret"));
        let (Some(client_id), Some(client_secret)) = (client_id, client_secret) else {
            let reason = "the options clientId=\"…\" and clientSecret=\"…\" are needed (or sasl.oauthbearer.client.credentials.client.id and …client.secret)";
            return Err(InvalidSetting::new(JAAS, reason));
        };
        let tls = if has_tls {
            let settings =
                TlsSettings::parse(&|name| module.options.get(name).cloned()).map_err(|errors| {
                    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                    InvalidSetting::new(JAAS, all.join("; "))
                })?;
            Some(TlsClient::new("token endpoint", settings))
        } else {
            None
        };
        let scope = text("sasl.oauthbearer.scope").or_else(|| option("scope"));
        let encodes =
            text("sasl.oauthbearer.header.urlencode").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let client_secret = Secret::new(client_secret);
        Ok(Some(Endpoint { url, address, tls, client_id, client_secret, scope, encodes }))
    }

    /// Fetches a new token. Returns it with its lifetime.
    ///
    /// # Errors
    /// Returns a message that never holds the client secret or the token.
    pub(crate) async fn fetch(&self) -> Result<(Secret, Duration), String> {
        let asked = timeout(ENDPOINT_TIMEOUT, self.ask()).await;
        asked
            .unwrap_or_else(|_| Err(format!("no answer within {ENDPOINT_TIMEOUT:?}")))
            .map_err(|reason| format!("{}: {reason}", self.address))
    }

    async fn ask(&self) -> Result<(Secret, Duration), String> {
        let tcp = dial(&self.address, SocketOptions::default(), ENDPOINT_TIMEOUT)
            .await
            .map_err(|e| e.to_string())?;
        match &self.tls {
            None => self.ask_over(tcp).await,
            Some(tls) => {
                let stream = tls.connect(tcp, &self.address.host).await.map_err(|e| e.to_string())?;
                self.ask_over(stream).await
            }
        }
    }

    async fn ask_over<S>(&self, stream: S) -> Result<(Secret, Duration), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = sender.send_request(self.request()?).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            Ok::<_, String>((status, body.map_err(|error| error.to_string())?.to_bytes()))
        };
        let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
        let (status, body) = tokio::select! {
            biased;
            answered = &mut exchange => answered?,
            // The connection has ended. The exchange has its response or its error by now.
            _ = &mut connection => exchange.await?,
        };
        granted(status, &body)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let user = |text: &str| if self.encodes { encoded(text) } else { text.to_owned() };
        let basic = format!("{}:{}", user(&self.client_id), user(self.client_secret.reveal()));
        let mut body = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.scope {
            body.push_str(&format!("&scope={}", encoded(scope)));
        }
        let authority = self.url.authority().map_or_else(String::new, ToString::to_string);
        let mut authorization = header::HeaderValue::try_from(format!("Basic {}", STANDARD.encode(basic)))
            .map_err(|error| error.to_string())?;
        authorization.set_sensitive(true);
        Request::builder()
            .method(Method::POST)
            .uri(self.url.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, authorization)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())
    }
}

fn granted(status: StatusCode, body: &[u8]) -> Result<(Secret, Duration), String> {
    if !status.is_success() {
        #[derive(Deserialize)]
        struct TokenRefused {
            error: String,
        }
        let why = serde_json::from_slice::<TokenRefused>(body).map(|refused| format!(": {}", refused.error));
        return Err(format!("HTTP {status}{}", why.unwrap_or_default()));
    }
    let granted: Granted =
        serde_json::from_slice(body).map_err(|_| "the answer has no access_token".to_owned())?;
    let lifetime = granted.expires_in.filter(|seconds| (1.0..=1e9).contains(seconds));
    Ok((Secret::new(granted.access_token), lifetime.map_or(DEFAULT_LIFETIME, Duration::from_secs_f64)))
}
