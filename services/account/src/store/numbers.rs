//! The counter behind ids that are fetched ahead.

use problem::Problem;
use sqlx::PgPool;

use super::failed;

/// Takes the next `count` numbers and returns the first of them. They are nobody else's from here on,
/// whether or not the answer arrives.
pub async fn lease(database: &PgPool, count: u32) -> Result<u64, Problem> {
    let next: i64 =
        sqlx::query_scalar("UPDATE leased_numbers SET next = next + $1 RETURNING next - $1")
            .bind(i64::from(count))
            .fetch_one(database)
            .await
            .map_err(failed)?;
    Ok(next as u64)
}
