//! Rules of real languages, end to end: what the languages leave open never passes, and what they
//! say plainly is judged as in any other.

use crate::common::{Run, check};

const INVENTORY: &str = "
version: 1
customers:
  - {id: a, prefixes: [10.0.0.0/30]}
  - {id: b, prefixes: [10.0.0.4/30]}
";

const TRAFFIC: &str = "
version: 1
duration: 60s
flows:
  - {id: a, pop: ams, dst: 10.0.0.1, protocol: tcp, dst_port: 443, rate: 10 pps}
  - {id: b, pop: ams, dst: 10.0.0.5, protocol: tcp, dst_port: 443, rate: 10 pps}
  - {id: flood, pop: ams, label: attack, dst: 10.0.0.1, protocol: udp, dst_port: 53, rate: 1 kpps}
";

/// Judges rules of a file of this name, against running ones if there are any.
fn judge(name: &str, running: Option<&str>, candidate: &str) -> Run {
    judge_by(name, running, candidate, &[])
}

pub(crate) fn judge_by(name: &str, running: Option<&str>, candidate: &str, more: &[&str]) -> Run {
    judge_with([INVENTORY, TRAFFIC], name, running, candidate, more)
}

fn judge_with(
    [inventory, traffic]: [&str; 2],
    name: &str,
    running: Option<&str>,
    candidate: &str,
    more: &[&str],
) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    put("inventory.yaml", inventory);
    put("traffic.yaml", traffic);
    put(name, candidate);
    let before = format!("before-{name}");
    let mut arguments = vec![name, "--inventory", "inventory.yaml", "--traffic", "traffic.yaml"];
    if let Some(running) = running {
        put(&before, running);
        arguments.extend(["--running", before.as_str()]);
    }
    arguments.extend(more);
    check(folder.path(), &arguments)
}

fn ids<'r>(run: &'r Run, severity: &str) -> Vec<&'r str> {
    let findings = run.findings().into_iter();
    findings.filter(|(_, own)| *own == severity).map(|(id, _)| id).collect()
}

/// Says of rules of every language: drop the flood to a, or the same to everybody.
fn everywhere() -> [(&'static str, &'static str, String, String); 4] {
    let nft = |address: &str| {
        format!(
            "table inet filter {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    # blastgate: intent target=a must_stop=90%
    {address}udp dport 53 drop
  }}
}}
"
        )
    };
    let iptables = |address: &str| {
        format!(
            "*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# blastgate: intent target=a must_stop=90%
-A FORWARD {address}-p udp -m udp --dport 53 -j DROP
COMMIT
"
        )
    };
    let exabgp = |address: &str| {
        format!(
            "flow {{
  # blastgate: intent target=a must_stop=90%
  route flood {{
    match {{ {address}protocol udp; destination-port =53; }}
    then {{ discard; }}
  }}
}}
"
        )
    };
    let junos = |address: &str| {
        format!(
            "firewall {{
  family inet {{
    filter edge {{
      /* blastgate: intent target=a must_stop=90% */
      term flood {{
        from {{ {address}protocol udp; destination-port 53; }}
        then discard;
      }}
      term rest {{ then accept; }}
    }}
  }}
}}
"
        )
    };
    [
        ("rules.nft", "nftables", nft("ip daddr 10.0.0.1 "), nft("")),
        ("rules.v4", "iptables", iptables("-d 10.0.0.1/32 "), iptables("")),
        ("rules.conf", "flowspec", exabgp("destination 10.0.0.1/32; "), exabgp("")),
        ("rules.junos", "junos", junos("destination-address { 10.0.0.1/32; } "), junos("")),
    ]
}

#[test]
fn a_rule_for_one_customer_passes_and_for_everybody_fails_in_every_language() {
    for (name, language, for_one, for_all) in everywhere() {
        let run = judge(name, None, &for_one);
        assert_eq!((run.verdict(), run.code), ("pass", 0), "{language}: {}", run.result);
        let run = judge(name, None, &for_all);
        assert_eq!((run.verdict(), run.code), ("fail", 1), "{language}: {}", run.result);
        assert!(ids(&run, "error").contains(&"reach_beyond_intent"), "{language}: {}", run.result);
    }
}

