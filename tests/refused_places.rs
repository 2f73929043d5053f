//! What may not stand where it does: the kernel refuses it when a file is loaded, and so do we.
//! Every statement is tried in every family, type and hook, every target in every table and chain,
//! and every section of ExaBGP with something wrong in it.

use std::path::Path;
use std::process::Command;

use blastgate::languages::{Class, LANGUAGES};

use crate::common;
use crate::refused::{has, read};

const STATEMENTS: &[&str] = &[
    "drop",
    "reject",
    "masquerade",
    "snat ip to 192.0.2.1",
    "dnat ip to 192.0.2.1",
    "meta l4proto tcp redirect to :80",
    "dup to 192.0.2.1",
    "dup to lo",
    "fwd to lo",
    "queue num 1",
    "meta l4proto tcp tproxy ip to :80",
    "tproxy ip to :80",
    "tcp dport 80 synproxy mss 1460 wscale 7",
    "ct state new drop",
    "fib saddr oif 0 drop",
    "fib saddr type local drop",
    "fib saddr . iif type local drop",
    "fib saddr . oif type local drop",
    "socket transparent 1 drop",
    "limit rate 10/second drop",
    "log prefix \"x\" drop",
    "flow add @nosuch",
    "notrack",
    "meta mark set 1",
    "iifname \"lo\" drop",
    "oifname \"lo\" drop",
    "jump rejects",
    "ip saddr vmap { 192.0.2.1 : jump rejects, 192.0.2.2 : accept }",
];

const HANGS: &[(&str, &str, &str)] = &[
    ("ip", "filter", "prerouting"),
    ("ip", "filter", "input"),
    ("ip", "filter", "forward"),
    ("ip", "filter", "output"),
    ("ip", "filter", "postrouting"),
    ("ip", "filter", "ingress device lo"),
    ("ip", "nat", "prerouting"),
    ("ip", "nat", "input"),
    ("ip", "nat", "forward"),
    ("ip", "nat", "output"),
    ("ip", "nat", "postrouting"),
    ("ip", "route", "output"),
    ("ip", "route", "input"),
    ("inet", "filter", "ingress device lo"),
    ("inet", "filter", "ingress"),
    ("inet", "filter", "forward"),
    ("inet", "filter", "postrouting"),
    ("inet", "filter", "egress device lo"),
    ("inet", "nat", "prerouting"),
    ("inet", "nat", "postrouting"),
    ("netdev", "filter", "ingress device lo"),
    ("netdev", "filter", "egress device lo"),
    ("netdev", "filter", "ingress"),
    ("netdev", "filter", "forward"),
    ("netdev", "nat", "ingress device lo"),
];

const PRIORITIES: &[&str] = &[
    "0", "-200", "-199", "raw", "mangle", "dstnat", "filter", "security", "srcnat", "out", "-1e9",
];

/// Something on the way of packets, without which nothing is judged.
const ON_THE_WAY: &str = "table ip z {\n chain z {\n type filter hook forward priority 7\n \
                          ip daddr 192.0.2.3 drop\n }\n}\n";

#[derive(Debug, Default)]
struct Outcome {
    refused_by_both: usize,
    taken_by_both: usize,
    taken_wrongly: Vec<String>,
    refused_wrongly: Vec<String>,
    /// The tool says nothing about the file, such as where the kernel lacks a module.
    not_asked: usize,
}

impl Outcome {
    fn add(&mut self, name: String, tool: Option<bool>, is_read: bool) {
        match (tool, is_read) {
            (None, _) => self.not_asked += 1,
            (Some(true), true) => self.taken_by_both += 1,
            (Some(false), false) => self.refused_by_both += 1,
            (Some(false), true) => self.taken_wrongly.push(name),
            (Some(true), false) => self.refused_wrongly.push(name),
        }
    }

