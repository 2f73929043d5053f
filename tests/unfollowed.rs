//! What rules do to packets besides letting them pass or not: a change to it is never judged as if
//! it were none, whatever way is named; and rules that act on less than they seem to.

use crate::languages::judge_by;

fn nft(besides: &str, rules: &str) -> String {
    format!(
        "table inet filter {{\n{besides} chain forward {{\n  type filter hook forward priority \
         filter; policy accept;\n  ip saddr 192.0.2.1 drop\n{rules} }}\n}}\n"
    )
}

fn translated(rule: &str) -> String {
    format!(
        "{}table ip n {{\n chain p {{\n  type nat hook prerouting priority dstnat\n  {rule}\n \
         }}\n}}\n",
        nft("", "")
    )
}

fn iptables(table: &str, rule: &str) -> String {
    format!(
        "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 192.0.2.1/32 -j DROP\nCOMMIT\n*{table}\n\
         :PREROUTING ACCEPT [0:0]\n{rule}COMMIT\n"
    )
}

/// Judges a change there and back, with and without a way that is named.
fn never_judged(name: &str, without: &str, with: &str) {
    for (before, after) in [(without, with), (with, without)] {
        for way in [&[][..], &["--path", "forward"]] {
            let run = judge_by(name, Some(before), after, way);
            assert_eq!(run.verdict(), "cannot_judge", "{way:?} {after}: {}", run.result);
        }
    }
}

#[test]
fn a_change_to_a_translation_is_never_judged() {
    let plain = nft("", "");
    for rule in [
        "ip daddr 10.0.0.1 tcp dport 443 dnat to 192.0.2.9",
        "dnat to 192.0.2.9",
        "ip daddr 10.0.0.0/29 tcp dport 443 redirect to :9",
    ] {
        never_judged("rules.nft", &plain, &translated(rule));
    }
    never_judged(
        "rules.nft",
        &translated("ip daddr 10.0.0.1 dnat to 192.0.2.9"),
        &translated("ip daddr 10.0.0.1 dnat to 192.0.2.8"),
    );
    // Where nothing runs yet, it is new as well.
    let alone = translated("dnat to 192.0.2.9");
    let run = judge_by("rules.nft", None, &alone, &[]);
    assert_eq!(run.verdict(), "cannot_judge", "{}", run.result);
    // Who comes to a translation hangs on what stands in front of it.
    never_judged(
        "rules.nft",
        &translated("ip daddr 10.0.0.5 accept\n  dnat to 192.0.2.9"),
        &translated("dnat to 192.0.2.9"),
    );
    for rule in [
        "-A PREROUTING -d 10.0.0.1/32 -j DNAT --to-destination 192.0.2.9\n",
        "-A PREROUTING -d 10.0.0.0/29 -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 9\n",
        "-A PREROUTING -d 10.0.0.0/29 -j NETMAP --to 192.0.2.0/29\n",
    ] {
        never_judged("rules.iptables", &iptables("nat", ""), &iptables("nat", rule));
    }
}

#[test]
fn a_change_to_what_is_rewritten_is_never_judged() {
    for rule in [
        "  ip daddr 10.0.0.1 @nh,128,32 set 0x0a000001\n",
        "  ip daddr 10.0.0.1 meta l4proto tcp @th,16,16 set 9\n",
        "  ip daddr 10.0.0.1 tcp flags syn tcp option maxseg size set 1\n",
    ] {
        never_judged("rules.nft", &nft("", ""), &nft("", rule));
    }
    let helper = " ct helper h {\n  type \"ftp\" protocol tcp;\n }\n";
    let uses = "  tcp dport 21 ct helper set \"h\"\n";
    never_judged("rules.nft", &nft("", ""), &nft(helper, uses));
    let rule = "-A PREROUTING -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1\n";
    never_judged("rules.iptables", &iptables("mangle", ""), &iptables("mangle", rule));
}

