//! The rules by which one of several servers is chosen. Pure: they see weights and loads, and return a
//! place in the list.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A server that may be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Its place among all servers of the fleet.
    pub place: usize,
    /// Above 0.
    pub weight: u32,
    pub in_flight: usize,
    /// Tells it apart from all others, the same in every process of this program.
    pub id: u64,
}

/// Of two candidates, drawn by lot according to their weights, the one with fewer requests in flight for
/// its weight. `draw(n)` is a random number below `n`.
pub(super) fn least_requests(candidates: &[Candidate], mut draw: impl FnMut(u32) -> u32) -> Option<&Candidate> {
    let total: u32 = candidates.iter().map(|candidate| candidate.weight).sum();
    let first = drawn(candidates, None, draw(total.max(1)))?;
    let rest = total - candidates[first].weight;
    if rest == 0 {
        return Some(&candidates[first]);
    }
    let second = drawn(candidates, Some(first), draw(rest)).unwrap_or(first);
    Some(less_busy(&candidates[first], &candidates[second]))
}

/// The lot has given the first its share; the second takes the request only if it would still be no busier for its
/// weight. Without a division.
fn less_busy<'a>(first: &'a Candidate, second: &'a Candidate) -> &'a Candidate {
    let is_less =
        (second.in_flight as u64 + 1) * u64::from(first.weight) <= first.in_flight as u64 * u64::from(second.weight);
    if is_less { second } else { first }
}

/// The lots of a list of servers: each has as many as its weight says.
#[derive(Debug, Default)]
pub(super) struct Lots {
    /// The lots up to and with each place in the list.
    up_to: Vec<u32>,
}

impl Lots {
    /// The lots of servers with these weights.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let mut sum = 0;
        let add = |weight| {
            sum += weight;
            sum
        };
        Lots { up_to: weights.into_iter().map(add).collect() }
    }

    /// The same rule as [`least_requests`], for those of the list that are candidates, without a look at all of them:
    /// a lot that falls on another is drawn again. None, if that does not help: there may be too few candidates.
    pub fn least_requests(
        &self,
        candidate: impl Fn(usize) -> Option<Candidate>,
        mut draw: impl FnMut(u32) -> u32,
    ) -> Option<Candidate> {
        const DRAWS: usize = 8;
        let total = self.up_to.last().copied().filter(|_| self.up_to.len() > 1)?;
        let mut drawn = || {
            let lot = draw(total);
            candidate(self.up_to.partition_point(|up_to| *up_to <= lot))
        };
        let first = (0..DRAWS).find_map(|_| drawn())?;
        let second = (0..DRAWS).find_map(|_| drawn().filter(|second| second.place != first.place))?;
        Some(*less_busy(&first, &second))
    }
}

/// The candidate on which a lot below the sum of the weights falls, one of them left out.
fn drawn(candidates: &[Candidate], left_out: Option<usize>, mut lot: u32) -> Option<usize> {
    for (place, candidate) in candidates.iter().enumerate() {
        if Some(place) == left_out {
            continue;
        }
        if lot < candidate.weight {
            return Some(place);
        }
        lot -= candidate.weight;
    }
    None
}

/// Rendezvous hashing with bounded load: of the candidates that have not reached `most_load` times their fair
/// share of the requests in flight, the one with the highest score for this key.
pub(super) fn rendezvous<'a>(candidates: &'a [Candidate], key: &[u8], most_load: f64) -> Option<&'a Candidate> {
    let weights: u32 = candidates.iter().map(|candidate| candidate.weight).sum();
    let in_flight: usize = candidates.iter().map(|candidate| candidate.in_flight).sum();
    let scored = candidates.iter().map(|candidate| (candidate, score(candidate, key)));
    let highest = scored.filter(|(candidate, _)| !is_full(candidate, in_flight, weights, most_load));
    highest.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(candidate, _)| candidate)
}

/// A server with fewer requests than this is not full: with a handful in flight, two of one session would
/// already part.
const NEVER_FULL: usize = 10;

#[allow(clippy::cast_precision_loss, reason = "a load does not need the last digit")]
fn is_full(candidate: &Candidate, in_flight: usize, weights: u32, most_load: f64) -> bool {
    let fair = (in_flight + 1) as f64 * f64::from(candidate.weight) / f64::from(weights);
    // At least one of them is below its own share, so that there is always a choice.
    candidate.in_flight >= NEVER_FULL && candidate.in_flight as f64 >= (fair * most_load).ceil()
}

/// Weighted rendezvous hashing: a uniform number from key and server, bent by the weight.
#[allow(clippy::cast_precision_loss, reason = "53 bits of the hash are enough")]
fn score(candidate: &Candidate, key: &[u8]) -> f64 {
    const BITS: u32 = 53;
    let mut hasher = DefaultHasher::new();
    candidate.id.hash(&mut hasher);
    key.hash(&mut hasher);
    let uniform = ((hasher.finish() >> (u64::BITS - BITS)) as f64 + 0.5) / (1_u64 << BITS) as f64;
    -f64::from(candidate.weight) / uniform.ln()
}

