//! The shape of a program: loops, depth, chains that nobody jumps to, and which base chain is the
//! last that matters.

use super::{MAX_DEPTH, MAX_RULES, Program, Verdict};
use crate::model::{Action, DefaultAction, Diagnostic, Location};

/// Checks the jumps of a program.
pub(super) fn check(program: &Program) -> Vec<Diagnostic> {
    let chains = &program.chains;
    let mut problems = Vec::new();
    let is_known = |to: usize| to < chains.len();
    for rule in chains.iter().flat_map(|chain| &chain.rules) {
        if rule.verdict.value.target().is_some_and(|to| !is_known(to)) {
            let problem = Diagnostic::error(rule.verdict.location, "there is no such chain");
            problems.push(problem.label("jumps nowhere"));
        }
    }
    if !problems.is_empty() {
        return problems;
    }
    let mut walk = Walk { program, state: vec![State::New; chains.len()], problems };
    for chain in 0..chains.len() {
        walk.from(chain);
    }
    let mut problems = walk.problems;
    if problems.is_empty() {
        problems.extend(too_deep(program));
    }
    if problems.is_empty() {
        problems.extend(left_out(program));
    }
    problems
}

/// Says that a program grows beyond bounds.
pub(super) fn too_large(program: &Program) -> Diagnostic {
    let message = format!(
        "laid out as one list, these chains are more than {MAX_RULES} rules, or more conditions \
         than are held, beyond those written"
    );
    let base = program.bases.first().and_then(|base| program.chains.get(*base));
    let problem = match base {
        Some(chain) => Diagnostic::error(chain.location, message).label("begins here"),
        None => Diagnostic::bare(message),
    };
    problem.help(
        "jump to large chains from fewer places, and let early base chains accept by fewer rules",
    )
}

//------------ Loops -----------------------------------------------------------

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the way that is walked now.
    Open,
    Done,
}

struct Walk<'p> {
    program: &'p Program,
    state: Vec<State>,
    problems: Vec<Diagnostic>,
}

impl Walk<'_> {
    /// Follows all jumps from a chain, without recursion: a text may nest them as it likes.
    fn from(&mut self, chain: usize) {
        if self.state[chain] != State::New {
            return;
        }
        self.state[chain] = State::Open;
        let mut way = vec![(chain, 0)];
        while let Some((chain, next)) = way.last_mut() {
            let Some(rule) = self.program.chains[*chain].rules.get(*next) else {
                self.state[*chain] = State::Done;
                way.pop();
                continue;
            };
            *next += 1;
            let Some(to) = rule.verdict.value.target() else { continue };
            match self.state[to] {
                State::New => {
                    self.state[to] = State::Open;
                    way.push((to, 0));
                }
                State::Open => {
                    let place = rule.verdict.location;
                    let problem = self.a_loop(&way, to, place);
                    self.problems.push(problem);
                }
                State::Done => {}
            }
        }
    }

    fn a_loop(&self, way: &[(usize, usize)], to: usize, place: Location) -> Diagnostic {
        let from = way.iter().position(|(chain, _)| *chain == to).unwrap_or_default();
        let name = |chain: usize| format!("`{}`", self.program.chains[chain].name);
        let mut names: Vec<String> = way[from..].iter().map(|(chain, _)| name(*chain)).collect();
        names.push(name(to));
        if names.len() > 10 {
            names.splice(5..names.len() - 4, ["…".to_owned()]);
        }
        let problem =
            Diagnostic::error(place, format!("chains jump in a loop: {}", names.join(" -> ")));
        let problem = problem.label("closes the loop");
        problem
            .also(self.program.chains[to].location, "the chain where it begins")
            .help("remove one of these jumps; the kernel refuses such a rule set")
    }
}

