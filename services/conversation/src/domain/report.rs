//! The report of the groups where most is going on.

use time::{Date, Duration, OffsetDateTime};

use super::conversation::GroupCard;

/// Groups that a report has.
pub const TOP: u32 = 10;

/// By what groups are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Members now.
    Members,
    /// People who wrote in the period.
    ActiveUsers,
    /// Messages of the period, later deleted ones among them.
    Messages,
}

/// Days in UTC, both ends in it: at most 366.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    from: Date,
    to: Date,
}

/// The two days make no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a period has 1 to 366 days, its first one not after its last one")]
pub struct InvalidPeriod;

/// The text is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a day is written YYYY-MM-DD")]
pub struct InvalidDay;

/// Reads `YYYY-MM-DD` (RFC 3339, `full-date`).
///
/// # Errors
/// [`InvalidDay`] for other text, and for days that no calendar has.
pub fn parse_day(text: &str) -> Result<Date, InvalidDay> {
    // The parser also takes other forms of ISO 8601.
    let plain = text.len() == 10
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
    if !plain {
        return Err(InvalidDay);
    }
    Date::parse(text, &time::format_description::well_known::Iso8601::DATE).map_err(|_| InvalidDay)
}

impl Period {
    /// From `from` to `to`; by default the 30 days up to today.
    ///
    /// # Errors
    /// [`InvalidPeriod`] for more than 366 days, or none.
    pub fn new(
        from: Option<Date>,
        to: Option<Date>,
        now: OffsetDateTime,
    ) -> Result<Self, InvalidPeriod> {
        let to = to.unwrap_or(now.date());
        let from = from.unwrap_or_else(|| to.saturating_sub(Duration::days(29)));
        if (0..366).contains(&(to - from).whole_days()) {
            Ok(Self { from, to })
        } else {
            Err(InvalidPeriod)
        }
    }

    #[must_use]
    pub const fn from(self) -> Date {
        self.from
    }

    #[must_use]
    pub const fn to(self) -> Date {
        self.to
    }

    /// Both ends as days since 1970-01-01.
    #[must_use]
    pub fn unix_days(self) -> (i32, i32) {
        let epoch = OffsetDateTime::UNIX_EPOCH.date();
        let day = |date: Date| (date - epoch).whole_days() as i32;
        (day(self.from), day(self.to))
    }
}

/// A group and what went on there in the period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupActivity {
    pub card: GroupCard,
    pub active_users: u64,
    pub messages: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_counted_in_days_of_utc() {
        let day = |text| parse_day(text).unwrap();
        let now = OffsetDateTime::from_unix_timestamp(86_400 * 100 + 5).unwrap();
        let default = Period::new(None, None, now).unwrap();
        assert_eq!(default.unix_days(), (71, 100));
        let one = Period::new(Some(day("1970-01-02")), Some(day("1970-01-02")), now).unwrap();
        assert_eq!(one.unix_days(), (1, 1));
        let leap = Period::new(Some(day("2024-01-01")), Some(day("2024-12-31")), now);
        assert!(leap.is_ok());
        for (from, to) in [("2024-01-01", "2025-01-01"), ("2024-01-02", "2024-01-01")] {
            assert_eq!(
                Period::new(Some(day(from)), Some(day(to)), now),
                Err(InvalidPeriod)
            );
        }
        for bad in [
            "",
            "2024-02-30",
            "2024-1-01",
            "20240101",
            "2024-W01-1",
            "+024-01-01",
        ] {
            assert_eq!(parse_day(bad), Err(InvalidDay), "{bad:?}");
        }
    }
}
