//! Two conditions with `!=` on fields that lie next to each other.
//!
//! nft up to 1.0.6 makes one comparison of `udp sport != 1 udp dport != 2`: a packet with one of both
//! ports is another one than the packet with both, and matches. Later versions compare each for
//! itself. Nothing in the text tells which nft loads it, so that packets with just one of the values
//! may match or not.

use super::lower::{Lowering, Making};
use super::matches::{Told, shortened};
use super::terms::{all_of, is_transport, unrecorded};
use super::tree::{Expr, Op, Rule, Statement};
use crate::model::{NumberSet, Term};

/// Fields of one header, the second right behind the first, that are compared as one.
const NEIGHBOURS: &[(&[&str], [&str; 2])] = &[
    (&["tcp", "udp", "th", "sctp", "udplite", "dccp"], ["sport", "dport"]),
    (&["icmp", "icmpv6"], ["type", "code"]),
    (&["ip"], ["ttl", "protocol"]),
];

/// Returns the words of a condition that may become part of a joint comparison.
fn unequal(statement: &Statement) -> Option<(&str, &str)> {
    match statement {
        Statement::Match { left: Expr::Field(words), op: Op::Unequal, right: Expr::Word(_) } => {
            words.split_once(' ')
        }
        _ => None,
    }
}

impl Lowering<'_> {
    /// Returns which two statements of a rule may be compared as one.
    pub(super) fn joint_pair(rule: &Rule) -> Option<(usize, usize)> {
        let all = rule.statements.iter().enumerate();
        let all: Vec<(usize, &str, &str)> = all
            .filter_map(|(at, statement)| {
                unequal(&statement.value).map(|(header, field)| (at, header, field))
            })
            .collect();
        all.iter().enumerate().find_map(|(number, (at, header, field))| {
            let other = all[number + 1..].iter().find(|(_, own, second)| {
                own == header
                    && NEIGHBOURS.iter().any(|(headers, fields)| {
                        headers.contains(header)
                            && fields.contains(field)
                            && fields.contains(second)
                            && field != second
                    })
            });
            other.map(|(second, ..)| (*at, *second))
        })
    }

    /// Takes in two conditions that may be one. None if no packet goes beyond them.
    pub(super) fn joint(&mut self, making: &mut Making<'_>, pair: [usize; 2]) -> Told<Option<()>> {
        let statements = pair.map(|at| &making.rule.statements[at]);
        let location = statements[0].location;
        let (mut each, mut both) = (Vec::new(), Vec::new());
        for statement in statements {
            let Statement::Match { left, right, .. } = &statement.value else { continue };
            self.matcher.location = statement.location;
            let Some(terms) = self.matcher.matched(left, Op::Unequal, right)? else {
                return Ok(None);
            };
            each.extend(terms);
            // A value that no packet has is refused before.
            both.push(self.matcher.matched(left, Op::Equal, right)?.unwrap_or_default());
        }
        let shared: Vec<Term> =
            each.iter().filter(|term| both.iter().all(|own| own.contains(term))).cloned().collect();
        let both: Vec<Term> = both.into_iter().flatten().collect();
        let text = statements.map(|one| one.value.to_string()).join(" ");
        let joint = unrecorded(shortened(format!("nft joins {text}")));
        let except = Term::Not(all_of(both, location));
        let branches = vec![all_of(each.clone(), location), all_of(vec![except, joint], location)];
        self.demote(making);
        if each.iter().any(is_transport) {
            making.transport.push(vec![text]);
        }
        self.terms(making, shared, location);
        // A packet without the header has neither value.
        let whole = |max: u64| NumberSet::new([(0, max)]);
        let header = each.iter().find_map(|term| match term {
            Term::SrcPort(_) | Term::DstPort(_) => Some(Term::SrcPort(whole(u16::MAX.into()))),
            Term::IcmpType(_) | Term::IcmpCode(_) => Some(Term::IcmpType(whole(u8::MAX.into()))),
            _ => None,
        });
        self.terms(making, header.into_iter().collect(), location);
        self.terms(making, vec![Term::AnyOf(branches)], location);
        Ok(Some(()))
    }
}
