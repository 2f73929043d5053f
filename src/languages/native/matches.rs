//! A match: the word `any`, or a map of fields that must all hold.

use super::keys;
use super::sets::Sets;
use super::values::{choice, each, in_order, suggest, under, unjudged, word};
use crate::model::{AddressSet, Diagnostic, Direction, Match, NumberSet, Spanned, Term};
use crate::words::{self, Wrong};
use crate::yaml::{Decoder, Node, Value};

/// Reads a match. Gives nothing if anything about it was reported: what is left of it would take
/// more packets than what is written.
pub(super) fn parse(node: &Node, sets: &Sets, decoder: &mut Decoder) -> Option<Match> {
    if let Value::Scalar { text, .. } = &node.value
        && !text.trim().is_empty()
    {
        if text.trim() == "any" {
            return Some(Match::any());
        }
        let problem = Diagnostic::error(node.location, format!("`{text}` is no match"))
            .label("should be `any` or a map");
        decoder.report(match suggest(text, ["any"].into_iter()) {
            Some(_) => problem.help("did you mean `any`?"),
            None if ["all", "*", "everything"].contains(&text.as_str()) => {
                problem.help("did you mean `any`?")
            }
            None => problem.help("write fields, such as `{dst: 203.0.113.10, protocol: udp}`"),
        });
        return None;
    }
    if let Value::List(_) = &node.value {
        decoder.report(
            Diagnostic::error(node.extent(), "a match is a map, not a list")
                .label("should be a map")
                .help("write the fields without `-`, or the alternatives under `any_of:`"),
        );
        return None;
    }
    map(node, "the match", sets, decoder)
}

/// Reads a map of fields.
fn map(node: &Node, what: &str, sets: &Sets, decoder: &mut Decoder) -> Option<Match> {
    let before = decoder.problems.len();
    let known = [keys::MATCH, keys::UNJUDGED].concat();
    let belongs = |key: &str| match key {
        "any" => Some("write `match: any` for every packet".to_owned()),
        _ => keys::belongs(key),
    };
    let fields = decoder.map_or_help(node, what, &known, belongs)?;
    for field in keys::UNJUDGED {
        if let Some((key, _)) = fields.entry(field) {
            decoder.report(unjudged(key, field));
        }
    }
    let mut terms = Vec::new();
    for field in keys::MATCH {
        let Some((key, value)) = fields.entry(field) else { continue };
        let term = under(key, help(field), decoder, |decoder| term(field, value, sets, decoder));
        terms.extend(term.map(|term| Spanned::new(term, value.extent())));
    }
    in_order(&mut decoder.problems[before..]);
    (decoder.problems.len() == before && !terms.is_empty()).then_some(Match { terms })
}

/// Returns what may be written in a field.
fn help(field: &str) -> &'static str {
    match field {
        "src" | "dst" => "write an address, a prefix, a range `a-b`, a `$set`, or a list of them",
        "protocol" => "write a name or a number, such as `udp` or `17`",
        "src_port" | "dst_port" | "port" => {
            "write `443`, `https`, `8000-8080`, `\">=1024\"`, or a list of them"
        }
        "tcp_flags" => "write `syn`, `\"syn,!ack\"`, `\"=syn\"`, or a list of them",
        "icmp_type" => "write a number or a name, such as `echo-request`",
        "fragment" => "write `any`, `first`, `not_first`, `last`, `none` or `dont_fragment`",
        "pop" => "write the name of a PoP, or a list of them",
        "direction" => "write `ingress` or `egress`",
        "not" => "write a map of fields, such as `{src: 198.51.100.0/24}`",
        "any_of" => "write a list of maps, such as `[{protocol: udp}, {dst_port: 53}]`",
        _ => "write `60`, `40-60`, `\">=1024\"`, `\"<512\"`, or a list of them",
    }
}

