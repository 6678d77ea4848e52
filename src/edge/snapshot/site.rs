//! One site, compiled.

use std::{sync::Arc, time::Duration};

use super::Servers;
use crate::{
    config::{self, Cors, HealthChecks, Profile, SiteName, Size},
    fleet::Runtime,
    limits::AccessRules,
    telemetry::{SiteCounters, SitesCounters},
    verify::Expected,
};

/// The public URLs that share one profile, one MCP client table and one fleet. A request takes its site when it is
/// admitted, and nothing later asks which.
pub struct Site {
    /// What logs, metrics and the status page call it; nothing where it is the only one.
    pub name: Option<SiteName>,
    /// Where everything but discovery goes.
    pub servers: Servers,
    /// How the servers are checked.
    pub health: HealthChecks,
    /// Which clients may reach which paths.
    pub access: AccessRules,
    /// Which web pages may read what the edge says in a server's stead.
    pub cors: Cors,
    /// The largest body of a request.
    pub request_body: Size,
    /// The generation of Bifrost that is served.
    pub profile: Profile,
    /// What the servers are verified against; `None` when they are not.
    pub verify: Option<VerifyPlan>,
    /// What its requests are counted by.
    pub counters: Arc<SiteCounters>,
}

/// How often the servers are verified, and against what.
pub struct VerifyPlan {
    /// Between two verifications, give or take a tenth; `None` when it is done once, to learn which generation of
    /// Bifrost they are.
    pub interval: Option<Duration>,
    /// What they should answer.
    pub expected: Arc<Expected>,
}

impl Site {
    pub(super) fn new(site: &config::Site, is_only_one: bool, runtime: Arc<Runtime>, counters: &SitesCounters) -> Self {
        let name = site.name.as_ref().filter(|_| !is_only_one);
        Site {
            name: name.cloned(),
            servers: Servers::new(site, name, runtime),
            health: site.health.clone(),
            access: AccessRules::new(&site.access, &site.base_paths()),
            cors: site.cors.clone(),
            request_body: site.limits.request_body,
            profile: site.profile(),
            verify: VerifyPlan::of(site),
            counters: counters.of(name),
        }
    }
}

impl VerifyPlan {
    fn of(site: &config::Site) -> Option<Self> {
        let interval = site.verify.interval;
        let expected = match interval {
            Some(_) => Expected::new(site),
            None if site.verify.at_start => Expected::brief(site),
            None => return None,
        };
        Some(VerifyPlan { interval, expected: Arc::new(expected) })
    }
}
