//! Which bucket of a limit a record meets.

use crate::inventory::customers::Owner;
use crate::matcher::EXPORTER;
use crate::model::{
    Address, Family, KeyPart, Known, Layers, NameId, Prefix, RateLimit, Record, Scope,
};

/// Returns the exporter (if it counts) and the key of a record's bucket, or what is missing to know it.
pub fn bucket(
    limit: &RateLimit,
    record: &Record,
    owners: impl FnOnce() -> Vec<Owner>,
) -> Result<(Option<NameId>, Vec<u128>), u16> {
    let exporter = match limit.scope {
        Scope::Exporter if record.exporter.is_none() => return Err(EXPORTER),
        Scope::Exporter => record.exporter,
        Scope::Pop | Scope::Global => None,
    };
    let header = &record.header;
    let needs = |field: Known| if header.known.has(field) { Ok(()) } else { Err(field.0) };
    let carried = |port: u16| {
        if header.layers.has(Layers::PORTS) { u128::from(port) } else { u128::MAX }
    };
    let mut owners = Some(owners);
    let mut parts = Vec::with_capacity(limit.per.len());
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
                let found = owners.take().map(|owners| owners()).unwrap_or_default();
                let owner = |at: usize| found.get(at).copied().unwrap_or(Owner::Nobody);
                match (owner(1), owner(0)) {
                    (Owner::Nobody, src) => owner_number(src),
                    (dst, _) => owner_number(dst),
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
