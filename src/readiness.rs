//! Whether new traffic may be sent here.

/// How far an edge is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// It has listeners, and does not serve yet.
    #[default]
    Starting,
    /// It serves.
    Serving,
    /// It was told to stop, and still takes new connections for load balancers that have not noticed.
    Leaving,
    /// It takes no new connections, and finishes what it has.
    Draining,
}

/// Whether new traffic may be sent here, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// How far the edge is.
    pub stage: Stage,
}

impl Stage {
    /// All of them.
    pub const ALL: [Stage; 4] = [Stage::Starting, Stage::Serving, Stage::Leaving, Stage::Draining];

    /// The name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Starting => "starting",
            Stage::Serving => "serving",
            Stage::Leaving => "leaving",
            Stage::Draining => "draining",
        }
    }
}

impl Readiness {
    /// Whether new traffic may be sent here.
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Serving
    }

    /// Why not; empty when it is ready.
    pub fn reasons(&self) -> Vec<String> {
        let reason = match self.stage {
            Stage::Serving => return Vec::new(),
            Stage::Starting => "starting: the names of servers are being looked up",
            Stage::Leaving => "leaving: told to stop, takes connections until load balancers have noticed",
            Stage::Draining => "draining: takes no new connections, finishes what it has",
        };
        vec![reason.to_owned()]
    }
}
