//! Where addresses come from.
//!
//! Public ones are of blocks that EC2 has in us-east-1, whatever the region, so that a program that
//! refuses private and reserved addresses takes them. Nothing is ever sent to them.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::world::World;

/// 3.208.0.0/12.
const PUBLIC: u32 = 0x03D0_0000;
const PUBLIC_MASK: u32 = 0x000F_FFFF;
/// A VPC's 172.31.0.0/16, as default VPCs have it, in subnets of 20 bits.
const PRIVATE: u32 = 0xAC1F_0000;
const SUBNET_MASK: u32 = 0x0000_0FFF;
/// 2600:1f18::/32.
const PUBLIC_V6: u128 = 0x2600_1F18_0000_0000_0000_0000_0000_0000;

/// Low bits of a random word.
fn low(word: u64, mask: u32) -> u32 {
    u32::try_from(word & u64::from(mask)).unwrap_or(0)
}

/// Draws until what was drawn is free. There are far more addresses than instances.
fn drawn<A>(mut draw: impl FnMut() -> A, is_free: impl Fn(&A) -> bool) -> A {
    loop {
        let address = draw();
        if is_free(&address) {
            return address;
        }
    }
}

impl World {
    /// A public IPv4 address that nobody has.
    pub(super) fn new_public(&mut self) -> Ipv4Addr {
        let Self {
            random, instances, ..
        } = self;
        let of_instances = instances.all().filter_map(|one| one.public_ip);
        let taken: Vec<Ipv4Addr> = of_instances
            .chain(instances.nat.values().copied())
            .collect();
        drawn(
            || Ipv4Addr::from(PUBLIC | low(random.next(), PUBLIC_MASK)),
            |address| !taken.contains(address),
        )
    }

    /// An IPv6 address that nobody has.
    pub(super) fn new_v6(&mut self) -> Ipv6Addr {
        let Self {
            random, instances, ..
        } = self;
        drawn(
            || {
                let subnet = u128::from(random.next() & 0xFFFF_FFFF) << 64;
                Ipv6Addr::from(PUBLIC_V6 | subnet | u128::from(random.next()))
            },
            |address| {
                instances
                    .all()
                    .all(|one| one.ipv6.as_ref() != Some(address))
            },
        )
    }

    /// A private address that no other instance of the account has in the region. The first four of
    /// a subnet and the last are AWS's own
    /// (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>).
    pub(super) fn new_private(&mut self, account: &str, region: &str) -> Ipv4Addr {
        let Self {
            random, instances, ..
        } = self;
        let mut neighbours = instances.all();
        let taken: Vec<Ipv4Addr> = neighbours
            .by_ref()
            .filter(|one| one.account == account && one.region == region)
            .map(|one| one.private_ip)
            .collect();
        let host = |address: &Ipv4Addr| u32::from(*address) & SUBNET_MASK;
        drawn(
            || Ipv4Addr::from(PRIVATE | low(random.next(), SUBNET_MASK)),
            |address| (4..SUBNET_MASK).contains(&host(address)) && !taken.contains(address),
        )
    }

    /// Makes sure that an account has a NAT gateway in a region.
    pub(super) fn provide_nat(&mut self, account: &str, region: &str) {
        let place = format!("{account}/{region}");
        if !self.instances.nat.contains_key(&place) {
            let address = self.new_public();
            self.instances.nat.insert(place, address);
        }
    }
}