#[test]
fn a_text_that_was_cut_never_passes() {
    for (name, language, for_one, _) in everywhere() {
        for cut in 1..for_one.len() {
            // Cuts behind which nothing is missing but a line's end are none.
            if for_one[cut..].trim().is_empty() {
                continue;
            }
            // A cut comment is one that says nothing.
            if !cut.is_multiple_of(7) {
                continue;
            }
            let run = judge(name, None, &for_one[..cut]);
            assert_ne!(run.verdict(), "pass", "{language}: {}", &for_one[..cut]);
        }
    }
}

fn nft(rules: &str) -> String {
    format!(
        "table inet filter {{
  limit shared {{ rate 100/second }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
{rules}
  }}
}}
"
    )
}

#[test]
fn a_named_limit_of_two_customers_is_a_shared_bucket() {
    let before = nft("    ip daddr 10.0.0.1 udp dport 53 limit name \"shared\" counter accept
    # blastgate: intent target=a
    ip daddr 10.0.0.1 udp dport 53 drop");
    let after = nft("    ip daddr 10.0.0.1 udp dport 53 limit name \"shared\" counter accept
    # blastgate: intent target=a
    ip daddr 10.0.0.1 udp dport 53 drop
    ip daddr 10.0.0.5 udp dport 53 limit name \"shared\" counter accept
    # blastgate: intent target=b
    ip daddr 10.0.0.5 udp dport 53 drop");
    let run = judge("rules.nft", Some(&before), &after);
    assert_eq!(run.verdict(), "fail", "{}", run.result);
    assert!(ids(&run, "error").contains(&"shared_bucket"), "{}", run.result);
    // Nothing is met of the rules for b; nothing is said of the drops, which are part of the limits.
    assert_eq!(ids(&run, "warning"), ["rule_without_hits"], "{}", run.result);
}

#[test]
fn what_connection_tracking_may_accept_is_not_taken_for_accepted() {
    let before = nft("    ct state established,related accept");
    let after = nft("    ct state established,related accept
    # blastgate: intent target=a may_affect=a
    tcp dport 443 drop");
    let run = judge("rules.nft", Some(&before), &after);
    // The proof: a packet can be new.
    assert_eq!(run.verdict(), "fail", "{}", run.result);
    let after = nft("    ct state established,related accept
    # blastgate: intent target=a may_affect=a may_reach=all must_stop=0%
    tcp dport 443 drop");
    let run = judge("rules.nft", Some(&before), &after);
    // The recording: whether these were, it does not tell.
    assert_eq!(run.verdict(), "cannot_judge", "{}", run.result);
    assert!(ids(&run, "unknown").contains(&"field_not_recorded"), "{}", run.result);
    assert!(run.result.to_string().contains("ct state"), "{}", run.result);
}

#[test]
fn a_port_more_in_a_list_of_accepted_ports_hurts_nobody() {
    let stateful = |ports: &str| {
        format!(
            "table inet f {{\n set ok {{\n  type inet_service\n  elements = {{ {ports} }}\n }}\n \
             chain forward {{\n  type filter hook forward priority 0; policy drop;\n  \
             ct state established,related accept\n  tcp dport @ok accept\n  \
             udp dport {{ 53, {ports} }} accept\n }}\n}}\n"
        )
    };
    for (before, after, verdict) in [
        ("22, 443", "22, 443, 993", "pass"),
        ("22", "22, 443", "pass"),
        ("22, 443, 993", "22, 443", "fail"),
    ] {
        let run = judge("rules.nft", Some(&stateful(before)), &stateful(after));
        assert_eq!(run.verdict(), verdict, "{before} -> {after}: {}", run.result);
    }
}

#[test]
fn what_is_not_understood_never_passes() {
    for rule in [
        "    # blastgate: intent target=a
    tcp dport 443 osf name \"Linux\" drop",
        "    # blastgate: intent target=a
    ip daddr 10.0.0.1 udp dport 53 drop
    tcp dport 443 osf name \"Linux\" drop",
        "    # blastgate: intent target=a may_reach=all
    tcp dport 443 meta cgroup 5 drop",
    ] {
        let run = judge("rules.nft", None, &nft(rule));
        assert_ne!(run.verdict(), "pass", "{rule}: {}", run.result);
    }
}

#[test]
fn a_change_of_what_comes_to_the_router_is_not_taken_for_none() {
    let rules = |input: &str| {
        format!(
            "*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
{input}# blastgate: intent target=a
-A FORWARD -d 10.0.0.1/32 -p udp -m udp --dport 53 -j DROP
COMMIT
"
        )
    };
    let (before, after) = (rules(""), rules("-A INPUT -p tcp -m tcp --dport 179 -j DROP\n"));
    let run = judge("rules.v4", Some(&before), &after);
    assert_eq!((run.verdict(), run.code), ("cannot_judge", 3), "{}", run.result);
    let summary = run.result["summary"].as_str().expect("a summary");
    assert!(summary.contains("`--path input`"), "{summary}");
    // What is asked for by name is judged, and nothing else.
    let run = judge_by("rules.v4", Some(&before), &after, &["--path", "forward"]);
    assert_eq!(run.verdict(), "pass", "{}", run.result);
    let run = judge_by("rules.v4", Some(&before), &after, &["--path", "input"]);
    assert_eq!(run.verdict(), "fail", "{}", run.result);
    // A comment changes nothing anywhere.
    let run = judge("rules.v4", Some(&before), &rules("# why\n"));
    assert_eq!(run.verdict(), "pass", "{}", run.result);
}

/// A change of what a condition hangs on that no record shows is a change, and never "nothing".
#[test]
fn a_definition_that_changes_is_not_taken_for_the_same() {
    let set = |more: &str| {
        format!(
            "table inet filter {{
  set bad {{
    type ipv4_addr; flags timeout; timeout 5m; elements = {{ 10.0.0.1{more} }}
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    # blastgate: intent target=a must_stop=0%
    ip daddr @bad drop
  }}
}}
"
        )
    };
    let quota = |amount: u32| {
        format!(
            "table inet filter {{
  quota q {{ over {amount} mbytes }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    # blastgate: intent target=a must_stop=0%
    ip daddr 10.0.0.0/29 quota name \"q\" drop
  }}
}}
"
        )
    };
    let sets = |rule: &str| {
        format!(
            "*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD {rule} -m recent --name bad --set
# blastgate: intent target=a must_stop=0%
-A FORWARD -m recent --name bad --rcheck --seconds 60 -j DROP
COMMIT
"
        )
    };
    for (name, before, after) in [
        ("rules.nft", set(""), set(", 10.0.0.5")),
        ("rules.nft", quota(100_000), quota(1)),
        ("rules.v4", sets("-s 100.64.0.0/16"), sets("-d 10.0.0.4/30")),
    ] {
        let run = judge(name, Some(&before), &after);
        assert_ne!(run.verdict(), "pass", "{after}{}", run.result);
        let run = judge(name, Some(&before), &format!("# why\n{before}"));
        assert_eq!(run.verdict(), "pass", "a comment: {before}{}", run.result);
    }
}

