//! Which traces are recorded.

use log::warn;

use super::{TraceContext, environment::variable};
use crate::config;

/// Decides whether a trace is recorded, by the id alone: every system of one share decides alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// Whether the caller's decision counts.
    follows_parent: bool,
    /// Traces whose last 63 bits are below this are recorded.
    below: u64,
}

/// A trace id has so many values of the bits that decide.
const ALL: u64 = 1 << 63;

impl Sampler {
    /// Takes what the configuration says, or else `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`; what those say
    /// and is not known counts as if they were not there.
    pub fn of(config: &config::Tracing) -> Self {
        match config.sample {
            Some(share) => Sampler::new(true, share.get()),
            None => Sampler::of_environment(&|name| variable(&[name])),
        }
    }

    fn new(follows_parent: bool, share: f64) -> Self {
        // Between 0 and 2^63, both of which are a floating-point number.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let below = (share.clamp(0.0, 1.0) * ALL as f64) as u64;
        Sampler { follows_parent, below }
    }

    fn of_environment(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let (sampler, argument) = (environment("OTEL_TRACES_SAMPLER"), environment("OTEL_TRACES_SAMPLER_ARG"));
        let share = || {
            let share = argument.as_deref().map_or(Ok(1.0), str::parse);
            share.ok().filter(|share| (0.0..=1.0).contains(share)).unwrap_or_else(|| {
                warn!(
                    "OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1: all traces are recorded; write for example 0.01"
                );
                1.0
            })
        };
        match sampler.as_deref().unwrap_or("parentbased_always_on") {
            "parentbased_always_on" => Sampler::new(true, 1.0),
            "parentbased_always_off" => Sampler::new(true, 0.0),
            "parentbased_traceidratio" => Sampler::new(true, share()),
            "always_on" => Sampler::new(false, 1.0),
            "always_off" => Sampler::new(false, 0.0),
            "traceidratio" => Sampler::new(false, share()),
            other => {
                warn!("OTEL_TRACES_SAMPLER={other:?} is not known: all traces are recorded; write tracing.sample");
                Sampler::new(true, 1.0)
            }
        }
    }

    /// Whether this trace is recorded. `parent` is what it came with.
    pub fn samples(self, trace: u128, parent: Option<TraceContext>) -> bool {
        match parent.filter(|_| self.follows_parent) {
            Some(parent) => parent.is_sampled,
            // The lower half, as in OpenTelemetry's TraceIdRatioBased.
            None => trace % u128::from(ALL) < u128::from(self.below),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Sampler {
        Sampler::of_environment(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_share_is_that_of_the_ids() {
        let sampler = Sampler::new(true, 0.25);
        let count = (0..1000_u128).filter(|id| sampler.samples(id * (u128::MAX / 1000), None)).count();
        assert!((200..300).contains(&count), "{count}");
        for id in [1, u128::MAX, u128::from(u64::MAX >> 1)] {
            assert!(Sampler::new(true, 1.0).samples(id, None) && !Sampler::new(true, 0.0).samples(id, None), "{id:x}");
        }
    }

    #[test]
    fn the_parent_decides_where_it_is_asked() {
        for is_sampled in [true, false] {
            let parent = Some(TraceContext { trace: 1, span: 1, is_sampled });
            assert_eq!(Sampler::new(true, 0.5).samples(1, parent), is_sampled);
            assert!(Sampler::new(false, 1.0).samples(1, parent));
        }
    }

    #[test]
    fn the_variables_of_the_standard() {
        assert_eq!(of(&[]), Sampler::new(true, 1.0));
        assert_eq!(of(&[("OTEL_TRACES_SAMPLER", "always_off")]), Sampler::new(false, 0.0));
        let ratio = |argument| {
            of(&[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", argument)])
        };
        assert_eq!(ratio("0.25"), Sampler::new(true, 0.25));
        assert_eq!((ratio("2"), ratio("x")), (Sampler::new(true, 1.0), Sampler::new(true, 1.0)));
        assert_eq!(of(&[("OTEL_TRACES_SAMPLER", "jaeger_remote")]), Sampler::new(true, 1.0));
    }
}
