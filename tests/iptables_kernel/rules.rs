//! Rule sets by chance, and some by hand.

use std::fmt::Write as _;

use super::Dice;

/// A rule set: what `iptables-restore`, `ip6tables-restore` and `ipset restore` are given.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) name: String,
    pub(super) v4: String,
    pub(super) v6: String,
    pub(super) sets: String,
    /// Whether fragments are put together before the rules, so that lone ones go nowhere.
    pub(super) tracks: bool,
}

fn address(dice: &mut Dice, is_v6: bool) -> String {
    let list: &[&str] = if is_v6 {
        &[
            "2001:db8::1",
            "2001:db8::/126",
            "2001:db8::/64",
            "2001:db8:1::/48",
            "2a00::/8",
            "2001:db8::1/ffff:ffff:0:ffff::ff",
        ]
    } else {
        &[
            "10.9.0.1",
            "10.9.0.0/30",
            "10.9.0.0/28",
            "10.9.0.0/16",
            "203.0.113.5",
            "10.9.0.1/255.255.0.255",
            "10.0.0.0/8",
        ]
    };
    (*dice.pick(list)).to_owned()
}

fn not(dice: &mut Dice) -> &'static str {
    if dice.roll(4) == 0 { "! " } else { "" }
}

/// The conditions of a rule. The protocol comes with matches that need it.
fn conditions(dice: &mut Dice, is_v6: bool) -> String {
    let mut text = String::new();
    for option in ["-s", "-d"] {
        if dice.roll(3) == 0 {
            let (sign, address) = (not(dice), address(dice, is_v6));
            write!(text, " {sign}{option} {address}").expect("text");
        }
    }
    if !is_v6 && dice.roll(14) == 0 {
        text.push_str(if dice.roll(2) == 0 { " -f" } else { " ! -f" });
    }
    match dice.roll(10) {
        0 | 1 => {
            text.push_str(" -p tcp");
            for _ in 0..dice.roll(3) {
                let sign = not(dice);
                match dice.roll(5) {
                    0 if !text.contains("--sport") => {
                        let port = dice.pick(&["53", "1024:", ":443", "11211", "0:65535"]);
                        write!(text, " {sign}--sport {port}").expect("text");
                    }
                    1 | 2 if !text.contains("--dport") => {
                        let port = dice.pick(&["80", "22:80", "443", "http", "8080:"]);
                        write!(text, " {sign}--dport {port}").expect("text");
                    }
                    3 if !text.contains("--tcp-flags") && !text.contains("--syn") => {
                        let flags = dice.pick(&[
                            "SYN,ACK SYN",
                            "ALL NONE",
                            "SYN,FIN SYN,FIN",
                            "ALL ALL",
                            "RST RST",
                            "ALL FIN,PSH,URG",
                            "NONE NONE",
                        ]);
                        write!(text, " {sign}--tcp-flags {flags}").expect("text");
                    }
                    4 if !text.contains("--tcp-flags") && !text.contains("--syn") => {
                        write!(text, " {sign}--syn").expect("text");
                    }
                    _ => {}
                }
            }
        }
        2 | 3 => {
            text.push_str(" -p udp");
            let sign = not(dice);
            match dice.roll(3) {
                0 => write!(text, " {sign}--sport {}", dice.pick(&["53", "123", "1:1024"])),
                1 => write!(text, " {sign}--dport {}", dice.pick(&["53", "80:443", "50000:"])),
                _ => Ok(()),
            }
            .expect("text");
        }
        4 => {
            let protocol = dice.pick(&["tcp", "udp", "sctp", "udplite", "dccp"]);
            let (sign, side) = (not(dice), dice.pick(&["sports", "dports", "ports"]));
            let ports = dice.pick(&["53", "53,80,443", "22:80,8080", "1024:65535", "0:21,23:79"]);
            write!(text, " -p {protocol} -m multiport {sign}--{side} {ports}").expect("text");
        }
        5 => {
            let sign = not(dice);
            if is_v6 {
                let kind = dice.pick(&["128", "echo-reply", "1/4", "packet-too-big", "1"]);
                write!(text, " -p icmpv6 -m icmp6 {sign}--icmpv6-type {kind}")
            } else {
                let kind = dice.pick(&[
                    "8",
                    "any",
                    "3/4",
                    "echo-reply",
                    "destination-unreachable",
                    "11/0",
                ]);
                write!(text, " -p icmp {sign}--icmp-type {kind}")
            }
            .expect("text");
        }
        6 => {
            let sign = not(dice);
            write!(text, " {sign}-p {}", dice.pick(&["tcp", "17", "gre", "sctp", "udplite", "33"]))
                .expect("text");
        }
        _ => {}
    }
    for _ in 0..dice.roll(2) {
        let sign = not(dice);
        match dice.roll(8) {
            0 => write!(
                text,
                " -m length {sign}--length {}",
                dice.pick(&["100", "100:500", "501:", ":128"])
            ),
            1 => {
                let (module, option) = if is_v6 { ("hl", "hl") } else { ("ttl", "ttl") };
                let (sign, kind) = match dice.roll(3) {
                    0 => (sign, "eq"),
                    1 => ("", "lt"),
                    _ => ("", "gt"),
                };
                write!(
                    text,
                    " -m {module} {sign}--{option}-{kind} {}",
                    dice.pick(&["1", "2", "4", "5", "63", "64", "254", "255"])
                )
            }
            2 => write!(text, " -m dscp {sign}--dscp {}", dice.pick(&["0", "0x0a", "46", "63"])),
            3 => write!(
                text,
                " -m dscp {sign}--dscp-class {}",
                dice.pick(&["CS1", "EF", "AF11", "BE"])
            ),
            4 => write!(
                text,
                " -m tos {sign}--tos {}",
                dice.pick(&["0x20/0xfc", "0xb8/0xf8", "0x28/0xfc"])
            ),
            5 => {
                let range = if is_v6 { "2001:db8::1-2001:db8::10" } else { "10.9.0.2-10.9.0.17" };
                write!(text, " -m iprange {sign}--{}-range {range}", dice.pick(&["src", "dst"]))
            }
            6 if is_v6 => write!(
                text,
                " -m frag --fragid 0:4294967295 {}",
                dice.pick(&["", "--fragfirst", "--fragmore", "--fraglast"])
            ),
            7 => {
                let family = if is_v6 { "6" } else { "4" };
                let (set, flags) = *dice.pick(&[
                    ("addr", "src"),
                    ("addr", "dst"),
                    ("net", "src"),
                    ("net", "dst"),
                    ("except", "src"),
                    ("except", "dst"),
                    ("ipport", "dst,dst"),
                    ("ipport", "src,src"),
                    ("netport", "src,dst"),
                    ("netport", "dst,src"),
                    ("list", "dst"),
                ]);
                write!(text, " -m set {sign}--match-set {set}{family} {flags}")
            }
            _ => Ok(()),
        }
        .expect("text");
    }
    text
}

