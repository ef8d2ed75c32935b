//! How much anybody may ask: token buckets by source address, by caller and by account.
//!
//! A copy of an identity document can be sent by anybody who has one. So documents have buckets of their
//! own, for each place that they come from: whoever sends copies uses up nothing of the instance's own.
//!
//! They live in one environment of the function, so what holds over all of them is this times the
//! function's concurrency. Their use is to keep one noisy caller from using up what Route 53 and STS
//! give to all; who may do what is decided elsewhere.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::Ipv6Net;
use jiff::Timestamp;

use crate::config::{Config, Rate};

/// Requests from one address. Many instances can stand behind one NAT gateway and start together, so
/// it is far above what one instance needs; STS answers 600 GetCallerIdentity a second by default, and
/// this is to stay below that with every environment attacked at once.
const SOURCE: Rate = Rate {
    requests: 60,
    per_secs: 10,
};

/// Requests of one account. Route 53 takes 50 calls at once and 10 a second then, over all accounts
/// (Route 53 Developer Guide, "Quotas": API request limits): an account alone gets half.
const ACCOUNT: Rate = Rate {
    requests: 25,
    per_secs: 5,
};

/// Entries of a table, about 100 bytes each.
const ENTRIES_MAX: usize = 2_048;

/// Prefix of an IPv6 network whose addresses share a bucket. A site gets many networks of /64 and not one:
/// RFC 6177, section 2, leaves it between /48 and /64 and names /56 for homes, and what Amazon gives a VPC
/// is a /56 (VPC User Guide, "VPC CIDR blocks"). Whoever has a /48 has 256 buckets; with /48 for all, the
/// VPCs of 256 customers would share one.
const SITE_BITS: u8 = 56;

/// The buckets of one environment.
#[derive(Debug, Default)]
pub struct Limits {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    sources: Table<IpAddr>,
    callers: Table<String>,
    accounts: Table<String>,
    documents: Table<(String, IpAddr)>,
    document_accounts: Table<String>,
}

/// Buckets by key, never more than [`ENTRIES_MAX`].
#[derive(Debug)]
struct Table<K> {
    buckets: BTreeMap<K, Bucket>,
}

/// So many tokens at that time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// Too many requests; the bucket has a token again after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// How long to wait.
    pub wait: Duration,
}

impl Limits {
    /// Buckets that are all full.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a token of an address.
    ///
    /// # Errors
    /// When there is none.
    pub fn source(&self, address: IpAddr, now: Timestamp) -> Result<(), TooMany> {
        self.with(|tables| tables.sources.take(site(address), SOURCE, now))
    }

    /// Takes a token of a caller who proved who it is, and one of its account.
    ///
    /// # Errors
    /// When one of the two is missing; then neither is taken.
    pub fn caller(
        &self,
        config: &Config,
        caller: &str,
        account: &str,
        now: Timestamp,
    ) -> Result<(), TooMany> {
        self.with(|tables| {
            let (callers, accounts) = (&mut tables.callers, &mut tables.accounts);
            both(
                (callers, caller.to_owned(), config.rate),
                accounts,
                account,
                now,
            )
        })
    }

