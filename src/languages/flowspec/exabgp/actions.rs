//! The words of `then`, as extended communities.

use std::net::{IpAddr, Ipv4Addr};

use super::tokens::{Kind, Token};
use super::{ACTIONS, COMPONENTS, Draft, Reader};
use crate::languages::flowspec::community::{self, Community};
use crate::model::{Diagnostic, RateUnit, Spanned};

/// More bytes a second than this are sent as this.
const FASTEST: u64 = 1_000_000_000_000;

/// Returns whether a word begins a component or an action.
pub(super) fn begins(word: &Token<'_>) -> bool {
    let is_component = COMPONENTS.iter().any(|(name, _)| *name == word.text);
    word.kind == Kind::Word && (is_component || ACTIONS.contains(&&*word.text))
}

impl<'a> Reader<'a> {
    /// Reads an action; returns how many words it takes behind its own.
    pub(super) fn action(
        &mut self,
        name: &'a Token<'a>,
        behind: &'a [Token<'a>],
        draft: &mut Draft,
    ) -> Option<usize> {
        let mut add = |reader: &Self, community: Community, last: &Token<'_>| {
            let place = reader.place(name.start, last.end);
            draft.communities.push(Spanned::new(community, place));
        };
        match &*name.text {
            "accept" => return Some(0),
            "discard" => {
                add(self, community::traffic_rate(0, RateUnit::Bytes), name);
                return Some(0);
            }
            "redirect-to-nexthop" => {
                add(self, community::redirect_to_next_hop(false), name);
                return Some(0);
            }
            _ => {}
        }
        let (values, taken) = self.argument(name, behind)?;
        if matches!(&*name.text, "community" | "large-community") {
            return Some(taken);
        }
        if matches!(&*name.text, "extended-community" | "interface-set") {
            for value in values {
                let read = match &*name.text {
                    "interface-set" => interface_set(&value.text),
                    _ => extended(&value.text),
                };
                match read {
                    Some(community) => add(self, community, value),
                    None => {
                        let text = value.text.escape_debug().to_string();
                        let problem = Diagnostic::error(
                            self.of(value),
                            format!("`{text}` is not read as an `{}`", name.text),
                        );
                        let help = "write `redirect:65000:12`, `target:65000:12`, `origin:65000:12`, \
                                    16 hex digits behind `0x`, or `transitive:input:65000:12`";
                        self.tell(problem.label("not understood").help(help));
                        return None;
                    }
                }
            }
            return Some(taken);
        }
        let [value] = values else {
            let problem = Diagnostic::error(self.of(name), "one value is wanted here");
            self.tell(problem.label("has several"));
            return None;
        };
        if name.text == "rate-limit" {
            let unit = behind.get(taken).map(|token| &*token.text);
            let (unit, more) = match unit {
                Some("packets") => (RateUnit::Packets, 1),
                Some("bytes") => (RateUnit::Bytes, 1),
                _ => (RateUnit::Bytes, 0),
            };
            let digits = value.text.chars().all(|c| c.is_ascii_digit());
            let Some(rate) = value.text.parse::<u64>().ok().filter(|_| digits) else {
                let problem = Diagnostic::error(self.of(value), "this is no rate");
                self.tell(problem.label("should be a whole number").help(
                    "write bytes a second as `rate-limit 9600;`, packets as `rate-limit 1000 packets;`",
                ));
                return None;
            };
            let mut sent = rate;
            if unit == RateUnit::Bytes && rate > FASTEST {
                sent = FASTEST;
                let problem = Diagnostic::warning(self.of(value), "ExaBGP sends a lower rate");
                self.problems.push(problem.label(format!("{FASTEST} bytes a second are the most")));
            }
            add(self, community::traffic_rate(sent, unit), value);
            return Some(taken + more);
        }
        let (community, help) = match &*name.text {
            "redirect" => match next_hop(&value.text) {
                Some(address) => {
                    draft.next_hop = Some(address.to_string());
                    add(self, community::redirect_to_next_hop(false), value);
                    return Some(taken);
                }
                None => (
                    target(&value.text),
                    "write a route target `65000:12` or an address; `1.2.3.4:5` is not sent",
                ),
            },
            "copy" => match next_hop(&value.text) {
                Some(address) => {
                    draft.next_hop = Some(address.to_string());
                    add(self, community::redirect_to_next_hop(true), value);
                    return Some(taken);
                }
                None => (None, "write an address"),
            },
            "redirect-to-nexthop-ietf" => {
                let address = value.text.parse().ok();
                (address.map(community::redirect_to_address), "write an address")
            }
            "mark" => {
                let dscp = value.text.parse::<u8>().ok().filter(|dscp| *dscp <= 63);
                let digits = value.text.chars().all(|c| c.is_ascii_digit());
                let dscp = dscp.filter(|_| digits);
                (dscp.map(community::marking), "write a code point from 0 to 63")
            }
            _ => {
                let (sample, terminal) =
                    (value.text.contains("sample"), value.text.contains("terminal"));
                let known = matches!(
                    &*value.text,
                    "sample" | "terminal" | "sample-terminal" | "terminal-sample"
                );
                let action = known.then(|| community::traffic_action(sample, terminal));
                (action, "write `sample`, `terminal` or `sample-terminal`")
            }
        };
        match community {
            Some(community) => {
                add(self, community, value);
                Some(taken)
            }
            None => {
                let text = value.text.escape_debug().to_string();
                let message = format!("`{text}` is no value of `{}`", name.text);
                self.tell(Diagnostic::error(self.of(value), message).label("here").help(help));
                None
            }
        }
    }
}