/// Sets that all random rule sets may ask for.
pub(super) fn sets() -> String {
    let mut text = String::new();
    for (family, inet, addresses, nets) in [
        (
            "4",
            "inet",
            ["10.9.0.1", "10.9.0.17", "203.0.113.5"],
            ["10.9.0.0/16", "10.9.0.0/30", "10.9.0.2/32"],
        ),
        (
            "6",
            "inet6",
            ["2001:db8::1", "2001:db8::11", "2a00::1"],
            ["2001:db8::/32", "2001:db8::/126", "2001:db8::2/128"],
        ),
    ] {
        let [a, b, c] = addresses;
        let [wide, middle, narrow] = nets;
        let icmp = if family == "4" { "icmp:8/0" } else { "icmpv6:128/0" };
        write!(
            text,
            "create addr{family} hash:ip family {inet}\nadd addr{family} {a}\nadd addr{family} {b}\n\
             create net{family} hash:net family {inet}\nadd net{family} {middle}\nadd net{family} {c}\n\
             create except{family} hash:net family {inet}\nadd except{family} {wide}\n\
             add except{family} {middle} nomatch\nadd except{family} {narrow}\n\
             create ipport{family} hash:ip,port family {inet}\nadd ipport{family} {a},tcp:80\n\
             add ipport{family} {a},udp:53\nadd ipport{family} {b},udp:53\nadd ipport{family} {c},{icmp}\n\
             add ipport{family} {a},sctp:443\nadd ipport{family} {b},tcp:20-25\nadd ipport{family} {c},47:0\n\
             create netport{family} hash:net,port family {inet}\nadd netport{family} {middle},tcp:443\n\
             add netport{family} {wide},udp:53\n\
             create list{family} list:set\nadd list{family} addr{family}\nadd list{family} net{family}\n"
        )
        .expect("text");
    }
    text
}

