//! What is only possible never passes, and is never called certain: records that do not know what
//! rules ask for, buckets that others may enter, and limits that a sample cannot tell.

use blastgate::bank::Taken;
use blastgate::fate::{End, RuleLoss, Sets, Walk};
use blastgate::matcher::Step;
use blastgate::model::{Action, RuleSet};
use blastgate::tally::Pair;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use crate::common::{check, rules};

const INVENTORY: &str = "
version: 1
customers:
  - {id: a, prefixes: [10.0.0.0/30]}
  - {id: b, prefixes: [10.0.0.4/30]}
  - {id: v, prefixes: [10.0.0.8/30]}
";

const PORT_UNKNOWN: &str = "
  - {id: y, pop: ams, dst: 10.0.0.5, protocol: udp, unknown: [dst_port], rate: 10 pps}
  - {id: x, pop: ams, dst: 10.0.0.1, protocol: udp, rate: 10 pps}
  - {id: z, pop: ams, dst: 10.0.0.9, protocol: udp, rate: 10 pps}";

const ATTACK_PORT_UNKNOWN: &str = "
  - {id: y, pop: ams, label: attack, dst: 10.0.0.5, protocol: udp, dst_port: 9999, \
     unknown: [dst_port], rate: 1000 pps}
  - {id: x, pop: ams, dst: 10.0.0.1, protocol: udp, rate: 10 pps}
  - {id: z, pop: ams, dst: 10.0.0.9, protocol: udp, rate: 10 pps}";

/// Judges rules against running ones; the traffic is a list of flows.
fn judge(running: &str, candidate: &str, flows: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    put("inventory.yaml", INVENTORY.to_owned());
    for (name, text) in [("running.yaml", running), ("rules.yaml", candidate)] {
        put(name, format!("version: 1\nrules:{}\n", if text.is_empty() { " []" } else { text }));
    }
    put("traffic.yaml", format!("version: 1\nduration: 60s\nflows:{flows}\n"));
    let run = check(
        folder.path(),
        &[
            "rules.yaml",
            "--running",
            "running.yaml",
            "--inventory",
            "inventory.yaml",
            "--traffic",
            "traffic.yaml",
        ],
    );
    let findings = run.findings().into_iter().filter(|(id, _)| *id != "rule_without_hits");
    let findings = findings.map(|(id, severity)| format!("{id} {severity}")).collect();
    (run.verdict().to_owned(), findings)
}

fn verdict(running: &str, candidate: &str, flows: &str) -> String {
    judge(running, candidate, flows).0
}

/// A rule about a port of b's host.
fn on_port(id: &str, port: u16, action: &str, intent: &str) -> String {
    format!(
        "\n  - {{id: {id}, match: {{dst: 10.0.0.5, protocol: udp, dst_port: {port}}}, \
         action: {action}{intent}}}"
    )
}

fn accepts(count: u16) -> String {
    (0..count).map(|at| on_port(&format!("acc{at}"), 100 + at, "accept", "")).collect()
}

const MEANT_FOR_A: &str = ", intent: {target: [a], may_affect: [a], may_reach: [a, b]}";

#[test]
fn a_loss_stays_possible_however_many_matches_cannot_be_told() {
    for count in [0, 3, 4, 5, 8, 40, 300] {
        // Who is harmed by the first drop is not meant to be, by the second is.
        let rules = on_port("c", 80, "drop", MEANT_FOR_A)
            + &on_port("l", 81, "drop", ", intent: {target: [b]}")
            + &accepts(count);
        assert_eq!(verdict("", &rules, PORT_UNKNOWN), "cannot_judge", "{count}");
    }
}

#[test]
fn a_loose_limit_does_not_hide_a_challenge_or_a_redirect() {
    for action in ["challenge", "{redirect: {to: elsewhere}}", "drop"] {
        for count in [0, 4, 8, 40] {
            let limit = "{rate_limit: {rate: 100 Gbps, per: [dst]}}";
            let rules = on_port("c", 80, action, MEANT_FOR_A)
                + &on_port("l", 81, limit, ", intent: {target: [a], may_affect: [a, b]}")
                + &accepts(count);
            assert_eq!(verdict("", &rules, PORT_UNKNOWN), "cannot_judge", "{action}, {count}");
        }
    }
}

