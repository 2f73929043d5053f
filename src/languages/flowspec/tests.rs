//! Meaning, actions and spellings; the wire and the order stand beside.

use super::LANGUAGE;
use crate::languages::Sure;
use crate::model::{
    Action, Diagnostic, FlagTest, FragmentTest, NumberSet, Rate, RateUnit, RuleSet, Severity,
    Sources, Term, UnmodelledKind,
};

mod wire;

fn parse(text: &str) -> (RuleSet, Vec<Diagnostic>) {
    let mut sources = Sources::new();
    let file = sources.add("a.conf", text);
    LANGUAGE.parse_texts(&sources, &[file])
}

fn read(text: &str) -> RuleSet {
    let (set, problems) = parse(text);
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    set
}

fn route(matches: &str, then: &str) -> String {
    format!("flow {{ route example {{ match {{ {matches} }} then {{ {then} }} }} }}")
}

fn terms(matches: &str) -> Vec<Term> {
    let (set, problems) = parse(&route(matches, "discard;"));
    assert!(problems.iter().all(|one| one.severity == Severity::Warning), "{problems:?}");
    set.rules[0].matches.terms.iter().map(|term| term.value.clone()).collect()
}

fn actions(text: &str) -> Vec<(String, Action)> {
    let rules = read(text).rules;
    rules.into_iter().map(|rule| (rule.id, rule.action.value)).collect()
}

#[test]
fn the_examples_of_the_standard_are_read() {
    // RFC 8955 section 4.3: to 192.0.2.0/24 and port 25; and from 203.0.113.0/24 to ports.
    let text = "nlri 0b0118c00002038106048119\nnlri 12 01 18";
    assert_eq!(parse(text).1.len(), 1);
    let set = read("nlri 0b0118c00002038106048119 ext 8006000000000000");
    assert_eq!(set.rules[0].matches.terms.len(), 3);
    let set = read("nlri 120118c000020218cb7100040389458b911f90 ext 8006000000000000");
    let ports = set.rules[0].matches.terms.iter().find_map(|term| match &term.value {
        Term::Port(ports) => Some(ports.clone()),
        _ => None,
    });
    assert_eq!(ports, Some(NumberSet::new([(137, 139), (8080, 8080)])));
    // RFC 8956 section 3.8: to ::1234:5678:9a00:0/64-104.
    let set = read(
        "nlri 0801684012345678 9a afi 2"
            .replace(' ', "")
            .replace("nlri", "nlri ")
            .replace("afi", " afi ")
            .as_str(),
    );
    assert!(matches!(&set.rules[0].matches.terms[1].value, Term::Unmodelled(_)), "{set:?}");
}

#[test]
fn a_malformed_specification_is_told_with_its_octet() {
    for (nlri, afi, says) in [
        ("", 1, "no value"),
        ("zz", 1, "no hex"),
        ("00", 1, "no component"),
        ("05", 1, "5 octets announced, 0 there"),
        ("f0", 1, "ends within its length"),
        ("0a0118c000020118c00003", 1, "stands there twice"),
        ("080381060118c00002", 1, "not in ascending order"),
        ("020121", 1, "longer than its family"),
        ("03018100", 2, "longer than its family"),
        ("0401404000", 2, "offset that is not below"),
        ("03010118", 2, "offset that is not below"),
        ("020e81", 1, "type 14 is unknown"),
        ("030d8101", 1, "belongs to IPv6"),
        ("03030106", 1, "before the end bit"),
        ("0203a1", 1, "ends within a value"),
        ("0609a100000010", 1, "one or two octets"),
        ("040b91002e", 1, "a DSCP takes one octet"),
        ("040c900002", 1, "fragment bits take one octet"),
    ] {
        let (_, problems) = parse(&format!("nlri {nlri} afi {afi}"));
        let problems: Vec<&str> = problems.iter().map(|one| one.message.as_str()).collect();
        if nlri.is_empty() {
            assert_eq!(problems.len(), 1, "{problems:?}");
            continue;
        }
        assert_eq!(problems.len(), 1, "{nlri}: {problems:?}");
        assert!(problems[0].contains(says), "{nlri}: {problems:?}");
    }
}

#[test]
fn the_first_bit_of_and_is_no_and() {
    let plain = read("nlri 0b0118c00002038106048119 ext 8006000000000000");
    let set = read("nlri 0b0118c0000203c106048119 ext 8006000000000000");
    assert_eq!(plain.rules[0].matches, set.rules[0].matches);
}

