//! The slow, obvious interpreter of chains against the flat list: every packet of a small world,
//! under every answer to what cannot be told.

use proptest::prelude::*;

use super::*;

//------------ The world -------------------------------------------------------

#[derive(Clone, Copy, Debug)]
struct Packet {
    protocol: u64,
    dst: u128,
    length: u64,
}

const UNKNOWNS: [&str; 2] = ["u0", "u1"];
/// Limits answer by the number of their rule, or of the name of their bucket, modulo this.
const LIMITS: usize = 3;

/// One answer to all that cannot be told, and to every limit.
#[derive(Clone, Copy, Debug)]
struct Answers {
    unknowns: u32,
    limits: u32,
}

impl Answers {
    fn conforms(self, rule: usize, limit: Option<&RateLimit>) -> bool {
        let number = match limit.and_then(|limit| limit.bucket.as_deref()) {
            Some("b0") => 0,
            Some("b1") => 1,
            _ => rule,
        };
        self.limits >> (number % LIMITS) & 1 == 1
    }

    fn meets(self, packet: Packet, matches: &Match, program: &Program) -> bool {
        matches.terms.iter().all(|term| match &term.value {
            Term::Protocol(set) => set.contains(packet.protocol),
            Term::PacketLength(set) => set.contains(packet.length),
            Term::Dst(set) => set.contains(Address { family: Family::V4, bits: packet.dst }),
            Term::Not(inner) => !self.meets(packet, inner, program),
            Term::AnyOf(branches) => {
                branches.iter().any(|branch| self.meets(packet, branch, program))
            }
            Term::Unmodelled(condition) => {
                match UNKNOWNS.iter().position(|known| *known == condition.text) {
                    Some(number) => self.unknowns >> number & 1 == 1,
                    None => self.hangs_on(&condition.text, term.location, program),
                }
            }
            other => panic!("{other:?}"),
        })
    }

