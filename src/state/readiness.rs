//! Whether new traffic may be sent here.

/// How far an edge is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
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

/// How far the edge is with being replaced by another process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Replacement {
    /// Nobody has asked for it.
    #[default]
    None,
    /// Its successor is starting.
    Starting,
    /// The last successor did not serve, and why.
    Failed(String),
}

/// Whether new traffic may be sent here, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// How far the edge is.
    pub phase: Phase,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 4] = [Phase::Starting, Phase::Serving, Phase::Leaving, Phase::Draining];

    /// The name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Serving => "serving",
            Phase::Leaving => "leaving",
            Phase::Draining => "draining",
        }
    }
}

impl Readiness {
    /// Whether new traffic may be sent here.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// Why not; empty when it is ready.
    pub fn reasons(&self) -> Vec<String> {
        let reason = match self.phase {
            Phase::Serving => return Vec::new(),
            Phase::Starting => "starting: the names of servers are being looked up",
            Phase::Leaving => "leaving: told to stop, takes connections until load balancers have noticed",
            Phase::Draining => "draining: takes no new connections, finishes what it has",
        };
        vec![reason.to_owned()]
    }
}