/// Reads one field.
fn term(field: &str, node: &Node, sets: &Sets, decoder: &mut Decoder) -> Option<Term> {
    let numbers = |decoder: &mut Decoder, read: fn(&str) -> Result<(u64, u64), Wrong>| {
        let ranges = list(node, field, decoder, read)?;
        Some(NumberSet::new(ranges))
    };
    match field {
        "src" => addresses(node, field, sets, decoder).map(Term::Src),
        "dst" => addresses(node, field, sets, decoder).map(Term::Dst),
        "protocol" => numbers(decoder, words::protocol).map(Term::Protocol),
        "src_port" => numbers(decoder, words::port).map(Term::SrcPort),
        "dst_port" => numbers(decoder, words::port).map(Term::DstPort),
        "port" => numbers(decoder, words::port).map(Term::Port),
        "tcp_flags" => each(node, "`tcp_flags`", decoder, |item, decoder| {
            word(item, "a TCP flag", decoder, words::tcp_flags)
        })
        .map(|tests| Term::TcpFlags(sorted(tests))),
        "icmp_type" => numbers(decoder, words::icmp_type).map(Term::IcmpType),
        "icmp_code" => numbers(decoder, words::plain_range).map(Term::IcmpCode),
        "packet_length" => numbers(decoder, words::plain_range).map(Term::PacketLength),
        "dscp" => numbers(decoder, words::plain_range).map(Term::Dscp),
        "ttl" => numbers(decoder, words::plain_range).map(Term::Ttl),
        "fragment" => {
            list(node, field, decoder, words::fragment).map(|tests| Term::Fragment(sorted(tests)))
        }
        "pop" => list(node, field, decoder, pop).map(|pops| Term::Pop(sorted(pops))),
        "direction" => each(node, "`direction`", decoder, |item, decoder| {
            let words = [("ingress", Direction::Ingress), ("egress", Direction::Egress)];
            choice(item, "direction", &words, decoder)
        })
        .map(|directions| Term::Direction(sorted(directions))),
        "not" => map(node, "`not`", sets, decoder).map(Term::Not),
        "any_of" => any_of(node, sets, decoder).map(Term::AnyOf),
        // A key without a reader is never an empty condition.
        _ => {
            decoder.report(unjudged(node, field));
            None
        }
    }
}

fn addresses(node: &Node, field: &str, sets: &Sets, decoder: &mut Decoder) -> Option<AddressSet> {
    let parts =
        each(node, &format!("`{field}`"), decoder, |item, decoder| sets.addresses(item, decoder))?;
    match <[AddressSet; 1]>::try_from(parts) {
        Ok([only]) => Some(only),
        Err(parts) => Some(AddressSet::new(parts.iter().flat_map(AddressSet::iter))),
    }
}

fn any_of(node: &Node, sets: &Sets, decoder: &mut Decoder) -> Option<Vec<Match>> {
    let branches: Vec<Option<Match>> = decoder
        .list(node, "`any_of`")?
        .iter()
        .map(|branch| map(branch, "a branch of `any_of`", sets, decoder))
        .collect();
    branches.into_iter().collect()
}

/// Reads the name of a PoP.
fn pop(text: &str) -> Result<String, Wrong> {
    if text.contains(',') {
        let message = format!("`{text}` is no name of a PoP");
        return Err(Wrong { message, label: "several in one".to_owned(), help: None });
    }
    Ok(text.trim().to_owned())
}