    fn tell(&self, what: &str) {
        println!(
            "{what}: {} taken and {} refused by both, {} not asked",
            self.taken_by_both, self.refused_by_both, self.not_asked
        );
        assert!(self.taken_wrongly.is_empty(), "{what}: read as if they held: {self:#?}");
        assert!(self.refused_wrongly.is_empty(), "{what}: refused, though they hold: {self:#?}");
    }
}

/// Loads a file in a network of its own; none if the kernel has not what it takes.
fn loads(folder: &Path, tool: &[&str]) -> Option<bool> {
    let mut asked = Command::new("unshare");
    let output = asked.arg("-n").args(tool).arg("rules").current_dir(folder).output();
    let output = output.expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let lacks = ["No such file or directory", "Extension", "doesn't exist", "not supported by"];
    if !output.status.success() && lacks.iter().any(|word| said.contains(word)) {
        return None;
    }
    Some(output.status.success())
}

/// Returns whether blastgate reads a file, and understands all of it.
fn reads(folder: &Path, language: &str) -> bool {
    let lint = common::blastgate(folder)
        .args(["lint", "rules", "--no-config", "--output", "json", "--language", language])
        .output()
        .expect("the program runs");
    let (is_read, doubts) = read(&lint.stdout);
    is_read && doubts == 0
}

fn compare(outcome: &mut Outcome, name: String, text: &str, language: &str, tool: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules"), text).expect("a file");
    outcome.add(name, loads(folder.path(), tool), reads(folder.path(), language));
}

#[test]
fn statements_stand_where_the_kernel_lets_them() {
    if !has("nft") {
        return;
    }
    let nft = &["nft", "-f"];
    let mut outcome = Outcome::default();
    for (family, kind, hook) in HANGS {
        for statement in STATEMENTS {
            let text = format!(
                "table {family} t {{\n chain rejects {{\n ip saddr 192.0.2.7 reject\n }}\n chain c \
                 {{\n type {kind} hook {hook} priority 0\n ip daddr 192.0.2.9 drop\n {statement}\n \
                 }}\n}}\n{ON_THE_WAY}"
            );
            let name = format!("{family} {kind} {hook}: {statement}");
            compare(&mut outcome, name, &text, "nftables", nft);
        }
    }
    for (family, kind, hook) in HANGS {
        for priority in PRIORITIES {
            // Later versions of nft have these names there as well.
            if [("input", "srcnat"), ("output", "dstnat")].contains(&(*hook, *priority)) {
                continue;
            }
            let text = format!(
                "table {family} t {{\n chain c {{\n type {kind} hook {hook} priority {priority}\n \
                 ip daddr 192.0.2.9 drop\n }}\n}}\n{ON_THE_WAY}"
            );
            let name = format!("{family} {kind} {hook} priority {priority}");
            compare(&mut outcome, name, &text, "nftables", nft);
        }
    }
    outcome.tell("nft");
}

/// The examples of the documentation that are read are such that a user may load them.
#[test]
fn constructs_that_are_read_are_loaded_by_their_own_tool() {
    for (name, tool) in [
        ("nftables", &["nft", "-f"][..]),
        ("iptables", &["iptables-legacy-restore", "--wait=30"]),
        ("iptables", &["iptables-nft-restore", "--wait=30"]),
    ] {
        if !has(tool[0]) {
            return;
        }
        let language = LANGUAGES.iter().find(|one| one.name == name).expect("the language");
        let mut refused = Vec::new();
        let mut loaded = 0;
        for construct in language.constructs.iter().filter(|one| one.class != Class::Refused) {
            let folder = tempfile::tempdir().expect("a folder");
            let text = (language.frame)(construct.example);
            std::fs::write(folder.path().join("rules"), &text).expect("a file");
            if !reads(folder.path(), name) {
                // Nor does the tool understand it.
                continue;
            }
            // Commands, sets and IPv6 are for other tools.
            let is_table = |line: &str| line.starts_with('*');
            let is_v6 = text.contains("ip6tables") || text.contains("icmp6");
            if name == "iptables"
                && (is_v6
                    || !text.lines().find(|line| !line.starts_with('#')).is_some_and(is_table))
            {
                continue;
            }
            let json = &["nft", "-j", "-f"][..];
            match loads(folder.path(), if text.starts_with('{') { json } else { tool }) {
                Some(false) => refused.push(text),
                Some(true) => loaded += 1,
                None => {}
            }
        }
        println!("{tool:?}: {loaded} examples loaded, {} refused", refused.len());
        assert!(refused.is_empty(), "{}", refused.join("\n----\n"));
    }
}

