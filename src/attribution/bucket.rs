//! Which bucket of a limit a record meets.

use crate::inventory::customers::Owner;
use crate::matcher::EXPORTER;
use crate::model::{
    Address, Family, KeyPart, Known, Layers, NameId, Prefix, RateLimit, Record, Scope,
};

/// The values of the parts of a bucket's key. There may be a bucket for every address there is, so
/// a key of two small parts takes no room of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parts {
    /// So many of these; the others are zero.
    Short(u8, [u64; 2]),
    /// Parts that are more, or longer.
    Long(Box<[u128]>),
}

impl Parts {
    fn new() -> Parts {
        Parts::Short(0, [0; 2])
    }

    fn push(&mut self, part: u128) {
        if let (Parts::Short(count, parts), Ok(part)) = (&mut *self, u64::try_from(part))
            && let Some(place) = parts.get_mut(usize::from(*count))
        {
            *place = part;
            *count += 1;
            return;
        }
        *self = Parts::Long(self.values().into_iter().chain([part]).collect());
    }

    /// Returns the values.
    pub fn values(&self) -> Vec<u128> {
        match self {
            Parts::Short(count, parts) => {
                parts.iter().take(usize::from(*count)).map(|part| u128::from(*part)).collect()
            }
            Parts::Long(parts) => parts.to_vec(),
        }
    }
}

/// Returns the exporter (if it counts) and the key of a record's bucket, or what is missing to know
/// it. `several` says whether a PoP has more than one router.
pub fn bucket(
    limit: &RateLimit,
    record: &Record,
    several: impl FnOnce(Option<NameId>) -> bool,
    owners: impl FnOnce() -> Option<[Owner; 2]>,
) -> Result<(Option<NameId>, Parts), u32> {
    let exporter = match limit.scope {
        Scope::Exporter if record.exporter.is_none() => return Err(EXPORTER),
        Scope::Router if record.exporter.is_none() && several(record.pop) => return Err(EXPORTER),
        Scope::Exporter | Scope::Router => record.exporter,
        Scope::Pop | Scope::Global => None,
    };
    let header = &record.header;
    let needs = |field: Known| if header.known.has(field) { Ok(()) } else { Err(field.0) };
    let carried = |port: u16| {
        if header.layers.has(Layers::PORTS) { u128::from(port) } else { u128::MAX }
    };
    let mut owners = Some(owners);
    let mut parts = Parts::new();
    for part in &limit.per {
        parts.push(match part {
            KeyPart::Src { v4, v6 } => {
                needs(Known::SRC)?;
                cut(header.src_address(), *v4, *v6)
            }
            KeyPart::Dst { v4, v6 } => {
                needs(Known::DST)?;
                cut(header.dst_address(), *v4, *v6)
            }
            KeyPart::SrcPort => {
                needs(Known::PORTS)?;
                carried(header.src_port)
            }
            KeyPart::DstPort => {
                needs(Known::PORTS)?;
                carried(header.dst_port)
            }
            KeyPart::Protocol => {
                needs(Known::PROTOCOL)?;
                u128::from(header.protocol)
            }
            KeyPart::Customer => {
                needs(Known::DST)?;
                let found = owners.take().and_then(|owners| owners());
                match found.unwrap_or([Owner::Nobody; 2]) {
                    [src, Owner::Nobody] => owner_number(src),
                    [_, dst] => owner_number(dst),
                }
            }
        });
    }
    // Addresses of the two families never share a bucket of an address key.
    if limit.per.iter().any(|part| matches!(part, KeyPart::Src { .. } | KeyPart::Dst { .. })) {
        parts.push(u128::from(header.family == Family::V6));
    }
    Ok((exporter, parts))
}

fn cut(address: Address, v4: u8, v6: u8) -> u128 {
    Prefix::new(address, if address.family == Family::V4 { v4 } else { v6 }).bits
}

fn owner_number(owner: Owner) -> u128 {
    match owner {
        Owner::Nobody => 0,
        Owner::Customer(id) => (1 << 32) | u128::from(id.0),
        Owner::Shared(id) => (2 << 32) | u128::from(id.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_as_they_are_and_alike_only_if_they_are_the_same() {
        let most = u128::from(u64::MAX);
        let lists: [&[u128]; 10] = [
            &[],
            &[0],
            &[0, 0],
            &[0, 0, 0],
            &[0, most],
            &[most, 1],
            &[most + 1, 1],
            &[1, most + 1],
            &[u128::MAX],
            &[1, 2, 3, 4],
        ];
        let made = lists.map(|list| {
            let mut parts = Parts::new();
            list.iter().for_each(|part| parts.push(*part));
            assert_eq!(parts.values(), list);
            parts
        });
        for (at, parts) in made.iter().enumerate() {
            assert_eq!(made.iter().position(|other| other == parts), Some(at));
        }
    }
}
