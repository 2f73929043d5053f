//! No packet can satisfy the match.

use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};
use crate::model::{Action, AddressSet, Family, FragmentTest, Match, NumberSet, Spanned, Term};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "impossible_match",
    level: Level::Error,
    needs: Needs::Rules,
    in_scenarios: false,
    text: Text {
        catches: "No packet can satisfy the match (ports on ICMP, addresses of two families, \
                  conditions that exclude each other), or a value lies outside its field's domain (a length of 99971, a DSCP of 64).",
        why: "On 2013-03-03 a FlowSpec rule for packets of 99,971 to 99,985 bytes, which cannot \
              exist, crashed the routers of a content network: 785,000 sites were gone for an \
              hour.",
        example: "match: {protocol: udp, packet_length: 99971-99985}",
        todo: "Look at where the value came from; compare it with the recorded packets.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, text, _) in evidence.rules() {
        let is_empty = evidence.order.impossible.binary_search(&rule).is_ok();
        let mut problem = impossible(&text.matches).or_else(|| {
            let message = "no packet can satisfy this match: its conditions exclude each other";
            let location = text.matches.terms.first().map_or(text.location, |term| term.location);
            is_empty.then(|| (message.to_owned(), location))
        });
        if let Action::Mark { dscp } = text.action.value
            && dscp > 63
        {
            problem.get_or_insert_with(|| {
                (format!("{dscp} is no DSCP: it ends at 63"), text.action.location)
            });
        }
        if let Some((message, location)) = problem {
            let finding = Finding {
                location: Some(location),
                help: Some("no such packet exists; look at where this value came from".to_owned()),
                ..evidence.about(&GUARDRAIL, rule, message)
            };
            findings.push_text(evidence, rule, finding);
        }
    }
}

type Problem = (String, crate::model::Location);

fn impossible(matches: &Match) -> Option<Problem> {
    let outside = matches.terms.iter().find_map(out_of_domain);
    outside.or_else(|| contradiction(matches))
}

/// Returns the first value outside the domain of its field, at any depth.
fn out_of_domain(term: &Spanned<Term>) -> Option<Problem> {
    let bounded = |set: &NumberSet, what: &str, least: u64, most: u64| {
        // `>=n` is open: only its start must lie inside.
        let outside = set.ranges().iter().find_map(|(first, last)| {
            if *last != u64::MAX && *last > most {
                Some(*last)
            } else if *first > most || *last < least {
                Some(*first)
            } else {
                None
            }
        });
        outside.map(|value| {
            let message = if value > most {
                format!("{value} is no {what}: it ends at {most}")
            } else {
                format!("{value} is no {what}: it starts at {least}")
            };
            (message, term.location)
        })
    };
    match &term.value {
        Term::Protocol(set) => bounded(set, "protocol", 0, 255),
        Term::SrcPort(set) | Term::DstPort(set) | Term::Port(set) => {
            bounded(set, "port", 0, 65_535)
        }
        Term::IcmpType(set) => bounded(set, "ICMP type", 0, 255),
        Term::IcmpCode(set) => bounded(set, "ICMP code", 0, 255),
        Term::PacketLength(set) => bounded(set, "IP packet length", 20, 65_535),
        Term::Dscp(set) => bounded(set, "DSCP", 0, 63),
        Term::Ttl(set) => bounded(set, "TTL", 0, 255),
        Term::Not(inner) => inner.terms.iter().find_map(out_of_domain),
        Term::AnyOf(branches) => {
            branches.iter().flat_map(|branch| &branch.terms).find_map(out_of_domain)
        }
        Term::Src(_) | Term::Dst(_) | Term::TcpFlags(_) | Term::Fragment(_) => None,
        Term::Pop(_) | Term::Direction(_) | Term::Family(_) | Term::Unmodelled(_) => None,
    }
}

/// Returns the protocols whose packets have the field of a term, if not all have it, and what the
/// field is.
fn carriers(term: &Term) -> Option<(&'static [u64], &'static str)> {
    match term {
        Term::SrcPort(_) | Term::DstPort(_) | Term::Port(_) => Some((&[6, 17, 132, 136], "ports")),
        Term::TcpFlags(_) => Some((&[6], "TCP flags")),
        Term::IcmpType(_) | Term::IcmpCode(_) => Some((&[1, 58], "ICMP type or code")),
        _ => None,
    }
}

