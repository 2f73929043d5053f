//! The proof where rules hang on what no header shows: against every header with every answer.

use std::collections::BTreeSet;

use super::random::{Random, Slow, headers, matched, matches, open, pops};
use crate::change::Change;
use crate::model::{
    Action, Default, DefaultAction, Family, Inventory, Location, Match, Names, Record, Rule,
    RuleSet, SourceId, Span, Spanned, Term,
};
use crate::reach::rules::{Both, Reading};
use crate::reach::search::{Answer, Budget, solve};
use crate::reach::space::{Header, Pops};

const PLENTY: Budget = Budget { all: u64::MAX, each: 10_000_000 };

fn rule(id: u64, matches: Match, drops: bool) -> Rule {
    let location = Location { source: SourceId(0), span: Span::new(0, 0) };
    Rule {
        id: format!("r{id}"),
        location,
        description: None,
        owner: None,
        ticket: None,
        expires: None,
        matches,
        action: Spanned::new(if drops { Action::Drop } else { Action::Accept }, location),
        intent: None,
        waivers: Vec::new(),
    }
}

fn set(rules: Vec<Rule>, drops: bool) -> RuleSet {
    let action = if drops { DefaultAction::Drop } else { DefaultAction::Accept };
    RuleSet { rules, default: Default { action, location: None, intent: None }, ..RuleSet::empty() }
}

/// Returns the rule that takes a record, and whether it is lost.
fn fate(slow: &Slow<'_>, set: &RuleSet, record: &Record) -> (Option<usize>, bool) {
    let takes = |rule: &Rule| slow.holds(&slow.test(&rule.matches), record);
    match set.rules.iter().position(takes) {
        Some(at) => (Some(at), set.rules[at].action.value == Action::Drop),
        None => (None, set.default.action == DefaultAction::Drop),
    }
}

/// Returns a random match, most of which ask for what no header shows.
fn asking(random: &mut Random, pops: &Pops) -> Match {
    let mut found = matches(random, Family::V4, pops, 2);
    if random.chance(2) {
        let term = Term::Unmodelled(open()[random.below(2) as usize].clone());
        let more = if random.chance(3) { vec![Term::Not(matched(vec![term]))] } else { vec![term] };
        found.terms.extend(matched(more).terms);
    }
    found
}

#[test]
fn harm_is_found_for_every_answer_and_is_certain_only_where_each_answer_has_it() {
    let random = &mut Random::new(11);
    let (mut harmed, mut certain, mut doubtful) = (0, 0, 0);
    for number in 0..400 {
        let family = Family::V4;
        let pops = pops(random);
        let kinds = headers(random, family, &pops);
        // Two answers each to two conditions, whatever the space has of them.
        let mut all: Vec<Header> = kinds.into_iter().flatten().collect();
        let step = all.len() / 120 + 1;
        all = all.into_iter().step_by(step).collect();
        let slow = Slow { names: Names::new(), pops: &pops };
        let with = |header: &Header, answers: u8| {
            let mut header = *header;
            header.open[0] = answers;
            header
        };
        let old: Vec<Rule> = (0..random.below(5))
            .map(|id| rule(id, asking(random, &pops), random.chance(2)))
            .collect();
        let mut new = old.clone();
        if !new.is_empty() && random.chance(2) {
            new.remove(random.below(new.len() as u64) as usize);
        }
        let at = random.below(new.len() as u64 + 1) as usize;
        new.insert(at, rule(9, asking(random, &pops), random.chance(2)));
        let drops = random.chance(4);
        let (running, candidate) = (set(old, drops), set(new, drops));
        let change = Change::between(&running, &candidate);
        let inventory = Inventory::default();
        let clean = BTreeSet::new();
        let read =
            |reading| Both::new([&running, &candidate], &change, &inventory, &clean, reading);
        let both = read(Reading::Possible);
        let sure = read(Reading::Certain);
        let lost = |slow: &Slow<'_>, header: &Header, answers: u8| {
            let record = slow.record(&with(header, answers));
            let (by, is_lost) = fate(slow, &candidate, &record);
            (is_lost && !fate(slow, &running, &record).1).then_some(by)
        };
        // The proof numbers the PoPs that the rules name.
        let own = Slow { names: Names::new(), pops: &both.pops };
        for by in both.harmful() {
            let expected =
                all.iter().any(|header| (0..4).any(|one| lost(&slow, header, one) == Some(by)));
            let found = both.region(by, family).map(|region| {
                assert!(region.is_exact);
                solve(&region.question, &mut PLENTY.clone())
            });
            match found {
                Some(Answer::Found(header)) => {
                    harmed += 1;
                    assert_eq!(
                        lost(&own, &header, answers_of(&both.pops, &header)),
                        Some(by),
                        "{number}"
                    );
                }
                Some(Answer::Bounded) => panic!("{number}: bounded"),
                Some(Answer::Empty) | None => assert!(!expected, "{number}: {by:?}"),
            }
            let Some(region) = sure.region(by, family) else { continue };
            if let Answer::Found(header) = solve(&region.question, &mut PLENTY.clone()) {
                certain += 1;
                let known = answers_of(&sure.pops, &header) & 1;
                for answers in [known, known | 2] {
                    assert_eq!(lost(&own, &header, answers), Some(by), "{number}: {header:?}");
                }
            } else {
                doubtful += usize::from(matches!(found, Some(Answer::Found(_))));
            }
        }
    }
    assert!(harmed > 100 && certain > 60 && doubtful > 10, "{harmed} {certain} {doubtful}");
}

/// Returns the answers of a header, numbered as the random matches number them.
fn answers_of(pops: &Pops, header: &Header) -> u8 {
    let given = pops.given(header, |_| true, |_| true);
    let bit = |text: &str| u8::from(given.iter().any(|(own, holds)| own == text && *holds));
    bit("ct state new") | bit("meta x") << 1
}