#[test]
fn chains_nest_as_deep_as_the_kernel_lets_them() {
    if !has("nft") {
        return;
    }
    let mut outcome = Outcome::default();
    for depth in [1, 14, 15, 16, 17] {
        let mut text = "table ip t {\n".to_owned();
        for at in (1..=depth).rev() {
            let jump = if at < depth { format!("jump c{}", at + 1) } else { "drop".to_owned() };
            text.push_str(&format!(" chain c{at} {{\n  ip saddr 192.0.2.1 {jump}\n }}\n"));
        }
        text.push_str(" chain b {\n  type filter hook forward priority 0\n  jump c1\n }\n}\n");
        compare(&mut outcome, format!("nft, {depth} deep"), &text, "nftables", &["nft", "-f"]);
        let names: String = (1..=depth).map(|at| format!(":c{at} - [0:0]\n")).collect();
        let mut text = format!("*filter\n:FORWARD ACCEPT [0:0]\n{names}-A FORWARD -j c1\n");
        for at in 1..=depth {
            let next = if at < depth { format!("c{}", at + 1) } else { "DROP".to_owned() };
            text.push_str(&format!("-A c{at} -s 192.0.2.1 -j {next}\n"));
        }
        text.push_str("COMMIT\n");
        for backend in ["legacy", "nft"] {
            let name = format!("iptables-{backend}, {depth} deep");
            let tool = format!("iptables-{backend}-restore");
            if has(&tool) {
                let language = format!("iptables-{backend}");
                compare(&mut outcome, name, &text, &language, &[&tool, "--wait=30"]);
            }
        }
    }
    outcome.tell("depth");
}

const TARGETS: &[&str] = &[
    "-j DROP",
    "-j REJECT",
    "-j MASQUERADE",
    "-j SNAT --to-source 192.0.2.9",
    "-j DNAT --to-destination 192.0.2.9",
    "-j REDIRECT",
    "-j NETMAP --to 192.0.2.0/24",
    "-p tcp -j TPROXY --on-port 80",
    "-j MARK --set-mark 1",
    "-j CT --notrack",
    "-j NOTRACK",
    "-j DSCP --set-dscp 1",
    "-j TOS --set-tos 8",
    "-j TTL --ttl-set 9",
    "-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu",
    "-p tcp -j TCPMSS --set-mss 1400",
    "-p tcp -j SYNPROXY --mss 1460",
    "-j TRACE",
    "-j CLASSIFY --set-class 1:1",
    "-j CHECKSUM --checksum-fill",
    "-j LOG",
    "-j NFQUEUE --queue-num 1",
    "-j CONNMARK --save-mark",
    "-p tcp -j ECN --ecn-tcp-remove",
    "-i eth0 -j DROP",
    "-o eth0 -j DROP",
    "-m owner --uid-owner 0 -j DROP",
    "-m socket -j DROP",
    "-m rpfilter -j DROP",
    "-m addrtype --dst-type LOCAL --limit-iface-in -j DROP",
    "-m addrtype --dst-type LOCAL --limit-iface-out -j DROP",
    "-m conntrack --ctstate NEW -j DROP",
];

const CHAINS: &[(&str, &str)] = &[
    ("raw", "PREROUTING"),
    ("mangle", "PREROUTING"),
    ("mangle", "FORWARD"),
    ("mangle", "POSTROUTING"),
    ("nat", "PREROUTING"),
    ("nat", "POSTROUTING"),
    ("filter", "FORWARD"),
    ("security", "FORWARD"),
];