#[test]
fn at_least_is_the_least_that_can_be_stopped() {
    let limit = "\n  - {id: l, match: {dst: 10.0.0.5, protocol: udp}, \
                 action: {rate_limit: {rate: 100 Gbps, per: [dst]}}, intent: {target: [b]}}";
    for count in [0, 1, 4, 8, 40] {
        let rules = on_port("c", 80, "challenge", ", intent: {target: [b], must_stop: 90%}")
            + limit
            + &on_port("d", 81, "drop", ", intent: {target: [b]}")
            + &accepts(count);
        assert_eq!(verdict("", &rules, ATTACK_PORT_UNKNOWN), "cannot_judge", "{count}");
    }
}

#[test]
fn what_both_sets_do_alike_is_no_more_certain_for_that() {
    let new = "\n  - {id: n, match: {dst: 10.0.0.5, protocol: tcp}, action: drop, \
               intent: {target: [b], must_stop: 90%}}";
    for count in [1, 4, 8, 40] {
        let old = on_port("d", 81, "drop", ", intent: {target: [b]}") + &accepts(count);
        let rules = old.clone() + new;
        assert_eq!(verdict(&old, &rules, ATTACK_PORT_UNKNOWN), "cannot_judge", "{count}");
    }
}

#[test]
fn nothing_is_certain_of_what_may_pass() {
    let limit = format!(
        "\n  - {{id: l, match: {{dst: 10.0.0.5, protocol: udp}}, \
         action: {{rate_limit: {{rate: 100 Gbps, per: [dst]}}}}{MEANT_FOR_A}}}"
    );
    for count in [0, 4, 8, 40] {
        let rules = on_port("c", 80, "challenge", MEANT_FOR_A)
            + &limit
            + &on_port("d", 81, "drop", MEANT_FOR_A)
            + &accepts(count);
        let (verdict, findings) = judge("", &rules, PORT_UNKNOWN);
        assert_eq!(verdict, "cannot_judge", "{count}: {findings:?}");
        assert!(!findings.contains(&"collateral_loss error".to_owned()), "{count}: {findings:?}");
    }
}

#[test]
fn an_unrelated_change_among_many_unknown_matches_is_not_in_doubt() {
    for count in [1, 8, 40] {
        let old: String = (0..count)
            .map(|at| on_port(&format!("d{at}"), 100 + at, "drop", MEANT_FOR_A))
            .collect();
        let new = "\n  - {id: n, match: {dst: 10.0.0.9, protocol: tcp}, action: drop}";
        assert_eq!(verdict(&old, &(old.clone() + new), PORT_UNKNOWN), "pass", "{count}");
        // Nor is what is let pass.
        let last = on_port("n", 99, "accept", "");
        assert_eq!(verdict(&old, &(old.clone() + &last), PORT_UNKNOWN), "pass", "{count}");
    }
}

/// A limit of everybody's by client network, after one rule.
fn shared(first: &str) -> String {
    let first =
        if first.is_empty() { String::new() } else { format!("\n  - {{id: web, {first}}}") };
    first
        + "\n  - {id: l, match: {dst: 10.0.0.0/29, protocol: udp}, \
           action: {rate_limit: {rate: 100 kbps, per: ['src/24']}}, \
           intent: {target: [a], may_reach: [all]}}"
}

/// Flows of one client network to two customers; what is unknown of each.
fn client(of_a: &str, of_b: &str) -> String {
    format!(
        "\n  - {{id: x, pop: ams, src: 45.1.1.1, dst: 10.0.0.1, protocol: udp, dst_port: 53, \
         rate: 1 Mbps{of_a}}}\n  - {{id: y, pop: ams, src: 45.1.1.1, dst: 10.0.0.5, \
         protocol: udp, dst_port: 53, rate: 10 pps{of_b}}}"
    )
}

