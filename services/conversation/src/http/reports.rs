use auth::Person;
use axum::extract::State;
use problem::{ProblemBody, Result};
use serde::{Deserialize, Serialize};
use serving::{Json, Query};
use utoipa::{IntoParams, ToSchema};

use super::bodies::GroupCardBody;
use crate::app::App;
use crate::domain::report::{GroupActivity, Metric};
use crate::requests;

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportMetric)]
pub enum MetricBody {
    /// Members now.
    Members,
    /// People who wrote in the period.
    ActiveUsers,
    /// Messages of the period, later deleted ones among them.
    Messages,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TopGroupsQuery {
    #[param(inline)]
    by: MetricBody,
    /// First day of the period, YYYY-MM-DD in UTC; absent: 29 days before the last one.
    #[param(format = Date)]
    from: Option<String>,
    /// Last day of the period; absent: today. At most 366 days.
    #[param(format = Date)]
    to: Option<String>,
}

/// At most ten groups, most first. Those with nothing are left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopGroupsBody {
    by: MetricBody,
    #[schema(format = Date)]
    from: String,
    #[schema(format = Date)]
    to: String,
    items: Vec<GroupActivityBody>,
}

/// A group and what went on there in the period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupActivity)]
pub struct GroupActivityBody {
    group: GroupCardBody,
    active_users: u64,
    messages: u64,
}

impl From<&GroupActivity> for GroupActivityBody {
    fn from(activity: &GroupActivity) -> Self {
        Self {
            group: (&activity.card).into(),
            active_users: activity.active_users,
            messages: activity.messages,
        }
    }
}

/// The ten groups with most members, active users or messages, of those that are public or the caller's.
///
/// What is written is counted some seconds later.
#[utoipa::path(
    get,
    path = "/api/conversations/reports/top-groups",
    operation_id = "report_top_groups",
    tag = "reports",
    params(TopGroupsQuery),
    responses(
        (status = 200, body = TopGroupsBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "query_invalid, input_invalid: day_invalid, period_invalid"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn top_groups(
    State(app): State<App>,
    person: Person,
    Query(query): Query<TopGroupsQuery>,
) -> Result<Json<TopGroupsBody>> {
    let period = requests::period(
        query.from.as_deref(),
        query.to.as_deref(),
        app.reports.clock.now(),
    )?;
    let metric = match query.by {
        MetricBody::Members => Metric::Members,
        MetricBody::ActiveUsers => Metric::ActiveUsers,
        MetricBody::Messages => Metric::Messages,
    };
    let groups = app.reports.top_groups(&person, metric, period).await?;
    Ok(Json(TopGroupsBody {
        by: query.by,
        from: period.from().to_string(),
        to: period.to().to_string(),
        items: groups.iter().map(GroupActivityBody::from).collect(),
    }))
}
