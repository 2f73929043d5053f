//! First-match along a line of addresses, for headers that differ in nothing else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::marks::Marks;

/// Addresses for which an entry answers, unless one of a lower rank does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) first: u128,
    pub(super) last: u128,
    pub(super) rank: u32,
    pub(super) answer: bool,
}

/// Marks the owners of those addresses within sorted ranges whose answer is yes.
pub(super) fn sweep(
    mut spans: Vec<Span>,
    ranges: &[(u128, u128)],
    (first, last): (u128, u128),
    default: bool,
    marks: &mut Marks<'_>,
) {
    spans.sort_unstable();
    let mut coming = spans.into_iter().peekable();
    // Those that have begun, lowest rank first; some have ended.
    let mut begun: BinaryHeap<Reverse<(u32, u128, bool)>> = BinaryHeap::new();
    for (start, end) in ranges {
        let (mut at, end) = (*start.max(&first), *end.min(&last));
        loop {
            while let Some(span) = coming.next_if(|span| span.first <= at) {
                begun.push(Reverse((span.rank, span.last, span.answer)));
            }
            while begun.peek().is_some_and(|Reverse((_, last, _))| *last < at) {
                begun.pop();
            }
            let top = begun.peek().map(|Reverse(top)| *top);
            let (rank, mut until, answer) = top.unwrap_or((u32::MAX, end, default));
            until = until.min(end);
            // What begins meanwhile matters if it comes before.
            while let Some(span) = coming.peek()
                && span.first <= until
            {
                if span.rank < rank {
                    until = span.first - 1;
                    break;
                }
                begun.push(Reverse((span.rank, span.last, span.answer)));
                coming.next();
            }
            if answer {
                marks.mark(at, until);
            }
            if until >= end {
                break;
            }
            at = until + 1;
        }
    }
}