#[test]
fn who_may_newly_enter_a_bucket_may_crowd_it() {
    let old = shared("match: {dst: 10.0.0.0/30, dst_port: 53}, action: accept");
    let new = shared("match: {dst: 10.0.0.0/30, dst_port: 54}, action: accept");
    assert_eq!(verdict(&old, &new, &client("", "")), "fail");
    assert_eq!(verdict(&old, &new, &client(", unknown: [dst_port]", "")), "cannot_judge");
    assert_eq!(verdict(&old, &old.replace("id: web", "id: w2"), &client("", "")), "pass");
}

#[test]
fn an_unknown_bucket_is_not_the_same_once_others_enter_it() {
    let old = shared("match: {dst: 10.0.0.0/30}, action: accept");
    let new = shared("");
    assert_eq!(verdict(&old, &new, &client("", "")), "fail");
    assert_eq!(verdict(&old, &new, &client("", ", unknown: [src]")), "cannot_judge");
    assert_eq!(verdict(&old, &old.replace("id: web", "id: w2"), &client("", "")), "pass");
}

#[test]
fn what_may_be_in_any_bucket_may_be_in_that_of_a_neighbour() {
    let trust = "match: {dst: 10.0.0.0/30}, action: accept";
    let (old, new) = (shared(trust), shared(""));
    let client = client(", unknown: [src]", "");
    assert_eq!(verdict(&old, &new, &client), "cannot_judge");
    // In both sets alike, and in the running set only.
    let other = "\n  - {id: n, match: {dst: 10.0.0.9, protocol: tcp}, action: drop}";
    assert_eq!(verdict(&new, &(new.clone() + other), &client), "pass");
    assert_eq!(verdict(&new, &old, &client), "pass");
}

#[test]
fn a_limit_that_may_be_in_front_holds_nothing_back_for_certain() {
    let flows = client(", unknown: [dst_port]", "");
    let front = |port: u16| {
        format!(
            "\n  - {{id: f, match: {{dst: 10.0.0.0/30, dst_port: {port}}}, \
             action: {{rate_limit: {{rate: 50 kbps}}}}, intent: {{target: [a]}}}}"
        )
    };
    let of_all = shared("");
    // Whether a's traffic was held back decides whether b newly loses anything.
    assert_eq!(verdict(&(front(53) + &of_all), &of_all, &flows), "cannot_judge");
    assert_eq!(verdict(&(front(53) + &of_all), &(front(54) + &of_all), &flows), "cannot_judge");
}

//------------ Buckets that others newly enter -----------------------------------

/// Judges without anything recorded of the rules; returns who is reached beyond intent.
fn reached(inventory: &str, running: &str, candidate: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    put("inventory.yaml", inventory);
    put("running.yaml", &format!("version: 1\nrules:{running}\n"));
    put("rules.yaml", &format!("version: 1\nrules:{candidate}\n"));
    put(
        "blastgate.yaml",
        "version: 1\ninventory: [inventory.yaml]\nredirects: [{name: scrub, effect: clean}]\n",
    );
    let run = crate::common::lint(folder.path(), &["rules.yaml", "--running", "running.yaml"]);
    let rows = run.result["customers"].as_array().expect("customers");
    let beyond = rows.iter().filter(|row| row["reached"] == true && row["intended"] == false);
    let mut ids: Vec<String> =
        beyond.map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
    // The protocols between routers are not customers.
    ids.retain(|id| id != "(control-plane)");
    ids.sort();
    ids
}

fn rule(id: &str, matches: &str, action: &str, intent: &str) -> String {
    format!("\n  - {{id: {id}, match: {matches}, action: {action}{intent}}}")
}

fn per(key: &str) -> String {
    format!("{{rate_limit: {{rate: 100 kbps, per: [{key}]}}}}")
}

const FOR_A: &str = ", intent: {target: [a]}";

#[test]
fn a_key_by_source_holds_the_packets_to_everybody() {
    let trust = rule("trust", "{dst: 10.0.0.0/30}", "accept", "");
    for key in ["src", "src/24", "src, dst_port", "protocol", "dst/29"] {
        let limit = rule("l", "{dst: 10.0.0.0/29, protocol: udp}", &per(key), FOR_A);
        assert_eq!(reached(INVENTORY, &(trust.clone() + &limit), &limit), ["b"], "{key}");
    }
    for key in ["dst", "src, dst", "dst/30", "src/24, dst/31", "customer"] {
        let limit = rule("l", "{dst: 10.0.0.0/29, protocol: udp}", &per(key), FOR_A);
        assert!(reached(INVENTORY, &(trust.clone() + &limit), &limit).is_empty(), "{key}");
    }
}

