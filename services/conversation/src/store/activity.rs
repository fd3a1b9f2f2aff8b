//! How much is written in groups, by day and sender.

use std::time::Duration;

use ids::{ConversationId, UserId};
use sqlx::PgPool;
use uuid::Uuid;

use super::conversations::Conversations;
use super::rows::{ConversationRow, conversation_columns};
use crate::domain::report::{GroupActivity, Metric, Period, TOP};

#[derive(Clone)]
pub struct Activity {
    pool: PgPool,
}

/// A group with something to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    pub conversation: ConversationId,
    /// Of the latest record that was noted.
    pub log_offset: i64,
}

/// Messages that one person wrote in a group on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyCount {
    /// Since 1970-01-01, UTC.
    pub day: i32,
    pub user: UserId,
    pub messages: u32,
}

/// A note that leads to nothing for so long is of a log that is gone.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

impl Activity {
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Notes the groups among conversations that had a message at an offset of the log.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn note(&self, written: &[Pending]) -> Result<(), sqlx::Error> {
        let (ids, offsets): (Vec<Uuid>, Vec<i64>) = written
            .iter()
            .map(|note| (note.conversation.as_uuid(), note.log_offset))
            .unzip();
        // In the order of ids, so that two replicas can't wait for each other.
        sqlx::query(
            "INSERT INTO activity_pending (conversation_id, log_offset)
             SELECT c.id, written.log_offset
             FROM unnest($1::uuid[], $2::bigint[]) AS written (id, log_offset)
             JOIN conversations c ON c.id = written.id AND c.name IS NOT NULL
             ORDER BY c.id
             ON CONFLICT (conversation_id) DO UPDATE SET log_offset = excluded.log_offset",
        )
        .bind(&ids)
        .bind(&offsets)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Groups that were noted `age` ago or earlier, those that wait longest first.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn pending(&self, age: Duration, limit: u32) -> Result<Vec<Pending>, sqlx::Error> {
        let rows: Vec<(Uuid, i64)> = sqlx::query_as(
            "SELECT conversation_id, log_offset FROM activity_pending
             WHERE noted_at <= now() - make_interval(secs => $1)
             ORDER BY noted_at LIMIT $2",
        )
        .bind(age.as_secs_f64())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(id, log_offset)| Pending {
                conversation: ConversationId::from_uuid(id),
                log_offset,
            })
            .collect())
    }

    /// The number up to which a group's entries are counted.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn counted(&self, conversation: ConversationId) -> Result<u64, sqlx::Error> {
        let counted: Option<i64> = sqlx::query_scalar(
            "SELECT counted_number FROM activity_progress WHERE conversation_id = $1",
        )
        .bind(conversation.as_uuid())
        .fetch_optional(&self.pool)
        .await?;
        Ok(counted.unwrap_or(0) as u64)
    }

    /// Adds what was counted above `after`, up to `through`: all of it, and once. Nothing happens when
    /// another was there first.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn add(
        &self,
        conversation: ConversationId,
        after: u64,
        through: u64,
        counts: &[DailyCount],
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO activity_progress (conversation_id, counted_number) VALUES ($1, 0)
             ON CONFLICT DO NOTHING",
        )
        .bind(conversation.as_uuid())
        .execute(&mut *tx)
        .await?;
        let is_next = sqlx::query(
            "UPDATE activity_progress SET counted_number = $3
             WHERE conversation_id = $1 AND counted_number = $2",
        )
        .bind(conversation.as_uuid())
        .bind(after as i64)
        .bind(through as i64)
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if !is_next {
            return Ok(());
        }
        let days: Vec<i32> = counts.iter().map(|count| count.day).collect();
        let users: Vec<Uuid> = counts.iter().map(|count| count.user.as_uuid()).collect();
        let messages: Vec<i64> = counts
            .iter()
            .map(|count| i64::from(count.messages))
            .collect();
        sqlx::query(
            "INSERT INTO activity (day, conversation_id, user_id, messages)
             SELECT day, $1, user_id, sum(messages)
             FROM unnest($2::integer[], $3::uuid[], $4::bigint[]) AS counted (day, user_id, messages)
             GROUP BY day, user_id
             ON CONFLICT (day, conversation_id, user_id)
             DO UPDATE SET messages = activity.messages + excluded.messages",
        )
        .bind(conversation.as_uuid())
        .bind(&days)
        .bind(&users)
        .bind(&messages)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Forgets a note that was done with, unless something was written since.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn done(&self, pending: Pending) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM activity_pending WHERE conversation_id = $1 AND log_offset = $2")
            .bind(pending.conversation.as_uuid())
            .bind(pending.log_offset)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets notes that lead to nothing: their offsets are of another log.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn forget_old(&self) -> Result<u64, sqlx::Error> {
        let forgotten = sqlx::query(
            "DELETE FROM activity_pending WHERE noted_at < now() - make_interval(secs => $1)",
        )
        .bind(FORGOTTEN_AFTER.as_secs_f64())
        .execute(&self.pool)
        .await?;
        Ok(forgotten.rows_affected())
    }
}

impl Conversations {
    /// The groups with most, of those that are public or that the viewer is in; none where there is
    /// nothing.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn top_groups(
        &self,
        viewer: UserId,
        metric: Metric,
        period: Period,
    ) -> Result<Vec<GroupActivity>, sqlx::Error> {
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            conversation: ConversationRow,
            active_users: i64,
            messages: i64,
        }
        let (from, to) = period.unix_days();
        let rows: Vec<Row> = sqlx::query_as(concat!(
            "SELECT ",
            conversation_columns!(),
            r#", coalesce(a.active_users, 0) AS active_users, coalesce(a.messages, 0) AS messages
               FROM conversations c
               LEFT JOIN (SELECT conversation_id, count(DISTINCT user_id) AS active_users,
                                 sum(messages)::bigint AS messages
                          FROM activity WHERE day BETWEEN $2 AND $3
                          GROUP BY conversation_id) a ON a.conversation_id = c.id
               CROSS JOIN LATERAL (SELECT CASE $4 WHEN 'members' THEN c.member_count
                                                  WHEN 'active_users' THEN a.active_users
                                                  ELSE a.messages END AS value) v
               WHERE c.name IS NOT NULL AND c.deleted_at_unix_ms IS NULL AND v.value > 0
                 AND (c.visibility = 'public'
                      OR EXISTS (SELECT 1 FROM members m
                                 WHERE m.conversation_id = c.id AND m.user_id = $1
                                   AND m.left_version IS NULL))
               ORDER BY v.value DESC, c.name COLLATE "C" LIMIT $5"#
        ))
        .bind(viewer.as_uuid())
        .bind(from)
        .bind(to)
        .bind(match metric {
            Metric::Members => "members",
            Metric::ActiveUsers => "active_users",
            Metric::Messages => "messages",
        })
        .bind(i64::from(TOP))
        .fetch_all(&self.pool)
        .await?;
        let (conversations, figures): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .map(|row| (row.conversation, (row.active_users, row.messages)))
            .unzip();
        let cards = self.cards(viewer, &conversations).await?;
        Ok(cards
            .into_iter()
            .zip(figures)
            .map(|(card, (active_users, messages))| GroupActivity {
                card,
                active_users: active_users as u64,
                messages: messages as u64,
            })
            .collect())
    }
}