#[test]
fn an_intent_of_a_rule_that_is_not_on_the_way_is_missed() {
    let rules = "*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# blastgate: intent target=a must_stop=90%
-A INPUT -d 10.0.0.1/32 -p udp -j DROP
-A FORWARD -d 10.0.0.1/32 -p tcp -m tcp --dport 25 -j ACCEPT
COMMIT
";
    let run = judge("rules.v4", None, rules);
    assert_eq!(run.verdict(), "cannot_judge", "{}", run.result);
}

#[test]
fn a_packet_that_is_rewritten_may_be_lost() {
    for rule in ["ip ttl set 1", "ip daddr set 127.0.0.1"] {
        let run = judge("rules.nft", None, &nft(&format!("    {rule}")));
        assert_ne!(run.verdict(), "pass", "{rule}: {}", run.result);
    }
}

#[test]
fn a_named_limit_is_used_up_by_rules_without_a_verdict() {
    let rules = "table inet filter {
  limit l { rate over 1000/second }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip daddr 10.0.0.0/29 limit name \"l\" counter
    # blastgate: intent target=a may_affect=a may_reach=all must_stop=0%
    ip daddr 10.0.0.5 tcp dport 443 limit name \"l\" drop
  }
}
";
    let run = judge("rules.nft", None, rules);
    assert_eq!(run.verdict(), "fail", "{}", run.result);
    assert!(ids(&run, "error").contains(&"shared_bucket"), "{}", run.result);
}

