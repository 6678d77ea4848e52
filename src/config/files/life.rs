//! How long the certificates hold that the files of a configuration have.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

/// From when to when what is in a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateLife {
    /// The file, as the operator named it.
    pub file: PathBuf,
    /// The name in the certificate that decides: its first DNS name, or else its subject.
    pub name: String,
    /// The first moment, in seconds since 1970 (RFC 5280 section 4.1.2.5).
    pub begins: i64,
    /// The last one.
    pub ends: i64,
}

/// Longer names are cut: they are labels of metrics.
const LONGEST_NAME: usize = 255;
const DAY: Duration = Duration::from_hours(24);

impl CertificateLife {
    /// Of a certificate and its chain, which hold as long as the first of them.
    pub(super) fn of_chain<'a>(file: &Path, chain: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let lives: Vec<_> = chain.into_iter().filter_map(|der| Self::of(file, der)).collect();
        let begins = lives.iter().map(|life| life.begins).max()?;
        let first = lives.into_iter().min_by_key(|life| life.ends)?;
        Some(CertificateLife { begins, ..first })
    }

    /// Of authorities, any of which may have signed: they hold as long as the last of them.
    pub(super) fn of_authorities<'a>(file: &Path, all: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let lives: Vec<_> = all.into_iter().filter_map(|der| Self::of(file, der)).collect();
        let begins = lives.iter().map(|life| life.begins).min()?;
        let last = lives.into_iter().max_by_key(|life| life.ends)?;
        Some(CertificateLife { begins, ..last })
    }

    fn of(file: &Path, der: &[u8]) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let validity = certificate.validity();
        Some(CertificateLife {
            file: file.to_owned(),
            name: name(&certificate),
            begins: validity.not_before.timestamp(),
            ends: validity.not_after.timestamp(),
        })
    }

    /// What an operator must know of it at this moment: it has expired, is not valid yet, or expires so soon.
    pub fn trouble(&self, now: SystemTime, soon: Duration) -> Option<String> {
        let now = seconds(now);
        let (name, file) = (&self.name, self.file.display());
        if now > self.ends {
            return Some(format!("the certificate of {name} in {file} expired on {}; renew it", date(self.ends)));
        }
        if now < self.begins {
            let begins = date(self.begins);
            return Some(format!(
                "the certificate of {name} in {file} is not valid before {begins}; use an older one, or check the clock"
            ));
        }
        let left = Duration::from_secs(self.ends.abs_diff(now));
        (left < soon).then(|| {
            let days = match left.as_secs() / DAY.as_secs() {
                0 => "less than a day".to_owned(),
                1 => "1 day".to_owned(),
                days => format!("{days} days"),
            };
            let ends = date(self.ends);
            format!("the certificate of {name} in {file} expires on {ends}, {days} from now; renew it")
        })
    }

    /// Whose it is and until when, in a few words for the log.
    pub fn shown(&self) -> String {
        format!("{} for {}, valid until {}", self.file.display(), self.name, date(self.ends))
    }
}

fn name(certificate: &X509Certificate<'_>) -> String {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let dns = alternatives.and_then(|names| {
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
    });
    let common = || Some(certificate.subject().iter_common_name().next()?.as_str().ok()?.to_owned());
    let name = dns.or_else(common).unwrap_or_else(|| certificate.subject().to_string());
    // No byte of it may command a terminal.
    name.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(LONGEST_NAME).collect()
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// As in RFC 3339, to the second. What is before 1970 or after 9999 is shown as the nearest moment.
fn date(seconds: i64) -> String {
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(seconds).unwrap_or_default().min(LAST);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_depends_on_the_moment() {
        let life =
            CertificateLife { file: "a.pem".into(), name: "a.example".into(), begins: 1_000_000, ends: 9_000_000 };
        let at = |seconds| life.trouble(UNIX_EPOCH + Duration::from_secs(seconds), 14 * DAY);
        assert!(at(999_999).unwrap().contains("a.example in a.pem is not valid before 1970-01-12T13:46:40Z"));
        assert_eq!((at(1_000_000), at(9_000_000 - 14 * 86_400)), (None, None));
        assert!(at(9_000_000 - 86_400).unwrap().contains("expires on 1970-04-15T04:00:00Z, 1 day from now"));
        assert!(at(9_000_001).unwrap().contains("expired on 1970-04-15T04:00:00Z"));
        assert_eq!(life.trouble(UNIX_EPOCH + Duration::from_secs(8_999_999), Duration::ZERO), None);
    }

    #[test]
    fn a_date_that_is_none_is_shown_as_the_nearest() {
        assert_eq!(date(-1), "1970-01-01T00:00:00Z");
        assert_eq!(date(i64::MAX), "9999-12-31T23:59:59Z");
    }
}
