//! What is understood, as examples for the documentation.

use crate::languages::{Class, Construct};

/// Makes a file of an example: a whole one as it is, conditions and actions in a route.
pub(super) fn frame(example: &str) -> String {
    let is_whole = ["nlri", "announce", "withdraw", "set", "flow", "neighbor", "#"];
    if is_whole.iter().any(|word| example.starts_with(word)) && !example.starts_with("flow-label") {
        return example.to_owned();
    }
    let (matches, then) = match example.split_once("then ") {
        Some((matches, then)) => (matches, then),
        None => (example, "discard;"),
    };
    let matches = if matches.trim().is_empty() { "destination 192.0.2.0/24;" } else { matches };
    format!("flow {{ route example {{ match {{ {matches} }} then {{ {then} }} }} }}\n")
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
    exact("`destination`, `source`", "destination 192.0.2.0/24; source 198.51.100.0/24;", ""),
    exact("IPv6 prefixes", "destination 2001:db8::/32;", ""),
    exact("IPv6 prefixes with an offset up to 10", "destination ::/16/8;", ""),
    bounded(
        "IPv6 prefixes with a longer offset",
        "destination ::1/128/64;",
        "they are no ranges of addresses",
    ),
    exact(
        "`port`, `destination-port`, `source-port`",
        "destination-port [ >1023&<2048 =80 ];",
        "TCP and UDP only, never later fragments",
    ),
    exact("`protocol`, `next-header`", "protocol [ udp tcp ];", ""),
    exact("`icmp-type`, `icmp-code`", "icmp-type echo-request; icmp-code 0;", ""),
    exact("`tcp-flags`", "tcp-flags [ SYN&!=ACK rst ];", "the eight flags of the last octet"),
    bounded("`tcp-flags` with `ns`", "tcp-flags ns;", "reserved bits are not recorded"),
    exact("`packet-length`", "packet-length [ >200&<300 ];", "at layer 3, header included"),
    exact("`dscp`, `traffic-class` up to 63", "dscp 46;", ""),
    bounded(
        "`traffic-class` above 63",
        "source 2001:db8::/32; traffic-class 101;",
        "no code point has more than six bits",
    ),
    exact("`fragment`", "fragment [ !is-fragment first-fragment ];", "IPv6 has no `dont-fragment`"),
    bounded("`flow-label`", "source 2001:db8::/32; flow-label 2013;", "not recorded"),
    exact("numeric operators `= != < <= > >= true false`, `&`", "port [ !=0&<=1024 ];", ""),
    exact("bitmask operators `= ! !=`, `&`", "fragment [ =is-fragment ];", ""),
    exact("`accept`, `discard`", "then accept;", "accept ends the walk"),
    exact(
        "`rate-limit` in bytes or packets",
        "then rate-limit 9600;",
        "no standard says the burst: both one second and one packet are judged",
    ),
    refused("a rate that is no number", "nlri 050118c00002 ext 800600007fc00000", ""),
    refused("two rates that interfere", "then rate-limit 9600; discard;", ""),
    exact("`redirect` to a route target", "then redirect 65000:12;", ""),
    exact("`redirect` to an address", "then redirect 192.0.2.1;", ""),
    exact("`redirect-to-nexthop`, `-ietf`", "then redirect-to-nexthop-ietf 192.0.2.1;", ""),
    exact("`copy`", "then copy 192.0.2.1;", "what is copied passes as well"),
    exact("`mark`", "then mark 10;", ""),
    exact("`action sample`", "then action sample;", ""),
    exact("`action terminal`", "then action terminal; mark 10;", "the bit lets evaluation go on"),
    bounded(
        "`action terminal` with a redirect",
        "then action terminal; redirect 65000:12;",
        "what follows may take the packet first",
    ),
    exact("`community`, `large-community`", "then discard; community [ 65000:666 ];", "no action"),
    bounded("`interface-set`", "then discard; interface-set transitive:input:65000:1;", ""),
    bounded(
        "other extended communities of actions",
        "nlri 050118c00002 ext 8017000000000000",
        "they may drop",
    ),
    exact(
        "API lines",
        "announce flow route { match { source 192.0.2.1/32; } then { discard; } }",
        "",
    ),
    exact("API lines without blocks", "announce flow route source 192.0.2.1/32 discard", ""),
    exact(
        "`withdraw`",
        "announce flow route source 192.0.2.1/32 discard\nwithdraw flow route source 192.0.2.1/32\n\
         announce flow route source 192.0.2.2/32 discard",
        "",
    ),
    bounded(
        "routes of one neighbor of several",
        "neighbor 192.0.2.1 { flow { route a { match { port =80; } then { discard; } } } } \
         neighbor 192.0.2.2 { flow { route b { match { port =81; } then { discard; } } } }",
        "which router a packet meets is not recorded",
    ),
    bounded(
        "`rd`, flow-vpn",
        "flow { route a { rd 65000:1; match { port =80; } then { discard; } } }",
        "routing instances are not recorded",
    ),
    refused("a component that stands there twice", "source 192.0.2.1/32; source 192.0.2.2/32;", ""),
    refused("a route without `match`", "flow { route a { then { discard; } } }", ""),
    exact("NLRI in hex", "nlri 050118c00002 ext 8006000000000000 afi 1 safi 133", ""),
    refused("a malformed NLRI", "nlri 0401180a0000", ""),
    exact(
        "Junos `routing-options flow`",
        "set routing-options flow route a match destination 192.0.2.0/24\n\
         set routing-options flow route a then rate-limit 10m",
        "rates in bits a second",
    ),
    refused(
        "Junos without `term-order standard`, where the order matters",
        "set routing-options flow route a match protocol udp\n\
         set routing-options flow route a then discard\n\
         set routing-options flow route b match port 53\n\
         set routing-options flow route b then accept",
        "",
    ),
];