/// Finds jumps that nest too deeply; there are no loops any more.
fn too_deep(program: &Program) -> Option<Diagnostic> {
    // The deepest way to each chain, in an order in which chains come after those that jump to
    // them.
    let mut incoming = vec![0usize; program.chains.len()];
    for to in program.chains.iter().flat_map(|chain| &chain.rules) {
        if let Some(to) = to.verdict.value.target() {
            incoming[to] += 1;
        }
    }
    let mut ready: Vec<usize> =
        (0..program.chains.len()).filter(|chain| incoming[*chain] == 0).collect();
    let mut depth = vec![0usize; program.chains.len()];
    while let Some(chain) = ready.pop() {
        for rule in &program.chains[chain].rules {
            let Some(to) = rule.verdict.value.target() else { continue };
            depth[to] = depth[to].max(depth[chain] + 1);
            if depth[to] > MAX_DEPTH {
                let message = format!("jumps nest deeper than {MAX_DEPTH}");
                let problem = Diagnostic::error(rule.verdict.location, message);
                return Some(
                    problem.label("one too many").help("nftables allows 16; use fewer chains"),
                );
            }
            incoming[to] -= 1;
            if incoming[to] == 0 {
                ready.push(to);
            }
        }
    }
    None
}

//------------ What is left out ------------------------------------------------

/// Returns the chains that a packet can come to.
fn reached(program: &Program) -> Vec<bool> {
    let mut reached = vec![false; program.chains.len()];
    let mut ready: Vec<usize> = program.bases.clone();
    while let Some(chain) = ready.pop() {
        if std::mem::replace(&mut reached[chain], true) {
            continue;
        }
        let rules = program.chains[chain].rules.iter();
        ready.extend(rules.filter_map(|rule| rule.verdict.value.target()));
    }
    reached
}

fn left_out(program: &Program) -> Vec<Diagnostic> {
    let reached = reached(program);
    let chains = program.chains.iter().zip(reached);
    let left = chains.filter(|(chain, reached)| !reached && !chain.rules.is_empty());
    left.map(|(chain, _)| {
        let message = format!("no packet comes to chain `{}` on this way", chain.name);
        Diagnostic::warning(chain.location, message)
            .label(match chain.rules.len() {
                1 => "its rule is not judged".to_owned(),
                rules => format!("its {rules} rules are not judged"),
            })
            .help("jump to it from a chain of a hook, or judge another way with `--path`")
    })
    .collect()
}

/// Returns how many of the base chains matter: after the last of these nothing is lost any more,
/// so that an accept there ends the walk.
pub(super) fn bases_that_matter(program: &Program) -> usize {
    let mut harmless: Vec<Option<bool>> = vec![None; program.chains.len()];
    let matters = |base: &usize, harmless: &mut Vec<Option<bool>>| {
        let policy = program.chains[*base].policy.as_ref().map(|policy| policy.value);
        policy == Some(DefaultAction::Drop) || !is_harmless(program, *base, harmless)
    };
    let last = program.bases.iter().rposition(|base| matters(base, &mut harmless));
    last.map_or(program.bases.len().min(1), |last| last + 1)
}

/// Returns whether nothing in a chain changes the fate of a packet. The depth is bounded by then.
fn is_harmless(program: &Program, chain: usize, known: &mut Vec<Option<bool>>) -> bool {
    if let Some(known) = known[chain] {
        return known;
    }
    let harmless = program.chains[chain].rules.iter().all(|rule| {
        let mut verdict = &rule.verdict.value;
        while let Verdict::Perhaps(_, inner) = verdict {
            verdict = inner;
        }
        match verdict {
            // A bucket may be that of another limit, which is no longer what it was without it.
            Verdict::Within(..) => false,
            Verdict::Action(action) => {
                matches!(action, Action::Accept | Action::Log | Action::Mark { .. })
            }
            Verdict::Jump(to) | Verdict::Goto(to) => is_harmless(program, *to, known),
            _ => true,
        }
    });
    known[chain] = Some(harmless);
    harmless
}
