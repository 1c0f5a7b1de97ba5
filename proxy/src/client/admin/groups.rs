//! Lists and describes consumer groups.

use futures::future::try_join_all;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::client::cluster::Cluster;
use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::wire::protocol::error_code::ErrorCode;

/// Entry of a group in the coordinator's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group id.
    pub group_id: String,
    /// `consumer` for consumer groups; empty for groups that only hold offsets.
    pub protocol_type: String,
    /// `Stable`, `Empty`, …; empty if the broker does not say.
    pub state: String,
    /// `classic`, `consumer`, `share`, …; empty if the broker does not say.
    pub group_type: String,
}

/// Description of a group by its coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedGroup {
    /// `Stable`, `Empty`, …; `Dead` if there is no such group.
    pub state: String,
    /// Number of members.
    pub members: usize,
}

impl DescribedGroup {
    /// Returns true if the group has members, or is in a state that is not `Empty` or `Dead`.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.members > 0 || !matches!(self.state.as_str(), "Empty" | "Dead")
    }
}

impl Cluster {
    /// Lists all groups of the cluster, from all brokers.
    ///
    /// # Errors
    /// Fails if one broker could not be asked, since the list would be incomplete.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroup>, ClientError> {
        let metadata = self.retrying(None, || self.metadata(Some(&[]))).await?;
        let asked = metadata.brokers.keys().map(|id| {
            self.retrying(None, move || async move {
                let broker = self.broker(*id).await?;
                let response = broker.call_at_most(ListGroupsRequest::default(), 5).await?;
                ErrorCode(response.error_code)
                    .ok()
                    .map_err(|code| broker.answered("ListGroups", code, ""))?;
                Ok(response.groups)
            })
        });
        let groups = try_join_all(asked).await?.into_iter().flatten().map(|group| ListedGroup {
            group_id: group.group_id.to_string(),
            protocol_type: group.protocol_type.to_string(),
            state: group.group_state.to_string(),
            group_type: group.group_type.to_string(),
        });
        Ok(groups.collect())
    }

    /// Returns the state and the number of members of a group, of either group protocol.
    ///
    /// # Errors
    /// Returns the broker's error code and message, or the reason why no broker could be asked.
    pub async fn describe_group(&self, group: &str) -> Result<DescribedGroup, ClientError> {
        self.with_coordinator(group, |coordinator| async move {
            let classic = describe_classic(&coordinator, group).await?;
            // A group of the new protocol (KIP-848) is `Dead` for the old request, and a classic group is
            // unknown to the new one.
            let newer = coordinator.version_of::<ConsumerGroupDescribeRequest>(1);
            if classic.state == "Dead" && newer.is_ok() {
                return Ok(describe_consumer(&coordinator, group).await?.unwrap_or(classic));
            }
            Ok(classic)
        })
        .await
    }
}

async fn describe_classic(coordinator: &Connection, group: &str) -> Result<DescribedGroup, ClientError> {
    let api = format!("DescribeGroups '{group}'");
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
    let response = coordinator.call_at_most(request, 6).await?;
    let Some(found) = response.groups.into_iter().next() else {
        return Err(coordinator.misfit(&api, "the response names no group".into()));
    };
    match ErrorCode(found.error_code) {
        ErrorCode::NONE => {
            Ok(DescribedGroup { state: found.group_state.to_string(), members: found.members.len() })
        }
        ErrorCode::GROUP_ID_NOT_FOUND => Ok(DescribedGroup { state: "Dead".to_owned(), members: 0 }),
        code => Err(coordinator.answered(&api, code, found.error_message.as_deref().unwrap_or_default())),
    }
}

/// Returns `None` if the group is not one of the new protocol either.
async fn describe_consumer(
    coordinator: &Connection,
    group: &str,
) -> Result<Option<DescribedGroup>, ClientError> {
    let api = format!("ConsumerGroupDescribe '{group}'");
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(group)]);
    let response = coordinator.call_at_most(request, 1).await?;
    let Some(found) = response.groups.into_iter().next() else {
        return Err(coordinator.misfit(&api, "the response names no group".into()));
    };
    match ErrorCode(found.error_code) {
        ErrorCode::NONE => {
            Ok(Some(DescribedGroup { state: found.group_state.to_string(), members: found.members.len() }))
        }
        // UNSUPPORTED_VERSION: the broker knows the request, but the new group protocol is switched off.
        ErrorCode::GROUP_ID_NOT_FOUND | ErrorCode::UNSUPPORTED_VERSION => Ok(None),
        code => Err(coordinator.answered(&api, code, found.error_message.as_deref().unwrap_or_default())),
    }
}

pub(crate) fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}
