//! Rulesets: some made by hand, for one thing each, and as many as are wanted by chance.

use std::fmt::Write as _;

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 20_261_126);
        dice.roll(2);
        dice
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % sides
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len() as u64) as usize]
    }
}

/// One thing each.
pub(super) const BY_HAND: &[&str] = &[
    // Two comparisons with `!=` that nft up to 1.0.6 makes one.
    "table ip a {
        chain pre { type filter hook prerouting priority 0; policy accept;
            udp sport != 53 udp dport != 53 drop
            tcp dport != 22 tcp sport != 1024 drop
            icmp code != 0 icmp type != 8 drop
            ip ttl != 64 ip protocol != 6 drop
        }
    }",
    // Policies of one family, base chains of one priority, jumps, gotos and returns.
    "table ip a {
        chain pre { type filter hook prerouting priority 0; policy drop;
            tcp dport 22 accept
            udp dport 53 jump dns
            goto rest
        }
        chain dns { ip saddr 10.0.0.1 return
            ip daddr 10.0.0.0/30 accept
        }
        chain rest { ip protocol icmp accept
            ip ttl < 5 drop
            tcp flags syn accept
        }
    }
    table ip6 b {
        chain pre { type filter hook prerouting priority 10; policy accept;
            ip6 nexthdr tcp drop
            meta l4proto udp udp sport 1024-65535 drop
        }
    }",
    "table inet a {
        set bad { type ipv4_addr; flags interval; elements = { 10.0.0.0/30, 10.0.0.8-10.0.0.11 } }
        set pairs { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 80, 10.0.0.2 . 443, 10.0.0.3 . 80 } }
        map ways { type inet_service : verdict; elements = { 22 : accept, 53 : drop, 80 : jump web, 443 : goto web } }
        chain web { ip saddr @bad drop
            ip6 saddr 2001:db8::/125 drop
        }
        chain pre { type filter hook prerouting priority -5;
            ip saddr . tcp dport @pairs drop
            tcp dport vmap @ways
            ip daddr @bad udp dport != 53 drop
            icmp type { echo-request, destination-unreachable } drop
            icmpv6 type vmap { echo-request : drop, nd-router-advert : accept }
        }
        chain late { type filter hook prerouting priority 5;
            ip dscp { cs1, ef } drop
            ip6 hoplimit 1-4 drop
            meta length 200-500 drop
        }
    }",
    // Flags in all forms.
    "table inet a {
        chain pre { type filter hook prerouting priority 0;
            ip saddr 10.0.0.0 tcp flags & (syn|ack) == syn drop
            ip saddr 10.0.0.1 tcp flags syn drop
            ip saddr 10.0.0.2 tcp flags syn / syn,ack drop
            ip saddr 10.0.0.3 tcp flags != syn drop
            ip saddr 10.0.0.4 tcp flags { syn, syn|ack } drop
            ip saddr 10.0.0.5 tcp flags syn,ack drop
            ip saddr 10.0.0.6 tcp flags & (fin|psh|urg) != 0 drop
            ip saddr 10.0.0.7 tcp flags == syn|ack drop
            ip saddr 10.0.0.8 tcp flags != syn / syn,ack drop
            ip saddr 10.0.0.9 tcp flags & (syn|ack) == { syn, ack } drop
            ip saddr 10.0.0.10 tcp flags ! syn drop
            ip saddr 10.0.0.11 tcp flags & syn == 0 drop
            ip6 saddr 2001:db8::1 tcp flags & (fin|syn|rst|psh|ack|urg) == 0x0 drop
            ip6 saddr 2001:db8::2 tcp flags syn,rst drop
        }
    }",
    // Fragments.
    "table inet a {
        chain pre { type filter hook prerouting priority 0;
            ip saddr 10.0.0.0 ip frag-off & 0x1fff != 0 drop
            ip saddr 10.0.0.1 ip frag-off & 0x2000 != 0 drop
            ip saddr 10.0.0.2 ip frag-off & 0x3fff != 0 drop
            ip saddr 10.0.0.3 ip frag-off & 0x4000 != 0 drop
            ip saddr 10.0.0.4 ip frag-off 0 drop
            ip saddr 10.0.0.5 ip frag-off & 0x1fff == 0 drop
            ip saddr 10.0.0.6 ip frag-off != 0x4000 drop
            ip saddr 10.0.0.7 ip frag-off & 0x3fff == 0x2000 drop
            ip6 saddr 2001:db8::1 exthdr frag exists drop
            ip6 saddr 2001:db8::2 frag more-fragments 1 drop
            ip6 saddr 2001:db8::3 frag frag-off != 0 drop
            ip6 saddr 2001:db8::4 exthdr frag missing drop
            ip6 saddr 2001:db8::5 frag frag-off 0 drop
            ip saddr 10.0.0.8 tcp dport 80 drop
            ip saddr 10.0.0.9 udp dport { 53, 80 } drop
            ip saddr 10.0.0.10 icmp type echo-request drop
            ip6 saddr 2001:db8::6 tcp dport 80 drop
        }
    }",
    // Limits: one bucket, named, and for each key; before what drops the rest.
    "table inet a {
        limit shared { rate over 1/day burst 7 packets }
        set keyed { type ipv4_addr; size 1000; flags dynamic; }
        set both { type ipv4_addr . inet_service; size 1000; flags dynamic; }
        chain pre { type filter hook prerouting priority 0; policy accept;
            tcp flags syn ip daddr 10.0.0.0/29 limit rate over 1/day burst 3 packets drop
            ip protocol icmp limit rate 1/day burst 4 packets accept
            ip protocol icmp drop
            ip saddr 10.0.0.8 limit name \"shared\" drop
            ip saddr 10.0.0.9 limit name \"shared\" drop
            meta l4proto sctp update @keyed { ip saddr limit rate over 1/day burst 1 packets } drop
            meta l4proto gre update @keyed2 { ip daddr & 255.255.255.252 limit rate over 1/day burst 2 packets } drop
            udp dport 53 add @both { ip saddr . udp dport limit rate over 1/day burst 1 packets } drop
            ip6 saddr 2001:db8::/124 limit rate over 5000 bytes/day burst 500 bytes drop
        }
        set keyed2 { type ipv4_addr; size 1000; flags dynamic; }
    }",
    // What depends on others: protocols, families, the bytes of any header.
    "table inet a {
        chain pre { type filter hook prerouting priority 0;
            ip protocol { tcp, udp } th dport 53 drop
            meta l4proto { tcp, udp } th sport . th dport { 22 . 80, 80-443 . 1024-65535 } drop
            meta nfproto ipv6 meta l4proto tcp tcp dport { 22, 80 } drop
            meta protocol ip ip length < 120 drop
            ip6 length 60-90 drop
            ip version 4 ip dscp != 0 ip ttl 64 drop
            ip saddr != 10.0.0.0/29 ip daddr != { 10.0.0.1, 10.0.0.2 } udp dport 80 drop
            ip saddr & 255.255.255.248 == 10.0.0.8 ip daddr >= 10.0.0.12 drop
            ip saddr . ip daddr . ip protocol { 10.0.0.1 . 10.0.0.2 . tcp, 10.0.0.0/30 . 10.0.0.4-10.0.0.7 . udp } drop
            ip6 saddr . udp dport != { 2001:db8::1 . 53, 2001:db8::2 . 80 } drop
            iifname \"in\" meta l4proto sctp drop
            iifname \"ou*\" drop
            iif != \"lo\" icmp code 4 drop
            meta mark 5 drop
            ct state invalid,untracked accept
        }
    }",
    // Base chains of equal priority, verdicts of which only drop is for good.
    "table inet a {
        chain one { type filter hook prerouting priority 0; policy accept;
            meta l4proto tcp accept
            limit rate over 1/day burst 20 packets drop
        }
        chain two { type filter hook prerouting priority 0; policy accept;
            meta l4proto udp drop
        }
    }
    table ip b {
        chain three { type filter hook prerouting priority filter; policy accept;
            limit rate over 1/day burst 40 packets drop
        }
    }",
    // Maps with intervals, the rest of a map, verdicts for two keys.
    "table inet a {
        chain pre { type filter hook prerouting priority mangle + 10; policy accept;
            ip saddr vmap { 10.0.0.0/30 : jump one, 10.0.0.4-10.0.0.6 : drop, 10.0.0.9 : accept }
            meta l4proto . th dport vmap { tcp . 22 : drop, udp . 53 : drop, tcp . 80 : jump one }
            tcp sport vmap { 22-80 : drop, * : jump two }
        }
        chain one { udp dport vmap { 80 : drop, 443 : return }
            tcp flags vmap { syn : drop, ack : accept }
        }
        chain two { ip6 daddr 2001:db8::/125 drop
            ip ttl vmap { 1 : drop, 64 : accept }
        }
    }",
];

