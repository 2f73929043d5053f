//! Packets of protected services as header sets: what the listed infrastructure answers for, and
//! the built-in control plane.

use super::land::{Land, Ranges, between};
use super::rules::{FAMILIES, at};
use super::space::{HeaderSet, Key, Pops, compile, possible};
use crate::inventory::customers::{End, Owner};
use crate::model::inventory::ServiceName;
use crate::model::{AddressSet, Family, Infrastructure, InfrastructureId, Prefix};
use crate::service::{self, CONTROL_PLANE};

/// All that is protected.
pub(super) struct Protected {
    pub(super) entries: Vec<Listed>,
    /// Built-in services where neither end is a customer's, by family.
    pub(super) control_plane: [Vec<HeaderSet>; 2],
    /// Those of them where neither end is listed.
    pub(super) unlisted: [Vec<HeaderSet>; 2],
    /// The addresses of all entries, by family.
    addresses: [Ranges; 2],
}

/// One infrastructure entry.
pub(super) struct Listed {
    pub(super) id: InfrastructureId,
    /// Packets of its services to or from it, by family.
    pub(super) packets: [Vec<HeaderSet>; 2],
    /// Those to it that it needs: from infrastructure, or from its peers.
    pub(super) due: [Vec<HeaderSet>; 2],
}

impl Protected {
    pub(super) fn new(land: &Land<'_>, pops: &Pops) -> Protected {
        let list = &land.inventory.infrastructure;
        let all = addresses(list.iter().flat_map(|entry| entry.prefixes.iter().map(|p| p.value)));
        let entries = list.iter().enumerate().map(|(number, entry)| {
            let own = addresses(entry.prefixes.iter().map(|prefix| prefix.value));
            let peers = addresses(entry.peers.iter().copied());
            let due = AddressSet::new(all.iter().chain(peers.iter()));
            let services = FAMILIES.map(|family| services(entry, family, pops));
            let of = |dst: Option<&AddressSet>, src: Option<&AddressSet>, family: Family| {
                let ranges = |set: Option<&AddressSet>| set.map(|set| set.ranges(family).to_vec());
                let (dst, src) = (ranges(dst), ranges(src));
                let sets = services[at(family)].iter();
                sets.filter_map(|set| between(set, dst.as_ref(), src.as_ref())).collect::<Vec<_>>()
            };
            let both = |family| [of(Some(&own), None, family), of(None, Some(&own), family)];
            Listed {
                id: InfrastructureId(number as u32),
                packets: FAMILIES.map(|family| both(family).concat()),
                due: FAMILIES.map(|family| of(Some(&own), Some(&due), family)),
            }
        });
        let control_plane = |holds: fn(&End) -> bool| {
            FAMILIES.map(|family| {
                let free = land.cut(family, &[(0, family.max())], holds).inside;
                let sets = CONTROL_PLANE.iter().flat_map(|service| packets(*service, family, pops));
                sets.filter_map(|set| between(&set, Some(&free), Some(&free))).collect()
            })
        };
        Protected {
            entries: entries.collect(),
            control_plane: control_plane(|end| end.owner == Owner::Nobody),
            unlisted: control_plane(|end| {
                end.owner == Owner::Nobody && end.infrastructure.is_empty()
            }),
            addresses: FAMILIES.map(|family| all.ranges(family).to_vec()),
        }
    }

    /// Returns the packets of all listed services.
    pub(super) fn listed(&self, family: Family) -> impl Iterator<Item = &HeaderSet> {
        self.entries.iter().flat_map(move |entry| &entry.packets[at(family)])
    }

    /// Returns the packets of all protected services.
    pub(super) fn all(&self, family: Family) -> impl Iterator<Item = &HeaderSet> {
        self.listed(family).chain(&self.control_plane[at(family)])
    }

    /// Returns whether any packet of a domain has an end at a listed address.
    pub(super) fn is_near(&self, domain: &[HeaderSet], family: Family) -> bool {
        let own = &self.addresses[at(family)];
        let holds = |ranges: &[(u128, u128)]| {
            ranges.iter().any(|(first, last)| {
                let from = own.partition_point(|(_, end)| end < first);
                own.get(from).is_some_and(|(start, _)| start <= last)
            })
        };
        !own.is_empty()
            && domain
                .iter()
                .any(|set| [Key::Dst, Key::Src].iter().any(|key| holds(set.addresses(*key))))
    }
}

fn addresses(prefixes: impl Iterator<Item = Prefix>) -> AddressSet {
    AddressSet::new(prefixes.map(Prefix::range))
}

/// Returns the packets of what is protected of an entry; all there are unless it names services.
fn services(entry: &Infrastructure, family: Family, pops: &Pops) -> Vec<HeaderSet> {
    match &entry.services {
        Some(services) => {
            services.iter().flat_map(|service| packets(*service, family, pops)).collect()
        }
        None => possible(family, pops),
    }
}

fn packets(service: ServiceName, family: Family, pops: &Pops) -> Vec<HeaderSet> {
    compile(&service::packets(service), family, pops).wide().to_vec()
}
