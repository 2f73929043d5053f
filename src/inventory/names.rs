//! What programs that know customers by other names call them, as ids and prefixes.

use std::net::Ipv6Addr;

use crate::model::Prefix;
use crate::words::{self, Wrong};

/// Returns the id of a customer whose name is for people, as NetBox makes slugs of names: small
/// letters, digits and `_`, and `-` for what stands between them. Nothing if none are left.
pub(super) fn id_of(name: &str) -> Option<String> {
    let mut id = String::new();
    for c in name.chars() {
        match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' => id.push(c.to_ascii_lowercase()),
            '-' | '.' => id.push('-'),
            _ if c.is_whitespace() => id.push('-'),
            _ => {}
        }
    }
    let parts: Vec<&str> = id.split('-').filter(|part| !part.is_empty()).collect();
    let id = parts.join("-").trim_start_matches('_').to_owned();
    words::is_id(&id).then_some(id)
}

/// Says that no id can be made of a name.
pub(super) fn no_id(name: &str) -> String {
    format!("no id can be made of the name `{}`", name.escape_debug())
}

/// Reads a prefix; IPv4 in the clothes of IPv6 (`::ffff:192.0.2.0/120`) is IPv4.
pub(super) fn prefix(text: &str) -> Result<Prefix, Wrong> {
    let undressed = || {
        let (network, length) = text.trim().split_once('/')?;
        let network = network.parse::<Ipv6Addr>().ok()?.to_ipv4_mapped()?;
        let length = length.parse::<u8>().ok()?.checked_sub(96)?;
        Some(format!("{network}/{length}"))
    };
    match undressed() {
        Some(plain) => words::prefix(&plain),
        None => words::prefix(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_the_ids_that_netbox_makes_of_them() {
        for (name, id) in [
            ("Dunder-Mifflin, Inc.", Some("dunder-mifflin-inc")),
            ("NC State University", Some("nc-state-university")),
            ("J.P. Q & Sons", Some("j-p-q-sons")),
            ("ACME", Some("acme")),
            ("東京", None),
            ("—", None),
            ("", None),
        ] {
            assert_eq!(id_of(name).as_deref(), id, "{name}");
        }
    }

    #[test]
    fn ipv4_in_the_clothes_of_ipv6_is_ipv4() {
        let shown = |text| prefix(text).map(|prefix| prefix.to_string()).unwrap_or_default();
        assert_eq!(shown("::ffff:192.0.2.0/120"), "192.0.2.0/24");
        assert_eq!(shown("::ffff:0:0/96"), "0.0.0.0/0");
        assert_eq!(shown("2001:db8::/32"), "2001:db8::/32");
        assert_eq!(shown("::ffff:0:0/95"), "");
        assert_eq!(shown("::/0"), "::/0");
    }
}
