//! The trace that a request belongs to.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode};

use crate::{
    config::{self, TraceTrust},
    fleet::{Change, Server},
    reason::Reason,
    telemetry::tracing::{AttemptSpan, Happened, Recording, Sampler, TRACEPARENT, TRACESTATE, TraceContext, is_state},
};

/// The trace of one request, and what of it is recorded.
pub(in crate::edge) struct Trace {
    /// Its span, as the server gets it for a parent; of a recorded request that of the attempt.
    context: TraceContext,
    /// Whether the client's `tracestate` goes on.
    pub keeps_state: bool,
    recording: Option<Box<Recording>>,
}

/// Which traces are taken over, and which are recorded: compiled from the configuration.
#[derive(Debug, Clone, Copy)]
pub(in crate::edge) struct TracePlan {
    pub sampler: Sampler,
    pub trust: TraceTrust,
}

impl TracePlan {
    pub fn of(config: &config::Tracing) -> Self {
        TracePlan { sampler: Sampler::of(config), trust: config.trust }
    }
}

impl Trace {
    /// Goes on with the trace that came with a request, or begins one where there is none (W3C Trace Context section 4).
    /// `is_trusted`: a trusted proxy has sent it.
    pub fn begin(headers: &HeaderMap, plan: TracePlan, is_trusted: bool) -> Self {
        let is_heard = plan.trust == TraceTrust::Anybody || is_trusted;
        let parent = if is_heard { parent(headers) } else { None };
        let trace = parent.map_or_else(|| id(rand::random), |parent| parent.trace);
        let is_sampled = plan.sampler.samples(trace, parent);
        let context = TraceContext { trace, span: id(rand::random), is_sampled };
        let state = || headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes);
        let keeps_state = parent.is_some() && is_state(state());
        let recording = is_sampled.then(|| {
            let state: Vec<_> =
                state().filter(|_| keeps_state).filter_map(|field| str::from_utf8(field).ok()).collect();
            Box::new(Recording::begin(context, parent.map(|parent| parent.span), state.join(",")))
        });
        Trace { context, keeps_state, recording }
    }

    /// The value of `traceparent` for the server.
    pub fn traceparent(&self) -> [u8; 55] {
        self.context.write()
    }

    /// The id of the trace, for the access log.
    pub fn id(&self) -> [u8; 32] {
        self.context.trace_id()
    }

    /// An attempt at a server begins.
    pub fn attempt(&mut self, server: Option<Arc<Server>>, address: SocketAddr, is_http2: bool) {
        let Some(recording) = &mut self.recording else { return };
        self.context.span = id(rand::random);
        recording.attempts.push(AttemptSpan {
            span: self.context.span,
            began: SystemTime::now(),
            ended: None,
            server,
            address,
            is_http2,
            is_reused: false,
            status: None,
            reason: None,
            events: Vec::new(),
        });
    }

    /// The attempt has a connection to its server.
    pub fn connected(&mut self, is_reused: bool) {
        if let Some(attempt) = self.recording.as_mut().and_then(|recording| recording.attempt()) {
            attempt.is_reused = is_reused;
        }
    }

    /// The head of a response has come.
    pub fn first_byte(&mut self, status: StatusCode) {
        if let Some(attempt) = self.recording.as_mut().and_then(|recording| recording.attempt()) {
            attempt.status = Some(status.as_u16());
            attempt.happens(Happened::FirstByte);
        }
    }

    /// The server of the attempt has become available, or is not any longer.
    pub fn server_changed(&mut self, change: Change) {
        let Some(recording) = &mut self.recording else { return };
        match recording.attempts.last_mut() {
            Some(attempt) => attempt.happens(Happened::Breaker(change)),
            None => recording.happens(Happened::Breaker(change)),
        }
    }

    /// The attempt has failed.
    pub fn failed(&mut self, reason: Reason, is_tried_again: bool) {
        let Some(recording) = &mut self.recording else { return };
        if let Some(attempt) = recording.attempt() {
            attempt.reason = Some(reason);
            attempt.ended = Some(SystemTime::now());
        }
        if is_tried_again {
            recording.happens(Happened::Retry(reason));
        }
    }

    /// What was recorded.
    pub fn into_recording(self) -> Option<Box<Recording>> {
        self.recording
    }

    /// Whether anything is recorded.
    pub fn is_recorded(&self) -> bool {
        self.recording.is_some()
    }
}

/// What a request says of its caller's span. Of several fields none can be believed (section 3.2.1).
fn parent(headers: &HeaderMap) -> Option<TraceContext> {
    let mut fields = headers.get_all(TRACEPARENT).iter();
    let only = fields.next().filter(|_| fields.next().is_none())?;
    TraceContext::read(only.as_bytes())
}

/// An id, of which none is 0.
fn id<T: Default + PartialEq>(random: fn() -> T) -> T {
    loop {
        let id = random();
        if id != T::default() {
            return id;
        }
    }
}