/// A condition by chance.
fn condition(dice: &mut Dice, family: &str) -> String {
    let port = |dice: &mut Dice| match dice.roll(4) {
        0 => "{ 22, 80-443 }".to_owned(),
        1 => "!= 80".to_owned(),
        2 => "1024-65535".to_owned(),
        _ => dice.pick(&["22", "53", "80", "443", "50000"]).to_string(),
    };
    let v4 = |dice: &mut Dice| match dice.roll(5) {
        0 => format!("10.0.0.{}", dice.roll(16)),
        1 => format!("10.0.0.{}/30", 4 * dice.roll(4)),
        2 => format!("{{ 10.0.0.{}, 10.0.0.8-10.0.0.{} }}", dice.roll(8), 9 + dice.roll(6)),
        3 => format!("!= 10.0.0.{}/29", 8 * dice.roll(2)),
        _ => "@four".to_owned(),
    };
    let v6 = |dice: &mut Dice| match dice.roll(4) {
        0 => format!("2001:db8::{:x}", dice.roll(16)),
        1 => format!("2001:db8::{:x}/126", 4 * dice.roll(4)),
        2 => format!("!= 2001:db8::{:x}", dice.roll(16)),
        _ => "@six".to_owned(),
    };
    let (may_v4, may_v6) = (family != "ip6", family != "ip");
    loop {
        return match dice.roll(22) {
            0 => format!("tcp dport {}", port(dice)),
            1 => format!("tcp sport {}", port(dice)),
            2 => format!("udp dport {}", port(dice)),
            3 => format!("udp sport {}", port(dice)),
            4 => format!("meta l4proto {{ tcp, udp }} th dport {}", port(dice)),
            5 | 6 if may_v4 => format!("ip saddr {}", v4(dice)),
            7 if may_v4 => format!("ip daddr {}", v4(dice)),
            8 | 9 if may_v6 => format!("ip6 daddr {}", v6(dice)),
            10 => format!(
                "meta l4proto {}",
                dice.pick(&["tcp", "udp", "!= tcp", "{ icmp, gre }", "sctp"])
            ),
            11 => format!(
                "tcp flags {}",
                dice.pick(&[
                    "syn",
                    "& (syn|ack) == syn",
                    "syn / syn,ack",
                    "fin,rst",
                    "& (fin|ack) != 0"
                ])
            ),
            12 if may_v4 => {
                format!("icmp type {}", dice.pick(&["echo-request", "{ 0, 3, 11 }", "!= 8"]))
            }
            13 if may_v6 => format!("icmpv6 type {}", dice.pick(&["echo-request", "{ 128, 134 }"])),
            14 if may_v4 => format!("ip ttl {}", dice.pick(&["1", "< 5", ">= 64", "2-64"])),
            15 if may_v4 => format!("ip dscp {}", dice.pick(&["cs1", "!= 0", "{ ef, af11 }"])),
            16 if may_v4 => format!(
                "ip frag-off {}",
                dice.pick(&["& 0x1fff != 0", "& 0x3fff != 0", "& 0x2000 != 0", "& 0x1fff == 0"])
            ),
            17 => {
                format!("meta length {}", dice.pick(&["< 200", "> 1000", "100-700", "!= 300-900"]))
            }
            18 if may_v4 => format!(
                "ip saddr . tcp dport {{ 10.0.0.{} . 80, 10.0.0.0/29 . 22-53 }}",
                8 + dice.roll(8)
            ),
            19 if may_v4 => "ip daddr . udp dport @pairs4".to_owned(),
            20 if may_v6 => format!("ip6 hoplimit {}", dice.pick(&["1", "> 5", "!= 64"])),
            21 if may_v6 && dice.roll(3) == 0 => "ip6 nexthdr tcp".to_owned(),
            _ => continue,
        };
    }
}