#[test]
fn a_clamp_of_segments_and_the_same_translation_as_before_are_no_news() {
    let clamp = "  tcp flags syn tcp option maxseg size set rt mtu\n";
    let run = judge_by("rules.nft", Some(&nft("", "")), &nft("", clamp), &[]);
    assert_eq!(run.verdict(), "pass", "{}", run.result);
    let same = translated("ip daddr 192.0.2.7 dnat to 192.0.2.9");
    let run = judge_by("rules.nft", Some(&same), &format!("# a word\n{same}"), &[]);
    assert_eq!(run.verdict(), "pass", "{}", run.result);
}

#[test]
fn a_reset_answers_tcp_alone() {
    // The flood is of UDP.
    let rule = "  # blastgate: intent target=a must_stop=80%\n  ip daddr 10.0.0.1 reject";
    let run = judge_by(
        "rules.nft",
        Some(&nft("", "")),
        &nft("", &format!("{rule} with tcp reset\n")),
        &[],
    );
    assert_eq!(run.verdict(), "fail", "{}", run.result);
}

#[test]
fn a_junos_filter_that_no_interface_applies_is_not_judged() {
    let filter = |more: &str| {
        format!(
            "firewall {{ family inet {{ filter f {{ {more} term z {{ then accept; }} }} }} }}\n"
        )
    };
    let term = "/* blastgate: id=x intent target=a must_stop=80% */ term x { from { \
                destination-address { 10.0.0.1/32; } protocol udp; } then discard; }";
    let applied = "family inet { filter { input f; } }";
    for (interfaces, is_judged) in [
        (String::new(), true),
        (format!("interfaces {{ xe-0/0/0 {{ unit 0 {{ {applied} }} }} }}"), true),
        (
            "interfaces { xe-0/0/0 { unit 0 { family inet { address 192.0.2.1/30; } } } }".into(),
            false,
        ),
        (format!("interfaces {{ xe-0/0/0 {{ disable; unit 0 {{ {applied} }} }} }}"), false),
        (format!("interfaces {{ xe-0/0/0 {{ inactive: unit 0 {{ {applied} }} }} }}"), false),
        (format!("inactive: interfaces {{ xe-0/0/0 {{ unit 0 {{ {applied} }} }} }}"), false),
    ] {
        let before = format!("{}{interfaces}\n", filter(""));
        let after = format!("{}{interfaces}\n", filter(term));
        let run = judge_by("rules.junos", Some(&before), &after, &[]);
        assert_eq!(run.verdict() != "cannot_judge", is_judged, "{interfaces}: {}", run.result);
    }
}

#[test]
fn an_escaped_star_is_part_of_a_name() {
    let rule = |name: &str| {
        format!(
            "  # blastgate: intent target=a must_stop=80%\n  iifname \"{name}\" ip daddr 10.0.0.1 \
             udp dport 53 drop\n"
        )
    };
    let way = &["--path", "forward", "--iif", "eth0"];
    let run = judge_by("rules.nft", Some(&nft("", "")), &nft("", &rule("eth\\*")), way);
    assert_ne!(run.verdict(), "pass", "{}", run.result);
    let run = judge_by("rules.nft", Some(&nft("", "")), &nft("", &rule("eth*")), way);
    assert_eq!(run.verdict(), "pass", "{}", run.result);
}

