//! What the edge allows clients: how many connections and requests at a time, how often they may ask, and which paths
//! they may reach. Pure but for the clock of [`Rates`] and the question of [`OpenFiles`].

mod access;
mod buffers;
mod client_key;
mod concurrency;
mod open_files;
mod rate;
mod rates;
mod readings;

pub use self::{
    access::AccessRules,
    buffers::{Buffers, Held},
    concurrency::{Concurrency, Full, Slot},
    open_files::OpenFiles,
    rate::RateLimiter,
    rates::Rates,
};
