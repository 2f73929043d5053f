//! Chains laid out as a list, against a walk through them.

use std::time::{Duration, Instant};

use super::*;
use crate::model::{
    Address, AddressRange, AddressSet, Algorithm, Burst, Exceed, Family, NumberSet, Rate, RateUnit,
    Scope, SourceId, Span, Term, Unmodelled, UnmodelledKind,
};
use crate::remark;

mod twin;

//------------ Programs in few words -------------------------------------------

fn place(number: usize) -> Location {
    Location { source: SourceId(0), span: Span::new(number, number + 1) }
}

fn limit(bucket: Option<&str>, exceed: Exceed) -> RateLimit {
    RateLimit {
        rate: Rate { amount: 10, unit: RateUnit::Packets, per_ns: 1_000_000_000 },
        burst: Burst::Packets(5),
        burst_is_written: true,
        per: Vec::new(),
        scope: Scope::Pop,
        exceed,
        algorithm: Algorithm::Nft,
        timeout_ns: None,
        most_keys: None,
        bucket: bucket.map(str::to_owned),
    }
}

fn term(term: Term) -> Spanned<Term> {
    Spanned::new(term, place(0))
}

fn protocol(number: u64) -> Term {
    Term::Protocol(NumberSet::new([(number, number)]))
}

fn dst(first: u128, last: u128) -> Term {
    let range = AddressRange { family: Family::V4, first, last };
    Term::Dst(AddressSet::new([range]))
}

fn length(first: u64, last: u64) -> Term {
    Term::PacketLength(NumberSet::new([(first, last)]))
}

fn unknown(text: &str) -> Term {
    Term::Unmodelled(Unmodelled { text: text.to_owned(), kind: UnmodelledKind::NotRecorded })
}

fn rule(terms: Vec<Term>, verdict: Verdict) -> ChainRule {
    ChainRule {
        id: None,
        text: String::new(),
        location: place(0),
        description: None,
        remark: Remark::default(),
        matches: Match { terms: terms.into_iter().map(term).collect() },
        verdict: Spanned::new(verdict, place(0)),
    }
}

fn action(terms: Vec<Term>, action: Action) -> ChainRule {
    rule(terms, Verdict::Action(action))
}

fn chain(name: &str, policy: Option<DefaultAction>, rules: Vec<ChainRule>) -> Chain {
    Chain {
        name: name.to_owned(),
        location: place(900),
        rules,
        policy: policy.map(|policy| Spanned::new(policy, place(901))),
        policy_intent: None,
    }
}

/// Gives every rule a text and a place of its own.
fn program(bases: &[usize], mut chains: Vec<Chain>) -> Program {
    let rules = chains.iter_mut().flat_map(|chain| &mut chain.rules);
    for (number, rule) in rules.enumerate() {
        rule.text = format!("r{number}");
        rule.location = place(number);
        rule.verdict.location = place(number);
    }
    Program { chains, bases: bases.to_vec() }
}

fn laid_out(bases: &[usize], chains: Vec<Chain>) -> Flat {
    lay_out(program(bases, chains))
}

fn ids(flat: &Flat) -> Vec<&str> {
    flat.rules.iter().map(|rule| rule.id.as_str()).collect()
}

const ACCEPT: Option<DefaultAction> = Some(DefaultAction::Accept);
const DROP: Option<DefaultAction> = Some(DefaultAction::Drop);

//------------ Claims ----------------------------------------------------------

#[test]
fn a_jump_into_itself_is_an_error_that_shows_the_loop() {
    let jump = |to| rule(vec![], Verdict::Jump(to));
    let flat = laid_out(
        &[0],
        vec![
            chain("forward", ACCEPT, vec![jump(1)]),
            chain("a", None, vec![jump(2)]),
            chain("b", None, vec![action(vec![], Action::Log), jump(1)]),
        ],
    );
    assert_eq!(flat.problems.len(), 1, "{:?}", flat.problems);
    assert_eq!(flat.problems[0].message, "chains jump in a loop: `a` -> `b` -> `a`");
    assert!(flat.rules.is_empty());
    let flat = laid_out(&[0], vec![chain("forward", ACCEPT, vec![jump(0)])]);
    assert!(flat.problems[0].message.ends_with("`forward` -> `forward`"));
}

