//! Typed operations of the REST API. One [`Api`] serves one cluster: the first that `GET /clusters` names.

use serde::Deserialize;
use strum::IntoStaticStr;
use ureq::http::Method;

use crate::address::Address;
use crate::client::{Client, ClientError};
use crate::rest::{
    AlterConfigsRequest, AlterMirrorsEntry, AlterMirrorsRequest, ClientData, CreateLinkRequest,
    CreateMirrorRequest, DataList, FillerData, JournalBackupData, JournalBackupRequest, JournalRecordData,
    LinkConfigData, LinkData, MirrorData, MirrorForecastData,
};
use crate::segment::encoded;

/// Maximum number of mirror topics that are fetched one by one. For more topics, one listing is cheaper.
pub const FEW: usize = 16;

/// Actions on mirror topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// Pauses mirroring.
    Pause,
    /// Resumes mirroring.
    Resume,
    /// Promotes: stops after everything of the source is copied.
    Promote,
    /// Fails over: stops at once.
    Failover,
}

impl Action {
    /// Returns the name of the action in the API and in `linkctl`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Client of the REST API for one destination cluster.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    cluster_id: String,
}

#[derive(Deserialize)]
struct ClusterName {
    cluster_id: String,
}

#[derive(Deserialize)]
struct ClusterNames {
    data: Vec<ClusterName>,
}