#[test]
fn what_is_new_and_not_understood_never_passes_though_it_can_harm_nobody() {
    let iptables = |rule: &str| {
        format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rule}\n\
             -A FORWARD -s 198.51.100.7/32 -j ACCEPT\nCOMMIT\n"
        )
    };
    let safe = iptables("-A FORWARD -s 198.51.100.6/32 -j ACCEPT");
    // On the way, and off it: iptables-restore refuses the whole file for either.
    for rule in ["-A FORWARD -m nosuch --thing -j ACCEPT", "-A INPUT -m nosuch --thing -j ACCEPT"] {
        let new = iptables(rule);
        let found = judge("rules.v4", Some(&safe), &new);
        assert_eq!((found.verdict(), found.code), ("cannot_judge", 3), "{rule}");
        let is_on_the_way = rule.contains("FORWARD");
        let says = ids(&found, "unknown").contains(&"rule_not_understood");
        assert_eq!(says, is_on_the_way, "{:#}", found.result);
        // In force before, it is what it is.
        let more = new.replace("198.51.100.7", "198.51.100.8");
        let found = judge("rules.v4", Some(&new), &more);
        assert_eq!((found.verdict(), found.code), ("pass", 0), "{rule}: {:#}", found.result);
    }
    let more = nft("ip saddr 198.51.100.6 accept\n    magic wand accept\n");
    let found = judge("rules.nft", Some(&nft("ip saddr 198.51.100.6 accept\n")), &more);
    assert_ne!(found.code, 0, "{:#}", found.result);
    assert!(ids(&found, "unknown").contains(&"rule_not_understood"), "{:#}", found.result);
}

#[test]
fn a_file_that_its_tool_refuses_never_passes() {
    let safe = nft("ip saddr 198.51.100.6 accept\n");
    for wrong in [
        "udp dport 53 tcp flags syn accept\n",
        "ip saddr 198.51.100.6 accept\r\n",
        "ip saddr 198.51.100.6 accept drop\n",
        "ip ttl 256 accept\n",
        "ip saddr 198.51.100.6 ip6 saddr ::1 accept\n",
        "ip saddr vmap { 10.0.0.0/8 : accept, 10.1.0.0/16 : accept }\n",
        "tcp sprot 5 accept\n",
        "ct state nwe accept\n",
        "ip saddr 198.51.100.6 reject with icmpv6 no-route\n",
        "iifname abcdefghijklmnopqrstuvwxyz accept\n",
    ] {
        let found = judge("rules.nft", Some(&safe), &nft(wrong));
        assert!(found.code >= 2, "{wrong}: {:#}", found.result);
    }
}

/// A flood of three sources upon a, within 100 packets a second each.
const SOURCES: &str = "
version: 1
duration: 60s
flows:
  - {id: a, pop: ams, src: 198.51.100.1, dst: 10.0.0.1, protocol: udp, dst_port: 53, rate: 90 pps}
  - {id: b, pop: ams, src: 198.51.100.2, dst: 10.0.0.1, protocol: udp, dst_port: 53, rate: 90 pps}
  - {id: c, pop: ams, src: 198.51.100.3, dst: 10.0.0.1, protocol: udp, dst_port: 53, rate: 90 pps}
";