#[test]
fn a_long_chain_of_jumps_is_an_error_and_no_overflow() {
    let many = 50_000;
    let jump = |number| {
        let rules = if number + 1 < many {
            vec![rule(vec![], Verdict::Jump(number + 1))]
        } else {
            vec![rule(vec![], Verdict::Jump(0))]
        };
        chain(&format!("c{number}"), None, rules)
    };
    let flat = laid_out(&[0], (0..many).map(jump).collect());
    assert!(flat.problems[0].message.contains("loop"), "{:?}", flat.problems[0]);
    let mut chains: Vec<Chain> = (0..many).map(jump).collect();
    chains[many - 1].rules.clear();
    let flat = laid_out(&[0], chains);
    assert!(flat.problems[0].message.contains("deeper than 64"), "{:?}", flat.problems[0]);
}

#[test]
fn chains_that_double_themselves_without_end_are_an_error_and_no_hang() {
    let jump = |to| rule(vec![], Verdict::Jump(to));
    let chains = (0..40).map(|number| match number {
        39 => chain("last", None, vec![action(vec![protocol(6)], Action::Drop)]),
        _ => chain(&format!("c{number}"), ACCEPT, vec![jump(number + 1), jump(number + 1)]),
    });
    let start = Instant::now();
    let flat = laid_out(&[0], chains.collect());
    assert!(flat.problems[0].message.contains("more than 100000 rules"), "{:?}", flat.problems);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn chains_that_nobody_jumps_to_are_not_judged_and_named() {
    let flat = laid_out(
        &[0],
        vec![
            chain("forward", ACCEPT, vec![action(vec![protocol(6)], Action::Drop)]),
            chain("left", None, vec![action(vec![], Action::Drop)]),
        ],
    );
    assert_eq!(flat.rules.len(), 1);
    assert_eq!(flat.problems.len(), 1);
    assert_eq!(flat.problems[0].severity, Severity::Warning);
    assert!(flat.problems[0].message.contains("`left`"), "{:?}", flat.problems);
}

#[test]
fn rules_behind_a_return_of_everything_are_named() {
    let flat = laid_out(
        &[0],
        vec![
            chain("forward", ACCEPT, vec![rule(vec![], Verdict::Jump(1))]),
            chain(
                "a",
                None,
                vec![
                    rule(vec![], Verdict::Return),
                    action(vec![], Action::Drop),
                    action(vec![], Action::Drop),
                ],
            ),
        ],
    );
    assert!(flat.rules.is_empty());
    assert_eq!(flat.problems.len(), 1);
    assert!(flat.problems[0].label.contains("1 more"), "{:?}", flat.problems);
}

#[test]
fn a_hundred_thousand_rules_are_laid_out_in_no_time() {
    let rules = (0..100_000).map(|number| {
        let verdict = if number % 2 == 0 { Action::Drop } else { Action::Accept };
        action(vec![dst(number, number), protocol(6)], verdict)
    });
    let program = program(&[0], vec![chain("filter forward", DROP, rules.collect())]);
    let start = Instant::now();
    let flat = lay_out(program);
    let took = start.elapsed();
    assert_eq!(flat.rules.len(), 100_000);
    assert!(flat.problems.is_empty());
    // Half a second where the machine is not shared by other tests.
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn ids_are_of_the_rule_and_not_of_its_line() {
    let two = || {
        let id = remark::read("blastgate: id=mine", place(0)).expect("a remark").expect("ours");
        let mine = ChainRule { remark: id, ..action(vec![protocol(17)], Action::Drop) };
        program(
            &[0],
            vec![chain(
                "filter FORWARD",
                ACCEPT,
                vec![action(vec![protocol(6)], Action::Drop), mine],
            )],
        )
    };
    let flat = lay_out(two());
    let before: Vec<String> = ids(&flat).into_iter().map(str::to_owned).collect();
    assert!(before[0].starts_with("filter-forward-"), "{before:?}");
    assert!(before.iter().all(|id| crate::words::is_id(id)), "{before:?}");
    assert_eq!(before[1], "mine");
    let mut moved = two();
    moved.chains[0].rules.reverse();
    let flat = lay_out(moved);
    assert_eq!(ids(&flat), ["mine", before[0].as_str()]);
    // The same text again is another rule.
    let mut doubled = two();
    let first = doubled.chains[0].rules[0].clone();
    doubled.chains[0].rules.push(first);
    let flat = lay_out(doubled);
    assert_eq!(ids(&flat), [&*before[0], "mine", &*format!("{}.2", before[0])]);
}

#[test]
fn an_id_that_is_written_twice_is_an_error() {
    let mut program =
        program(&[0], vec![chain("a", ACCEPT, vec![action(vec![], Action::Drop); 2])]);
    for rule in &mut program.chains[0].rules {
        rule.remark = remark::read("blastgate: id=x", place(3)).expect("fine").expect("ours");
    }
    let flat = lay_out(program);
    assert_eq!(flat.problems[0].message, "rule `x` is there twice");
}

#[test]
fn a_limit_with_accept_before_a_certain_drop_is_exact() {
    let within =
        || Verdict::Within(limit(None, Exceed::Log), Box::new(Verdict::Action(Action::Accept)));
    let web = || vec![protocol(6), dst(1, 1)];
    // By the policy, with an accept of others in between.
    let other = action(vec![protocol(17)], Action::Accept);
    let flat = laid_out(&[0], vec![chain("f", DROP, vec![rule(web(), within()), other])]);
    let actions: Vec<&Action> = flat.rules.iter().map(|rule| &rule.action.value).collect();
    let exact = Action::RateLimit(limit(None, Exceed::Drop));
    assert_eq!(actions, [&exact, &Action::Accept, &Action::Accept]);
    assert!(flat.bounded.is_empty());
    // By a rule in a chain of its own, which notes it first.
    let noted = chain("g", None, vec![action(vec![], Action::Log), action(vec![], Action::Reject)]);
    let jump = rule(vec![protocol(6)], Verdict::Jump(1));
    let flat = laid_out(&[0], vec![chain("f", ACCEPT, vec![rule(web(), within()), jump]), noted]);
    let exact = Action::RateLimit(limit(None, Exceed::Reject));
    assert_eq!(flat.rules[0].action.value, exact);
    // A policy that accepts makes it a limit without any effect; that is no loss.
    let flat = laid_out(&[0], vec![chain("f", ACCEPT, vec![rule(web(), within())])]);
    assert_eq!(flat.rules.len(), 1);
    assert_eq!(flat.bounded.len(), 1, "{:?}", flat.bounded);
    // What follows takes only a part of it.
    let part = action(vec![protocol(6), dst(1, 1), length(0, 3)], Action::Accept);
    let flat = laid_out(&[0], vec![chain("f", DROP, vec![rule(web(), within()), part])]);
    assert_eq!(flat.bounded.len(), 1);
    assert_eq!(flat.rules[0].matches.unmodelled().len(), 1);
}

#[test]
fn a_limit_that_is_in_two_places_has_one_bucket() {
    let jump = |number| rule(vec![protocol(number)], Verdict::Jump(1));
    let over = action(vec![], Action::RateLimit(limit(None, Exceed::Drop)));
    let flat = laid_out(
        &[0],
        vec![chain("f", ACCEPT, vec![jump(6), jump(17)]), chain("limit", None, vec![over])],
    );
    let buckets: Vec<Option<&str>> = flat
        .rules
        .iter()
        .map(|rule| match &rule.action.value {
            Action::RateLimit(limit) => limit.bucket.as_deref(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(buckets.len(), 2);
    assert!(buckets[0].is_some() && buckets[0] == buckets[1], "{buckets:?}");
}

#[test]
fn what_a_limit_lets_through_is_another_unknown_where_something_else_comes_before_it() {
    let within =
        Verdict::Within(limit(None, Exceed::Log), Box::new(Verdict::Action(Action::Accept)));
    let text = |before: Vec<ChainRule>| {
        let mut rules = vec![rule(vec![protocol(6)], within.clone())];
        rules[0].text = "limited".to_owned();
        let mut program = program(&[0], vec![chain("f", ACCEPT, rules)]);
        program.chains[0].rules.splice(0..0, before);
        let flat = lay_out(program);
        let last = flat.rules.last().expect("a rule");
        last.matches.unmodelled()[0].text.clone()
    };
    let plain = text(vec![]);
    assert_eq!(plain, text(vec![action(vec![protocol(17)], Action::Drop)]));
    assert_ne!(plain, text(vec![action(vec![dst(1, 1)], Action::Drop)]));
}