/// An id for a server that is known by these words.
pub(super) fn id(words: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}

/// Whose turn it is: every place as often as its weight says, spread evenly.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: Vec<usize>,
    next: AtomicUsize,
}

impl Turns {
    /// The turns of places with these weights.
    pub fn new(weights: &[(usize, u32)]) -> Self {
        let divisor = weights.iter().map(|(_, weight)| *weight).fold(0, gcd).max(1);
        // Each has its turns in the middle of as many equal parts of the round as it has turns.
        let mut turns: Vec<_> = weights
            .iter()
            .map(|(place, weight)| (*place, u64::from(weight / divisor)))
            .flat_map(|(place, turns)| (0..turns).map(move |turn| (place, 2 * turn + 1, 2 * turns)))
            .collect();
        turns.sort_by(|(_, one, of_one), (_, other, of_other)| (one * of_other).cmp(&(other * of_one)));
        Turns { order: turns.into_iter().map(|(place, ..)| place).collect(), next: AtomicUsize::new(0) }
    }

    /// The candidate whose turn it is. The turns of those who are no candidates pass; other threads take turns in
    /// between, so that a whole round may pass without luck.
    pub fn next(&self, candidate: impl Fn(usize) -> Option<Candidate>) -> Option<Candidate> {
        let turn = |_| {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.order.len();
            candidate(self.order[turn])
        };
        (0..self.order.len()).find_map(turn)
    }
}

