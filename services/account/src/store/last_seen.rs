use ids::UserId;
use problem::Problem;
use sqlx::PgPool;
use uuid::Uuid;

use super::failed;

/// Moves times forward, never back; unknown people are left out.
pub async fn note(database: &PgPool, people: &[(UserId, i64)]) -> Result<(), Problem> {
    let (ids, times): (Vec<Uuid>, Vec<i64>) = people
        .iter()
        .map(|(user, unix_ms)| (user.as_uuid(), *unix_ms))
        .unzip();
    // In the order of ids, so that two gateways never wait for each other's rows.
    sqlx::query(
        "INSERT INTO last_seen (user_id, unix_ms)
         SELECT user_id, max(unix_ms)
         FROM unnest($1::uuid[], $2::bigint[]) AS told (user_id, unix_ms) JOIN users USING (user_id)
         GROUP BY user_id ORDER BY user_id
         ON CONFLICT (user_id) DO UPDATE SET unix_ms = excluded.unix_ms
         WHERE last_seen.unix_ms < excluded.unix_ms",
    )
    .bind(ids)
    .bind(times)
    .execute(database)
    .await
    .map_err(failed)?;
    Ok(())
}

pub async fn of(database: &PgPool, people: &[UserId]) -> Result<Vec<(UserId, i64)>, Problem> {
    let ids: Vec<Uuid> = people.iter().map(UserId::as_uuid).collect();
    let rows: Vec<(Uuid, i64)> =
        sqlx::query_as("SELECT user_id, unix_ms FROM last_seen WHERE user_id = ANY($1)")
            .bind(ids)
            .fetch_all(database)
            .await
            .map_err(failed)?;
    Ok(rows
        .into_iter()
        .map(|(user, unix_ms)| (UserId::from_uuid(user), unix_ms))
        .collect())
}