#[test]
fn a_table_of_keys_without_room_for_all_is_not_judged_as_if_it_had() {
    let table = |size: u32| {
        nft(&format!(
            "# blastgate: intent target=a may_affect=a may_reach=a
    ip daddr 10.0.0.1 udp dport 53 meter m size {size} \
             {{ ip saddr limit rate over 100/second }} drop\n"
        ))
    };
    let found = judge_with([INVENTORY, SOURCES], "rules.nft", None, &table(3), &[]);
    assert!(!ids(&found, "unknown").contains(&"limit_undecided"), "{:#}", found.result);
    let found = judge_with([INVENTORY, SOURCES], "rules.nft", None, &table(2), &[]);
    assert!(ids(&found, "unknown").contains(&"limit_undecided"), "{:#}", found.result);
    assert_ne!(found.verdict(), "pass");
    let iptables = |max: u32| {
        format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             # blastgate: intent target=a may_affect=a may_reach=a\n\
             -A FORWARD -d 10.0.0.1/32 -p udp -m udp --dport 53 -m hashlimit --hashlimit-above \
             100/sec --hashlimit-burst 100 --hashlimit-mode srcip --hashlimit-name n \
             --hashlimit-htable-size 1 --hashlimit-htable-max {max} -j DROP\nCOMMIT\n"
        )
    };
    for (max, is_full) in [(3, false), (2, true)] {
        let found = judge_with([INVENTORY, SOURCES], "rules.v4", None, &iptables(max), &[]);
        let says = ids(&found, "unknown").contains(&"limit_undecided");
        assert_eq!(says, is_full, "{max}: {:#}", found.result);
    }
}

#[test]
fn every_router_of_a_pop_has_buckets_of_its_own() {
    let traffic = |first: &str, second: &str| {
        format!(
            "
version: 1
duration: 60s
flows:
  - {{id: a, pop: ams, {first}dst: 10.0.0.1, protocol: udp, dst_port: 53, rate: 60 pps}}
  - {{id: b, pop: ams, {second}dst: 10.0.0.1, protocol: udp, dst_port: 53, rate: 60 pps}}
"
        )
    };
    let rules = nft("# blastgate: intent target=a may_affect=none may_reach=a
    ip daddr 10.0.0.1 udp dport 53 limit rate over 100/second burst 100 packets drop\n");
    let lost = |found: &Run| !found.affected().is_empty();
    let two = traffic("exporter: r1, ", "exporter: r2, ");
    let found = judge_with([INVENTORY, &two], "rules.nft", None, &rules, &[]);
    assert!(!lost(&found), "60 pps to a router: {:#}", found.result);
    for one in [traffic("exporter: r1, ", "exporter: r1, "), traffic("", "")] {
        let found = judge_with([INVENTORY, &one], "rules.nft", None, &rules, &[]);
        assert!(lost(&found), "120 pps to one router: {:#}", found.result);
    }
    // Which of two routers it is, nobody recorded.
    let routers = format!("{INVENTORY}pops:\n  - {{id: ams, exporters: [r1, r2]}}\n");
    let found = judge_with([&routers, &traffic("", "")], "rules.nft", None, &rules, &[]);
    assert_eq!(found.code, 3, "{:#}", found.result);
    let found =
        judge_with([INVENTORY, &traffic("exporter: r1, ", "")], "rules.nft", None, &rules, &[]);
    assert_eq!(found.code, 3, "{:#}", found.result);
}

/// Judges a change; it must not pass.
fn never_passes(name: &str, running: &str, candidate: &str) {
    let found = judge(name, Some(running), candidate);
    assert_ne!(found.code, 0, "{candidate}\n{:#}", found.result);
}

#[test]
fn a_change_of_what_is_not_judged_never_passes() {
    let good = nft("# blastgate: intent target=a must_stop=90%\n    \
                    ip daddr 10.0.0.1 udp dport 53 drop\n");
    let other = nft("# blastgate: intent target=a must_stop=90%\n    \
                     ip daddr 10.0.0.1 udp dport 53 counter drop\n    ip saddr 10.9.9.9 accept\n");
    for more in [
        "table inet o {\n chain o {\n type filter hook output priority 0; tcp dport 179 drop\n }\n}\n",
        "table inet o {\n chain i {\n type filter hook input priority 0; tcp dport 179 drop\n }\n}\n",
        "table bridge o {\n chain f {\n type filter hook forward priority 0; policy drop;\n }\n}\n",
        "table arp o {\n chain i {\n type filter hook input priority 0; policy drop;\n }\n}\n",
    ] {
        never_passes("rules.nft", &good, &format!("{good}{more}"));
        never_passes("rules.nft", &good, &format!("{other}{more}"));
        never_passes("rules.nft", &format!("{good}{more}"), &good);
        // What stays as it is may be anything.
        let found = judge("rules.nft", Some(&format!("{good}{more}")), &format!("{other}{more}"));
        assert_eq!(found.code, 0, "{more}\n{:#}", found.result);
    }
    let iptables = |output: &str, more: &str| {
        format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT {output} [0:0]\n\
             -A FORWARD -s 10.9.9.9/32 -j ACCEPT\n{more}COMMIT\n"
        )
    };
    let before = iptables("ACCEPT", "");
    never_passes("rules.v4", &before, &iptables("DROP", ""));
    never_passes("rules.v4", &before, &iptables("ACCEPT", "-A FORWARD -6 -j DROP\n"));
    never_passes("rules.v4", &before, &iptables("ACCEPT", "-A INPUT -p tcp --dport 179 -j DROP\n"));
    let junos = |interfaces: &str, router: &str| {
        format!(
            "interfaces {{ xe-0/0/0 {{ {interfaces} }} lo0 {{ unit 0 {{ family inet {{ filter {{ \
             input re; }} }} }} }} }}
firewall {{ family inet {{
  filter edge {{ /* blastgate: intent target=a must_stop=90% */
    term flood {{ from {{ destination-address {{ 10.0.0.1/32; }} protocol udp; \
             destination-port 53; }} then discard; }}
    term rest {{ then accept; }} }}
  filter re {{ {router} term rest {{ then accept; }} }}
}} }}
"
        )
    };
    let applied = "unit 0 { family inet { filter { input edge; } } }";
    let before = junos(applied, "");
    let bgp = "term b { from { protocol tcp; port bgp; } then discard; }";
    never_passes("rules.junos", &before, &junos(applied, bgp));
    for other in [
        "unit 0 { family inet { filter { inactive: input edge; } } }",
        "unit 0 { family inet { } }",
        "unit 0 { family inet { filter { output edge; } } }",
        "disable; unit 0 { family inet { filter { input edge; } } }",
        "unit 0 { family inet { policer { input p; } filter { input edge; } } }",
    ] {
        never_passes("rules.junos", &before, &junos(other, ""));
    }
    let more = "routing-options { static { route 10.0.0.4/30 discard; } }\n";
    never_passes("rules.junos", &before, &format!("{before}{more}"));
    let found = judge("rules.junos", Some(&before), &before);
    assert_eq!(found.code, 0, "{:#}", found.result);
}