    /// What the list made of a limit: it is told by the place of its rule.
    fn hangs_on(self, text: &str, location: Location, program: &Program) -> bool {
        let rules = program.chains.iter().flat_map(|chain| &chain.rules);
        let (number, rule) = rules
            .enumerate()
            .find(|(_, rule)| rule.location == location)
            .expect("the rule of a limit");
        match &rule.verdict.value {
            Verdict::Within(limit, _) => {
                assert!(text.starts_with("what a limit lets through"), "{text}");
                self.conforms(number, Some(limit))
            }
            Verdict::Action(Action::RateLimit(limit)) => {
                assert!(text.starts_with("what exceeds a limit"), "{text}");
                !self.conforms(number, Some(limit))
            }
            Verdict::Perhaps(what, _) => {
                assert!(text.starts_with(what.as_str()), "{text}");
                self.conforms(number, None)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fate {
    end: Action,
    /// The rules whose limits were met, in order.
    met: Vec<Location>,
}

fn exceeded(exceed: Exceed) -> Option<Action> {
    match exceed {
        Exceed::Drop => Some(Action::Drop),
        Exceed::Reject => Some(Action::Reject),
        Exceed::Challenge => Some(Action::Challenge),
        Exceed::Log => None,
    }
}

//------------ Chains, as the kernel walks them --------------------------------

enum Step {
    Ends(Action),
    /// Accepted by this base chain.
    Accepted,
    /// Nothing decided, or left by a return.
    Returns,
}

struct Interpreter<'p> {
    program: &'p Program,
    packet: Packet,
    answers: Answers,
    met: Vec<Location>,
}

impl Interpreter<'_> {
    fn run(mut self) -> Fate {
        for base in &self.program.bases {
            let policy = self.program.chains[*base].policy.as_ref().map(|policy| policy.value);
            match self.chain(*base) {
                Step::Ends(end) => return Fate { end, met: self.met },
                Step::Returns if policy == Some(DefaultAction::Drop) => {
                    return Fate { end: Action::Drop, met: self.met };
                }
                Step::Accepted | Step::Returns => {}
            }
        }
        Fate { end: Action::Accept, met: self.met }
    }

    fn chain(&mut self, chain: usize) -> Step {
        for rule in &self.program.chains[chain].rules {
            if !self.answers.meets(self.packet, &rule.matches, self.program) {
                continue;
            }
            let number = rule.location.span.start as usize;
            let mut verdict = &rule.verdict.value;
            let mut conforms = true;
            while let Verdict::Within(_, inner) | Verdict::Perhaps(_, inner) = verdict {
                conforms &= match verdict {
                    Verdict::Within(limit, _) => {
                        self.met.push(rule.location);
                        self.answers.conforms(number, Some(limit))
                    }
                    _ => self.answers.conforms(number, None),
                };
                verdict = inner;
            }
            if !conforms {
                continue;
            }
            match verdict {
                Verdict::Action(Action::Accept) => return Step::Accepted,
                Verdict::Action(Action::Log | Action::Mark { .. }) => {}
                Verdict::Action(Action::RateLimit(limit)) => {
                    self.met.push(rule.location);
                    if !self.answers.conforms(number, Some(limit))
                        && let Some(end) = exceeded(limit.exceed)
                    {
                        return Step::Ends(end);
                    }
                }
                Verdict::Action(end) => return Step::Ends(end.clone()),
                Verdict::Return => return Step::Returns,
                Verdict::Jump(to) => match self.chain(*to) {
                    Step::Returns => {}
                    end => return end,
                },
                Verdict::Goto(to) => return self.chain(*to),
                Verdict::Within(..) | Verdict::Perhaps(..) => panic!("taken off"),
            }
        }
        Step::Returns
    }
}

//------------ The list --------------------------------------------------------

fn walk(
    rules: &[Rule],
    default: &Default,
    program: &Program,
    packet: Packet,
    answers: Answers,
) -> Fate {
    let mut met = Vec::new();
    for rule in rules {
        if !answers.meets(packet, &rule.matches, program) {
            continue;
        }
        match &rule.action.value {
            Action::Log | Action::Mark { .. } => {}
            Action::RateLimit(limit) => {
                met.push(rule.location);
                let number = rule.location.span.start as usize;
                if !answers.conforms(number, Some(limit))
                    && let Some(end) = exceeded(limit.exceed)
                {
                    return Fate { end, met };
                }
            }
            end => return Fate { end: end.clone(), met },
        }
    }
    let end = match default.action {
        DefaultAction::Accept => Action::Accept,
        DefaultAction::Drop => Action::Drop,
    };
    Fate { end, met }
}

//------------ Random programs -------------------------------------------------

fn leaf() -> impl Strategy<Value = Term> {
    prop_oneof![
        prop::sample::select(vec![6, 17]).prop_map(protocol),
        (0u128..3, 0u128..2).prop_map(|(first, more)| dst(first, first + more)),
        (0u64..3, 0u64..2).prop_map(|(first, more)| length(first, first + more)),
        prop::sample::select(UNKNOWNS.to_vec()).prop_map(unknown),
    ]
}

fn any_term() -> impl Strategy<Value = Term> {
    let matches = || prop::collection::vec(leaf().prop_map(term), 1..3);
    prop_oneof![
        6 => leaf(),
        1 => matches().prop_map(|terms| Term::Not(Match { terms })),
        1 => prop::collection::vec(matches().prop_map(|terms| Match { terms }), 2..3)
            .prop_map(Term::AnyOf),
    ]
}

fn end() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => Just(Action::Accept),
        5 => Just(Action::Drop),
        1 => Just(Action::Reject),
        1 => Just(Action::Challenge),
        1 => Just(Action::Log),
        1 => Just(Action::Mark { dscp: 8 }),
    ]
}

fn any_limit() -> impl Strategy<Value = RateLimit> {
    let bucket = prop::sample::select(vec![None, None, Some("b0"), Some("b1")]);
    let exceed =
        prop::sample::select(vec![Exceed::Drop, Exceed::Drop, Exceed::Reject, Exceed::Log]);
    (bucket, exceed).prop_map(|(bucket, exceed)| limit(bucket, exceed))
}

/// A verdict of a chain that may jump to those after it.
fn verdict(chain: usize, chains: usize) -> BoxedStrategy<Verdict> {
    let plain = move || {
        let to = (chain + 1).min(chains - 1)..chains;
        let jump = move |goto: bool| {
            to.clone().prop_map(move |to| match (to > chain, goto) {
                (false, _) => Verdict::Return,
                (true, true) => Verdict::Goto(to),
                (true, false) => Verdict::Jump(to),
            })
        };
        prop_oneof![
            6 => end().prop_map(Verdict::Action),
            3 => jump(false),
            1 => jump(true),
            2 => Just(Verdict::Return),
        ]
    };
    prop_oneof![
        12 => plain(),
        1 => any_limit().prop_map(|limit| Verdict::Action(Action::RateLimit(limit))),
        2 => (any_limit(), plain())
            .prop_map(|(limit, inner)| Verdict::Within(limit, Box::new(inner))),
        1 => plain().prop_map(|inner| Verdict::Perhaps("chance".to_owned(), Box::new(inner))),
    ]
    .boxed()
}