    /// Takes a token of whoever sends this caller's identity document from this address, and one of all
    /// documents of its account: EC2 is asked for each, and has not said yet whether it is the caller.
    ///
    /// # Errors
    /// When one of the two is missing; then neither is taken.
    pub fn document(
        &self,
        config: &Config,
        caller: &str,
        account: &str,
        source: IpAddr,
        now: Timestamp,
    ) -> Result<(), TooMany> {
        self.with(|tables| {
            let (documents, accounts) = (&mut tables.documents, &mut tables.document_accounts);
            let key = (caller.to_owned(), site(source));
            both((documents, key, config.rate), accounts, account, now)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Tables) -> T) -> T {
        // A panic elsewhere leaves at worst a token too few or too many.
        work(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What shares the bucket of a source.
fn site(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Net::new_assert(v6, SITE_BITS).network().into(),
    }
}

/// Takes a token of each, or of neither.
fn both<K: Ord + Clone>(
    (table, key, rate): (&mut Table<K>, K, Rate),
    accounts: &mut Table<String>,
    account: &str,
    now: Timestamp,
) -> Result<(), TooMany> {
    table.peek(&key, rate, now)?;
    accounts.take(account.to_owned(), ACCOUNT, now)?;
    table.take(key, rate, now)
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            buckets: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Table<K> {
    fn peek(&self, key: &K, rate: Rate, now: Timestamp) -> Result<(), TooMany> {
        match self.buckets.get(key) {
            Some(bucket) => bucket.refilled(rate, now).enough(rate),
            None => Ok(()),
        }
    }

    fn take(&mut self, key: K, rate: Rate, now: Timestamp) -> Result<(), TooMany> {
        if !self.buckets.contains_key(&key) {
            self.make_room(rate, now);
        }
        let full = Bucket {
            tokens: f64::from(rate.requests),
            at: now,
        };
        let bucket = self.buckets.entry(key).or_insert(full);
        *bucket = bucket.refilled(rate, now);
        bucket.enough(rate)?;
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Forgets buckets that are full again, which changes nothing; if that is not enough the fullest
    /// one, which gives somebody a few tokens, rather than refuse everybody who is new.
    fn make_room(&mut self, rate: Rate, now: Timestamp) {
        if self.buckets.len() < ENTRIES_MAX {
            return;
        }
        let full = f64::from(rate.requests);
        self.buckets
            .retain(|_, bucket| bucket.refilled(rate, now).tokens < full);
        if self.buckets.len() < ENTRIES_MAX {
            return;
        }
        let fullest = self
            .buckets
            .iter()
            .max_by(|(_, a), (_, b)| {
                let [a, b] = [a, b].map(|bucket| bucket.refilled(rate, now).tokens);
                a.total_cmp(&b)
            })
            .map(|(key, _)| key.clone());
        if let Some(key) = fullest {
            self.buckets.remove(&key);
        }
    }
}

impl Bucket {
    fn refilled(self, rate: Rate, now: Timestamp) -> Self {
        // A clock that goes back refills nothing.
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.0);
        let tokens = self.tokens + seconds * per_second(rate);
        Self {
            tokens: tokens.min(f64::from(rate.requests)),
            at: now.max(self.at),
        }
    }

    fn enough(self, rate: Rate) -> Result<(), TooMany> {
        // Tokens come in fractions; what is short of one by rounding is one.
        const ROUNDING: f64 = 1e-6;
        let missing = 1.0 - self.tokens;
        if missing <= ROUNDING {
            return Ok(());
        }
        Err(TooMany {
            wait: Duration::from_secs_f64(missing / per_second(rate)),
        })
    }
}

fn per_second(rate: Rate) -> f64 {
    f64::from(rate.requests) / f64::from(rate.per_secs.max(1))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::tests::SMALLEST;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_327_200_000 + millis).unwrap()
    }

    /// Ten requests a minute.
    fn config() -> Config {
        SMALLEST.parse().unwrap()
    }

    #[test]
    fn a_caller_has_its_burst_and_then_its_rate() {
        let (limits, config) = (Limits::new(), config());
        let ask = |millis| limits.caller(&config, "a", "1", at(millis));
        for _ in 0..10 {
            ask(0).unwrap();
        }
        assert_eq!(
            ask(0),
            Err(TooMany {
                wait: Duration::from_secs(6)
            })
        );
        assert!(ask(5_990).is_err());
        ask(6_000).unwrap();
        assert!(ask(6_010).is_err());
        // An hour later there is one burst, not ten.
        for _ in 0..10 {
            ask(3_600_000).unwrap();
        }
        assert!(ask(3_600_000).is_err());
    }

    #[test]
    fn callers_do_not_use_up_what_is_anothers_but_share_their_accounts() {
        let (limits, config) = (Limits::new(), config());
        for caller in 0..25 {
            let caller = format!("i-{caller}");
            limits.caller(&config, &caller, "1", at(0)).unwrap();
        }
        assert!(limits.caller(&config, "i-new", "1", at(0)).is_err());
        limits.caller(&config, "i-new", "2", at(0)).unwrap();
        // What was refused for the account cost the caller nothing.
        for _ in 0..9 {
            limits.caller(&config, "i-new", "2", at(0)).unwrap();
        }
        assert!(limits.caller(&config, "i-new", "2", at(0)).is_err());
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let limits = Limits::new();
        let mut refused = 0;
        for host in 0..100_u16 {
            // Another network of the same site each time.
            let address = format!("2600:1f18:0:1{host:02x}::1").parse().unwrap();
            refused += u16::from(limits.source(address, at(0)).is_err());
        }
        assert_eq!(refused, 40);
        limits
            .source("2600:1f18:0:200::1".parse().unwrap(), at(0))
            .unwrap();
    }

    #[test]
    fn memory_is_bounded_and_the_empty_buckets_are_remembered() {
        let limits = Limits::new();
        let noisy = "54.0.0.1".parse().unwrap();
        while limits.source(noisy, at(0)).is_ok() {}
        for number in 0..10_000_u32 {
            let address = IpAddr::from(Ipv4(number));
            limits.source(address, at(0)).unwrap();
        }
        let entries = limits.with(|tables| tables.sources.buckets.len());
        assert!(entries <= ENTRIES_MAX, "{entries}");
        assert!(limits.source(noisy, at(0)).is_err());
    }

    struct Ipv4(u32);

    impl From<Ipv4> for IpAddr {
        fn from(number: Ipv4) -> Self {
            Self::from(std::net::Ipv4Addr::from_bits(0x0b00_0000 + number.0))
        }
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let (limits, config) = (Limits::new(), config());
        while limits.caller(&config, "a", "1", at(60_000)).is_ok() {}
        assert!(limits.caller(&config, "a", "1", at(0)).is_err());
        assert!(limits.caller(&config, "a", "1", at(60_000)).is_err());
    }
}