fn gcd(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { gcd(other, one % other) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn candidates(loads: &[(u32, usize)]) -> Vec<Candidate> {
        let candidate = |(place, (weight, in_flight)): (usize, &(u32, usize))| Candidate {
            place,
            weight: *weight,
            in_flight: *in_flight,
            id: id(place),
        };
        loads.iter().enumerate().map(candidate).collect()
    }

    fn counted(places: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut counts = HashMap::<usize, usize>::new();
        for place in places {
            *counts.entry(place).or_default() += 1;
        }
        (0..=counts.keys().copied().max().unwrap_or(0)).map(|place| counts.get(&place).copied().unwrap_or(0)).collect()
    }

    #[test]
    fn of_two_the_less_loaded_is_always_chosen() {
        let mut random = StdRng::seed_from_u64(1);
        let fleet = candidates(&[(1, 5), (1, 4)]);
        for _ in 0..100 {
            assert_eq!(least_requests(&fleet, |below| random.gen_range(0..below)).unwrap().place, 1);
        }
        // Six for a weight of 3 is less than three for a weight of 1.
        let fleet = candidates(&[(1, 3), (3, 6)]);
        for _ in 0..100 {
            assert_eq!(least_requests(&fleet, |below| random.gen_range(0..below)).unwrap().place, 1);
        }
    }

    #[test]
    fn idle_servers_are_chosen_as_often_as_their_weights_say() {
        let mut random = StdRng::seed_from_u64(2);
        let fleet = candidates(&[(1, 0), (2, 0), (5, 0)]);
        let chosen = (0..8000).map(|_| least_requests(&fleet, |below| random.gen_range(0..below)).unwrap().place);
        let counts = counted(chosen);
        for (count, expected) in counts.iter().zip([1000, 2000, 5000]) {
            assert!(count.abs_diff(expected) < expected / 5, "{counts:?}");
        }
    }

    #[test]
    fn a_small_weight_gets_a_small_share_of_few_requests_too() {
        let mut random = StdRng::seed_from_u64(4);
        for concurrency in [1, 4, 16, 64] {
            let mut loads = [(1, 0), (99, 0)];
            let mut under_way = std::collections::VecDeque::new();
            let mut light = 0;
            for _ in 0..10_000 {
                let fleet = candidates(&loads);
                let place = least_requests(&fleet, |below| random.gen_range(0..below)).unwrap().place;
                light += usize::from(place == 0);
                loads[place].1 += 1;
                under_way.push_back(place);
                if under_way.len() == concurrency {
                    loads[under_way.pop_front().unwrap()].1 -= 1;
                }
            }
            assert!((1..300).contains(&light), "{light} of 10000 with {concurrency} at once");
        }
    }

    #[test]
    fn requests_that_stay_spread_evenly() {
        let mut random = StdRng::seed_from_u64(3);
        let mut loads = vec![(1, 0); 10];
        for _ in 0..1000 {
            let fleet = candidates(&loads);
            let place = least_requests(&fleet, |below| random.gen_range(0..below)).unwrap().place;
            loads[place].1 += 1;
        }
        let (least, most) = (loads.iter().map(|load| load.1).min(), loads.iter().map(|load| load.1).max());
        assert!(most.unwrap() - least.unwrap() <= 6, "{loads:?}");
    }

    #[test]
    fn turns_go_round_by_weight_and_skip_who_is_no_candidate() {
        let turns = Turns::new(&[(0, 2), (1, 1), (2, 1)]);
        let fleet = candidates(&[(2, 0), (1, 0), (1, 0)]);
        let order: Vec<_> = (0..8).map(|_| turns.next(|place| Some(fleet[place])).unwrap().place).collect();
        assert_eq!(order, [0, 1, 2, 0, 0, 1, 2, 0]);
        let rest = |place: usize| (place > 0).then(|| fleet[place]);
        assert_eq!(counted((0..8).map(|_| turns.next(rest).unwrap().place)), [0, 4, 4]);
        assert!(turns.next(|_| None).is_none());
    }

    #[test]
    fn lots_that_fall_on_no_candidate_change_nothing_for_the_others() {
        let mut random = StdRng::seed_from_u64(5);
        // The heavy one in the middle is none, and each of two at most is found.
        let fleet = candidates(&[(1, 0), (2, 0), (4, 0), (5, 0)]);
        let lots = Lots::new(fleet.iter().map(|candidate| candidate.weight));
        let candidate = |place: usize| (place != 2).then(|| fleet[place]);
        let mut counts = [0; 4];
        while counts.iter().sum::<usize>() < 8000 {
            if let Some(chosen) = lots.least_requests(candidate, |below| random.gen_range(0..below)) {
                counts[chosen.place] += 1;
            }
        }
        for (count, expected) in counts.iter().zip([1000_usize, 2000, 0, 5000]) {
            assert!(count.abs_diff(expected) <= expected / 5, "{counts:?}");
        }
        let busy = candidates(&[(1, 5), (1, 4)]);
        let lots = Lots::new([1, 1]);
        for _ in 0..100 {
            let chosen = lots.least_requests(|place| Some(busy[place]), |below| random.gen_range(0..below));
            assert!(chosen.is_none_or(|chosen| chosen.place == 1));
        }
        assert!(Lots::new([]).least_requests(|_| None, |_| 0).is_none());
        assert!(lots.least_requests(|_| None, |_| 1).is_none());
    }

    #[test]
    fn keys_spread_over_servers_as_their_weights_say() {
        let fleet = candidates(&[(1, 0), (1, 0), (2, 0)]);
        let keys = (0..8000_u32).map(|key| rendezvous(&fleet, &key.to_le_bytes(), 1e9).unwrap().place);
        let counts = counted(keys);
        for (count, expected) in counts.iter().zip([2000, 2000, 4000]) {
            assert!(count.abs_diff(expected) < expected / 10, "{counts:?}");
        }
    }

    #[test]
    fn a_server_that_is_full_leaves_its_keys_to_the_next() {
        let alone = candidates(&[(1, 0), (1, 0), (1, 0)]);
        let favourite = rendezvous(&alone, b"session", 1.25).unwrap().place;
        let mut loads = [(1, 10); 3];
        loads[favourite].1 = 15;
        assert_ne!(rendezvous(&candidates(&loads), b"session", 1.25).unwrap().place, favourite);
        loads[favourite].1 = 12;
        assert_eq!(rendezvous(&candidates(&loads), b"session", 1.25).unwrap().place, favourite);
    }

    proptest! {
        /// A server that goes away moves its own keys alone.
        #[test]
        fn only_the_keys_of_a_server_that_goes_away_move(
            key in any::<u64>(), gone in 0..6_usize, weights in proptest::collection::vec(1..100_u32, 6),
        ) {
            let all = candidates(&weights.iter().map(|weight| (*weight, 0)).collect::<Vec<_>>());
            let before = rendezvous(&all, &key.to_le_bytes(), 1e9).unwrap().place;
            let mut fewer = all.clone();
            fewer.remove(gone);
            let after = rendezvous(&fewer, &key.to_le_bytes(), 1e9).unwrap().place;
            prop_assert!(before == gone || before == after);
        }

        /// Whatever the loads and weights, each rule chooses one of the candidates.
        #[test]
        fn there_is_always_a_choice(
            loads in proptest::collection::vec((1..100_u32, 0..1000_usize), 1..20), key in any::<u64>(), seed in any::<u64>(),
        ) {
            let fleet = candidates(&loads);
            let mut random = StdRng::seed_from_u64(seed);
            prop_assert!(least_requests(&fleet, |below| random.gen_range(0..below)).is_some());
            prop_assert!(rendezvous(&fleet, &key.to_le_bytes(), 1.0).is_some());
            let weights: Vec<_> = fleet.iter().map(|candidate| (candidate.place, candidate.weight)).collect();
            prop_assert!(Turns::new(&weights).next(|place| Some(fleet[place])).is_some());
        }
    }
}