#[test]
fn what_exabgp_announces_besides_flow_routes_never_passes() {
    let config = |matches: &str, more: &str| {
        format!(
            "neighbor 192.0.2.1 {{\n  flow {{\n    # blastgate: intent target=a must_stop=90%\n    \
             route flood {{ match {{ {matches} }} then {{ discard; }} }}\n  }}\n{more}}}\n"
        )
    };
    let whole = "destination 10.0.0.1/32; protocol udp; destination-port =53;";
    let before = config(whole, "");
    never_passes("rules.conf", &before, &config("protocol udp destination 10.0.0.1/32;", ""));
    let hole = "  static { route 10.0.0.4/30 next-hop 192.0.2.9 community [65535:666]; }\n";
    never_passes("rules.conf", &before, &config(whole, hole));
    let line = "# blastgate: intent target=a must_stop=90%\nannounce flow route destination \
                10.0.0.1/32 protocol udp destination-port =53 discard\n";
    for more in [
        "clear adj-rib out\n",
        "shutdown\n",
        "neighbor 192.0.2.1 teardown 4\n",
        "announce route 10.0.0.4/30 next-hop 192.0.2.9 community [65535:666]\n",
        "anounce flow route destination 0.0.0.0/0 discard\n",
    ] {
        never_passes("rules.api", line, &format!("{line}{more}"));
    }
}

