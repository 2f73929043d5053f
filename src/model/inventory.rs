//! Who owns what: customers, shared addresses, infrastructure, PoPs.

use super::prefix::Prefix;
use super::source::{Location, Spanned};

/// The number of a customer in [`Inventory::customers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(pub u32);

/// The number of an entry of [`Inventory::shared`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedId(pub u32);

/// The number of an entry of [`Inventory::infrastructure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfrastructureId(pub u32);

/// Someone whose traffic may be hurt.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The id that selectors and reports use.
    pub id: Spanned<String>,
    /// The name that people use.
    pub name: Option<String>,
    /// `gold`, say.
    pub tier: Option<String>,
    /// For `tag:` selectors.
    pub tags: Vec<String>,
    /// For `region:` selectors.
    pub region: Option<String>,
    /// The address space.
    pub prefixes: Vec<Spanned<Prefix>>,
    /// Host names, `*` allowed.
    pub hosts: Vec<String>,
}

/// Prefixes whose addresses several customers use.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The address space.
    pub prefixes: Vec<Spanned<Prefix>>,
    /// Who uses it; at least one.
    pub customers: Vec<CustomerId>,
    /// The entry.
    pub location: Location,
}

/// The operator's own equipment.
#[derive(Clone, Debug)]
pub struct Infrastructure {
    /// The id that reports and waivers use.
    pub id: Spanned<String>,
    /// The address space.
    pub prefixes: Vec<Spanned<Prefix>>,
    /// What is protected there; none means everything to or from these prefixes.
    pub services: Option<Vec<ServiceName>>,
    /// Who talks to it.
    pub peers: Vec<Prefix>,
    /// Whether a rule would be withdrawn by this way.
    pub management: bool,
}

/// A protected service, by its real header (both ports).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceName {
    /// TCP 179 with 1024–65535.
    Bgp,
    /// UDP destination 3784, 3785, 4784.
    Bfd,
    /// UDP 646 with 646, TCP 646 with 1024–65535.
    Ldp,
    /// Protocol 89.
    Ospf,
    /// Protocol 112.
    Vrrp,
    /// Protocol 103.
    Pim,
    /// ICMP type 3 code 4, ICMPv6 types 1–4 and 133–137.
    Icmp,
    /// A protocol and a port of either side: `tcp/22`.
    Port {
        /// IP protocol number.
        protocol: u8,
        /// The port.
        port: u16,
    },
}

/// A point of presence.
#[derive(Clone, Debug)]
pub struct Pop {
    /// The id that rules and traffic use.
    pub id: Spanned<String>,
    /// `eu`, say.
    pub region: Option<String>,
    /// Addresses or names of its exporters.
    pub exporters: Vec<String>,
}

/// Everything that the inventory files say together.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// All customers, in the order of the files.
    pub customers: Vec<Customer>,
    /// All shared prefixes.
    pub shared: Vec<Shared>,
    /// All infrastructure.
    pub infrastructure: Vec<Infrastructure>,
    /// All PoPs; none if no file lists any, and then any PoP name is accepted.
    pub pops: Option<Vec<Pop>>,
}

impl Inventory {
    /// Returns the customer with this number.
    pub fn customer(&self, id: CustomerId) -> &Customer {
        &self.customers[id.0 as usize]
    }

    /// Returns whether the inventory names nobody and protects nothing.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty() && self.infrastructure.is_empty()
    }
}