#[test]
fn a_key_by_destination_holds_what_everybody_sends_to_nobody() {
    let trust = rule("trust", "{src: 10.0.0.0/30}", "accept", "");
    let egress = |key: &str| rule("l", "{dst: 45.0.0.0/8, protocol: udp}", &per(key), FOR_A);
    for key in ["dst", "dst/24", "src/24, dst", "protocol"] {
        let found = reached(INVENTORY, &(trust.clone() + &egress(key)), &egress(key));
        assert_eq!(found, ["(unowned)", "b", "v"], "{key}");
    }
    for key in ["src", "src, dst", "src/30, dst/24", "customer"] {
        let found = reached(INVENTORY, &(trust.clone() + &egress(key)), &egress(key));
        assert!(found.is_empty(), "{key}: {found:?}");
    }
    // What goes to somebody is in a bucket of its own.
    let anywhere = rule("l", "{protocol: udp}", &per("dst"), FOR_A);
    let to_b = rule("trust", "{dst: 10.0.0.4/30}", "accept", "");
    assert!(!reached(INVENTORY, &(to_b + &anywhere), &anywhere).contains(&"v".to_owned()));
}

#[test]
fn a_bucket_that_nobody_shares_is_not_crowded_by_what_enters_others() {
    let inventory = "
version: 1
customers:
  - {id: a, prefixes: [10.0.0.0/24]}
  - {id: b, prefixes: [10.0.1.0/24]}
  - {id: c, prefixes: [10.0.2.0/25]}
  - {id: d, prefixes: [10.0.2.128/25]}
";
    let limit = rule("l", "{dst: 10.0.0.0/22}", &per("'dst/24'"), FOR_A);
    let trust = |dst: &str| rule("trust", &format!("{{dst: {dst}}}"), "accept", "");
    assert!(reached(inventory, &(trust("10.0.0.0/24") + &limit), &limit).is_empty());
    let found = reached(inventory, &(trust("10.0.2.0/25") + &limit), &limit);
    assert_eq!(found, ["c", "d"]);
}

#[test]
fn what_a_limit_in_front_held_back_newly_enters() {
    let shared = rule("l", "{dst: 10.0.0.0/29, protocol: udp}", &per("protocol"), FOR_A);
    let front = |rate: &str| {
        let action = format!("{{rate_limit: {{rate: {rate}}}}}");
        rule("f", "{dst: 10.0.0.0/30}", &action, FOR_A)
    };
    let slow = || front("100 kbps");
    let cases = [
        ("weaker", slow() + &shared, front("10 Gbps") + &shared),
        ("gone", slow() + &shared, shared.clone()),
        ("behind", slow() + &shared, shared.clone() + &slow()),
    ];
    for (name, old, new) in cases {
        assert_eq!(reached(INVENTORY, &old, &new), ["b"], "{name}");
    }
    let cases = [
        ("stricter", slow() + &shared, front("50 kbps") + &shared),
        ("new", shared.clone(), slow() + &shared),
        ("in front", shared.clone() + &slow(), slow() + &shared),
    ];
    for (name, old, new) in cases {
        assert!(reached(INVENTORY, &old, &new).is_empty(), "{name}");
    }
}

#[test]
fn a_cleaner_is_not_any_other_place() {
    let to = |place: &str| {
        let action = format!("{{redirect: {{to: {place}}}}}");
        rule("d", "{dst: 10.0.0.0/29}", &action, FOR_A)
    };
    assert_eq!(reached(INVENTORY, &to("scrub"), &to("blackhole")), ["b"]);
    assert!(reached(INVENTORY, &to("blackhole"), &to("scrub")).is_empty());
    let challenge = rule("d", "{dst: 10.0.0.0/29}", "challenge", FOR_A);
    assert_eq!(reached(INVENTORY, &to("scrub"), &challenge), ["b"]);
    assert_eq!(reached(INVENTORY, &challenge, &to("scrub")), ["b"]);
}