impl Api {
    /// Connects: asks for the cluster id, which is part of every other path.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect(address: Address) -> Result<Self, ClientError> {
        let client = Client::new(address);
        let clusters: ClusterNames = client.get("/clusters")?;
        match clusters.data.into_iter().next() {
            Some(cluster) => Ok(Api { client, cluster_id: cluster.cluster_id }),
            None => Err(ClientError::BadAnswer {
                url: format!("{}/kafka/v3/clusters", client.address().url),
                status: 200,
                reason: "it has no cluster".to_owned(),
            }),
        }
    }

    /// Returns the id of the destination cluster.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Returns the address of the REST API.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.client.address()
    }

    /// Lists all links.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn links(&self) -> Result<Vec<LinkData>, ClientError> {
        self.client.get::<DataList<LinkData>>(&self.path("/links")).map(|list| list.data)
    }

    /// Returns one link.
    ///
    /// # Errors
    /// [`ClientError`]; status 404 if the link does not exist.
    pub fn link(&self, link: &str, include_tasks: bool) -> Result<LinkData, ClientError> {
        self.client.get(&format!("{}?include_tasks={include_tasks}", self.link_path(link, "")?))
    }

    /// Creates a link. With `validate_only` it only checks that the link could be created.
    ///
    /// # Errors
    /// [`ClientError`]; status 409 if a link of that name exists.
    pub fn create_link(
        &self,
        link: &str,
        request: &CreateLinkRequest,
        validate_only: bool,
        validate_link: bool,
    ) -> Result<(), ClientError> {
        let name = segment("link", link)?;
        let query = format!("link_name={name}&validate_only={validate_only}&validate_link={validate_link}");
        self.client.command(Method::POST, &self.path(&format!("/links?{query}")), Some(request))
    }

    /// Deletes a link. With `validate_only` it only checks that the link could be deleted.
    ///
    /// # Errors
    /// [`ClientError`]; status 404 if the link does not exist.
    pub fn delete_link(&self, link: &str, force: bool, validate_only: bool) -> Result<(), ClientError> {
        let query = format!("force={force}&validate_only={validate_only}");
        let path = format!("{}?{query}", self.link_path(link, "")?);
        self.client.command::<()>(Method::DELETE, &path, None)
    }

    /// Lists all configs of a link, defaults included.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn link_configs(&self, link: &str) -> Result<Vec<LinkConfigData>, ClientError> {
        let path = self.link_path(link, "/configs")?;
        self.client.get::<DataList<LinkConfigData>>(&path).map(|list| list.data)
    }

    /// Alters configs of a link: all of them, or none if one is refused.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn alter_link_configs(&self, link: &str, request: &AlterConfigsRequest) -> Result<(), ClientError> {
        self.client.command(Method::PUT, &self.link_path(link, "/configs:alter")?, Some(request))
    }

    /// Lists the mirror topics of one link, or of all links if `link` is `None`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn mirrors(&self, link: Option<&str>) -> Result<Vec<MirrorData>, ClientError> {
        let path = match link {
            Some(link) => self.link_path(link, "/mirrors")?,
            None => self.path("/links/-/mirrors"),
        };
        self.client.get::<DataList<MirrorData>>(&path).map(|list| list.data)
    }

    /// Lists mirror topics like [`Api::mirrors`], but without lags and partitions. The answer of a large
    /// cluster is much smaller.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn mirrors_in_brief(&self, link: Option<&str>) -> Result<Vec<MirrorData>, ClientError> {
        let path = match link {
            Some(link) => self.link_path(link, "/mirrors")?,
            None => self.path("/links/-/mirrors"),
        };
        let path = format!("{path}?include_partitions=false");
        self.client.get::<DataList<MirrorData>>(&path).map(|list| list.data)
    }

    /// Returns a mirror topic of any link; `None` if no mirror topic has this name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn mirror(&self, topic: &str) -> Result<Option<MirrorData>, ClientError> {
        match self.client.get(&self.path(&format!("/links/-/mirrors/{}", segment("topic", topic)?))) {
            Ok(mirror) => Ok(Some(mirror)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns mirror topics: the given topics, or all topics of the given links, or all topics.
    ///
    /// If `links` is given, or more than [`FEW`] topics, it returns whole listings; the caller filters by
    /// topic.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn mirrors_named(&self, links: &[String], topics: &[String]) -> Result<Vec<MirrorData>, ClientError> {
        if !links.is_empty() || !(1..=FEW).contains(&topics.len()) {
            return self.mirrors_of(links);
        }
        let mut all = Vec::new();
        for topic in topics {
            all.extend(self.mirror(topic)?);
        }
        Ok(all)
    }

    /// Lists the mirror topics of the given links, or of all links if `links` is empty.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn mirrors_of(&self, links: &[String]) -> Result<Vec<MirrorData>, ClientError> {
        if links.is_empty() {
            return self.mirrors(None);
        }
        let mut all = Vec::new();
        for link in links {
            all.extend(self.mirrors(Some(link))?);
        }
        Ok(all)
    }

    /// Creates a mirror topic.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn create_mirror(&self, link: &str, request: &CreateMirrorRequest) -> Result<(), ClientError> {
        self.client.command(Method::POST, &self.link_path(link, "/mirrors")?, Some(request))
    }

    /// Returns the forecast of a creation: start offsets, and what has to be filled and copied. Creates
    /// nothing.
    ///
    /// # Errors
    /// [`ClientError`] with the reason why the mirror topic could not be created.
    pub fn forecast_mirror(
        &self,
        link: &str,
        request: &CreateMirrorRequest,
    ) -> Result<MirrorForecastData, ClientError> {
        let path = self.link_path(link, "/mirrors?validate_only=true")?;
        self.client.exchange(Method::POST, &path, request)
    }

    /// Returns the latest filler scan of a topic that is or was a mirror.
    ///
    /// # Errors
    /// [`ClientError`]; status 404 if the topic never was a mirror.
    pub fn filler(&self, topic: &str) -> Result<FillerData, ClientError> {
        self.client.get(&self.path(&format!("/links/-/mirrors/{}/filler", segment("topic", topic)?)))
    }

    /// Starts a filler scan of a topic that is or was a mirror, unless one is running.
    ///
    /// # Errors
    /// [`ClientError`]; status 404 if the topic never was a mirror.
    pub fn scan_filler(&self, topic: &str) -> Result<FillerData, ClientError> {
        let path = self.path(&format!("/links/-/mirrors/{}/filler:scan", segment("topic", topic)?));
        self.client.exchange(Method::POST, &path, &())
    }

    /// Requests an action for mirror topics of one link. Each entry tells whether the action was accepted for
    /// its topic.
    ///
    /// # Errors
    /// [`ClientError`] if the request as a whole failed.
    pub fn alter_mirrors(
        &self,
        link: &str,
        action: Action,
        topics: &[String],
        validate_only: bool,
    ) -> Result<Vec<AlterMirrorsEntry>, ClientError> {
        let verb = action.name();
        let path =
            format!("{}?validate_only={validate_only}", self.link_path(link, &format!("/mirrors:{verb}"))?);
        let request = AlterMirrorsRequest {
            mirror_topic_names: Some(topics.to_vec()),
            mirror_topic_name_pattern: None,
        };
        self.client
            .exchange::<_, DataList<AlterMirrorsEntry>>(Method::POST, &path, &request)
            .map(|list| list.data)
    }

    /// Lists the open client connections; reads all pages.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn clients(
        &self,
        client_id: Option<&str>,
        principal: Option<&str>,
    ) -> Result<Vec<ClientData>, ClientError> {
        let filter = |name: &str, value: Option<&str>| {
            value.map_or(String::new(), |value| format!("&{name}={}", encoded(value)))
        };
        let filters = filter("client_id", client_id) + &filter("principal", principal);
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let path = self.path(&format!("/clients?page_size=1000&page_token={after}{filters}"));
            let page: DataList<ClientData> = self.client.get(&path)?;
            let last = page.data.last().map_or(0, |client| client.connection_id);
            all.extend(page.data);
            // Connection ids grow from page to page. Without this check a faulty server would cause an
            // endless loop.
            if page.metadata.next.is_none() || last <= after {
                return Ok(all);
            }
            after = last;
        }
    }

    /// Returns the latest journal records, the latest first: at most `limit`, none older than `since_ms`
    /// (epoch milliseconds).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn journal(
        &self,
        since_ms: Option<i64>,
        limit: usize,
    ) -> Result<Vec<JournalRecordData>, ClientError> {
        let since = since_ms.map_or(String::new(), |ms| format!("&since_ms={ms}"));
        let (mut all, mut before) = (Vec::<JournalRecordData>::new(), None::<u64>);
        while all.len() < limit {
            let size = (limit - all.len()).min(1_000);
            let token = before.map_or(String::new(), |before| format!("&page_token={before}"));
            let path = self.path(&format!("/journal?page_size={size}{token}{since}"));
            let page: DataList<JournalRecordData> = self.client.get(&path)?;
            let last = page.data.last().map(|record| record.sequence);
            all.extend(page.data);
            // Sequence numbers fall from page to page. Without this check a faulty server would cause an
            // endless loop.
            if page.metadata.next.is_none()
                || last.is_none()
                || before.is_some_and(|before| last >= Some(before))
            {
                break;
            }
            before = last;
        }
        all.truncate(limit);
        Ok(all)
    }

    /// Makes a consistent copy of the running daemon's journal, on the daemon's machine.
    ///
    /// # Errors
    /// [`ClientError`]; status 409 if a backup of that name exists.
    pub fn back_up_journal(&self, name: Option<&str>) -> Result<JournalBackupData, ClientError> {
        let request = JournalBackupRequest { name: name.map(str::to_owned) };
        self.client.exchange(Method::POST, &self.path("/journal:backup"), &request)
    }

    fn path(&self, rest: &str) -> String {
        format!("/clusters/{}{rest}", encoded(&self.cluster_id))
    }

    fn link_path(&self, link: &str, rest: &str) -> Result<String, ClientError> {
        Ok(self.path(&format!("/links/{}{rest}", segment("link", link)?)))
    }
}

/// Encodes a name as one path segment. Refuses names that a path cannot carry, or that have another meaning
/// in it.
fn segment(what: &str, name: &str) -> Result<String, ClientError> {
    match name {
        "" => Err(ClientError::BadRequest(format!("the {what} name is empty"))),
        "-" | "." | ".." => Err(ClientError::BadRequest(format!("'{name}' cannot be a {what} name"))),
        _ => Ok(encoded(name).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_one_path_segment() {
        assert_eq!(segment("link", "dr-1.a_b").unwrap(), "dr-1.a_b");
        assert_eq!(
            segment("link", "a/../b?c=1&d#e%41 é").unwrap(),
            "a%2F..%2Fb%3Fc%3D1%26d%23e%2541%20%C3%A9"
        );
        for name in ["", "-", ".", ".."] {
            assert!(segment("link", name).is_err(), "{name:?}");
        }
    }
}
