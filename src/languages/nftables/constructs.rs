//! What is understood, as examples for the documentation.

use crate::languages::{Class, Construct};

/// Makes a file of an example: a whole one as it is, rules in a chain of the family inet.
pub(super) fn frame(example: &str) -> String {
    let is_whole = ["table ", "add ", "define ", "{"];
    if is_whole.iter().any(|start| example.starts_with(start)) {
        return format!("{example}\n");
    }
    format!(
        "table inet x {{\n\tchain forward {{\n\t\ttype filter hook forward priority 0;\n{example}\n\t}}\n}}\n"
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
        "tables of `ip`, `ip6`, `inet`, `netdev`",
        "table ip a { chain b { type filter hook forward priority 0; policy drop;\n ip saddr 192.0.2.0/24 accept\n}\n}",
        "",
    ),
    bounded(
        "tables of `arp` and `bridge`",
        "table bridge a { chain b { type filter hook forward priority 0;\n drop\n}\n}\ntable ip x { chain y { type filter hook forward priority 0;\n ip saddr 192.0.2.1 drop\n}\n}",
        "their frames are not judged",
    ),
    exact(
        "base chains by hook and priority, policies, `jump`, `goto`, `return`",
        "table inet a {\n chain c {\n ip saddr 192.0.2.1 return\n drop\n }\n chain b {\n type filter hook forward priority filter + 10; policy accept;\n tcp dport 22 jump c\n }\n}",
        "of equal priorities the chain that was made last comes first, as the kernel has it",
    ),
    exact(
        "commands: `add`, `insert`, `create`, `delete`, `flush`",
        "add table ip a\nadd chain ip a b { type filter hook forward priority 0; }\nadd rule ip a b ip saddr 192.0.2.1 drop",
        "",
    ),
    refused(
        "rules by `handle`, `replace`, `rename`",
        "add table ip a\nadd chain ip a b { type filter hook forward priority 0; }\ndelete rule ip a b handle 4",
        "only the kernel knows handles",
    ),
    exact(
        "`define`, `$name`",
        "define web = { 80, 443 }\ntable inet a { chain b { type filter hook forward priority 0;\n tcp dport $web drop\n}\n}",
        "",
    ),
    exact(
        "JSON of `nft -j list ruleset`",
        "{\"nftables\": [{\"table\": {\"family\": \"ip\", \"name\": \"a\"}}, {\"chain\": {\"family\": \"ip\", \"table\": \"a\", \"name\": \"b\", \"type\": \"filter\", \"hook\": \"forward\", \"prio\": 0, \"policy\": \"accept\"}}, {\"rule\": {\"family\": \"ip\", \"table\": \"a\", \"chain\": \"b\", \"expr\": [{\"match\": {\"op\": \"==\", \"left\": {\"payload\": {\"protocol\": \"ip\", \"field\": \"ttl\"}}, \"right\": 1}}, {\"drop\": null}]}}]}",
        "",
    ),
    exact(
        "`ip saddr`, `ip daddr`, `ip6 saddr`, `ip6 daddr`",
        "ip saddr 192.0.2.0/24 ip daddr != { 192.0.2.1-192.0.2.9 } drop",
        "",
    ),
    exact(
        "`ip protocol`, `meta l4proto`, `meta nfproto`, `meta protocol`",
        "meta nfproto ipv6 meta l4proto { tcp, udp } drop",
        "",
    ),
    bounded(
        "`ip6 nexthdr`",
        "ip6 nexthdr tcp drop",
        "it does not look behind extension headers, which are in no record",
    ),
    exact(
        "ports of `tcp`, `udp`, `udplite`, `sctp`",
        "tcp dport { 22, 80-443 } tcp sport >= 1024 drop",
        "of later fragments the kernel takes payload for ports: they may match",
    ),
    exact(
        "`th sport`, `th dport` with `meta l4proto`",
        "meta l4proto { tcp, udp } th dport 53 drop",
        "",
    ),
    bounded(
        "`th` without a protocol that has ports",
        "th dport 53 drop",
        "the bytes of any protocol are read",
    ),
    exact(
        "`tcp flags`, all forms",
        "tcp flags & (syn|ack) == syn drop\ntcp flags syn,rst drop\ntcp flags syn / syn,ack drop\ntcp flags != syn drop",
        "",
    ),
    exact(
        "`icmp type`, `icmp code`, `icmpv6 type`, `icmpv6 code`",
        "icmp type echo-request drop\nicmpv6 type { nd-router-advert, 128 } drop",
        "",
    ),
    exact("`ip ttl`, `ip6 hoplimit`", "ip ttl < 5 drop", "forward sees them counted down"),
    exact(
        "`ip dscp`, `ip6 dscp`, `ip length`, `ip6 length`, `meta length`",
        "ip dscp cs1 meta length > 1000 drop",
        "",
    ),
    exact(
        "`ip frag-off`",
        "ip frag-off & 0x1fff != 0 drop",
        "with connection tracking, packets are put together before",
    ),
    bounded(
        "`exthdr`, `frag`, `hbh`, `dst`, `rt`, `mh`",
        "exthdr frag exists drop",
        "of an atomic fragment no record tells",
    ),
    exact(
        "named and anonymous sets, intervals, concatenations",
        "table inet a {\n set s {\n type ipv4_addr . inet_service\n elements = { 192.0.2.1 . 80, 192.0.2.2 . 443 }\n }\n chain b {\n type filter hook forward priority 0;\n ip daddr . tcp dport @s drop\n }\n}",
        "",
    ),
    bounded(
        "sets with `timeout`, or that rules write to",
        "table inet a {\n set s {\n type ipv4_addr\n flags dynamic\n }\n chain b {\n type filter hook forward priority 0;\n ip saddr @s drop\n }\n}",
        "",
    ),
    exact("verdict maps", "tcp dport vmap { 22 : accept, 80-443 : drop }", ""),
    bounded(
        "maps that give values",
        "meta mark set ip daddr map { 192.0.2.1 : 5 }\nmeta mark 5 drop",
        "marks are in no record",
    ),
    exact(
        "`limit rate over … drop`, `limit rate … accept` before what drops the rest",
        "udp dport 53 limit rate over 100/second burst 20 packets drop",
        "the kernel's own arithmetic",
    ),
    exact(
        "named limits",
        "table inet a {\n limit l { rate over 1 mbytes/second burst 10 kbytes }\n chain b {\n type filter hook forward priority 0;\n limit name \"l\" drop\n }\n}",
        "all that use it share a bucket",
    ),
    exact(
        "meters, and sets with a `limit over` for each key",
        "meter m { ip saddr limit rate over 10/second } drop",
        "a full set lets new keys through",
    ),
    bounded(
        "sets with a `limit` for each key that accepts",
        "meter m { ip saddr limit rate 10/second } accept",
        "a full set takes no new key",
    ),
    bounded(
        "a limit before other conditions",
        "limit rate over 10/second tcp dport 80 drop",
        "it counts other packets, too",
    ),
    bounded("`quota`, `ct count`", "quota over 10 mbytes drop", ""),
    exact(
        "`counter`, `log`, `notrack`, `reject`",
        "tcp dport 113 counter log prefix \"x\" reject with tcp reset",
        "",
    ),
    bounded(
        "`iif`, `iifname`, `oif`, `oifname`",
        "oifname \"eth0\" ip daddr 192.0.2.1 drop",
        "known by `--iif` and `--oif`",
    ),
    bounded(
        "`ct`, `fib`, `socket`, `osf`, `numgen`, `meta mark` and other keys of `meta`",
        "ct state established,related accept",
        "in no record",
    ),
    bounded("`queue`", "queue num 0", "a program decides"),
    bounded(
        "`dnat`, `snat`, `masquerade`, `redirect`",
        "table ip a {\n chain n {\n type nat hook prerouting priority dstnat;\n tcp dport 80 dnat to 192.0.2.1\n }\n chain b {\n type filter hook forward priority 0;\n ip daddr 192.0.2.1 drop\n }\n}",
        "later chains see other addresses",
    ),
    bounded(
        "`flow add`",
        "table inet a {\n flowtable f {\n hook ingress priority 0;\n devices = { lo };\n }\n chain b {\n type filter hook forward priority 0;\n ct state established flow add @f\n }\n}",
        "offloaded flows pass no chain",
    ),
    exact(
        "`fwd`, `dup`",
        "table netdev a {\n chain b {\n type filter hook ingress device lo priority 0;\n ip daddr 192.0.2.1 fwd to lo\n }\n}\ntable ip a {\n chain b {\n type filter hook forward priority 0;\n ip daddr 192.0.2.1 dup to 192.0.2.9\n }\n}",
        "`fwd` in tables of netdev, `dup` in ip, ip6 and netdev",
    ),
    exact("`synproxy`", "tcp dport 80 tcp flags syn synproxy mss 1460 wscale 7", "a challenge"),
    bounded(
        "what sets a header field",
        "ip ttl set 64\nip ttl 64 drop",
        "later conditions on it cannot be told; `ip dscp set` is a mark",
    ),
    bounded("statements that are not known", "frobnicate 5", "they may end the packet"),
    refused("names of hosts", "ip saddr www.example.net drop", "no name is looked up"),
];