#[test]
fn a_widened_intent_of_the_default_is_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    let set = |target: &str, mask: u8| {
        format!(
            "version: 1\ndefault: drop\ndefault_intent: {{target: [{target}]}}\nrules:\n  \
             - {{id: ac, match: {{dst: 10.0.0.0/{mask}}}, action: accept}}\n"
        )
    };
    put("inventory.yaml", INVENTORY.to_owned());
    put("running.yaml", set("a", 28));
    put("rules.yaml", set("all", 30));
    let arguments = ["rules.yaml", "--running", "running.yaml", "--inventory", "inventory.yaml"];
    let run = crate::common::lint(folder.path(), &arguments);
    let widened = &run.result["change"]["intents_widened"];
    assert_eq!(*widened, serde_json::json!(["default: +all"]), "{:#}", run.result);
}

//------------ Ends instead of assignments -------------------------------------

/// A rule of the small world: the port that it asks for, and what it does.
type Own = (u32, usize);

const ACTIONS: &[&str] = &[
    "accept",
    "drop",
    "challenge",
    "{redirect: {to: elsewhere}}",
    "{redirect: {to: cleaner}}",
    "{rate_limit: {rate: 1 Mbps}}",
    "{rate_limit: {rate: 2 Mbps}}",
    "{rate_limit: {rate: 1 Mbps, exceed: challenge}}",
    "log",
];

fn pair() -> impl Strategy<Value = (Vec<Own>, Vec<Own>, bool, Vec<bool>, Vec<u64>)> {
    let rule = || (0..12u32, 0..ACTIONS.len());
    let list = move || prop::collection::vec(rule(), 4..11);
    let edits = prop::collection::vec((0..4u8, 0..11usize, rule()), 0..4);
    let pair = (list(), list(), edits, any::<bool>()).prop_map(|(old, other, edits, is_other)| {
        let mut new = if is_other { other } else { old.clone() };
        for (edit, at, rule) in edits {
            let at = at % new.len();
            match edit {
                0 => new.insert(at, rule),
                1 if new.len() > 1 => drop(new.remove(at)),
                2 => new[at].1 = rule.1,
                _ => new.swap(at, 0),
            }
        }
        (old, new)
    });
    (
        pair,
        any::<bool>(),
        // Which ports are known to be met.
        prop::collection::vec(prop::bool::weighted(0.04), 12),
        prop::collection::vec(0..100u64, 12),
    )
        .prop_map(|((old, new), drops, known, taken)| (old, new, drops, known, taken))
}

fn set(own: &[Own], drops: bool) -> RuleSet {
    let rules_of = own.iter().enumerate().map(|(at, (port, action))| {
        format!("\n  - {{id: r{at}, match: {{dst_port: {port}}}, action: {}}}", ACTIONS[*action])
    });
    let default = if drops { "default: drop\n" } else { "" };
    rules(&format!("version: 1\n{default}rules:{}\n", rules_of.collect::<String>()))
}

/// The steps of a path, up to the first that certainly ends it.
fn steps(own: &[Own], known: &[bool]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, (port, action)) in own.iter().enumerate() {
        let is_known = known[*port as usize];
        steps.push(Step { rule: at as u32, matches: *port, missing: u32::from(!is_known) });
        if is_known && *action < 5 {
            break;
        }
    }
    steps
}

/// Walks a packet of which everything is known.
fn walk(own: &[Own], drops: bool, sets: &Sets<'_>, side: usize, holds: &[bool]) -> Walk {
    use blastgate::fate::Kind;
    let mut limits = Vec::new();
    let mut end = if drops { End::Stopped(None, Kind::Lost) } else { End::Passes(None) };
    for (at, (port, action)) in own.iter().enumerate() {
        let rule = Some(at as u32);
        if !holds[*port as usize] {
            continue;
        }
        if matches!(sets.sets[side].rules[at].action.value, Action::RateLimit(_)) {
            limits.push(at as u32);
        }
        let kinds = [Kind::Lost, Kind::Challenged, Kind::Redirected, Kind::Cleaned];
        match action {
            0 => end = End::Passes(rule),
            1..=4 => end = End::Stopped(rule, kinds[action - 1]),
            _ => continue,
        }
        break;
    }
    // What a packet meets is not looked at here.
    Walk { limits, end, harm: blastgate::model::Harm::None }
}