#[test]
fn whether_fragments_are_put_together_is_a_change() {
    let nft = |priority: &str, first: &str| {
        format!(
            "table inet f {{\n chain c {{\n  type filter hook prerouting priority {priority}; policy \
             drop;\n {first} udp sport 53 accept\n  tcp dport {{ 80, 443 }} accept\n }}\n chain d \
             {{\n  type filter hook forward priority 0;\n  ct state invalid counter\n }}\n}}\n"
        )
    };
    let tracked = nft("-300", "");
    for untracked in [nft("-500", ""), tracked.replace("ct state invalid counter", "counter")] {
        for (before, after) in [(&tracked, &untracked), (&untracked, &tracked)] {
            let run = judge_by("rules.nft", Some(before), after, &[]);
            assert_ne!(run.verdict(), "pass", "{before}{after}{}", run.result);
        }
    }
    let iptables = |first: &str| {
        format!(
            "*filter\n:FORWARD DROP [0:0]\n{first}-A FORWARD -p udp -m udp --sport 53 -j ACCEPT\n\
             -A FORWARD -p tcp -m tcp --dport 443 -j ACCEPT\nCOMMIT\n"
        )
    };
    let invalid = "-A FORWARD -m conntrack --ctstate INVALID -j DROP\n";
    for language in ["iptables-nft", "iptables-legacy"] {
        let more = ["--language", language];
        let run = judge_by("rules.v4", Some(&iptables(invalid)), &iptables(""), &more);
        assert_ne!(run.verdict(), "pass", "{}", run.result);
    }
}

#[test]
fn a_change_to_frames_that_are_not_ip_is_never_judged() {
    let device = |policy: &str, rules: &str| {
        format!(
            "table netdev f {{\n chain c {{\n  type filter hook ingress device eth0 priority 0; \
             policy {policy};\n{rules} }}\n}}\n"
        )
    };
    let listed = |protocols: &str| device("drop", &format!("  meta protocol {protocols} accept\n"));
    for (before, after) in [
        (listed("{ ip, ip6, arp }"), listed("{ ip, ip6 }")),
        (listed("{ ip, arp }"), listed("{ arp }")),
        (device("accept", ""), device("accept", "  meta protocol arp drop\n")),
        (device("accept", ""), device("accept", "  meta mark 7 drop\n")),
        (
            device("accept", "  meta protocol vmap { arp : accept }\n"),
            device("accept", "  meta protocol vmap { arp : drop }\n"),
        ),
    ] {
        let run = judge_by("rules.nft", Some(&before), &after, &["--path", "ingress"]);
        assert_ne!(run.verdict(), "pass", "{before}{after}{}", run.result);
    }
    // What is for IP alone is judged.
    let run = judge_by(
        "rules.nft",
        Some(&device("accept", "")),
        &device("accept", "  ip saddr 192.0.2.1 ip daddr 192.0.2.2 drop\n"),
        &["--path", "ingress"],
    );
    assert_ne!(run.verdict(), "cannot_judge", "{}", run.result);
}

#[test]
fn how_many_policers_one_is_hangs_on_words_that_are_not_followed() {
    let junos = |policer: &str, filter: &str| {
        format!(
            "firewall {{\n policer q {{\n {policer}  if-exceeding {{\n   bandwidth-limit 10m;\n   \
             burst-size-limit 15k;\n  }}\n  then discard;\n }}\n family inet {{\n  filter f {{\n \
             {filter}   term a {{\n    from {{ destination-address {{ 10.0.0.0/30; }} protocol udp; \
             }}\n    then {{ policer q; accept; }}\n   }}\n   term rest {{ then accept; }}\n  }}\n \
             }}\n}}\n"
        )
    };
    let plain = junos("", "");
    for other in [
        junos("", "interface-specific;\n"),
        junos("shared-bandwidth-policer;\n", ""),
        junos("physical-interface-policer;\n", ""),
    ] {
        never_judged("rules.conf", &plain, &other);
    }
}

#[test]
fn extension_headers_of_ipv6_are_not_taken_for_its_payload() {
    let junos = |first: &str| {
        format!(
            "firewall {{\n family inet6 {{\n  filter f {{\n{first}   term rest {{ then accept; }}\n  \
             }}\n }}\n}}\n"
        )
    };
    let term = |from: &str, then: &str| {
        format!(
            "   /* blastgate: intent target=a */\n   term t{from_id} {{ from {{ {from}; }} then {then}; }}\n",
            from_id = from.len()
        )
    };
    for (before, after) in [
        (term("next-header 58", "discard"), term("next-header [ 58 44 ]", "discard")),
        (
            term("payload-protocol udp", "accept")
                + &term("payload-protocol [ udp tcp ]", "discard"),
            term("next-header udp", "accept") + &term("payload-protocol [ udp tcp ]", "discard"),
        ),
    ] {
        let run = judge_by("rules.conf", Some(&junos(&before)), &junos(&after), &[]);
        assert_ne!(run.verdict(), "pass", "{before}{after}{}", run.result);
    }
}

