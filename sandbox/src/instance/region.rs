//! The regions of the commercial partition that sign identity documents: which of them an account has
//! to ask for.

use crate::world::World;

/// Regions and whether they have to be opted into: those that AWS opened after 20 March 2019
/// (<https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>). The names are
/// those of the published identity certificates.
pub(crate) const REGIONS: [(&str, bool); 34] = [
    ("af-south-1", true),
    ("ap-east-1", true),
    ("ap-east-2", true),
    ("ap-northeast-1", false),
    ("ap-northeast-2", false),
    ("ap-northeast-3", false),
    ("ap-south-1", false),
    ("ap-south-2", true),
    ("ap-southeast-1", false),
    ("ap-southeast-2", false),
    ("ap-southeast-3", true),
    ("ap-southeast-4", true),
    ("ap-southeast-5", true),
    ("ap-southeast-6", true),
    ("ap-southeast-7", true),
    ("ca-central-1", false),
    ("ca-west-1", true),
    ("eu-central-1", false),
    ("eu-central-2", true),
    ("eu-north-1", false),
    ("eu-south-1", true),
    ("eu-south-2", true),
    ("eu-west-1", false),
    ("eu-west-2", false),
    ("eu-west-3", false),
    ("il-central-1", true),
    ("me-central-1", true),
    ("me-south-1", true),
    ("mx-central-1", true),
    ("sa-east-1", false),
    ("us-east-1", false),
    ("us-east-2", false),
    ("us-west-1", false),
    ("us-west-2", false),
];

/// Whether there is such a region; and if so, whether it has to be opted into.
pub(crate) fn must_opt_in(region: &str) -> Option<bool> {
    let found = REGIONS.iter().find(|(name, _)| *name == region);
    found.map(|(_, opt_in)| *opt_in)
}

impl World {
    /// Whether an account can use a region. One that has instances in a region has opted into it.
    pub(crate) fn uses_region(&self, account: &str, region: &str) -> bool {
        let mut instances = self.instances.all();
        must_opt_in(region) == Some(false)
            || instances.any(|one| one.account == account && one.region == region)
    }
}