/// What one way costs: what each set stops, by degree, and what each candidate rule does.
fn cost(sets: &Sets<'_>, walks: &(Walk, Walk), taken: &[Taken]) -> (Vec<i64>, BTreeMap<u32, u64>) {
    use blastgate::fate::Kind;
    let losses =
        [sets.losses(0, &walks.0, taken, 100, 100), sets.losses(1, &walks.1, taken, 100, 100)];
    let degrees: [&[Kind]; 3] = [
        &[Kind::Lost],
        &[Kind::Lost, Kind::Redirected],
        &[Kind::Lost, Kind::Redirected, Kind::Challenged],
    ];
    let mut sums = Vec::new();
    for degree in degrees {
        let [before, after] = [0, 1].map(|side: usize| {
            let counted = losses[side].iter().filter(|loss| degree.contains(&loss.kind));
            counted.map(|loss: &RuleLoss| loss.packets as i64).sum::<i64>()
        });
        sums.extend([before, after, after - before]);
    }
    let blamed = losses[1].iter().filter_map(|loss| Some((loss.rule?, loss.packets)));
    (sums, blamed.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn ends_bound_what_every_assignment_of_the_unknowns_costs(
        (old, new, drops, known, amounts) in pair(),
    ) {
        let (running, candidate) = (set(&old, drops), set(&new, drops));
        let clean = BTreeSet::from(["cleaner".to_owned()]);
        let crowded = BTreeMap::new();
        let sets = Sets { sets: [&running, &candidate], clean: &clean, crowded: &crowded };
        let paths = Pair { running: steps(&old, &known), candidate: steps(&new, &known) };
        // A limit takes by its match; a generous one half of that.
        let taken = |own: &[Own], candidate: bool| {
            let rules = own.iter().enumerate();
            rules
                .map(|(at, (port, action))| {
                    let amount = amounts[*port as usize] / if *action == 6 { 2 } else { 1 };
                    Taken { candidate, rule: at as u32, packets: amount, bytes: amount }
                })
                .collect::<Vec<Taken>>()
        };
        let taken = [taken(&old, false), taken(&new, true)].concat();
        let ways = sets.ways(&paths);
        let found: Vec<_> = ways.walks.iter().map(|one| cost(&sets, one, &taken)).collect();
        let ends: BTreeSet<(End, End)> =
            ways.walks.iter().map(|(before, after)| (before.end, after.end)).collect();
        let ports: BTreeSet<u32> =
            old.iter().chain(&new).map(|(port, _)| *port).filter(|port| !known[*port as usize]).collect();
        let ports: Vec<u32> = ports.into_iter().collect();
        let shown = || format!("running {old:?}\ncandidate {new:?}\nknown {known:?}");
        let mut true_ends = BTreeSet::new();
        for assignment in 0..1u32 << ports.len() {
            let mut holds = known.clone();
            for (bit, port) in ports.iter().enumerate() {
                holds[*port as usize] = assignment >> bit & 1 == 1;
            }
            let both = (walk(&old, drops, &sets, 0, &holds), walk(&new, drops, &sets, 1, &holds));
            true_ends.insert((both.0.end, both.1.end));
            let (sums, blamed) = cost(&sets, &both, &taken);
            for (at, sum) in sums.into_iter().enumerate() {
                let all = || found.iter().map(|(sums, _)| sums[at]);
                prop_assert!(all().any(|one| one <= sum), "{at}: {sum}; {holds:?}\n{}", shown());
                prop_assert!(all().any(|one| one >= sum), "{at}: {sum}; {holds:?}\n{}", shown());
            }
            for (rule, packets) in blamed {
                let most = found.iter().filter_map(|(_, blamed)| blamed.get(&rule)).max();
                prop_assert!(most >= Some(&packets), "{rule}: {packets}; {holds:?}\n{}", shown());
            }
        }
        if ways.is_mixed {
            prop_assert!(ends.len() > 1, "{}", shown());
        } else {
            prop_assert_eq!(ends, true_ends, "{}", shown());
        }
    }
}