/// Makes a rule set by chance.
pub(super) fn random(dice: &mut Dice, number: usize) -> Rules {
    let family = |dice: &mut Dice, is_v6: bool| {
        let mut text = String::new();
        for (table, chains, chance) in [
            ("raw", &["PREROUTING"][..], 3),
            ("mangle", &["PREROUTING", "FORWARD", "POSTROUTING"][..], 3),
            ("filter", &["FORWARD"][..], 1),
            ("security", &["FORWARD"][..], 5),
        ] {
            if dice.roll(chance) != 0 {
                continue;
            }
            writeln!(text, "*{table}").expect("text");
            for chain in chains {
                let policy = if table == "filter" && dice.roll(3) == 0 { "DROP" } else { "ACCEPT" };
                writeln!(text, ":{chain} {policy} [0:0]").expect("text");
            }
            let own = ["one", "two", "three"];
            for chain in own {
                writeln!(text, ":{chain} - [0:0]").expect("text");
            }
            for (depth, chain) in chains.iter().chain(&own).enumerate() {
                let is_own = depth >= chains.len();
                let count = if is_own { dice.roll(4) } else { 1 + dice.roll(5) };
                for _ in 0..count {
                    let conditions = conditions(dice, is_v6);
                    // A chain jumps to later ones only.
                    let next = if is_own { depth - chains.len() + 1 } else { 0 };
                    let verdict = match dice.roll(10) {
                        0..=2 => "-j DROP".to_owned(),
                        3 | 4 => "-j ACCEPT".to_owned(),
                        5 => "-j RETURN".to_owned(),
                        6 if table == "filter" => "-j REJECT".to_owned(),
                        7 => "-j LOG".to_owned(),
                        _ if next < own.len() => {
                            let to = own[next + dice.roll((own.len() - next) as u64) as usize];
                            format!("{} {to}", if dice.roll(3) == 0 { "-g" } else { "-j" })
                        }
                        _ => "-j DROP".to_owned(),
                    };
                    writeln!(text, "-A {chain}{conditions} {verdict}").expect("text");
                }
            }
            text.push_str("COMMIT\n");
        }
        text
    };
    let v4 = format!("# Generated by iptables-save\n{}", family(dice, false));
    let v6 = format!("# Generated by ip6tables-save\n{}", family(dice, true));
    Rules { name: format!("random {number}"), v4, v6, sets: sets(), tracks: false }
}

/// Rule sets by hand.
pub(super) fn by_hand() -> Vec<Rules> {
    let make = |name: &str, rules: &str, tracks: bool| {
        let file = |program: &str| {
            format!(
                "# Generated by {program}-save\n*filter\n:FORWARD ACCEPT [0:0]\n{rules}COMMIT\n"
            )
        };
        Rules {
            name: name.to_owned(),
            v4: file("iptables"),
            v6: file("ip6tables"),
            sets: sets(),
            tracks,
        }
    };
    vec![
        make(
            "ports of fragments",
            "-A FORWARD -p tcp --dport 80 -j DROP\n-A FORWARD -p udp ! --dport 53 -j DROP\n",
            false,
        ),
        make("flags of fragments", "-A FORWARD -p tcp ! --syn -j DROP\n", false),
        make(
            "multiport of fragments",
            "-A FORWARD -p udp -m multiport ! --ports 53,123 -j DROP\n",
            false,
        ),
        make(
            "an accept list",
            "-A FORWARD -p tcp -m multiport --dports 80,443 -j ACCEPT\n-A FORWARD -p udp --sport 53 -j ACCEPT\n-A FORWARD -j DROP\n",
            false,
        ),
        make(
            "goto",
            "-N a\n-N b\n-A FORWARD -p tcp -g a\n-A FORWARD -j DROP\n-A a -p tcp --dport 80 -j b\n-A a -p tcp --dport 443 -j DROP\n-A b -p tcp --syn -j DROP\n",
            false,
        ),
        make(
            "insert",
            "-A FORWARD -p udp -j DROP\n-I FORWARD -p udp --dport 53 -j ACCEPT\n-I FORWARD 2 -p udp --dport 80 -j ACCEPT\n",
            false,
        ),
        make(
            "state",
            "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -p tcp --dport 80 -j DROP\n-A FORWARD -m state --state INVALID -j DROP\n",
            true,
        ),
        make(
            "chance",
            "-A FORWARD -m statistic --mode random --probability 0.5 -j DROP\n-A FORWARD -p tcp -j REJECT\n",
            false,
        ),
        make(
            "queue",
            "-A FORWARD -p tcp --dport 80 -j NFQUEUE --queue-num 0 --queue-bypass\n-A FORWARD -p udp -j NFQUEUE --queue-num 0\n",
            false,
        ),
        make(
            "marks",
            "-A FORWARD -p udp -m mark --mark 0x1 -j DROP\n-A FORWARD -p tcp -m mark ! --mark 0x1/0x1 -j DROP\n",
            false,
        ),
        make(
            "interfaces",
            "-A FORWARD -i in -p tcp -j DROP\n-A FORWARD -o out -p udp -j DROP\n-A FORWARD ! -i i+ -j DROP\n",
            false,
        ),
        make(
            "addresses by type",
            "-A FORWARD -m addrtype --dst-type UNICAST -p tcp -j DROP\n",
            false,
        ),
        make(
            "recent",
            "-A FORWARD -m recent --name r --rcheck -p tcp -j DROP\n-A FORWARD -p udp -m recent --name r --set\n",
            false,
        ),
    ]
}
