//! By whose intent harm is judged: every rule's intent, resolved and compiled for look-up.

use crate::attribution::Within;
use crate::intent::{ResolvedIntent, Selection, Selectors};
use crate::inventory::customers::{Customers, Owner};
use crate::model::{
    Action, AddressSet, CustomerId, DefaultAction, Diagnostic, Harm, Inventory, Location, Match,
    Prefix, Rule, RuleSet, Share, Spanned,
};

/// The intent of one rule, ready to judge by.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// Whom the rule defends.
    pub target: Within,
    /// Who may lose traffic by it.
    pub may_affect: Within,
    /// Whose traffic it may cover.
    pub may_reach: Within,
    /// What anyone else may lose.
    pub max_collateral: Share,
    /// What each of `may_affect` may lose.
    pub max_target_loss: Option<Share>,
    /// The least share of the attack that must be stopped.
    pub must_stop: Option<Spanned<Share>>,
    /// Which of the attack `must_stop` is about.
    pub attack_match: Option<Match>,
    /// Its bit in [`crate::tally::Key::attack`], if it has an `attack_match`.
    pub attack_bit: Option<u32>,
    /// Where the intent is written; none if it was derived from the rule's addresses.
    pub written: Option<Location>,
    /// Whether it is neither written nor can be derived, though the rule does harm.
    pub missing: bool,
    /// The target in words.
    pub target_words: Vec<String>,
}

/// The intents of both rule sets.
#[derive(Clone, Debug, Default)]
pub struct Judges {
    /// Of every candidate rule.
    pub candidate: Vec<Judge>,
    /// Of the candidate's `default: drop`.
    pub default: Judge,
    /// Of every running rule; nothing wrong with them is reported.
    pub running: Vec<Judge>,
    /// Of the running set's `default: drop`.
    pub running_default: Judge,
    /// The prefixes that selectors name, sorted: what [`Customers`] must be compiled with.
    pub prefixes: Vec<Prefix>,
    /// The `attack_match`es, by bit.
    pub attack_matches: Vec<Match>,
}

impl Judges {
    /// Returns the judge of a candidate rule, or of its default.
    pub fn of(&self, rule: Option<u32>) -> &Judge {
        rule.map_or(&self.default, |rule| &self.candidate[rule as usize])
    }
}

/// Returns whether an action harms a packet that meets it.
pub fn harms(action: &Action) -> bool {
    action.harm() > Harm::None
}

/// Resolves the intents of both sets and compiles the customer table with the prefixes they name.
/// Problems are those of the candidate only: what the running rules say is no longer up for
/// debate.
pub fn resolve(
    running: &RuleSet,
    candidate: &RuleSet,
    inventory: &Inventory,
) -> (Judges, Customers, Vec<Diagnostic>) {
    resolve_by(running, candidate, inventory, &Selectors::new(inventory), &derive)
}

/// Resolves what can be without an inventory: names of customers may mean anybody, and a rule
/// without an intent lacks one only if it names no address at all, which nobody can own alone.
pub fn resolve_without_inventory(
    running: &RuleSet,
    candidate: &RuleSet,
) -> (Judges, Customers, Vec<Diagnostic>) {
    let nobody = Inventory::default();
    let unknown = |rule: &Rule, _: &Customers, _: &Inventory| Judge {
        missing: harms(&rule.action.value) && named(rule).is_none(),
        ..Judge::default()
    };
    let selectors = Selectors::new(&nobody).any_name();
    resolve_by(running, candidate, &nobody, &selectors, &unknown)
}

