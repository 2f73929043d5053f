//! What is understood, as examples for the documentation.

use crate::languages::{Class, Construct};

/// Makes a file of an example: conditions and actions become a term.
pub(super) fn frame(example: &str) -> String {
    if example.starts_with("set ") || example.contains("firewall {") {
        return example.to_owned();
    }
    let family =
        if example.contains("::") || example.contains("next-header") { "inet6" } else { "inet" };
    let (from, then) = match example.split_once("then ") {
        Some((from, then)) => (from, then),
        None => (example, "discard;"),
    };
    let from = if from.trim().is_empty() { String::new() } else { format!("from {{ {from} }}") };
    format!(
        "policy-options {{ prefix-list customers {{ 192.0.2.0/24; }} }}\n\
         firewall {{\n\
         policer p {{ if-exceeding {{ bandwidth-limit 10m; burst-size-limit 625k; }} then discard; }}\n\
         policer f {{ filter-specific; if-exceeding {{ bandwidth-limit 10m; burst-size-limit 625k; }} then discard; }}\n\
         policer percent {{ if-exceeding {{ bandwidth-percent 5; burst-size-limit 625k; }} then discard; }}\n\
         policer soft {{ if-exceeding {{ bandwidth-limit 10m; burst-size-limit 625k; }} then loss-priority high; }}\n\
         family {family} {{ filter f {{ term t {{ {from} then {{ {then} }} }} term rest {{ then accept; }} }} }}\n\
         }}\n"
    )
}

const fn exact(name: &'static str, example: &'static str, note: &'static str) -> Construct {
    Construct { name, example, class: Class::Exact, note }
}

const fn bounded(name: &'static str, example: &'static str, note: &'static str) -> Construct {
    Construct { name, example, class: Class::Bounded, note }
}

const fn refused(name: &'static str, example: &'static str, note: &'static str) -> Construct {
    Construct { name, example, class: Class::Refused, note }
}

/// All of them.
pub(super) const ALL: &[Construct] = &[
    exact(
        "`set` form",
        "set firewall family inet filter f term t from protocol udp\nset firewall family inet filter f term t then discard",
        "",
    ),
    exact(
        "`source-address`, `destination-address`, `address`, with `except`",
        "destination-address { 192.0.2.0/24; 192.0.2.128/25 except; }",
        "the longest prefix decides",
    ),
    exact(
        "`prefix-list`, `source-` and `destination-prefix-list`",
        "source-prefix-list { customers; }",
        "",
    ),
    bounded("a list of exceptions alone", "source-address 192.0.2.0/24 except;", "add `0.0.0.0/0`"),
    bounded("masks with holes", "source-address 0.0.0.10/0.0.0.255;", ""),
    refused(
        "`apply-path`",
        "set policy-options prefix-list p apply-path \"x\"\nset firewall family inet filter f term t from prefix-list p",
        "",
    ),
    exact("`protocol`, `payload-protocol`", "protocol [ tcp udp 47 ];", ""),
    bounded("`next-header`", "next-header udp;", "extension headers in front are not recorded"),
    exact(
        "ports with a protocol",
        "protocol udp; destination-port [ ntp 1000-2000 ];",
        "later fragments are bounded",
    ),
    bounded(
        "ports without a protocol",
        "destination-port 53;",
        "other protocols have octets there, too",
    ),
    exact("`-except` of numbers", "protocol-except udp;", ""),
    exact(
        "`tcp-flags`, `tcp-established`, `tcp-initial`",
        "protocol tcp; tcp-flags \"syn & !ack\";",
        "",
    ),
    exact("`icmp-type`, `icmp-code`", "protocol icmp; icmp-type echo-request;", ""),
    exact("`is-fragment`, `first-fragment`", "is-fragment;", ""),
    exact("`fragment-offset` of all or none", "fragment-offset 0;", ""),
    bounded("`fragment-offset` of some", "fragment-offset 1-10;", "offsets are not recorded"),
    exact("`fragment-flags`", "fragment-flags more-fragments;", ""),
    exact("`packet-length`, `ttl`, `hop-limit`", "packet-length 100-200; ttl-except 1;", ""),
    exact("`dscp`, `traffic-class`, `precedence`", "dscp ef;", ""),
    bounded("`interface`, classes, options and the like", "interface ge-0/0/0.0;", "not recorded"),
    bounded("conditions that are not known", "colour blue;", "harm by them is never passed"),
    exact("`accept`, `discard`, `reject`, `next term`", "then next term;", ""),
    exact("`count`, `log`, `syslog`, `sample`", "then count c; log; accept;", ""),
    exact(
        "`routing-instance`, `next-ip` and the like",
        "then routing-instance scrub;",
        "a redirect",
    ),
    exact("`policer`, term-specific", "then policer p;", "one bucket a term and PoP"),
    exact("`policer`, `filter-specific`", "then policer f;", "one bucket a filter and PoP"),
    bounded("a policer that marks", "then policer soft;", "queues are not recorded"),
    bounded("`bandwidth-percent`", "then policer percent;", "may drop"),
    bounded(
        "three-color and hierarchical policers",
        "then three-color-policer two-rate x;",
        "may drop",
    ),
    bounded("actions that are not known", "then explode;", "may drop"),
    refused("a policer that is not there", "then policer q;", ""),
    refused(
        "several filters that no interface applies",
        "set firewall family inet filter f term t then accept\nset firewall family inet filter g term t then accept",
        "",
    ),
    exact(
        "nested filters and lists",
        "set firewall family inet filter f term t filter g\n\
         set firewall family inet filter g term t then accept\n\
         set interfaces ge-0/0/0 unit 0 family inet filter input-list f",
        "",
    ),
    refused(
        "groups that may add to it",
        "set apply-groups x\nset firewall family inet filter f term t then accept",
        "hand over `| display inheritance`",
    ),
];