/// Reads one value or a list of them, none of which can hold a comma.
fn list<T>(
    node: &Node,
    field: &str,
    decoder: &mut Decoder,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Option<Vec<T>> {
    each(node, &format!("`{field}`"), decoder, |item, decoder| {
        word(item, &format!("`{field}`"), decoder, |text| {
            read(text).map_err(|wrong| match text.contains(',') {
                true => Wrong { help: Some(format!("write a list: `[{}]`", text.trim())), ..wrong },
                false => wrong,
            })
        })
    })
}

/// Puts alternatives in one order: in which they are written changes nothing.
fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

#[cfg(test)]
mod tests {
    use super::super::tests::{one_problem, problems, read, rule};
    use super::*;
    use crate::model::{FlagTest, FragmentTest};

    fn terms(matches: &str) -> Vec<Term> {
        let set = read(&rule(matches, "drop"));
        set.rules[0].matches.terms.iter().map(|term| term.value.clone()).collect()
    }

    fn numbers(ranges: &[(u64, u64)]) -> NumberSet {
        NumberSet::new(ranges.iter().copied())
    }

    fn addresses(texts: &[&str]) -> AddressSet {
        AddressSet::new(texts.iter().map(|text| words::address_range(text).expect("an address")))
    }

    /// One example of every field.
    fn examples() -> Vec<(&'static str, &'static str, Term)> {
        let ttl = |n| Match {
            terms: vec![Spanned::new(
                Term::Ttl(numbers(&[(n, n)])),
                crate::model::Location {
                    source: crate::model::SourceId(0),
                    span: crate::model::Span::new(0, 0),
                },
            )],
        };
        vec![
            ("src", "203.0.113.0/24", Term::Src(addresses(&["203.0.113.0/24"]))),
            (
                "dst",
                "[203.0.113.1, 198.51.100.1-198.51.100.9, \"2001:db8::/32\"]",
                Term::Dst(addresses(&[
                    "203.0.113.1",
                    "198.51.100.1-198.51.100.9",
                    "2001:db8::/32",
                ])),
            ),
            ("protocol", "[udp, 6]", Term::Protocol(numbers(&[(6, 6), (17, 17)]))),
            ("src_port", "53", Term::SrcPort(numbers(&[(53, 53)]))),
            (
                "dst_port",
                "[80, https, 8000-8080]",
                Term::DstPort(numbers(&[(80, 80), (443, 443), (8000, 8080)])),
            ),
            ("port", "\">=1024\"", Term::Port(numbers(&[(1024, u64::MAX)]))),
            ("tcp_flags", "\"syn,!ack\"", Term::TcpFlags(vec![FlagTest { mask: 18, value: 2 }])),
            ("icmp_type", "echo-request", Term::IcmpType(numbers(&[(8, 8)]))),
            ("icmp_code", "4", Term::IcmpCode(numbers(&[(4, 4)]))),
            ("packet_length", "<512", Term::PacketLength(numbers(&[(0, 511)]))),
            ("dscp", "46", Term::Dscp(numbers(&[(46, 46)]))),
            ("ttl", "[1, 254-255]", Term::Ttl(numbers(&[(1, 1), (254, 255)]))),
            (
                "fragment",
                "[not_first, first]",
                Term::Fragment(vec![FragmentTest::First, FragmentTest::NotFirst]),
            ),
            ("pop", "[lhr, ams]", Term::Pop(vec!["ams".to_owned(), "lhr".to_owned()])),
            ("direction", "ingress", Term::Direction(vec![Direction::Ingress])),
            ("not", "{ttl: 1}", Term::Not(ttl(1))),
            ("any_of", "[{ttl: 1}, {ttl: 2}]", Term::AnyOf(vec![ttl(1), ttl(2)])),
        ]
    }

    #[test]
    fn every_field_reads_as_its_term() {
        let examples = examples();
        let names: Vec<&str> = examples.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, keys::MATCH);
        for (name, text, expected) in examples {
            assert_eq!(terms(&format!("{{{name}: {text}}}")), [expected], "{name}");
        }
    }

    #[test]
    fn the_order_of_keys_and_of_alternatives_changes_nothing() {
        let one = terms("{dst: 203.0.113.1, protocol: udp, pop: [a, b], tcp_flags: [rst, syn]}");
        let other = terms("{tcp_flags: [syn, rst], pop: [b, a], protocol: 17, dst: 203.0.113.1}");
        assert_eq!(one, other);
    }

    #[test]
    fn no_field_is_everything_by_being_empty() {
        for field in keys::MATCH {
            for empty in ["", "\"\"", "' '", "[]", "~", "[\"\"]", "[~]", "{}", "[[]]", "[{}]"] {
                let text = rule(&format!("{{{field}: {empty}}}"), "drop");
                assert_eq!(problems(&[&text]).len(), 1, "{text}");
            }
        }
        one_problem(&rule("{not: any}", "drop"), "any", "write a map of fields");
        one_problem(&rule("{any_of: [any]}", "drop"), "any", "write a list of maps");
        one_problem(&rule("{any_of: {ttl: 1}}", "drop"), "{", "write a list of maps");
        one_problem(&rule("{not: [{ttl: 1}]}", "drop"), "[", "write a map of fields");
    }

    #[test]
    fn numbers_outside_the_domain_are_kept() {
        for (field, number) in [
            ("packet_length", 99_971),
            ("dst_port", 70_000),
            ("dscp", 64),
            ("protocol", 300),
            ("ttl", 300),
            ("icmp_type", 256),
        ] {
            let found = terms(&format!("{{{field}: {number}}}"));
            let shown = format!("{found:?}");
            assert!(shown.contains(&format!("({number}, {number})")), "{shown}");
        }
    }

    #[test]
    fn what_is_no_value_is_underlined_and_helped() {
        for (matches, underlined, says) in [
            ("{dst: 203.0.113.77/28}", "203.0.113.77/28", "203.0.113.64/28"),
            ("{dst: [203.0.113.1, acme]}", "acme", "no address"),
            ("{dst: any}", "any", "`match: any` is every packet"),
            ("{dst: \"!203.0.113.1\"}", "\"!203.0.113.1\"", "not: {dst: 203.0.113.1}"),
            ("{dst: \"203.0.113.1,203.0.113.2\"}", "\"203.0.113.1,203.0.113.2\"", "write a list"),
            ("{dst: 203.0.113.9-203.0.113.1}", "203.0.113.9-203.0.113.1", "range is empty"),
            ("{src: $x}", "$x", "define it at the top of a file"),
            ("{dst: {a: b}}", "{a: b", "expected an address"),
            ("{dst: [203.0.113.1, 2001:db8::]}", "2001:db8:", "quotes around an IPv6 address"),
            ("{protocol: upd}", "upd", "did you mean `udp`?"),
            ("{dst_port: 90-80}", "90-80", "write `80-90`"),
            ("{dst_port: \"80,443\"}", "\"80,443\"", "write a list: `[80,443]`"),
            ("{dst_port: <0}", "<0", "no number is in this range"),
            ("{dst_port: [[80]]}", "[", "`443`, `https`"),
            ("{dst_port: htps}", "htps", "did you mean `https`?"),
            ("{tcp_flags: sny}", "sny", "did you mean `syn`?"),
            ("{ttl: 1_0}", "1_0", "no number"),
            ("{ttl: 0x10}", "0x10", "no number"),
            ("{ttl: 99999999999999999999}", "99999999999999999999", "no number"),
            ("{fragment: frist}", "frist", "did you mean `first`?"),
            ("{pop: \"ams, lhr\"}", "\"ams, lhr\"", "write a list: `[ams, lhr]`"),
            ("{direction: inbound}", "inbound", "did you mean `ingress`?"),
            ("{dstport: 80}", "dstport", "did you mean `dst_port`?"),
            ("{dst: 203.0.113.1, ? [a] : b}", "[", "expected a key"),
        ] {
            one_problem(&rule(matches, "drop"), underlined, says);
        }
    }

    #[test]
    fn what_packets_do_not_carry_is_known_but_not_judged() {
        for field in keys::UNJUDGED {
            let text = rule(&format!("{{dst: 203.0.113.1, {field}: x}}"), "drop");
            one_problem(&text, field, "cannot be judged");
            assert!(super::super::tests::parse(&[&text]).1.rules.is_empty());
        }
        one_problem(&rule("{not: {any_of: [{host: x}]}}", "drop"), "host", "cannot be judged");
    }

    #[test]
    fn a_flag_that_yaml_takes_for_a_tag_is_refused() {
        for (matches, tag) in [
            ("{tcp_flags: [syn,!ack]}", "!ack"),
            ("{tcp_flags: [syn, !ack]}", "!ack"),
            ("{tcp_flags: !ack}", "!ack"),
            ("{tcp_flags: !ack syn}", "!ack"),
            ("{tcp_flags: [syn, ! ack]}", "!"),
            ("{tcp_flags: !=syn}", "!=syn"),
            ("{!x tcp_flags: syn}", "!x"),
        ] {
            one_problem(&rule(matches, "drop"), tag, "write quotes around");
        }
        let block = "version: 1\nrules:\n  - id: x\n    match:\n      tcp_flags: syn,!ack\n    action: drop\n";
        let set = read(block);
        let expected = Term::TcpFlags(vec![FlagTest { mask: 18, value: 2 }]);
        assert_eq!(set.rules[0].matches.terms[0].value, expected);
    }

    #[test]
    fn a_sign_of_yaml_without_quotes_is_helped() {
        let block =
            "version: 1\nrules:\n  - id: x\n    match:\n      ttl: >=10\n    action: drop\n";
        one_problem(block, ">", "write quotes around");
        one_problem(&rule("{ttl: [>=10]}", "drop"), ">", "write quotes around");
        let folded = "version: 1\nrules:\n  - id: x\n    match:\n      ttl: >5\n    action: drop\n";
        assert_eq!(problems(&[folded]).len(), 1);
    }

    #[test]
    fn nested_matches_read_and_bound_their_depth() {
        let found = terms("{not: {any_of: [{dst_port: 1, protocol: udp}, {not: {ttl: 3}}]}}");
        let Term::Not(inner) = &found[0] else { panic!("{found:?}") };
        let Term::AnyOf(branches) = &inner.terms[0].value else { panic!("{inner:?}") };
        assert_eq!(branches[0].terms.len(), 2);
        assert!(matches!(branches[1].terms[0].value, Term::Not(_)));
        let deep = format!("{}{{ttl: 1}}{}", "{not: ".repeat(5_000), "}".repeat(5_000));
        assert_eq!(problems(&[&rule(&deep, "drop")]).len(), 1);
    }

    #[test]
    fn a_match_with_a_problem_is_never_given_wider() {
        let text = rule("{dst: 203.0.113.1, protocol: upd}", "drop");
        assert!(super::super::tests::parse(&[&text]).1.rules.is_empty());
    }
}