//------------ Meaning ---------------------------------------------------------

#[test]
fn values_are_an_or_of_and_groups() {
    let port = |text: &str| {
        let terms = terms(&format!("destination-port {text};"));
        let ports = terms.iter().find_map(|term| match term {
            Term::DstPort(ports) => Some(ports.ranges().to_vec()),
            _ => None,
        });
        ports.expect("ports")
    };
    assert_eq!(port("[ >8080&<8088 =3128 ]"), [(3128, 3128), (8081, 8087)]);
    assert_eq!(port(">=1024&<=65535"), [(1024, 65535)]);
    assert_eq!(port("[ >=1024 <=65535 ]"), [(0, u64::MAX)]);
    assert_eq!(port("!=80"), [(0, 79), (81, u64::MAX)]);
    assert_eq!(port("[ !=80&!=443 ]"), [(0, 79), (81, 442), (444, u64::MAX)]);
    assert_eq!(port("<5&>9"), []);
    assert_eq!(port("false0"), []);
    assert_eq!(port("true0"), [(0, u64::MAX)]);
    assert_eq!(port("[ ftp http 0 ]"), [(0, 0), (21, 21), (80, 80)]);
}

#[test]
fn a_range_that_is_sent_as_alternatives_is_told() {
    let (_, problems) = parse(&route("port [ >=1024 <=65535 ];", "discard;"));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("every value satisfies"), "{problems:?}");
    let (_, problems) = parse(&route("port >=1024&<=65535; protocol !=6;", "discard;"));
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn ports_are_those_of_tcp_and_udp() {
    let both = Term::Protocol(NumberSet::new([(6, 6), (17, 17)]));
    assert!(terms("port =53;").contains(&both));
    assert!(!terms("port =53; protocol udp;").contains(&both));
    assert!(terms("port =53; protocol [ udp sctp ];").contains(&both));
}

#[test]
fn flags_are_tests_of_bits() {
    let flags = |text: &str| match terms(&format!("tcp-flags {text};")).pop() {
        Some(Term::TcpFlags(tests)) => tests,
        other => panic!("{other:?}"),
    };
    let (fin, syn, rst, ack) = (1, 2, 4, 16);
    assert_eq!(flags("=syn"), [FlagTest { mask: syn, value: syn }]);
    assert_eq!(flags("syn"), [FlagTest { mask: syn, value: syn }]);
    assert_eq!(flags("syn+ack").len(), 2);
    assert_eq!(flags("=syn+ack"), [FlagTest { mask: syn | ack, value: syn | ack }]);
    assert_eq!(flags("=syn&!ack"), [FlagTest { mask: syn | ack, value: syn }]);
    assert_eq!(flags("!syn+fin"), [FlagTest { mask: syn | fin, value: 0 }]);
    assert_eq!(flags("[ syn rst ]").len(), 2);
    assert_eq!(flags("syn&!syn"), []);
    let _ = rst;
}

#[test]
fn fragments_are_told_apart() {
    use FragmentTest::{Any, First, Last, None, NotFirst};
    let tests = |text: &str| terms(&format!("fragment {text};")).pop();
    let fragment = |tests: Vec<FragmentTest>| Some(Term::Fragment(tests));
    assert_eq!(tests("is-fragment"), fragment(vec![NotFirst]));
    assert_eq!(tests("first-fragment"), fragment(vec![First]));
    assert_eq!(tests("last-fragment"), fragment(vec![Last]));
    assert_eq!(tests("[ is-fragment first-fragment ]"), fragment(vec![Any]));
    assert_eq!(tests("!is-fragment+first-fragment"), fragment(vec![None]));
    assert_eq!(tests("!is-fragment"), fragment(vec![First, None]));
    assert!(matches!(tests("dont-fragment"), Some(Term::AnyOf(_))));
    // IPv6 has no such bit: what is reserved is ignored, and nothing is left to match.
    let v6 = terms("source 2001:db8::/32; fragment dont-fragment;").pop();
    assert_eq!(v6, fragment(vec![]));
}

