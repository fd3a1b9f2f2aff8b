//! Sets of numbers that are mostly runs.

use std::collections::BTreeMap;

/// A set of numbers, kept as runs: small while what is in it has few holes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// First to last, both in it; runs don't touch.
    runs: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds one number.
    pub fn insert(&mut self, number: u64) {
        self.insert_run(number, number);
    }

    /// Adds all from `first` to `last`; none if that is nothing.
    pub fn insert_run(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        // Runs that touch the new one, from the right.
        while let Some((&from, &to)) = self.runs.range(..=last.saturating_add(1)).next_back() {
            if to.saturating_add(1) < first {
                break;
            }
            self.runs.remove(&from);
            first = first.min(from);
            last = last.max(to);
        }
        self.runs.insert(first, last);
    }

    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.runs
            .range(..=number)
            .next_back()
            .is_some_and(|(_, &to)| number <= to)
    }

    /// All numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs.iter().flat_map(|(&from, &to)| from..=to)
    }

    /// Those that are in none of `others`, ascending.
    pub fn without<'a>(&'a self, others: &'a [&Self]) -> impl Iterator<Item = u64> + 'a {
        self.runs.iter().flat_map(move |(&from, &to)| {
            let mut next = from;
            std::iter::from_fn(move || {
                while next <= to {
                    // Jump over the longest run that covers it.
                    match others
                        .iter()
                        .filter_map(|other| other.end_of_run(next))
                        .max()
                    {
                        Some(end) => next = end + 1,
                        None => {
                            next += 1;
                            return Some(next - 1);
                        }
                    }
                }
                None
            })
        })
    }

    fn end_of_run(&self, number: u64) -> Option<u64> {
        self.runs
            .range(..=number)
            .next_back()
            .filter(|(_, to)| number <= **to)
            .map(|(_, &to)| to)
    }

    /// Everything in either.
    pub fn extend(&mut self, other: &Self) {
        for (&from, &to) in &other.runs {
            self.insert_run(from, to);
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many numbers.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|(from, to)| to - from + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::SmallRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    #[test]
    fn runs_are_the_same_set_as_a_set() {
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..300 {
            let (mut runs, mut set) = (Ranges::default(), BTreeSet::new());
            let (mut other, mut other_set) = (Ranges::default(), BTreeSet::new());
            for _ in 0..rng.random_range(0..30) {
                let first = rng.random_range(0..60_u64);
                let last = first + rng.random_range(0..5);
                runs.insert_run(first, last);
                set.extend(first..=last);
                let one = rng.random_range(0..60);
                other.insert(one);
                other_set.insert(one);
            }
            assert!(runs.iter().eq(set.iter().copied()));
            assert_eq!(runs.len(), set.len() as u64);
            assert!(
                runs.without(&[&other])
                    .eq(set.difference(&other_set).copied())
            );
            for number in 0..70 {
                assert_eq!(runs.contains(number), set.contains(&number));
            }
        }
    }
}