fn resolve_by(
    running: &RuleSet,
    candidate: &RuleSet,
    inventory: &Inventory,
    selectors: &Selectors<'_>,
    derive: &dyn Fn(&Rule, &Customers, &Inventory) -> Judge,
) -> (Judges, Customers, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let written = |set: &RuleSet, problems: &mut Vec<Diagnostic>| {
        let mut of = |intent: Option<&crate::model::Intent>| {
            intent.map(|intent| {
                let (resolved, found) = selectors.resolve_intent(intent);
                problems.extend(found);
                resolved
            })
        };
        let rules: Vec<Option<ResolvedIntent>> =
            set.rules.iter().map(|rule| of(rule.intent.as_ref())).collect();
        (rules, of(set.default.intent.as_ref()))
    };
    let ours = written(candidate, &mut problems);
    let theirs = written(running, &mut Vec::new());

    let mut prefixes: Vec<Prefix> = [&ours, &theirs]
        .into_iter()
        .flat_map(|(rules, default)| rules.iter().flatten().chain(default))
        .flat_map(|intent| [&intent.target, &intent.may_affect, &intent.may_reach])
        .flat_map(|selection| selection.prefixes.iter().copied())
        .collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let customers = Customers::compile(inventory, &prefixes);

    let mut judges = Judges { prefixes, ..Judges::default() };
    let of_rules = |set: &RuleSet, intents: Vec<Option<ResolvedIntent>>, judges: &mut Judges| {
        set.rules
            .iter()
            .zip(intents)
            .map(|(rule, intent)| match intent {
                Some(intent) => compile(intent, judges),
                None => derive(rule, &customers, inventory),
            })
            .collect::<Vec<Judge>>()
    };
    let candidates = of_rules(candidate, ours.0, &mut judges);
    let runnings = of_rules(running, theirs.0, &mut judges);
    judges.candidate = candidates;
    judges.running = runnings;
    let of_default =
        |set: &RuleSet, intent: Option<ResolvedIntent>, judges: &mut Judges| match intent {
            Some(intent) => compile(intent, judges),
            None => {
                Judge { missing: set.default.action == DefaultAction::Drop, ..Judge::default() }
            }
        };
    judges.default = of_default(candidate, ours.1, &mut judges);
    judges.running_default = of_default(running, theirs.1, &mut judges);
    (judges, customers, problems)
}

fn compile(intent: ResolvedIntent, judges: &mut Judges) -> Judge {
    let within = |selection: &Selection| Within::compile(selection, &judges.prefixes);
    let attack_bit = intent.attack_match.as_ref().map(|attack| {
        let known = judges.attack_matches.iter().position(|known| known == attack);
        known.unwrap_or(judges.attack_matches.len()) as u32
    });
    let judge = Judge {
        target: within(&intent.target),
        may_affect: within(&intent.may_affect),
        may_reach: within(&intent.may_reach),
        max_collateral: intent.max_collateral,
        max_target_loss: intent.max_target_loss,
        must_stop: intent.must_stop,
        attack_match: intent.attack_match,
        attack_bit,
        written: Some(intent.location),
        missing: false,
        target_words: intent.target.words,
    };
    if let (Some(bit), Some(attack)) = (attack_bit, &judge.attack_match)
        && bit as usize == judges.attack_matches.len()
    {
        judges.attack_matches.push(attack.clone());
    }
    judge
}

/// Returns the addresses by which a rule says whom it is about.
fn named(rule: &Rule) -> Option<AddressSet> {
    rule.matches.destinations().or_else(|| rule.matches.sources())
}

/// Derives the intent of a rule that has none: the one customer who owns all of its `dst`, or, if
/// it names none, all of its `src`.
fn derive(rule: &Rule, customers: &Customers, inventory: &Inventory) -> Judge {
    if !harms(&rule.action.value) {
        return Judge::default();
    }
    match named(rule).and_then(|named| sole_owner(&named, customers, inventory)) {
        Some(owner) => {
            let within = Within::customer(owner);
            Judge {
                target: within.clone(),
                may_affect: within.clone(),
                may_reach: within,
                target_words: vec![inventory.customer(owner).id.value.clone()],
                ..Judge::default()
            }
        }
        None => Judge { missing: true, ..Judge::default() },
    }
}

/// Returns the one customer who owns every address of a set.
pub fn sole_owner(
    named: &AddressSet,
    customers: &Customers,
    inventory: &Inventory,
) -> Option<CustomerId> {
    let mut sole = None;
    for range in named.iter() {
        for (_, end) in customers.segments(range) {
            let owner = match customers.end(end).owner {
                Owner::Customer(id) => id,
                Owner::Shared(id) => match inventory.shared[id.0 as usize].customers.as_slice() {
                    [only] => *only,
                    _ => return None,
                },
                Owner::Nobody => return None,
            };
            if sole.is_some_and(|sole| sole != owner) {
                return None;
            }
            sole = Some(owner);
        }
    }
    sole
}