/// Returns whether a condition is one on the header of IPv4 alone.
fn is_v4(condition: &str) -> bool {
    ["ip ttl", "ip dscp", "ip saddr !", "ip saddr @", "ip daddr 10"]
        .iter()
        .any(|one| condition.starts_with(one))
}

fn is_v6(conditions: &str) -> bool {
    ["ip6", "icmpv6"].iter().any(|one| conditions.contains(one))
}

/// A statement by chance that may end a packet; only chains behind this one are jumped to.
fn verdict(dice: &mut Dice, chain: u64, chains: u64) -> String {
    match dice.roll(12) {
        0..=3 => "drop".to_owned(),
        4..=6 => "accept".to_owned(),
        7 | 8 if chain < chains => {
            let to = chain + 1 + dice.roll(chains - chain);
            format!("{} c{to}", dice.pick(&["jump", "jump", "goto"]))
        }
        9 => "return".to_owned(),
        10 => "counter".to_owned(),
        11 => format!("limit rate over 1/day burst {} packets drop", 1 + dice.roll(20)),
        _ => "drop".to_owned(),
    }
}

fn rules(dice: &mut Dice, text: &mut String, family: &str, chain: u64, chains: u64) {
    for _ in 0..1 + dice.roll(6) {
        let mut conditions = String::new();
        for _ in 0..1 + dice.roll(2) - u64::from(dice.roll(12) == 0) {
            let one = condition(dice, family);
            // A rule asks of one transport protocol and one family only, or never matches.
            if conditions.is_empty() {
                conditions = one + " ";
            } else if one.contains("length") || (is_v4(&one) && !is_v6(&conditions)) {
                let _ = write!(conditions, "{one} ");
            }
        }
        if dice.roll(9) == 0 && chain < chains {
            let _ = writeln!(
                text,
                "tcp dport vmap {{ 22 : accept, 80 : jump c{}, 443 : drop }}",
                chain + 1
            );
            continue;
        }
        if dice.roll(12) == 0 {
            let _ = writeln!(
                text,
                "{conditions}limit rate 1/day burst {} packets accept",
                1 + dice.roll(9)
            );
            let _ = writeln!(text, "{conditions}drop");
            continue;
        }
        let verdict = verdict(dice, chain, chains);
        let _ = writeln!(text, "{conditions}{verdict}");
    }
}

