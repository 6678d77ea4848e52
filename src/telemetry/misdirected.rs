//! The hosts that clients asked for of late and that are no public URL's: what may be missing in `public_urls`.

use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::{config::Scheme, host::Host};

/// They are kept for so long after the last request.
const SPAN: Duration = Duration::from_mins(10);
/// At most so many are kept, whatever clients send.
const MOST: usize = 20;

/// The hosts of the last ten minutes.
#[derive(Debug, Default)]
pub struct MisdirectedHosts(Mutex<Vec<MisdirectedHost>>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MisdirectedHost {
    /// What `public_urls` lacks, where this is a host of the operator's.
    pub url: String,
    /// How many requests there were, without a pause of ten minutes between two.
    pub requests: u64,
    /// When the last one was.
    pub last: SystemTime,
    last_seen: Instant,
}

impl MisdirectedHosts {
    /// A request was refused because of its host. What is no host at all is not kept.
    pub fn add(&self, scheme: Scheme, host: &[u8]) {
        if let Some(host) = Host::parse(host) {
            self.add_url(format!("{}://{host}", scheme.as_str()), Instant::now());
        }
    }

    fn add_url(&self, url: String, now: Instant) {
        let mut hosts = self.0.lock();
        hosts.retain(|host| host.is_recent(now));
        if let Some(known) = hosts.iter_mut().find(|known| known.url == url) {
            (known.requests, known.last, known.last_seen) = (known.requests + 1, SystemTime::now(), now);
            return;
        }
        // Who sends a new name with each request must not push out the one that many clients use.
        if hosts.len() >= MOST {
            let rarest = hosts.iter().enumerate().min_by_key(|(_, host)| (host.requests, host.last_seen));
            if let Some((place, _)) = rarest {
                hosts.swap_remove(place);
            }
        }
        hosts.push(MisdirectedHost { url, requests: 1, last: SystemTime::now(), last_seen: now });
    }

    /// Those of the last ten minutes, the most frequent first.
    pub fn recent(&self) -> Vec<MisdirectedHost> {
        self.recent_at(Instant::now())
    }

    fn recent_at(&self, now: Instant) -> Vec<MisdirectedHost> {
        let mut hosts: Vec<_> = self.0.lock().iter().filter(|host| host.is_recent(now)).cloned().collect();
        hosts.sort_by(|one, other| (other.requests, &one.url).cmp(&(one.requests, &other.url)));
        hosts
    }
}

impl MisdirectedHost {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_seen) < SPAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(hosts: &MisdirectedHosts, now: Instant) -> Vec<(String, u64)> {
        hosts.recent_at(now).into_iter().map(|host| (host.url, host.requests)).collect()
    }

    #[test]
    fn a_host_is_one_however_it_is_written_and_what_is_none_is_left_out() {
        let hosts = MisdirectedHosts::default();
        for host in ["GW.example.com", "gw.example.com.", "gw.example.com:8443", "a b", "", "x:y", "<b>"] {
            hosts.add(Scheme::Https, host.as_bytes());
        }
        let expected = [("https://gw.example.com".to_owned(), 2), ("https://gw.example.com:8443".to_owned(), 1)];
        assert_eq!(urls(&hosts, Instant::now()), expected);
    }

    #[test]
    fn a_flood_of_names_neither_grows_it_nor_hides_a_frequent_one() {
        let hosts = MisdirectedHosts::default();
        let now = Instant::now();
        for place in 0..10_000 {
            hosts.add_url(format!("https://{place}.example"), now);
            if place < 3 {
                hosts.add_url("https://gw.example.com".to_owned(), now);
            }
        }
        let kept = urls(&hosts, now);
        assert_eq!((kept.len(), kept[0].clone()), (MOST, ("https://gw.example.com".to_owned(), 3)));
    }

    #[test]
    fn it_is_forgotten_after_ten_minutes() {
        let hosts = MisdirectedHosts::default();
        let now = Instant::now();
        hosts.add_url("https://a".to_owned(), now);
        assert_eq!(urls(&hosts, now + Duration::from_secs(599)).len(), 1);
        assert_eq!(urls(&hosts, now + SPAN), []);
        hosts.add_url("https://b".to_owned(), now + SPAN);
        assert_eq!(hosts.0.lock().len(), 1, "nor is it kept");
    }
}
