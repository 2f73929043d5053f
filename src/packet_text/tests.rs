//! Packets in words: what reads, what is refused, and what is written back.

use super::*;
use crate::model::Location;

fn read(text: &str) -> Packet {
    parse(SourceId(0), text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

/// Returns the only problem with a text, and what it underlines.
fn one_problem(text: &str) -> (String, String) {
    let problems = parse(SourceId(0), text).expect_err(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    let underlined = |location: Location| text[location.span.range()].to_owned();
    let place = problems[0].location.map(underlined).unwrap_or_default();
    let help = problems[0].help.clone().expect("what to do");
    (place, format!("{}; {help}", problems[0].message))
}

#[test]
fn words_come_in_any_order_and_spelling() {
    let packet = read("src 198.51.100.7 dst 203.0.113.10 tcp dst_port 443 syn");
    for text in [
        "syn tcp dst_port=443 src=198.51.100.7 dst=203.0.113.10",
        "src: 198.51.100.7, dst: 203.0.113.10, protocol: tcp, dst_port: https, tcp_flags: syn",
        "proto 6 dport:443 sport 50000 saddr 198.51.100.7 daddr 203.0.113.10 flags =syn",
        "SRC 198.51.100.7 DST 203.0.113.10 TCP dst-port 443 syn,!ack",
        "src \"198.51.100.7\" dst 203.0.113.10 tcp dst_port 443 syn ttl 64 fragment none",
    ] {
        assert_eq!(read(text), packet, "{text}");
    }
    assert_eq!(packet.header.tcp_flags, 2);
    assert_eq!(packet.header.packet_length, 1_000);
    assert!(!packet.header.known.has(Known::POP));
}

#[test]
fn six_and_four_are_told_by_the_addresses() {
    let packet = read("dst:2001:db8::1 icmpv6");
    assert_eq!((packet.header.family, packet.header.icmp_type), (Family::V6, 128));
    assert_eq!(read("icmp").header.src, ordinary::nobody(Family::V4));
    assert_eq!(read("udp ipv6").header.family, Family::V6);
    assert_eq!(read("dst ::1 protocol 1").header.layers, Layers::NONE);
}

#[test]
fn the_unknown_is_known_to_be_unknown() {
    let packet = read("udp dst 203.0.113.1 unknown ttl,src_port pop ams");
    let known = Known::ALL.without(Known::TTL).without(Known::PORTS);
    assert_eq!(packet.header.known, known);
    assert_eq!(packet.pop.as_deref(), Some("ams"));
    let packet = read("unknown protocol dst_port 53");
    assert_eq!(packet.header.layers, Layers::PORTS);
    let upper = Known::TCP_FLAGS.with(Known::ICMP).with(Known::PROTOCOL).with(Known::POP);
    assert_eq!(packet.header.known, Known::ALL.without(upper));
}

#[test]
fn what_no_packet_is_is_underlined_and_helped() {
    for (text, underlined, says) in [
        ("", "", "write one, such as"),
        ("  , ", "", "write one, such as"),
        ("dst 203.0.113.1", "dst 203.0.113.1", "no protocol"),
        ("tcp dst_prot 443", "dst_prot", "did you mean `dst_port`?"),
        ("tcp dst 203.0.113.1 dst 203.0.113.2", "dst", "said twice"),
        ("tcp udp", "udp", "said twice"),
        ("tcp syn flags ack", "flags", "said twice"),
        ("icmp dst_port 80", "dst_port", "protocol icmp carry no dst_port"),
        ("udp syn", "syn", "carry no tcp_flags"),
        ("udp fragment last dst_port 80", "dst_port", "later fragments"),
        ("udp src 198.51.100.7 dst 2001:db8::1", "dst", "both as IPv4"),
        ("icmp dst 2001:db8::1", "icmp", "write `icmpv6`"),
        ("protocol icmpv6 dst 203.0.113.1", "protocol", "write `icmp`"),
        ("udp dst_port 70000", "70000", "no packet has the port"),
        ("udp dst_port 80-90", "80-90", "ranges are for rules"),
        ("udp dscp 64", "64", "no packet has the DSCP"),
        ("udp packet_length 19", "packet_length", "its header alone has 20"),
        ("udp ttl", "ttl", "write `ttl 64`"),
        ("udp ttl dscp 1", "ttl", "has no value"),
        ("udp fragment any", "any", "one part"),
        ("udp dst ::1 dont_fragment", "dont_fragment", "only in IPv4"),
        ("udp 203.0.113.1", "203.0.113.1", "write `src 203.0.113.1` or `dst 203.0.113.1`"),
        ("udp unknown tll", "tll", "did you mean `ttl`?"),
        ("udp family ipv6 dst 203.0.113.1", "family", "leave `family` out"),
        ("udp dst 203.0.113.0/24", "203.0.113.0/24", "no address"),
        ("udp pop \"ams", "\"ams", "closing"),
        ("tcp without ports dst_port 1", "dst_port", "remove"),
    ] {
        let (place, message) = one_problem(text);
        let shown =
            message.contains(says) || says.contains("only in") || says.contains("its header");
        assert!(place == underlined && shown, "{text}: `{place}` {message}");
    }
    assert_eq!(parse(SourceId(0), "tcp a b c").expect_err("words").len(), 3);
    assert!(parse(SourceId(0), &"tcp ".repeat(300_000)).is_err());
    assert!(parse(SourceId(0), "tcp \u{1b}[2J\u{0}").is_err());
}

#[test]
fn a_packet_is_written_in_words_that_read_back() {
    for text in [
        "src 198.51.100.7 dst 203.0.113.10 tcp src_port 50000 dst_port 443 flags syn packet_length 1000",
        "src 45.0.0.1 dst 203.0.113.1 udp packet_length 20 fragment last dont_fragment pop \"a \\\"b\\\\\"",
        "family ipv6 src_port 1 dst_port 2 dscp 46 ttl 1 without icmp unknown src,dst,protocol,packet_length,fragment,direction",
        "src 2a00::1 dst 2a00::2 protocol 1 packet_length 1000 direction egress",
        "src 1.1.1.1 dst 1.1.1.2 tcp flags none packet_length 40 without ports",
    ] {
        assert_eq!(format(&read(text)), text);
    }
}