/// A ruleset by chance: one to three tables, each with base chains and chains to jump to. Every
/// third stands at the ingress of the interface.
pub(super) fn by_chance(seed: u64) -> String {
    let ingress = seed % 3 == 2;
    let hook = if ingress { "ingress device in" } else { "prerouting" };
    let mut dice = Dice::new(seed);
    let mut text = String::new();
    for table in 0..1 + dice.roll(3) {
        let families = if ingress { ["netdev"; 4] } else { ["inet", "inet", "ip", "ip6"] };
        let family = *dice.pick(&families);
        let chains = dice.roll(4);
        let _ = writeln!(text, "table {family} t{table} {{");
        let _ = writeln!(
            text,
            "set four {{ type ipv4_addr; flags interval; elements = {{ 10.0.0.1, 10.0.0.4/30, 10.0.0.12-10.0.0.13 }}; }}\n\
             set six {{ type ipv6_addr; elements = {{ 2001:db8::1, 2001:db8::7 }}; }}\n\
             set pairs4 {{ type ipv4_addr . inet_service; flags interval; elements = {{ 10.0.0.0/30 . 53, 10.0.0.9 . 80-443 }}; }}"
        );
        for chain in (1..=chains).rev() {
            let _ = writeln!(text, "chain c{chain} {{");
            rules(&mut dice, &mut text, family, chain, chains);
            text.push_str("}\n");
        }
        for base in 0..1 + dice.roll(2) {
            let policy = *dice.pick(&["accept", "accept", "drop"]);
            let priority = *dice.pick(&["-300", "-10", "0", "10", "filter + 5"]);
            let _ = writeln!(
                text,
                "chain b{base} {{ type filter hook {hook} priority {priority}; policy {policy};"
            );
            rules(&mut dice, &mut text, family, 0, chains);
            text.push_str("}\n");
        }
        text.push_str("}\n");
    }
    text
}
