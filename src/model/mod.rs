//! The plain types every other part speaks: no input or output, no parsing of foreign text.

pub mod columns;
pub mod coverage;
pub mod diagnostic;
pub mod intervals;
pub mod inventory;
mod limit;
pub mod names;
pub mod ordinary;
pub mod prefix;
mod read_at;
pub mod record;
pub mod rule;
pub mod sets;
pub mod source;
pub mod time;
pub mod units;
mod waiver;

pub use columns::Columns;
pub use coverage::Coverage;
pub use diagnostic::{Diagnostic, Severity};
pub use inventory::{
    Customer, CustomerId, Infrastructure, InfrastructureId, Inventory, Pop, Shared, SharedId,
};
pub use names::{NameId, Names};
pub use prefix::{Address, AddressRange, Family, Prefix};
pub use read_at::ReadAt;
pub use record::{
    Direction, Fragment, Known, Label, Layers, PacketHeader, ReadCounts, Record, RecordBatch,
};
pub use rule::{
    Action, Algorithm, Default, DefaultAction, Direction as MatchDirection, Exceed, FlagTest,
    FragmentTest, Harm, Intent, KeyPart, Match, RateLimit, Rule, RuleSet, Scope, Term, Unmodelled,
    UnmodelledKind, bucket_rules,
};
pub use sets::{AddressSet, NumberSet};
pub use source::{Location, Source, SourceId, Sources, Span, Spanned};
pub use time::Timestamp;
pub use units::{Burst, Rate, RateUnit, Sampling, SamplingRate, Share};
pub use waiver::Waiver;
