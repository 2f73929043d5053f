//! Path-MTU discovery: whom a rule cuts off from the messages that it lives by (RFC 1191, RFC
//! 8201).

use super::like::{one, packets_to, unwritten};
use super::rules::{Both, meet};
use super::search::{Budget, Question};
use super::space::{Header, Key, compile};
use super::walk::{Ground, reach};
use crate::model::ordinary::{ICMP, ICMPV6, TCP};
use crate::model::{Family, Harm, Term};

/// So many of those who no longer get them are looked at.
const MOST: usize = 64;

/// Returns "fragmentation needed" (ICMP type 3 code 4) or "packet too big" (ICMPv6 type 2).
fn messages(family: Family) -> Vec<Term> {
    match family {
        Family::V4 => {
            vec![Term::Protocol(one(ICMP.into())), Term::IcmpType(one(3)), Term::IcmpCode(one(4))]
        }
        Family::V6 => vec![Term::Protocol(one(ICMPV6.into())), Term::IcmpType(one(2))],
    }
}

/// Returns the owners whom none of the messages reaches any more, though TCP does: newly so by the
/// question's rule. The question's domain is changed.
pub(super) fn cut_off(
    both: &Both<'_>,
    question: &mut Question<'_>,
    family: Family,
    ground: &mut Ground,
    budget: &mut Budget,
) -> Vec<u32> {
    let sets = compile(&unwritten(messages(family)), family, &both.pops).wide().to_vec();
    question.domain = meet(&question.domain, &sets);
    if question.domain.is_empty() {
        return Vec::new();
    }
    let reached = reach(question, Key::Dst, ground, budget);
    let is_cut_off = |header: &Header, budget: &mut Budget| {
        let to = |terms: Vec<Term>| packets_to(header, terms, &both.pops);
        let tcp = vec![Term::Protocol(one(TCP.into()))];
        !both.spares(to(messages(family)), Harm::Dropped, budget)
            && both.spares(to(tcp), Harm::Dropped, budget)
    };
    let found = reached.owners.into_iter().take(MOST);
    found.filter(|(_, header)| is_cut_off(header, budget)).map(|(owner, _)| owner).collect()
}
