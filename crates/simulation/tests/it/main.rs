//! A thousand worlds. One that fails is led again by `SIMULATION_SEED=<seed>`.

#[cfg(test)]
mod seeds {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use simulation::{Counts, World};

    const SEEDS: u64 = 1_000;
    const STEPS: usize = 1_500;

    fn run(seed: u64) -> Result<Counts, String> {
        let run = AssertUnwindSafe(|| World::new(seed).run(STEPS));
        catch_unwind(run).map_err(|reason| {
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
                    total.owners_lost += counts.owners_lost;
                    total.sockets_lost += counts.sockets_lost;
                }
                Err(reason) => panic!("seed {seed}: {reason}"),
            }
        }
        println!("{total:?}");
        assert!(total.stored > 0 && total.owners_lost > 0 && total.sockets_lost > 0);
    }

    #[test]
    fn a_seed_always_does_the_same() {
        for seed in 0..10 {
            assert_eq!(run(seed), run(seed), "seed {seed}");
        }
    }
}