#[test]
fn numbers_that_are_octal_to_the_tool_are_not_read_as_decimal() {
    let before = nft("ip saddr 10.9.9.9 accept\n");
    for rule in [
        "ip daddr 10.0.0.0/030 accept\n",
        "udp dport 0120 accept\n",
        "limit rate over 0100/second accept\n",
    ] {
        never_passes("rules.nft", &before, &nft(rule));
    }
    let iptables = |rule: &str| {
        format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             -A FORWARD {rule} -j ACCEPT\nCOMMIT\n"
        )
    };
    let before = iptables("-s 10.9.9.9/32");
    never_passes("rules.v4", &before, &iptables("-p 017"));
    never_passes("rules.v4", &before, &iptables("-s 10.9.9.0/024"));
    never_passes("rules.v4", &before, &before.replace('\n', "\r\n"));
}

#[test]
fn the_first_of_two_limits_of_one_name_holds() {
    let rules = |first: &str, second: &str| {
        format!(
            "table inet f {{
 limit l {{ rate over {first}/second; }}
 limit l {{ rate over {second}/second; }}
 chain forward {{
  type filter hook forward priority filter; policy accept;
  # blastgate: intent target=a must_stop=90%
  ip daddr 10.0.0.1 udp dport 53 limit name \"l\" drop
 }}
}}
"
        )
    };
    let found = judge("rules.nft", None, &rules("1000000", "10"));
    assert_eq!(found.code, 1, "{:#}", found.result);
    let found = judge("rules.nft", None, &rules("10", "1000000"));
    assert_eq!(found.code, 0, "{:#}", found.result);
}

#[test]
fn a_clamp_of_segments_harms_nobody() {
    let before = nft("ip saddr 10.9.9.9 accept\n");
    let clamp =
        nft("ip saddr 10.9.9.9 accept\n    tcp flags syn tcp option maxseg size set rt mtu\n");
    let found = judge("rules.nft", Some(&before), &clamp);
    assert_eq!(found.code, 0, "{:#}", found.result);
}

#[test]
fn many_rules_for_ports_are_judged_each_for_what_it_takes() {
    let many: String = (0..60)
        .map(|number| format!("    ip daddr 198.51.100.{number} udp dport {} drop\n", 100 + number))
        .collect();
    let mine = "# blastgate: id=mine intent target=a must_stop=90%\n    \
                ip daddr 10.0.0.1 udp dport 53 drop\n";
    let found = judge("rules.nft", Some(&nft(&many)), &nft(&format!("{many}    {mine}")));
    assert_eq!(found.code, 0, "{:#}", found.result);
    // The one that takes from b is found among them, for its later fragments as well.
    for rule in ["ip daddr 10.0.0.5 udp dport 7 drop\n", "udp dport 7 drop\n"] {
        let other = &format!("# blastgate: intent target=a\n    {rule}");
        let wrong = nft(&format!("{many}    {mine}    {other}"));
        let found = judge("rules.nft", Some(&nft(&many)), &wrong);
        assert_eq!(found.code, 1, "{other}{:#}", found.result);
        let wrong = nft(&format!("    {other}{many}    {mine}"));
        let found = judge("rules.nft", None, &wrong);
        assert_eq!(found.code, 1, "{other}{:#}", found.result);
    }
}

#[test]
fn an_element_less_in_a_list_asks_for_no_intent_and_one_more_does() {
    let list = |elements: &str| {
        format!(
            "table inet filter {{\n set bad {{\n  type ipv4_addr\n  elements = {{ {elements} }}\n }}\n \
             chain forward {{\n  type filter hook forward priority filter; policy accept;\n  ip \
             saddr @bad drop\n }}\n}}\n"
        )
    };
    let (one, two) = (list("192.0.2.1"), list("192.0.2.1, 192.0.2.2"));
    let less = judge("rules.nft", Some(&two), &one);
    assert_eq!(less.verdict(), "pass", "{}", less.result);
    let more = judge("rules.nft", Some(&one), &two);
    assert!(ids(&more, "error").contains(&"intent_missing"), "{}", more.result);
}
