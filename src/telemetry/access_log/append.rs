//! Appends the values of a line's text.
//!
//! A format string for each of two dozen fields takes a sixth of what the whole request does.

use std::{
    fmt::Display,
    io::Write,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde::{Serialize, Serializer};

/// A value that has a form in a line.
pub(super) trait Append {
    /// Appends it.
    fn append(&self, to: &mut Vec<u8>);
}

/// A time in milliseconds, rounded to the microsecond.
#[derive(Debug, Clone, Copy)]
pub(super) struct Milliseconds(pub Duration);

/// Appends what has only a display.
pub(super) fn append_display(value: impl Display, to: &mut Vec<u8>) {
    // A vector takes everything.
    let _ = write!(to, "{value}");
}

impl Append for &str {
    fn append(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_bytes());
    }
}

impl Append for u64 {
    fn append(&self, to: &mut Vec<u8>) {
        itoa::Buffer::new().format(*self).append(to);
    }
}

impl Append for IpAddr {
    fn append(&self, to: &mut Vec<u8>) {
        let IpAddr::V4(address) = self else { return append_display(self, to) };
        for (at, octet) in address.octets().into_iter().enumerate() {
            if at > 0 {
                to.push(b'.');
            }
            u64::from(octet).append(to);
        }
    }
}

impl Append for SocketAddr {
    fn append(&self, to: &mut Vec<u8>) {
        append_display(self, to);
    }
}

impl Milliseconds {
    fn microseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos().saturating_add(500) / 1000).unwrap_or(u64::MAX)
    }
}

impl Append for Milliseconds {
    /// Without zeros at the end, as a float is written.
    fn append(&self, to: &mut Vec<u8>) {
        let microseconds = self.microseconds();
        (microseconds / 1000).append(to);
        let (mut part, mut digit) = (microseconds % 1000, 100);
        if part > 0 {
            to.push(b'.');
        }
        while part > 0 {
            // Less than ten.
            to.push(b'0' + u8::try_from(part / digit).unwrap_or_default());
            part %= digit;
            digit /= 10;
        }
    }
}

impl Serialize for Milliseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::cast_precision_loss, reason = "exact for three hundred years")]
        serializer.serialize_f64(self.microseconds() as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn appended(value: &impl Append) -> String {
        let mut text = Vec::new();
        value.append(&mut text);
        String::from_utf8(text).unwrap()
    }

    proptest! {
        #[test]
        fn a_time_is_written_as_a_number_of_json(
            time in prop_oneof![0..5_000_000_u64, 0..u64::from(u32::MAX) * 1_000_000].prop_map(Duration::from_nanos)
        ) {
            let milliseconds: f64 = appended(&Milliseconds(time)).parse().unwrap();
            prop_assert_eq!(milliseconds.to_string(), appended(&Milliseconds(time)));
            prop_assert_eq!(
                serde_json::to_string(&Milliseconds(time)).unwrap().parse::<f64>().unwrap().to_bits(),
                milliseconds.to_bits()
            );
            prop_assert!((milliseconds - time.as_secs_f64() * 1e3).abs() <= 0.000_501);
        }

        #[test]
        fn an_address_is_written_as_it_is_displayed(address: IpAddr) {
            prop_assert_eq!(appended(&address), address.to_string());
        }
    }
}
