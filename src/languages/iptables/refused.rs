//! What iptables-restore(8) refuses of rules that read well, on the way of the packets or not, and
//! what it may refuse as it is not known here: one refused rule refuses the whole file.

use super::extensions::find_target;
use super::spec::{Setting, Spec};
use super::tables::Written;
use super::values::{bad, parse_number};
use crate::model::{Diagnostic, Location};

/// Values of options that are words; each may be cut short, in either case (their libxt_*.c).
const WORDS: &[(&str, &[&str])] = &[
    ("ctstate", &["INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED", "SNAT", "DNAT"]),
    ("state", &["INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED"]),
    ("pkt-type", &["unicast", "broadcast", "multicast", "bcast", "mcast", "host"]),
    ("src-type", ADDRESS_TYPES),
    ("dst-type", ADDRESS_TYPES),
    ("reject-with", ANSWERS),
];

const ADDRESS_TYPES: &[&str] = &[
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];

const ANSWERS: &[&str] = &[
    "icmp-net-unreachable",
    "icmp-host-unreachable",
    "icmp-proto-unreachable",
    "icmp-port-unreachable",
    "icmp-net-prohibited",
    "icmp-host-prohibited",
    "icmp-admin-prohibited",
    "icmp6-no-route",
    "icmp6-adm-prohibited",
    "icmp6-addr-unreachable",
    "icmp6-port-unreachable",
    "icmp6-policy-fail",
    "icmp6-reject-route",
    "tcp-reset",
    "net-unreach",
    "host-unreach",
    "proto-unreach",
    "port-unreach",
    "net-prohib",
    "host-prohib",
    "admin-prohib",
    "no-route",
    "adm-prohibited",
    "addr-unreach",
    "policy-fail",
    "reject-route",
    "tcp-rst",
];

/// Reports what is refused, and lists what is not understood.
pub(super) fn check(
    written: &Written<'_>,
    not_understood: &mut Vec<(Location, String)>,
    problems: &mut Vec<Diagnostic>,
) {
    for chains in written.tables.values() {
        for rule in chains.chains.iter().flat_map(|chain| &chain.rules) {
            let spec = &rule.spec;
            for one in spec.uses.iter().filter(|one| one.extension.is_none()) {
                not_understood.push((one.location, one.text()));
            }
            let target = spec.target.as_ref().filter(|target| {
                let name = &*target.name.text;
                find_target(name).is_none() && chains.find(name).is_none()
            });
            if let Some(target) = target {
                not_understood.push((target.name.location, target.text()));
            }
            problems.extend(checked(spec).err());
        }
    }
}

fn checked(spec: &Spec<'_>) -> Result<(), Diagnostic> {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    for one in spec.uses.iter().filter(|one| one.extension.is_none()) {
        if !is_name(&one.name) {
            let message = format!("`{}` is no match", one.name.escape_debug());
            return Err(Diagnostic::error(one.location, message)
                .label("after `-m`")
                .help("write the name of a match after `-m`, such as `-m conntrack`"));
        }
    }
    let addresses = || {
        let ends = ["source", "destination"];
        spec.basics.iter().filter(move |basic| ends.contains(&basic.name))
    };
    if let Some(negated) = addresses().find(|basic| basic.negated)
        && addresses().any(|basic| basic.value(0).contains(','))
    {
        let message = "no `!` goes with a list of addresses";
        return Err(Diagnostic::error(negated.location, message)
            .label("iptables refuses this, at the other end as well")
            .help("write a rule for each address, or use `-m set`"));
    }
    if let Some(target) = &spec.target {
        let name = &target.name;
        if name.text.starts_with('-') || name.text.is_empty() {
            let message = format!("`{}` is no target", name.text.escape_debug());
            return Err(Diagnostic::error(name.location, message)
                .label("after `-j`")
                .help("write a target or a chain after `-j`, such as `-j DROP`"));
        }
        let answer = target.get("reject-with").map_or("", |setting| setting.value(0));
        let is_tcp = spec.basics.iter().any(|basic| {
            basic.name == "protocol" && !basic.negated && ["tcp", "6"].contains(&basic.value(0))
        });
        if answer.starts_with("tcp-") && !is_tcp {
            let message = "a reset answers packets of TCP alone";
            return Err(Diagnostic::error(name.location, message)
                .label("iptables refuses this")
                .help("write `-p tcp` in the rule"));
        }
        if find_target(&name.text).is_some() {
            target.settings.iter().try_for_each(valued)?;
        }
    }
    spec.uses.iter().flat_map(|one| &one.settings).try_for_each(valued)
}

fn valued(setting: &Setting<'_>) -> Result<(), Diagnostic> {
    let number = |text: &str| parse_number(text).filter(|one| *one <= u64::from(u32::MAX));
    if let Some((_, words)) = WORDS.iter().find(|(name, _)| *name == setting.name) {
        let is_word = |text: &str| {
            let starts = |word: &str| {
                word.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
            };
            !text.is_empty() && words.iter().any(|word| starts(word))
        };
        return match setting.value(0).split(',').all(|text| is_word(text.trim())) {
            true => Ok(()),
            false => {
                Err(bad(setting, 0, "is none of its words", &format!("write {}", words.join(", "))))
            }
        };
    }
    let text = setting.value(0);
    let (is_valid, help) = match setting.name {
        "connlimit-above" | "connlimit-upto" => {
            (number(text).is_some(), "write a number of connections")
        }
        "connlimit-mask" => {
            let length = number(text.trim_start_matches('/'));
            let is_mask = text.parse::<std::net::IpAddr>().is_ok();
            (is_mask || length.is_some_and(|length| length <= 128), "write a length such as `32`")
        }
        "mark" => {
            let parts = text.split('/');
            let count = parts.clone().count();
            (count <= 2 && parts.into_iter().all(|part| number(part).is_some()), "write `0x1/0xff`")
        }
        _ => return Ok(()),
    };
    if is_valid { Ok(()) } else { Err(bad(setting, 0, "is no value here", help)) }
}
