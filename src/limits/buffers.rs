//! How much may be held for clients in the whole process.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Room that is shared by all connections. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<AtomicUsize>);

/// A part of it, which is given back when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Held {
    buffers: Buffers,
    bytes: usize,
}

impl Buffers {
    /// Takes so many bytes, if all that are held come to no more than `most` with them.
    pub fn hold(&self, bytes: usize, most: usize) -> Option<Held> {
        let held = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(bytes).filter(|held| *held <= most)
        });
        held.is_ok().then(|| Held { buffers: self.clone(), bytes })
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.buffers.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_held_again() {
        let buffers = Buffers::default();
        let first = buffers.hold(60, 100).unwrap();
        assert!(buffers.hold(41, 100).is_none() && buffers.hold(usize::MAX, usize::MAX).is_none());
        let second = buffers.hold(40, 100).unwrap();
        assert_eq!(buffers.held(), 100);
        drop(first);
        let third = buffers.hold(60, 100).unwrap();
        drop((second, third));
        assert_eq!(buffers.held(), 0);
    }
}
