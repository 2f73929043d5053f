//! How long reading takes: `cargo bench --bench reading -- [FILE]...`.
//!
//! Without files, texts of 100,000 lines are made in every language: what edges hold, mixed by
//! chance that is the same in every run. A text is told and parsed, laid out and put in order, but
//! neither compiled nor judged. It ends badly if one takes longer than two seconds.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use blastgate::languages;
use blastgate::model::{Severity, Sources};

/// Lines of a text.
const LINES: usize = 100_000;
/// How long reading one may take.
const MOST: Duration = Duration::from_secs(2);
/// Each is read so often; the fastest counts.
const RUNS: usize = 3;

fn main() -> ExitCode {
    let named = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let mut texts = Vec::new();
    for name in named {
        match std::fs::read_to_string(&name) {
            Ok(text) => texts.push((name, text)),
            Err(error) => {
                eprintln!("error: {name}: {error}");
                return ExitCode::from(2);
            }
        }
    }
    if texts.is_empty() {
        let made = MADE.iter().map(|(name, make)| ((*name).to_owned(), make(&mut Dice(7))));
        texts = made.collect();
    }
    let mut is_slow = false;
    println!("{:<28} {:>8} {:>8} {:>10}  language", "text", "lines", "rules", "seconds");
    for (name, text) in texts {
        let lines = text.lines().count();
        let mut best = Duration::MAX;
        let mut said = String::new();
        for _ in 0..RUNS {
            let mut sources = Sources::new();
            let file = sources.add(name.as_str(), text.as_str());
            let start = Instant::now();
            let language = match languages::detect(&sources, &[file]) {
                Ok(language) => language,
                Err(problem) => {
                    eprintln!("error: {}", problem.message);
                    return ExitCode::FAILURE;
                }
            };
            let (set, problems) = language.parse_texts(&sources, &[file]);
            best = best.min(start.elapsed());
            let error = problems.iter().find(|one| one.severity == Severity::Error);
            said = match error {
                Some(error) => format!("{}: {}", language.name, error.message),
                None => language.name.to_owned(),
            };
            said = format!("{:>8} {:>10.3}  {said}", set.rules.len(), best.as_secs_f64());
        }
        println!("{name:<28} {lines:>8} {said}");
        is_slow |= best > MOST;
    }
    if is_slow { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

type Make = fn(&mut Dice) -> String;

/// What is made, by name.
const MADE: &[(&str, Make)] = &[
    ("nftables rules", nft_rules),
    ("nftables set", nft_set),
    ("nftables JSON", nft_json),
    ("iptables-save", iptables),
    ("ipset save", ipset),
    ("ExaBGP blocks", exabgp_blocks),
    ("ExaBGP routes, one a line", exabgp_routes),
    ("ExaBGP API lines", exabgp_api),
    ("NLRI lines", nlri),
    ("Junos flow, set", junos_flow),
    ("Junos filter, set", |dice| junos_filter(dice, true)),
    ("Junos filter, braces", |dice| junos_filter(dice, false)),
    ("Junos prefix-list, set", junos_list),
    ("native", native),
];

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn prefix(&mut self) -> String {
        let length = [32, 32, 32, 29, 28, 24][self.roll(6) as usize];
        let first = [10, 45, 100, 172, 198, 203][self.roll(6) as usize];
        let bits = (first << 24 | self.roll(1 << 24) as u32) & (u32::MAX << (32 - length));
        format!("{}/{length}", std::net::Ipv4Addr::from(bits))
    }

    fn port(&mut self) -> u64 {
        match self.roll(3) {
            0 => 1_024 + self.roll(60_000),
            _ => [22, 25, 53, 80, 123, 443, 1_900, 5_060][self.roll(8) as usize],
        }
    }
}

/// Adds lines to a text until it has all but so many.
fn fill(text: &mut String, left: usize, mut line: impl FnMut(usize) -> String) {
    let mut lines = text.lines().count();
    while lines + left < LINES {
        let more = line(lines);
        lines += more.lines().count();
        text.push_str(&more);
        text.push('\n');
    }
}

/// Different addresses, with holes between them.
fn addresses() -> impl Iterator<Item = std::net::Ipv4Addr> {
    (0..u32::MAX).map(|number| std::net::Ipv4Addr::from(0x0b00_0000 + 3 * number))
}

//------------ Chains ------------------------------------------------------------

/// Chains of customers, each jumped to for its network, and rules for all.
const CHAINS: usize = 500;
const OF_CHAIN: usize = 90;

fn nft_rule(dice: &mut Dice) -> String {
    let (prefix, port) = (dice.prefix(), dice.port());
    match dice.roll(10) {
        0..3 => format!("ip saddr {prefix} drop"),
        3 => format!("ip saddr {prefix} tcp dport {{ {port}, 8080-8090 }} counter accept"),
        4 => format!("ip6 saddr 2001:db8:{port:x}::/48 udp dport {port} drop"),
        5 => format!("ip saddr {prefix} meta l4proto udp drop comment \"ticket {port}\""),
        6 => format!(
            "ip saddr {prefix} udp dport {port} limit rate over {port}/second burst 50 packets drop"
        ),
        7 => format!(
            "ip saddr {prefix} tcp flags & (syn | ack) == syn limit rate 1000/second accept"
        ),
        8 => format!("ip saddr {prefix} icmp type echo-request ip length 92 drop"),
        _ => format!("ip saddr {prefix} ct state established,related accept"),
    }
}

fn nft_rules(dice: &mut Dice) -> String {
    let mut text = "table inet edge {\n".to_owned();
    for chain in 0..CHAINS {
        writeln!(text, "\tchain c{chain} {{").expect("text");
        (0..OF_CHAIN).for_each(|_| writeln!(text, "\t\t{}", nft_rule(dice)).expect("text"));
        text.push_str("\t}\n");
    }
    text.push_str(
        "\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n",
    );
    for chain in 0..CHAINS {
        let (high, low) = (chain / 250, chain % 250);
        writeln!(text, "\t\tip daddr 203.{high}.{low}.0/24 jump c{chain}").expect("text");
    }
    fill(&mut text, 2, |_| format!("\t\t{}", nft_rule(dice)));
    text + "\t}\n}\n"
}

fn nft_set(_: &mut Dice) -> String {
    let mut text = "table inet edge {\n\tset bad {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = {\n".to_owned();
    let mut addresses = addresses();
    fill(&mut text, 8, |_| format!("\t\t\t{},", addresses.next().expect("one more")));
    text + "\t\t\t192.0.2.1 }\n\t}\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tip saddr @bad drop\n\t}\n}\n"
}

fn nft_json(dice: &mut Dice) -> String {
    let mut text = "{\"nftables\": [{\"table\": {\"family\": \"inet\", \"name\": \"edge\"}},\n\
        {\"chain\": {\"family\": \"inet\", \"table\": \"edge\", \"name\": \"forward\", \"type\": \"filter\", \
        \"hook\": \"forward\", \"prio\": 0, \"policy\": \"accept\"}}\n"
        .to_owned();
    let meets = |protocol: &str, field: &str, right: &str| {
        format!(
            "{{\"match\": {{\"op\": \"==\", \"left\": {{\"payload\": {{\"protocol\": \"{protocol}\", \
             \"field\": \"{field}\"}}}}, \"right\": {right}}}}}"
        )
    };
    fill(&mut text, 1, |number| {
        let prefix = dice.prefix();
        let (address, length) = prefix.split_once('/').expect("a prefix");
        let prefix = format!("{{\"prefix\": {{\"addr\": \"{address}\", \"len\": {length}}}}}");
        let prefix = if length == "32" { format!("\"{address}\"") } else { prefix };
        let mut parts = vec![meets("ip", "saddr", &prefix)];
        match dice.roll(4) {
            0 => parts.push(meets("tcp", "dport", &dice.port().to_string())),
            1 => parts.push(meets(
                "udp",
                "dport",
                &format!("{{\"set\": [{}, {{\"range\": [8080, 8090]}}]}}", dice.port()),
            )),
            _ => {}
        }
        let verdict = ["drop", "drop", "accept"][dice.roll(3) as usize];
        format!(
            ",{{\"rule\": {{\"family\": \"inet\", \"table\": \"edge\", \"chain\": \"forward\", \"handle\": {number}, \
             \"expr\": [{}, {{\"counter\": {{\"packets\": 0, \"bytes\": 0}}}}, {{\"{verdict}\": null}}]}}}}",
            parts.join(", ")
        )
    });
    text + "]}\n"
}

fn iptables_rule(dice: &mut Dice, number: usize) -> String {
    let (prefix, port) = (dice.prefix(), dice.port());
    match dice.roll(10) {
        0..4 => format!("-s {prefix} -j DROP"),
        4 => format!("-s {prefix} -p tcp -m tcp --dport {port} -j ACCEPT"),
        5 => format!(
            "-s {prefix} -p tcp -m multiport --dports {port},8080:8090 -m comment --comment \"ticket {number}\" -j ACCEPT"
        ),
        6 => format!(
            "-s {prefix} -p tcp -m tcp --tcp-flags SYN,ACK SYN -m limit --limit 100/sec --limit-burst 50 -j ACCEPT"
        ),
        7 => format!(
            "-s {prefix} -p udp -m udp --dport {port} -m hashlimit --hashlimit-above 500/sec --hashlimit-burst 500 --hashlimit-mode dstip --hashlimit-name h{number} -j DROP"
        ),
        8 => format!("-s {prefix} -p icmp -m icmp --icmp-type 8 -m length --length 92 -j DROP"),
        _ => format!("-s {prefix} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
    }
}

fn iptables(dice: &mut Dice) -> String {
    let mut text =
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n".to_owned();
    (0..CHAINS).for_each(|chain| writeln!(text, ":c{chain} - [0:0]").expect("text"));
    for chain in 0..CHAINS {
        let (high, low) = (chain / 250, chain % 250);
        writeln!(text, "-A FORWARD -d 203.{high}.{low}.0/24 -j c{chain}").expect("text");
    }
    for rule in 0..CHAINS * OF_CHAIN {
        let chain = rule / OF_CHAIN;
        writeln!(text, "-A c{chain} {}", iptables_rule(dice, rule)).expect("text");
    }
    fill(&mut text, 1, |number| format!("-A FORWARD {}", iptables_rule(dice, LINES + number)));
    text + "COMMIT\n"
}

fn ipset(_: &mut Dice) -> String {
    let mut text = "create bad hash:ip family inet hashsize 65536 maxelem 200000\n".to_owned();
    let mut addresses = addresses();
    fill(&mut text, 2, |_| format!("add bad {}", addresses.next().expect("one more")));
    text + "iptables -P FORWARD ACCEPT\niptables -A FORWARD -m set --match-set bad src -j DROP\n"
}

//------------ Flow specifications -----------------------------------------------

/// Returns the conditions of a route, and what becomes of its packets.
fn route(dice: &mut Dice) -> (Vec<String>, &'static str) {
    let mut matches = vec![format!("destination {}", dice.prefix())];
    if dice.roll(3) == 0 {
        matches.push(format!("source {}", dice.prefix()));
    }
    match dice.roll(6) {
        0 => {}
        1 => matches.push("tcp-flags [ syn ]".to_owned()),
        2 => matches.push("fragment [ is-fragment ]".to_owned()),
        3 => matches.push("protocol [ tcp udp ]".to_owned()),
        _ => {
            matches.push("protocol udp".to_owned());
            let field = ["destination-port", "source-port"][dice.roll(2) as usize];
            matches.push(format!("{field} {}", dice.port()));
        }
    }
    (
        matches,
        ["discard", "discard", "discard", "accept", "rate-limit 9600000"][dice.roll(5) as usize],
    )
}

const NEIGHBOR: &str = "neighbor 192.0.2.1 {\n router-id 192.0.2.60;\n local-address 192.0.2.60;\n \
    local-as 64496;\n peer-as 64496;\n family { ipv4 flow; }\n flow {\n";

fn exabgp_blocks(dice: &mut Dice) -> String {
    let mut text = NEIGHBOR.to_owned();
    fill(&mut text, 2, |number| {
        let (matches, then) = route(dice);
        let matches: String = matches.iter().map(|one| format!("    {one};\n")).collect();
        format!(
            "  route r{number} {{\n   match {{\n{matches}   }}\n   then {{\n    {then};\n   }}\n  }}"
        )
    });
    text + " }\n}\n"
}

fn exabgp_routes(dice: &mut Dice) -> String {
    let mut text = NEIGHBOR.to_owned();
    fill(&mut text, 2, |number| {
        let (matches, then) = route(dice);
        format!("  route r{number} {{ match {{ {}; }} then {{ {then}; }} }}", matches.join("; "))
    });
    text + " }\n}\n"
}

fn exabgp_api(dice: &mut Dice) -> String {
    let mut text = String::new();
    fill(&mut text, 0, |_| {
        let (matches, then) = route(dice);
        let matches = matches.join("; ");
        let announce =
            format!("announce flow route {{ match {{ {matches}; }} then {{ {then}; }} }}");
        // Some are taken back.
        match dice.roll(4) {
            0 => format!(
                "{announce}\nwithdraw flow route {{ match {{ {matches}; }} then {{ {then}; }} }}"
            ),
            _ => announce,
        }
    });
    text
}

fn nlri(dice: &mut Dice) -> String {
    let mut text = String::new();
    // A destination of 32 bits, UDP, and a destination port.
    fill(&mut text, 0, |_| {
        let (address, port) = (dice.roll(1 << 32), dice.port());
        format!("nlri 0d0120{address:08x}0381110591{port:04x} ext 8006000000000000 afi 1")
    });
    text
}

fn junos_flow(dice: &mut Dice) -> String {
    let mut text = "set routing-options flow term-order standard\n".to_owned();
    fill(&mut text, 0, |number| {
        let (matches, then) = route(dice);
        let flow = format!("set routing-options flow route r{number}");
        let mut lines: Vec<String> =
            matches.iter().map(|one| format!("{flow} match {one}")).collect();
        lines.push(format!("{flow} then {then}"));
        lines.join("\n")
    });
    text
}

//------------ Junos filters and our own -----------------------------------------

fn junos_filter(dice: &mut Dice, is_set: bool) -> String {
    let policer =
        ["if-exceeding bandwidth-limit 200m", "if-exceeding burst-size-limit 25m", "then discard"];
    let mut text = String::new();
    if is_set {
        policer
            .iter()
            .for_each(|one| writeln!(text, "set firewall policer p {one}").expect("text"));
    } else {
        text.push_str("firewall {\n policer p {\n  if-exceeding {\n   bandwidth-limit 200m;\n   burst-size-limit 25m;\n  }\n  then discard;\n }\n family inet {\n  filter edge {\n");
    }
    fill(&mut text, if is_set { 2 } else { 7 }, |number| {
        let mut from: Vec<String> =
            (0..=dice.roll(3)).map(|_| format!("destination-address {}", dice.prefix())).collect();
        if dice.roll(2) == 0 {
            from.push(format!("source-address {}", dice.prefix()));
        }
        if dice.roll(3) > 0 {
            from.push(format!("protocol {}", ["tcp", "udp"][dice.roll(2) as usize]));
            from.push(format!("destination-port {}", dice.port()));
        }
        let count = format!("count c{number}");
        let then: &[&str] = match dice.roll(4) {
            0 => &["policer p", "accept"],
            1 => &[&count, "discard"],
            _ => &["discard"],
        };
        if is_set {
            let term = format!("set firewall family inet filter edge term t{number}");
            let from = from.iter().map(|one| format!("{term} from {one}"));
            let then = then.iter().map(|one| format!("{term} then {one}"));
            from.chain(then).collect::<Vec<_>>().join("\n")
        } else {
            let of = |name: &str, parts: String| format!("    {name} {{\n{parts}    }}\n");
            // Addresses stand in blocks of their own there.
            let from = from.iter().map(|one| match one.split_once("-address ") {
                Some((end, prefix)) => format!("     {end}-address {{\n      {prefix};\n     }}\n"),
                None => format!("     {one};\n"),
            });
            let then = then.iter().map(|one| format!("     {one};\n")).collect();
            format!("   term t{number} {{\n{}{}   }}", of("from", from.collect()), of("then", then))
        }
    });
    text + match is_set {
        true => {
            "set firewall family inet filter edge term rest then accept\nset interfaces ge-0/0/0 unit 0 family inet filter input edge\n"
        }
        false => {
            "   term rest {\n    then accept;\n   }\n  }\n }\n}\ninterfaces { ge-0/0/0 { unit 0 { family inet { filter { input edge; } } } } }\n"
        }
    }
}

fn junos_list(_: &mut Dice) -> String {
    let mut text = String::new();
    let mut addresses = addresses();
    fill(&mut text, 4, |_| {
        format!("set policy-options prefix-list bad {}/32", addresses.next().expect("one more"))
    });
    text + "set firewall family inet filter edge term bad from source-prefix-list bad\n\
            set firewall family inet filter edge term bad then discard\n\
            set firewall family inet filter edge term rest then accept\n\
            set interfaces ge-0/0/0 unit 0 family inet filter input edge\n"
}

fn native(dice: &mut Dice) -> String {
    let mut text = "version: 1\nrules:\n".to_owned();
    fill(&mut text, 0, |number| {
        let action =
            ["drop", "accept", "{rate_limit: {rate: 200 Mbps, per: [dst]}}"][dice.roll(3) as usize];
        format!(
            "  - id: r{number}\n    match: {{dst: {}, protocol: udp, dst_port: [{}, 8000-8100]}}\n    \
             action: {action}\n    intent: {{target: [all]}}",
            dice.prefix(),
            dice.port()
        )
    });
    text
}