/// Reads an address, with brackets or without.
fn next_hop(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(text).parse().ok()
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.chars().all(|c| c.is_ascii_digit()))
}

fn target(text: &str) -> Option<Community> {
    let (asn, value) = text.split_once(':')?;
    community::redirect_to_target(number(asn)?, number(value)?)
}

/// Reads `transitive:input:65000:12`.
fn interface_set(text: &str) -> Option<Community> {
    let parts: Vec<&str> = text.split(':').collect();
    let [transitive, direction, asn, group] = parts[..] else { return None };
    let high = match transitive {
        "transitive" => 0x07,
        "non-transitive" => 0x47,
        _ => return None,
    };
    let direction: u16 = match direction {
        "input" => 1,
        "output" => 2,
        "input-output" => 3,
        _ => return None,
    };
    let asn = u32::try_from(number(asn)?).ok()?;
    let group = u16::try_from(number(group)?).ok().filter(|group| *group < 1 << 14)?;
    let mut octets = vec![high, 0x02];
    octets.extend_from_slice(&asn.to_be_bytes());
    octets.extend_from_slice(&(direction << 14 | group).to_be_bytes());
    Some(octets)
}

/// Reads an extended community by name or in hex.
fn extended(text: &str) -> Option<Community> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let octets = super::super::lines::octets(digits)?;
        return (octets.len() == 8).then_some(octets);
    }
    if text == "redirect-to-nexthop" {
        return Some(community::redirect_to_next_hop(false));
    }
    let parts: Vec<&str> = text.split(':').collect();
    let (name, front, value) = match parts[..] {
        [front, value] => ("target", front, value),
        [name, front, value] => (name, front, value),
        _ => return None,
    };
    let low = match name {
        "redirect" => return community::redirect_to_target(number(front)?, number(value)?),
        "target" => 2,
        "origin" => 3,
        _ => return None,
    };
    let mut octets = Vec::with_capacity(8);
    if let Ok(address) = front.parse::<Ipv4Addr>() {
        octets.extend_from_slice(&[1, low]);
        octets.extend_from_slice(&address.octets());
        octets.extend_from_slice(&u16::try_from(number(value)?).ok()?.to_be_bytes());
        return Some(octets);
    }
    let asn = number(front)?;
    match (u16::try_from(asn), value.parse::<Ipv4Addr>()) {
        (Ok(asn), Ok(address)) => {
            octets.extend_from_slice(&[0, low]);
            octets.extend_from_slice(&asn.to_be_bytes());
            octets.extend_from_slice(&address.octets());
        }
        (Ok(asn), Err(_)) => {
            octets.extend_from_slice(&[0, low]);
            octets.extend_from_slice(&asn.to_be_bytes());
            octets.extend_from_slice(&u32::try_from(number(value)?).ok()?.to_be_bytes());
        }
        (Err(_), _) => {
            octets.extend_from_slice(&[2, low]);
            octets.extend_from_slice(&u32::try_from(asn).ok()?.to_be_bytes());
            octets.extend_from_slice(&u16::try_from(number(value)?).ok()?.to_be_bytes());
        }
    }
    Some(octets)
}