#[test]
fn a_route_told_to_one_neighbor_otherwise_than_to_all_is_not_judged() {
    let all = "announce flow route destination 10.0.0.0/30 protocol udp accept\n\
               announce flow route destination 10.0.0.0/30 discard\n";
    for more in [
        "neighbor 10.9.0.1 announce flow route destination 10.0.0.0/30 protocol udp discard\n",
        "neighbor 10.9.0.1 withdraw flow route destination 10.0.0.0/30 protocol udp\n",
        "neighbor 10.9.0.1 local-as 65000 withdraw flow route destination 10.0.0.0/30 protocol udp\n",
    ] {
        let run = judge_by("rules.txt", Some(all), &format!("{all}{more}"), &[]);
        assert_eq!(run.verdict(), "cannot_judge", "{more}{}", run.result);
    }
}

#[test]
fn who_gets_flow_routes_is_not_taken_for_no_change() {
    let conf = |neighbors: &[&str]| -> String {
        let of = |address: &&str| {
            format!(
                "neighbor {address} {{\n router-id 192.0.2.60;\n local-address 192.0.2.60;\n \
                 local-as 64496;\n peer-as 64496;\n family {{ ipv4 flow; }}\n flow {{\n  route r \
                 {{ match {{ destination 10.0.0.0/30; protocol udp; }} then {{ discard; }} }}\n }}\n}}\n"
            )
        };
        neighbors.iter().map(of).collect()
    };
    let one = conf(&["10.9.0.1"]);
    for other in [conf(&["10.9.0.1", "10.9.0.2"]), conf(&["10.9.0.9"])] {
        for (before, after) in [(&one, &other), (&other, &one)] {
            let run = judge_by("rules.conf", Some(before), after, &[]);
            assert_eq!(run.verdict(), "cannot_judge", "{after}{}", run.result);
        }
    }
    let junos = |more: &str| {
        format!(
            "routing-options {{\n flow {{\n{more}  term-order standard;\n  route a {{\n   match {{ \
             destination 10.0.0.0/30; protocol udp; }}\n   then discard;\n  }}\n }}\n}}\n"
        )
    };
    let without = junos("  interface-group 1 exclude;\n");
    let run = judge_by("rules.conf", Some(&without), &junos(""), &[]);
    assert_eq!(run.verdict(), "cannot_judge", "{}", run.result);
}

#[test]
fn what_the_host_itself_sends_is_not_judged_where_it_leaves() {
    let nft = |rule: &str| {
        format!(
            "table inet f {{\n chain c {{\n  type filter hook postrouting priority 0;\n{rule} }}\n \
             chain d {{\n  type filter hook forward priority 0;\n  tcp dport 179 drop\n }}\n}}\n"
        )
    };
    let run = judge_by("rules.nft", Some(&nft("")), &nft("  tcp dport 179 drop\n"), &[]);
    assert_eq!(run.verdict(), "cannot_judge", "{}", run.result);
    let iptables = |rule: &str| {
        format!(
            "*mangle\n:POSTROUTING ACCEPT [0:0]\n{rule}COMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n-A \
             FORWARD -p tcp -m tcp --dport 179 -j DROP\nCOMMIT\n"
        )
    };
    let rule = "-A POSTROUTING -p tcp -m tcp --dport 179 -j DROP\n";
    let run = judge_by("rules.v4", Some(&iptables("")), &iptables(rule), &[]);
    assert_eq!(run.verdict(), "cannot_judge", "{}", run.result);
}