#[test]
fn targets_stand_where_iptables_lets_them() {
    for backend in ["legacy", "nft"] {
        let tool = format!("iptables-{backend}-restore");
        if !has(&tool) {
            return;
        }
        let mut outcome = Outcome::default();
        for (table, chain) in CHAINS {
            for target in TARGETS {
                let mut text = format!(
                    "*{table}\n:{chain} ACCEPT [0:0]\n-A {chain} -s 192.0.2.1 {target}\nCOMMIT\n"
                );
                if *table != "filter" {
                    text.push_str("*filter\n:FORWARD ACCEPT [0:0]\n");
                    text.push_str("-A FORWARD -s 192.0.2.2 -j DROP\nCOMMIT\n");
                }
                let language = format!("iptables-{backend}");
                compare(
                    &mut outcome,
                    format!("{table} {chain} {target}"),
                    &text,
                    &language,
                    &[&tool],
                );
            }
        }
        outcome.tell(&tool);
    }
}

/// Around `ROUTE`, what stands in a configuration of ExaBGP.
const CONFIGURATIONS: &[&str] = &[
    "NEIGHBOR flow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nipv4 flow;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nall;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nipv4 unicast;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nipv6 flow;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nipv4 flow-vpn;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nipv4 flow2;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nipv5 flow;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nminimal;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nipv4 flow;;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR flow {\nROUTE\n};\n}",
    "NEIGHBOR flow {\nROUTE\n}\n};",
    "NEIGHBOR foo {\nbar;\n}\nflow {\nROUTE\n}\n}",
    "NEIGHBOR foo bar;\nflow {\nROUTE\n}\n}",
    "foo {\nbar;\n}\nNEIGHBOR flow {\nROUTE\n}\n}",
    "NEIGHBOR static {\nroute 10.0.0.0/8 next-hop 192.0.2.1;\n}\nflow {\nROUTE\n}\n}",
    "template {\nneighbor t {\nfamily {\nipv4 flow;\n}\n}\n}\nNEIGHBOR inherit t;\nflow {\nROUTE\n}\n}",
    "template {\nneighbor t {\nfamily {\nipv6 flow;\n}\n}\n}\nNEIGHBOR inherit t;\nflow {\nROUTE\n}\n}",
    "NEIGHBOR family {\nipv6 flow;\n}\nannounce {\nipv4 {\nflow destination 192.0.2.1/32 discard;\n}\n}\n}",
    "NEIGHBOR flow {\nroute a {\nmatch {\ndestination 192.0.2.1/32;;\n}\nthen {\ndiscard;\n}\n}\n}\n}",
    "NEIGHBOR flow {\nroute a {\nmatch {\ndestination 192.0.2.1/32;\n};\nthen {\ndiscard;\n}\n}\n}\n}",
    "NEIGHBOR flow {\nfoo;\nROUTE\n}\n}",
];

#[test]
fn exabgp_has_the_sections_that_it_has() {
    let Some(python) = crate::exabgp::python() else {
        common::skip("ExaBGP is not installed");
        return;
    };
    let neighbor = "neighbor 192.0.2.7 {\nrouter-id 192.0.2.1;\nlocal-address 192.0.2.1;\n\
                    local-as 65000;\npeer-as 65001;\n";
    let route = "route a {\nmatch {\ndestination 192.0.2.1/32;\nprotocol =udp;\n}\nthen {\n\
                 discard;\n}\n}";
    let mut outcome = Outcome::default();
    for configuration in CONFIGURATIONS {
        let text = configuration.replace("NEIGHBOR ", neighbor).replace("ROUTE", route);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("rules"), &text).expect("a file");
        let validate = Command::new(&python)
            .args(["-m", "exabgp", "validate", "rules"])
            .current_dir(folder.path())
            .output()
            .expect("ExaBGP runs");
        let is_read = reads(folder.path(), "flowspec");
        outcome.add((*configuration).to_owned(), Some(validate.status.success()), is_read);
    }
    outcome.tell("exabgp");
}
