//! blastgate: the smoke test for network and DDoS mitigation rules.

pub mod change;
pub mod cli;
pub mod config;
pub mod finding;
pub mod input;
pub mod intent;
pub mod inventory;
pub mod languages;
pub mod matcher;
pub mod model;
pub mod packet;
pub mod policer;
pub mod report;
pub mod reports;
pub mod run;
pub mod traffic;
pub mod words;
pub mod yaml;