#[test]
fn what_no_recording_shows_is_said_so() {
    for (matches, kind) in [
        ("source 2001:db8::/32; flow-label 5;", UnmodelledKind::NotRecorded),
        ("destination ::1/128/64;", UnmodelledKind::NotRecorded),
        ("source 2001:db8::/32; traffic-class 101;", UnmodelledKind::NotUnderstood),
    ] {
        let set = read(&route(matches, "discard;"));
        assert_eq!(set.rules[0].matches.unmodelled()[0].kind, kind, "{matches}");
        assert_eq!(set.coverage[0].bounded.len(), 1);
    }
}

//------------ Actions ---------------------------------------------------------

fn rate_of(action: &Action) -> (Rate, bool) {
    match action {
        Action::RateLimit(limit) => (limit.rate, limit.bucket.is_none()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_limit_without_continue_accepts_what_conforms() {
    let made = actions(&route("port =80;", "rate-limit 9600;"));
    assert_eq!(made.len(), 2);
    assert_eq!(made[0].0, "example");
    let rate = Rate { amount: 9600, unit: RateUnit::Bytes, per_ns: 1_000_000_000 };
    assert_eq!(rate_of(&made[0].1), (rate, true));
    assert_eq!(made[1], ("example.accept".to_owned(), Action::Accept));
    let made = actions(&route("port =80;", "rate-limit 9600; action terminal;"));
    assert_eq!(made.len(), 1);
    let made = actions(&route("port =80;", "rate-limit 5 packets; redirect 65000:12;"));
    assert_eq!(
        made[1],
        ("example.redirect".to_owned(), Action::Redirect { to: "rt:65000:12".to_owned() })
    );
    assert_eq!(rate_of(&made[0].1).0.unit, RateUnit::Packets);
}

#[test]
fn rates_of_zero_and_less_discard() {
    for ext in ["8006000000000000", "80060000c47a0000", "8006000080000000", "800c0000ff800000"] {
        let made = actions(&format!("nlri 050118c00002 ext {ext} id x"));
        assert_eq!(made, [("x".to_owned(), Action::Drop)], "{ext}");
    }
    for ext in ["800600007fc00000", "80060000ffc00000", "800600007f800000"] {
        let (_, problems) = parse(&format!("nlri 050118c00002 ext {ext}"));
        assert!(problems[0].message.contains("is no number"), "{problems:?}");
    }
}

#[test]
fn other_actions_have_a_rule_each() {
    let made = actions(&route("port =80;", "mark 10; action sample; copy 192.0.2.1;"));
    let names: Vec<&str> = made.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(names, ["example", "example.sample", "example.copy", "example.accept"]);
    let made = actions(&route("port =80;", "redirect 192.0.2.1;"));
    assert_eq!(made[0].1, Action::Redirect { to: "ip:192.0.2.1".to_owned() });
    let made = actions("nlri 050118c00002 ext 8017000000000000 id x");
    assert_eq!(made[0], ("x".to_owned(), Action::Drop));
    assert_eq!(made[1].1, Action::Accept);
}

#[test]
fn a_redirect_that_goes_on_is_bounded() {
    let set = read(&route("port =80;", "action terminal; redirect 65000:12;"));
    assert_eq!(set.rules.len(), 1);
    assert_eq!(set.coverage[0].bounded.len(), 1);
    assert_eq!(set.rules[0].matches.unmodelled().len(), 1);
}

//------------ Spellings -------------------------------------------------------

#[test]
fn the_order_of_the_file_is_nothing() {
    let line = |name: &str, matches: &str| {
        format!("announce flow route {name} {{ match {{ {matches}; }} then {{ discard; }} }}\n")
    };
    let set = read(
        &[
            line("wide", "destination 192.0.2.0/24"),
            line("port", "destination-port =80"),
            line("narrow", "destination 192.0.2.0/25"),
            line("other", "destination 2001:db8::/32"),
        ]
        .concat(),
    );
    let ids: Vec<&str> = set.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["narrow", "wide", "port", "other"]);
}

#[test]
fn a_later_announcement_takes_the_place_of_an_earlier_one() {
    let text = "# blastgate: id=a\nannounce flow route source 192.0.2.1/32 discard\n\
                # blastgate: id=b\nannounce flow route source 192.0.2.1/32 accept\n";
    let (set, problems) = parse(text);
    assert_eq!(set.rules.len(), 1);
    assert_eq!(set.rules[0].id, "b");
    assert_eq!(problems[0].severity, Severity::Warning);
    let set = read(&format!(
        "{}withdraw flow route source 192.0.2.1/32\n# blastgate: id=c\nannounce flow route port =1 discard",
        &text[..text.find("# blastgate: id=b").expect("a line")]
    ));
    assert_eq!(set.rules[0].id, "c");
    assert_eq!(set.rules.len(), 1);
}

#[test]
fn blocks_and_lines_say_the_same() {
    let block = "announce flow route { match { source 192.0.2.1/32; port [ =80 =443 ]; } then { rate-limit 9600; } }";
    let escaped = "announce flow route {\\n match {\\n source 192.0.2.1/32;\\n port [ =80 =443 ];\\n }\\n then {\\n rate-limit 9600;\\n }\\n}\\n";
    let flat = "announce flow route source 192.0.2.1/32 port [ =80 =443 ] rate-limit 9600";
    let conf = "neighbor 192.0.2.9 { family { ipv4 flow; } flow { route { match { source 192.0.2.1/32; port [ =80 =443 ]; } then { rate-limit 9600; } } } }";
    let announce = "neighbor 192.0.2.9 { announce { ipv4 { flow source 192.0.2.1/32 port [ =80 =443 ] rate-limit 9600; } } }";
    let junos = "routing-options { flow { route x { match { source 192.0.2.1/32; port [ 80 443 ]; } then { rate-limit 76800; } } } }";
    let wire = "nlri 0c0220c0000201040150 9101bb ext 8006000046160000".replace("0150 ", "0150");
    let first = read(block);
    assert!(first.rules[0].id.starts_with("flow-"), "{}", first.rules[0].id);
    for text in [escaped, flat, conf, announce, junos, &wire] {
        let set = read(text);
        assert_eq!(set.rules.len(), 2, "{text}");
        for (one, other) in first.rules.iter().zip(&set.rules) {
            assert!(one.same_effect(other), "{text}\n{one:?}\n{other:?}");
        }
        if text != junos {
            assert_eq!(first.rules[0].id, set.rules[0].id, "{text}");
        }
    }
}

#[test]
fn routes_that_not_all_neighbors_get_are_bounded() {
    let neighbor =
        |name: &str, routes: &str| format!("neighbor {name} {{ flow {{ {routes} }} }}\n");
    let a = "route a { match { port =80; } then { discard; } }";
    let b = "route b { match { port =81; } then { discard; } }";
    let both = format!("{a} {b}");
    let set = read(&(neighbor("192.0.2.1", &both) + &neighbor("192.0.2.2", a)));
    let unknown: Vec<usize> =
        set.rules.iter().map(|rule| rule.matches.unmodelled().len()).collect();
    assert_eq!(unknown, [0, 1]);
    let set = read(&(neighbor("192.0.2.1", a) + &neighbor("192.0.2.2", a)));
    assert_eq!(set.rules.len(), 1);
    assert!(set.rules[0].matches.unmodelled().is_empty());
    let template = format!(
        "template {{ neighbor t {{ flow {{ {a} }} }} }}\n{}{}",
        "neighbor 192.0.2.1 { inherit t; }\n", "neighbor 192.0.2.2 { inherit [ t ]; }\n"
    );
    assert!(read(&template).rules[0].matches.unmodelled().is_empty());
}

#[test]
fn remarks_stand_above_routes() {
    for text in [
        "# blastgate: id=acme intent target=acme must_stop=90%\nannounce flow route port =80 rate-limit 9600\n",
        "flow {\n # blastgate: id=acme intent target=acme must_stop=90%\n route x { match { port =80; } then { rate-limit 9600; } } }",
        "# blastgate: id=acme intent target=acme must_stop=90%\nnlri 03048150 ext 8006000046160000\n",
        "# blastgate: id=acme intent target=acme must_stop=90%\nset routing-options flow route x match port 80\nset routing-options flow route x then rate-limit 76800\n",
        "routing-options { flow { /* blastgate: id=acme intent target=acme must_stop=90% */ route x { match { port 80; } then { rate-limit 76800; } } } }",
    ] {
        let set = read(text);
        assert_eq!(set.rules[0].id, "acme", "{text}");
        assert_eq!(set.rules[1].id, "acme.accept", "{text}");
        assert!(set.rules[0].intent.is_some() && set.rules[1].intent.is_none(), "{text}");
    }
    for text in [
        "announce flow route port =80 discard\n# blastgate: intent target=acme\n",
        "nlri 03048150\n# blastgate: intent target=acme\n",
    ] {
        let (_, problems) = parse(text);
        assert!(problems[0].message.contains("stands at no route"), "{problems:?}");
    }
}

#[test]
fn what_is_not_understood_is_told() {
    for (text, says) in [
        (route("prot tcp;", "discard;"), "`prot` is not understood in `match`"),
        (route("protocol tpc;", "discard;"), "unknown protocol `tpc`"),
        (route("port =80;", "drop;"), "`drop` is not understood in `then`"),
        (route("port 65536;", "discard;"), "65536 is no port"),
        (route("packet-length =4294967296;", "discard;"), "4294967296 is no packet length"),
        (route("port [ ];", "discard;"), "the list is empty"),
        (route("port [ =80;", "discard;"), "the list has no end"),
        (route("port;", "discard;"), "a value is missing"),
        (route("port >;", "discard;"), "a port is missing"),
        (route("port =80&;", "discard;"), "a port is missing"),
        (route("source 192.0.2.1;", "discard;"), "no prefix with a length"),
        (route("source 192.0.2.1/33;", "discard;"), "longer than 32 bits"),
        (route("source ::1/64/64;", "discard;"), "not below the length"),
        (route("source 192.0.2.1/32; source 192.0.2.2/32;", "discard;"), "stands there twice"),
        (route("source 192.0.2.1/32; destination ::1/128;", "discard;"), "IPv4 or IPv6, not both"),
        (route("flow-label 5;", "discard;"), "IPv4 has no flow label"),
        (route("", "discard;"), "matches nothing in particular"),
        (route("port =80;", "rate-limit fast;"), "this is no rate"),
        (route("port =80;", "redirect 192.0.2.1:5;"), "is no value of `redirect`"),
        (route("port =80;", "mark 64;"), "is no value of `mark`"),
        (route("port =80;", "action stop;"), "is no value of `action`"),
        (route("port =80;", "rate-limit 5; discard;"), "two traffic rates interfere"),
        ("flow { route a { match { port =80; } ".to_owned(), "a block has no end"),
        ("neighbor 192.0.2.1 { router-id 1.2.3.4; }".to_owned(), "says nothing of flow routes"),
        ("nlri 050118c00002 exd 00".to_owned(), "unknown word `exd`"),
        ("nlri 050118c00002 ext 00".to_owned(), "no extended community"),
        ("set routing-options flow route a match prot tcp".to_owned(), "`prot` is not understood"),
        ("set routing-options flow route a then discard".to_owned(), "has no `match`"),
        ("set routing-options static route a".to_owned(), "says nothing of flow routes"),
    ] {
        let (_, problems) = parse(&text);
        assert_eq!(problems.len(), 1, "{text}\n{problems:?}");
        assert!(problems[0].message.contains(says), "{text}\n{problems:?}");
        assert_eq!(problems[0].severity, Severity::Error);
    }
}

#[test]
fn the_order_of_junos_must_be_that_of_the_standard_where_it_matters() {
    let routes = |order: &str, port: &str| {
        format!(
            "{order}set routing-options flow route a match destination-port 53\n\
             set routing-options flow route a then discard\n\
             set routing-options flow route b match destination-port {port}\n\
             set routing-options flow route b then accept\n"
        )
    };
    assert_eq!(parse(&routes("", "50-60")).1.len(), 1);
    assert!(parse(&routes("", "80")).1.is_empty());
    let standard = "set routing-options flow term-order standard\n";
    assert!(parse(&routes(standard, "50-60")).1.is_empty());
}

#[test]
fn texts_are_told_from_others() {
    for text in [
        "neighbor 192.0.2.1 {\n\tflow {\n\t\troute a {\n",
        "announce flow route port =80 discard",
        "neighbor 192.0.2.1 announce flow route port =80 discard",
        "# x\nnlri 03048150",
        "set routing-options flow route a match port 80",
        "routing-options {\n flow {\n route a {\n",
    ] {
        assert_eq!((LANGUAGE.detect)(text), Sure::Certain, "{text}");
    }
    for text in [
        "",
        "version: 1\nrules:\n",
        "set firewall family inet filter f term t",
        "table ip x {\n chain y {\n",
    ] {
        assert_eq!((LANGUAGE.detect)(text), Sure::No, "{text}");
    }
}
