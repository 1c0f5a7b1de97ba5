//! The operations of the REST API, typed. One instance speaks of one cluster: the one that `GET /clusters` names.

use serde::Deserialize;
use ureq::http::Method;

use crate::address::Address;
use crate::client::{Client, ClientError};
use crate::rest::{
    AlterConfigsRequest, AlterMirrorsEntry, AlterMirrorsRequest, ClientData, CreateLinkRequest,
    CreateMirrorRequest, DataList, FillerData, JournalBackupData, JournalBackupRequest, JournalRecordData,
    LinkConfigData, LinkData, MirrorData, MirrorForecastData,
};
use crate::segment::encoded;

/// So many topics are asked for one by one; of more, a list is shorter.
pub const FEW: usize = 16;

/// What may be asked of mirror topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Hold mirroring.
    Pause,
    /// Let it go on.
    Resume,
    /// Stop after catching up.
    Promote,
    /// Stop at once.
    Failover,
}

impl Action {
    /// Its name in the API and in `linkctl`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Promote => "promote",
            Action::Failover => "failover",
        }
    }
}

/// The API of one cluster.
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
    /// Asks for the cluster id, which every other path contains.
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
                reason: "it names no cluster".to_owned(),
            }),
        }
    }

    /// Id of the destination cluster.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Where it asks.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.client.address()
    }

    /// All links.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn links(&self) -> Result<Vec<LinkData>, ClientError> {
        self.client.get::<DataList<LinkData>>(&self.path("/links")).map(|list| list.data)
    }

    /// One link.
    ///
    /// # Errors
    /// [`ClientError`]; 404 when there is none.
    pub fn link(&self, link: &str, include_tasks: bool) -> Result<LinkData, ClientError> {
        self.client.get(&format!("{}?include_tasks={include_tasks}", self.link_path(link, "")?))
    }

    /// Creates a link, or only checks that it could be created.
    ///
    /// # Errors
    /// [`ClientError`]; 409 when there is one of that name.
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

    /// Deletes a link.
    ///
    /// # Errors
    /// [`ClientError`]; 404 when there is none.
    pub fn delete_link(&self, link: &str, force: bool, validate_only: bool) -> Result<(), ClientError> {
        let query = format!("force={force}&validate_only={validate_only}");
        let path = format!("{}?{query}", self.link_path(link, "")?);
        self.client.command::<()>(Method::DELETE, &path, None)
    }

    /// All configs of a link, defaults included.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn link_configs(&self, link: &str) -> Result<Vec<LinkConfigData>, ClientError> {
        let path = self.link_path(link, "/configs")?;
        self.client.get::<DataList<LinkConfigData>>(&path).map(|list| list.data)
    }

    /// Alters configs of a link, all of them or none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn alter_link_configs(&self, link: &str, request: &AlterConfigsRequest) -> Result<(), ClientError> {
        self.client.command(Method::PUT, &self.link_path(link, "/configs:alter")?, Some(request))
    }

    /// The mirror topics of a link, or of all links.
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

    /// The same without lags and partitions: of a cluster with many, that is far less.
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

    /// A mirror topic of any link; `None` when it is no mirror topic.
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

    /// The mirror topics named, or those of the links named, or all.
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

    /// The mirror topics of the links named, or of all links when none is.
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

    /// What the creation of a mirror topic will take; creates nothing.
    ///
    /// # Errors
    /// [`ClientError`]: why it would not be created.
    pub fn forecast_mirror(
        &self,
        link: &str,
        request: &CreateMirrorRequest,
    ) -> Result<MirrorForecastData, ClientError> {
        let path = self.link_path(link, "/mirrors?validate_only=true")?;
        self.client.exchange(Method::POST, &path, request)
    }

    /// The latest count of the filler of a topic that is or was a mirror.
    ///
    /// # Errors
    /// [`ClientError`]; 404 when it is no such topic.
    pub fn filler(&self, topic: &str) -> Result<FillerData, ClientError> {
        self.client.get(&self.path(&format!("/links/-/mirrors/{}/filler", segment("topic", topic)?)))
    }

    /// Begins to count the filler of such a topic, unless that is under way.
    ///
    /// # Errors
    /// As [`Api::filler`].
    pub fn scan_filler(&self, topic: &str) -> Result<FillerData, ClientError> {
        let path = self.path(&format!("/links/-/mirrors/{}/filler:scan", segment("topic", topic)?));
        self.client.exchange(Method::POST, &path, &())
    }

    /// Asks something of mirror topics of one link. Each entry says whether it was accepted.
    ///
    /// # Errors
    /// [`ClientError`] when the request as a whole failed.
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

    /// The open connections of clients, of all pages.
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
            // Numbers only grow; a server that says otherwise would be asked for ever.
            if page.metadata.next.is_none() || last <= after {
                return Ok(all);
            }
            after = last;
        }
    }

    /// The latest records of the journal that are not older than `since_ms`, at most `limit`, the latest first.
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
            // Numbers only fall; a server that says otherwise would be asked for ever.
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

    /// Makes a consistent copy of the journal on the daemon's machine, while it is in use.
    ///
    /// # Errors
    /// [`ClientError`]; 409 when there is one of that name.
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

/// One path segment. Names that a path cannot carry, or that mean something else in it, never leave.
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
    fn names_cannot_leave_their_segment() {
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
