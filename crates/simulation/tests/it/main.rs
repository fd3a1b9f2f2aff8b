//! A thousand worlds. One that fails is led again by `SIMULATION_SEED=<seed>`.

#[cfg(test)]
mod seeds {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
    use std::sync::Once;

    use simulation::{BrokenRule, Counts, World};

    const SEEDS: u64 = 1_000;
    const STEPS: usize = 1_500;

    fn run(seed: u64) -> Result<Counts, String> {
        outcome_of(World::new(seed))
    }

    thread_local! {
        /// A world that ends badly is told of by its seed, not by a hundred backtraces.
        static IS_QUIET: Cell<bool> = const { Cell::new(false) };
    }

    fn outcome_of(world: World) -> Result<Counts, String> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = take_hook();
            set_hook(Box::new(move |info| {
                if !IS_QUIET.get() {
                    usual(info);
                }
            }));
        });
        IS_QUIET.set(true);
        let outcome = catch_unwind(AssertUnwindSafe(|| world.run(STEPS)));
        IS_QUIET.set(false);
        outcome.map_err(|reason| {
            let text = reason.downcast_ref::<String>().cloned();
            text.or_else(|| reason.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default()
        })
    }

    #[test]
    fn whatever_fails_everything_is_stored_once_and_seen_once_by_everybody() {
        let seeds = match std::env::var("SIMULATION_SEED") {
            Ok(seed) => {
                let seed = seed.parse().expect("SIMULATION_SEED is a number");
                seed..seed + 1
            }
            Err(_) => 0..SEEDS,
        };
        let mut total = Counts::default();
        for seed in seeds {
            match run(seed) {
                Ok(counts) => {
                    total.stored += counts.stored;
                    total.refused += counts.refused;
                    total.entries += counts.entries;
                    total.changes += counts.changes;
                    total.owners_lost += counts.owners_lost;
                    total.sockets_lost += counts.sockets_lost;
                }
                Err(reason) => panic!("seed {seed}: {reason}"),
            }
        }
        println!("{total:?}");
        // Nothing is proven where nothing happened.
        let happened = [
            total.stored,
            total.refused,
            total.changes,
            total.owners_lost,
            total.sockets_lost,
        ];
        assert!(happened.iter().all(|count| *count > 0), "{total:?}");
    }

    #[test]
    fn a_broken_rule_is_found() {
        for rule in [
            BrokenRule::HeadsNeverGoBack,
            BrokenRule::CommitLast,
            BrokenRule::NoteWhatChanged,
        ] {
            let found = (0..100)
                .filter(|seed| outcome_of(World::with_broken(*seed, rule)).is_err())
                .count();
            println!("{rule:?}: {found} of 100 seeds");
            assert!(found > 0, "{rule:?} is broken and nobody sees it");
        }
    }

    #[test]
    fn a_seed_always_does_the_same() {
        for seed in 0..10 {
            assert_eq!(run(seed), run(seed), "seed {seed}");
        }
    }
}
