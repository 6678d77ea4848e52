//! What the edge allows clients: how many connections, how often they may ask, and which paths they may reach.
//! Pure but for the clock of [`Rates`].

mod access;
mod buffers;
mod client_key;
mod connections;
mod rate;
mod rates;
mod readings;

pub use self::{
    access::AccessRules,
    buffers::{Buffers, Held},
    connections::{Connections, Full, Slot},
    rate::RateLimiter,
    rates::Rates,
};