fn any_program() -> impl Strategy<Value = Program> {
    (1usize..6).prop_flat_map(|chains| {
        let rules = |number: usize| {
            let terms = prop::collection::vec(any_term(), 0..3);
            let rule =
                (terms, verdict(number, chains)).prop_map(|(terms, verdict)| rule(terms, verdict));
            prop::collection::vec(rule, 0..5)
        };
        let chain = |number: usize| {
            let policy = prop::sample::select(vec![ACCEPT, ACCEPT, DROP]);
            (rules(number), policy)
                .prop_map(move |(rules, policy)| chain(&format!("c{number}"), policy, rules))
        };
        let all: Vec<_> = (0..chains).map(chain).collect();
        (all, 1..=chains.min(3))
            .prop_map(|(chains, bases)| program(&(0..bases).collect::<Vec<_>>(), chains))
    })
}

//------------ The claim -------------------------------------------------------

fn compare(program: &Program, way: layout::Leave) -> Result<(), TestCaseError> {
    let written = exactly(program, way).expect("a small program");
    let bounded: Vec<Location> = written.bounded.iter().map(|(place, _)| *place).collect();
    let mut ids = BTreeSet::new();
    for rule in &written.rules {
        prop_assert!(ids.insert(rule.id.clone()), "{} is there twice", rule.id);
        prop_assert!(crate::words::is_id(&rule.id), "{}", rule.id);
    }
    for protocol in [6, 17] {
        for (dst, length) in (0..3u128).flat_map(|dst| (0..3u64).map(move |length| (dst, length))) {
            let packet = Packet { protocol, dst, length };
            for unknowns in 0..1 << UNKNOWNS.len() {
                for limits in 0..1 << LIMITS {
                    let answers = Answers { unknowns, limits };
                    let met = Vec::new();
                    let mut slow = Interpreter { program, packet, answers, met }.run();
                    let fast = walk(&written.rules, &written.default, program, packet, answers);
                    // Limits that are exact are met by the same packets; the others are unknowns,
                    // and those that only note are none.
                    slow.met
                        .retain(|place| is_counted(program, *place, &bounded, &written.inexact));
                    prop_assert_eq!(
                        &slow,
                        &fast,
                        "{:?} {:?}\n{:#?}\n{:#?}",
                        packet,
                        answers,
                        program,
                        written.rules
                    );
                }
            }
        }
    }
    Ok(())
}

fn is_counted(
    program: &Program,
    place: Location,
    bounded: &[Location],
    inexact: &BTreeSet<layout::Bucket>,
) -> bool {
    let mut rules = program.chains.iter().flat_map(|chain| &chain.rules);
    let rule = rules.find(|rule| rule.location == place).expect("a rule");
    let notes = matches!(
        &rule.verdict.value,
        Verdict::Within(limit, inner)
            if limit
                .bucket
                .as_ref()
                .is_none_or(|name| inexact.contains(&layout::Bucket::Named(name.clone())))
                && matches!(**inner, Verdict::Action(Action::Log | Action::Mark { .. }))
    );
    !notes && !bounded.contains(&place)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn the_list_treats_every_packet_as_the_chains_do(program in any_program()) {
        compare(&program, layout::Leave::ByNot)?;
        compare(&program, layout::Leave::ByCopy)?;
    }

    #[test]
    fn any_jumps_at_all_are_laid_out_or_refused(
        jumps in prop::collection::vec((0usize..8, 0usize..9, any::<bool>()), 0..24),
        bases in prop::collection::vec(0usize..8, 0..4),
    ) {
        let mut chains: Vec<Chain> =
            (0..8).map(|number| chain(&format!("c{number}"), DROP, Vec::new())).collect();
        for (from, to, goto) in jumps {
            let verdict = if goto { Verdict::Goto(to) } else { Verdict::Jump(to) };
            chains[from].rules.push(rule(vec![protocol(6)], verdict));
        }
        let mut program = program(&bases, chains);
        program.bases.dedup();
        let flat = lay_out(program);
        let failed = flat.problems.iter().any(|problem| problem.severity == Severity::Error);
        prop_assert!(!failed || flat.rules.is_empty());
    }
}
