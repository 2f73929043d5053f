//! blastgate: the smoke test for network and DDoS mitigation rules.
pub mod finding;
pub mod model;
pub mod report;
pub mod yaml;
