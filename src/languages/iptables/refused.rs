//! What iptables-restore(8) refuses of rules that read well, on the way of the packets or not, and
//! what it may refuse as it is not known here: one refused rule refuses the whole file.

use super::extensions::find_target;
use super::spec::{Setting, Spec};
use super::tables::Written;
use super::values::{bad, parse_number};
use crate::model::{Diagnostic, Family, Location};

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
    for ((family, _), chains) in &written.tables {
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
            problems.extend(checked(spec, *family == Family::V6).err());
        }
    }
}

/// Options of which a match or a target wants exactly one, or, if `false` stands there, at least
/// one; some have several such lists (their libxt_*.c).
const WANTED: &[(&str, bool, &[&str])] = &[
    ("multiport", true, &["sports", "dports", "ports"]),
    ("length", true, &["length"]),
    ("ttl", true, &["ttl-eq", "ttl-lt", "ttl-gt"]),
    ("hl", true, &["hl-eq", "hl-lt", "hl-gt"]),
    ("iprange", false, &["src-range", "dst-range"]),
    ("string", true, &["string", "hex-string"]),
    ("string", true, &["algo"]),
    ("mark", true, &["mark"]),
    ("connmark", true, &["mark"]),
    ("mac", true, &["mac-source"]),
    ("dscp", true, &["dscp", "dscp-class"]),
    ("tos", true, &["tos"]),
    ("connlimit", true, &["connlimit-upto", "connlimit-above"]),
    ("connbytes", true, &["connbytes"]),
    ("connbytes", true, &["connbytes-dir"]),
    ("connbytes", true, &["connbytes-mode"]),
    ("recent", true, &["set", "rcheck", "update", "remove"]),
    ("statistic", true, &["mode"]),
    ("statistic", true, &["probability", "every"]),
    ("u32", true, &["u32"]),
    ("pkttype", true, &["pkt-type"]),
    ("time", false, &["datestart", "datestop", "timestart", "timestop", "monthdays", "weekdays"]),
    ("addrtype", false, &["src-type", "dst-type"]),
    ("tcpmss", true, &["mss"]),
    ("helper", true, &["helper"]),
    ("MARK", true, &["set-mark", "set-xmark", "and-mark", "or-mark", "xor-mark"]),
    ("TEE", true, &["gateway"]),
    ("TPROXY", true, &["on-port"]),
    ("TTL", true, &["ttl-set", "ttl-inc", "ttl-dec"]),
    ("HL", true, &["hl-set", "hl-inc", "hl-dec"]),
];

/// The longest name of an interface (`IFNAMSIZ`, without its end).
const INTERFACE_BYTES: usize = 15;

/// Checks that a match or a target has the options that it wants.
fn wanted(name: &str, settings: &[Setting<'_>], place: Location) -> Result<(), Diagnostic> {
    for (_, is_one, options) in WANTED.iter().filter(|(own, ..)| *own == name) {
        let count = settings.iter().filter(|one| options.contains(&one.name)).count();
        if count == 1 || (count > 1 && !is_one) {
            continue;
        }
        let what =
            if count == 0 { "lacks an option" } else { "has options that exclude each other" };
        let names: Vec<String> = options.iter().map(|name| format!("`--{name}`")).collect();
        return Err(Diagnostic::error(place, format!("`{name}` {what}"))
            .label("iptables refuses this")
            .help(format!(
                "write {} of {}",
                if *is_one { "one" } else { "some" },
                names.join(", ")
            )));
    }
    Ok(())
}

fn checked(spec: &Spec<'_>, is_v6: bool) -> Result<(), Diagnostic> {
    for one in spec.uses.iter().filter(|one| one.extension.is_some()) {
        wanted(one.name(), &one.settings, one.location)?;
    }
    if let Some(target) = &spec.target {
        wanted(&target.name.text, &target.settings, target.name.location)?;
    }
    for basic in spec.basics.iter().filter(|basic| basic.name.ends_with("-interface")) {
        let name = basic.value(0);
        if name.is_empty() || name.trim_end_matches('+').len() > INTERFACE_BYTES {
            return Err(bad(basic, 0, "is no name of an interface", "names have 1 to 15 bytes"));
        }
    }
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
        let other = if is_v6 { "icmp-" } else { "icmp6-" };
        if answer.starts_with(other) {
            return Err(Diagnostic::error(name.location, "this answer is of the other family")
                .label("iptables refuses this")
                .help(
                    "write an answer of the family of the file, such as by `--reject-with` alone",
                ));
        }
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

/// Levels of messages (syslog(3)).
const LEVELS: &[&str] = &[
    "emerg", "panic", "alert", "crit", "error", "err", "warning", "warn", "notice", "info", "debug",
];

/// Returns whether a text is a time of the day.
fn is_time(text: &str) -> bool {
    let parts: Vec<Option<u32>> = text.split(':').map(|part| part.parse().ok()).collect();
    match parts.as_slice() {
        [Some(hour), Some(minute)] => *hour < 24 && *minute < 60,
        [Some(hour), Some(minute), Some(second)] => *hour < 24 && *minute < 60 && *second < 60,
        _ => false,
    }
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
        "ttl-lt" | "ttl-gt" | "hl-lt" | "hl-gt" => (!setting.negated, "it cannot be negated"),
        "nflog-group" => (number(text).is_some_and(|one| one <= 65_535), "write up to 65535"),
        "probability" => {
            let share = text.parse::<f64>();
            (share.is_ok_and(|share| (0.0..=1.0).contains(&share)), "write a number from 0 to 1")
        }
        "mac-source" => {
            let parts: Vec<&str> = text.split(':').collect();
            let is_byte = |part: &&str| part.len() == 2 && u8::from_str_radix(part, 16).is_ok();
            (parts.len() == 6 && parts.iter().all(is_byte), "write `02:00:00:00:00:01`")
        }
        "timestart" | "timestop" => (is_time(text), "write `17:30` or `17:30:15`"),
        "ctproto" => (super::names::protocol(text).is_some(), "write the name of a protocol"),
        "log-level" => {
            let is_level = LEVELS.contains(&text) || number(text).is_some_and(|one| one <= 7);
            (is_level, "write a level such as `info`")
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