/// Returns the first term that no packet can satisfy together with those before it, or that finds
/// no packet left.
fn contradiction(matches: &Match) -> Option<Problem> {
    let protocols = matches.terms.iter().find_map(|term| match &term.value {
        Term::Protocol(set) => Some(set),
        _ => None,
    });
    let is_later =
        |test: &FragmentTest| matches!(test, FragmentTest::NotFirst | FragmentTest::Last);
    let only_later_fragments = matches.terms.iter().any(|term| match &term.value {
        Term::Fragment(tests) => tests.iter().all(is_later),
        _ => false,
    });
    let named: Vec<AddressSet> =
        [matches.sources(), matches.destinations()].into_iter().flatten().collect();
    let families =
        |set: &AddressSet| [Family::V4, Family::V6].map(|family| !set.ranges(family).is_empty());
    let none_left = named.iter().any(|set| families(set) == [false, false]);
    let mut seen: Option<[bool; 2]> = None;
    let mut possible: Option<Vec<u64>> = None;
    for term in &matches.terms {
        let wrong = if let Some((carriers, what)) = carriers(&term.value) {
            let has_field = |number: &u64| {
                carriers.contains(number) && protocols.is_none_or(|set| set.contains(*number))
            };
            let own: Vec<u64> = carriers.iter().copied().filter(has_field).collect();
            let left = match &possible {
                Some(known) => own.iter().copied().filter(|one| known.contains(one)).collect(),
                None => own.clone(),
            };
            let wrong = if own.is_empty() {
                Some(format!("this protocol has no {what}"))
            } else if left.is_empty() {
                Some(format!("no protocol has {what} and the other fields"))
            } else if only_later_fragments {
                Some(format!("later fragments carry no {what}"))
            } else {
                None
            };
            possible = Some(left);
            wrong
        } else {
            match &term.value {
                Term::Src(set) | Term::Dst(set) => {
                    let own = families(set);
                    let both = seen.map_or(own, |other| [own[0] && other[0], own[1] && other[1]]);
                    seen = Some(both);
                    (both == [false, false])
                        .then(|| "source and destination are of two families".to_owned())
                }
                Term::Family(family) => {
                    let own = [Family::V4, Family::V6].map(|one| one == *family);
                    let both = seen.map_or(own, |other| [own[0] && other[0], own[1] && other[1]]);
                    seen = Some(both);
                    (both == [false, false])
                        .then(|| "its addresses are of the other family".to_owned())
                }
                Term::AnyOf(_) if none_left => Some("its prefixes are disjoint".to_owned()),
                _ => None,
            }
        };
        if let Some(wrong) = wrong {
            return Some((format!("no packet can satisfy this match: {wrong}"), term.location));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Location, SourceId, Span};

    fn judge(terms: Vec<Term>) -> Option<String> {
        let location = Location { source: SourceId(0), span: Span::new(0, 0) };
        let terms = terms.into_iter().map(|term| Spanned::new(term, location)).collect();
        impossible(&Match { terms }).map(|(message, _)| message)
    }

    fn set(first: u64, last: u64) -> NumberSet {
        NumberSet::new([(first, last)])
    }

    #[test]
    fn a_length_that_no_packet_has_is_impossible() {
        let message = judge(vec![Term::PacketLength(set(99_971, 99_985))]);
        assert_eq!(message.as_deref(), Some("99985 is no IP packet length: it ends at 65535"));
        assert!(judge(vec![Term::PacketLength(set(0, 19))]).is_some());
        assert!(judge(vec![Term::PacketLength(set(1_400, u64::MAX))]).is_none());
        assert!(judge(vec![Term::PacketLength(set(0, 100))]).is_none());
    }

    #[test]
    fn ports_on_icmp_are_impossible_and_on_udp_are_not() {
        assert!(judge(vec![Term::Protocol(set(1, 1)), Term::DstPort(set(80, 80))]).is_some());
        assert!(judge(vec![Term::Protocol(set(17, 17)), Term::DstPort(set(80, 80))]).is_none());
        assert!(judge(vec![Term::DstPort(set(80, 80))]).is_none());
        assert!(judge(vec![Term::DstPort(set(65_536, 70_000))]).is_some());
    }

    #[test]
    fn fields_that_never_meet_in_one_packet_are_impossible_together() {
        let port = || Term::DstPort(set(80, 80));
        assert!(judge(vec![port(), Term::IcmpType(set(8, 8))]).is_some());
        assert!(judge(vec![Term::Fragment(vec![FragmentTest::NotFirst]), port()]).is_some());
        assert!(judge(vec![Term::Fragment(vec![FragmentTest::Any]), port()]).is_none());
        let later = vec![FragmentTest::Last, FragmentTest::First];
        assert!(judge(vec![port(), Term::Fragment(later)]).is_none());
        let flags = Term::TcpFlags(vec![crate::model::rule::FlagTest { mask: 2, value: 2 }]);
        assert!(judge(vec![port(), flags.clone()]).is_none());
        assert!(judge(vec![Term::Protocol(set(6, 17)), flags]).is_none());
    }

    #[test]
    fn prefixes_that_do_not_meet_are_impossible_together() {
        let to = |text: &str| {
            let prefix = crate::words::prefix(text).expect("a prefix");
            Term::Dst(AddressSet::new([prefix.range()]))
        };
        let location = Location { source: SourceId(0), span: Span::new(0, 0) };
        let any_of =
            |term: Term| Term::AnyOf(vec![Match { terms: vec![Spanned::new(term, location)] }]);
        let inside = || to("203.0.113.10/32");
        assert!(judge(vec![inside(), any_of(to("198.51.100.0/24"))]).is_some());
        assert!(judge(vec![inside(), any_of(to("203.0.113.0/24"))]).is_none());
    }
}
