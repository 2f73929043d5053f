//! Comments of rule files that are addressed to blastgate, in any language:
//!
//! ```text
//! blastgate: id=acme-flood owner=netops@example.net ticket=INC-4711 expires=2026-12-01
//! blastgate: intent target=acme,tag:web may_affect=acme may_reach=all must_stop=90% summary="…"
//! ```
//!
//! Both may stand in one comment, in any order. A comment that begins with `waive` accepts findings
//! about the rule until a date, and says nothing else:
//!
//! ```text
//! blastgate: waive guardrail=shared_bucket until=2026-12-01 owner=netops reason="until v2" customers=a,b
//! ```
//!
//! A language finds the comments and takes off their
//! sign; what they mean is the same everywhere. A comment that looks as if it were meant for us
//! and cannot be read is an error: an intent must not get lost.

#![expect(clippy::result_large_err, reason = "there are few problems, and none on a hot path")]

use crate::model::{Diagnostic, Intent, Location, Share, Span, Spanned, Timestamp, Waiver};
use crate::words::{self, Wrong};
use crate::yaml::nearest;

/// What a comment says about the rule that it stands at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remark {
    /// What the rule is called.
    pub id: Option<Spanned<String>>,
    /// One line for people.
    pub description: Option<Spanned<String>>,
    /// Whom to ask.
    pub owner: Option<Spanned<String>>,
    /// Why it exists.
    pub ticket: Option<Spanned<String>>,
    /// From when on it should be gone.
    pub expires: Option<Spanned<Timestamp>>,
    /// What it is for.
    pub intent: Option<Intent>,
    /// What is accepted of it; the rule is for [`Remark::waivers_of`] to name.
    pub waivers: Vec<Waiver>,
}

/// What may be said of the rule itself.
const OF_RULE: &[&str] = &["id", "description", "owner", "ticket", "expires"];

/// What may be said of its intent.
const OF_INTENT: &[&str] = &[
    "summary",
    "target",
    "may_affect",
    "may_reach",
    "max_collateral",
    "max_target_loss",
    "must_stop",
];

/// The word that opens an intent.
const INTENT: &str = "intent";

/// The word that opens a waiver, and what may be said of it.
const WAIVE: &str = "waive";
const OF_WAIVER: &[&str] = &["guardrail", "customers", "reason", "until", "owner"];

const EXAMPLE: &str =
    "write `blastgate: id=NAME intent target=CUSTOMER may_affect=CUSTOMER must_stop=90%`";

/// Reads the text of a comment without its comment sign; none if it is not addressed to blastgate.
/// `location` is that of the text.
///
/// # Errors
///
/// A comment that is addressed to blastgate and says what cannot be read.
pub fn read(text: &str, location: Location) -> Result<Option<Remark>, Diagnostic> {
    let reader = Reader { text, location };
    let Some(rest) = reader.addressed()? else { return Ok(None) };
    let words = reader.words(rest)?;
    if words.is_empty() {
        let problem = Diagnostic::error(location, "the remark says nothing").label("nothing here");
        return Err(problem.help(EXAMPLE));
    }
    reader.remark(&words).map(Some)
}

impl Remark {
    /// Returns its waivers, for a rule that is called so.
    pub fn waivers_of(&self, rule: &str) -> Vec<Waiver> {
        let named = |one: &Waiver| Waiver {
            rule: Spanned::new(rule.to_owned(), one.location),
            ..one.clone()
        };
        self.waivers.iter().map(named).collect()
    }

    /// Returns whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Remark::default()
    }

    /// Adds what a second comment at the same rule says.
    ///
    /// # Errors
    ///
    /// What both say: the problem names both places.
    pub fn add(&mut self, mut other: Remark) -> Result<(), Diagnostic> {
        self.waivers.append(&mut other.waivers);
        fn join<T>(
            own: &mut Option<T>,
            other: Option<T>,
            what: &str,
            place: impl Fn(&T) -> Location,
        ) -> Result<(), Diagnostic> {
            match (own.as_ref(), &other) {
                (Some(first), Some(second)) => {
                    let message = format!("two comments at one rule state its `{what}`");
                    let problem = Diagnostic::error(place(second), message);
                    let problem = problem.label("stated again").also(place(first), "first here");
                    return Err(problem.help("keep one of them"));
                }
                (None, Some(_)) => *own = other,
                _ => {}
            }
            Ok(())
        }
        join(&mut self.id, other.id, "id", |one| one.location)?;
        join(&mut self.description, other.description, "description", |one| one.location)?;
        join(&mut self.owner, other.owner, "owner", |one| one.location)?;
        join(&mut self.ticket, other.ticket, "ticket", |one| one.location)?;
        join(&mut self.expires, other.expires, "expires", |one| one.location)?;
        join(&mut self.intent, other.intent, INTENT, |one| one.location)
    }
}

/// A text and where it stands.
struct Reader<'t> {
    text: &'t str,
    location: Location,
}

/// `key=value`, or a word alone, by byte offsets into the text.
struct Word<'t> {
    at: usize,
    key: &'t str,
    /// Where the value begins, and the value without its quotes.
    value: Option<(usize, &'t str)>,
}

impl<'t> Reader<'t> {
    /// Returns the place of a part of the text.
    fn place(&self, at: usize, length: usize) -> Location {
        let Span { start, end } = self.location.span;
        // A text that is written otherwise than it reads (escapes) is underlined as a whole.
        if (end - start) as usize != self.text.len() || length == 0 {
            return self.location;
        }
        let start = start as usize + at;
        Location { span: Span::new(start, start + length), ..self.location }
    }

    fn at(&self, word: &Word<'_>) -> Location {
        self.place(word.at, word.key.len())
    }

    /// Returns where the words begin, if the text is addressed to us.
    fn addressed(&self) -> Result<Option<usize>, Diagnostic> {
        let start = self.text.len() - self.text.trim_start().len();
        let name = "blastgate";
        let named = self.text[start..].get(..name.len());
        if !named.is_some_and(|word| word.eq_ignore_ascii_case(name)) {
            return Ok(None);
        }
        let after = start + name.len();
        let rest = &self.text[after..];
        if rest.starts_with(':') && self.text[start..].starts_with(name) {
            return Ok(Some(after + 1));
        }
        let spaced = rest.trim_start();
        let first = spaced.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or("");
        let known = || OF_RULE.iter().chain(OF_INTENT).chain([&INTENT, &WAIVE]);
        let assigns = spaced[first.len()..].starts_with('=') || first == INTENT;
        let assigns = assigns || first == WAIVE;
        let is_meant = spaced.starts_with([':', '='])
            || (rest.starts_with(char::is_whitespace)
                && assigns
                && known().any(|key| *key == first));
        if !is_meant {
            return Ok(None);
        }
        let problem = Diagnostic::error(
            self.place(start, name.len()),
            "a remark begins with `blastgate:`, in lower case and with the colon",
        );
        Err(problem.label("should be `blastgate:`").help(EXAMPLE))
    }

    fn words(&self, from: usize) -> Result<Vec<Word<'t>>, Diagnostic> {
        let text = self.text;
        let mut words = Vec::new();
        let mut at = from;
        loop {
            at += text[at..].len() - text[at..].trim_start().len();
            if at == text.len() {
                return Ok(words);
            }
            let until = |at: usize, stop: &dyn Fn(char) -> bool| {
                text[at..].find(stop).map_or(text.len(), |found| at + found)
            };
            let end = until(at, &|c| c.is_whitespace() || c == '=');
            let key = &text[at..end];
            if !text[end..].starts_with('=') {
                words.push(Word { at, key, value: None });
                at = end;
                continue;
            }
            let start = end + 1;
            let quote = text[start..].chars().next().filter(|c| matches!(c, '"' | '\''));
            let (value, next) = match quote {
                Some(quote) => {
                    let Some(length) = text[start + 1..].find(quote) else {
                        let place = self.place(start, text.len() - start);
                        let problem = Diagnostic::error(place, "the quotes are not closed");
                        return Err(problem
                            .label("opened here")
                            .help(format!("write `{key}={quote}…{quote}`")));
                    };
                    let close = start + 1 + length;
                    if text[close + 1..].starts_with(|c: char| !c.is_whitespace()) {
                        let place = self.place(close, 1);
                        let problem = Diagnostic::error(place, "a value ends with its quotes");
                        return Err(problem.label("more follows").help("put a space behind it"));
                    }
                    ((start + 1, &text[start + 1..close]), close + 1)
                }
                None => {
                    let end = until(start, &char::is_whitespace);
                    ((start, &text[start..end]), end)
                }
            };
            words.push(Word { at, key, value: Some(value) });
            at = next;
        }
    }

    fn remark(&self, words: &[Word<'t>]) -> Result<Remark, Diagnostic> {
        if let Some(opens) = words.iter().find(|word| word.key == WAIVE && word.value.is_none()) {
            let waivers = vec![self.waiver(opens, words)?];
            return Ok(Remark { waivers, ..Remark::default() });
        }
        let mut remark = Remark::default();
        let mut intent = Stated::default();
        let opens = words.iter().find(|word| word.key == INTENT && word.value.is_none());
        for (number, word) in words.iter().enumerate() {
            if let Some(first) = words[..number].iter().find(|other| other.key == word.key) {
                let message = format!("`{}` is stated twice", word.key.escape_debug());
                let problem = Diagnostic::error(self.at(word), message).label("stated again");
                return Err(problem.also(self.at(first), "first here").help("keep one of them"));
            }
            let is_intent = OF_INTENT.contains(&word.key);
            if word.key == INTENT && word.value.is_none() {
                continue;
            }
            if !is_intent && !OF_RULE.contains(&word.key) {
                return Err(self.unknown(word));
            }
            if is_intent && opens.is_none() {
                let message = format!("`{}` is said of an intent", word.key);
                let problem = Diagnostic::error(self.at(word), message);
                let help = format!("put the word `intent` before it: `intent {}=…`", word.key);
                return Err(problem.label("no `intent` here").help(help));
            }
            match word.key {
                "id" => remark.id = Some(self.id(word)?),
                "description" => remark.description = Some(self.line(word)?),
                "owner" => remark.owner = Some(self.line(word)?),
                "ticket" => remark.ticket = Some(self.line(word)?),
                "expires" => remark.expires = Some(self.value(word, words::time)?),
                "summary" => intent.summary = Some(self.line(word)?.value),
                "target" => intent.target = Some(self.selectors(word)?),
                "may_affect" => intent.may_affect = Some(self.selectors(word)?),
                "may_reach" => intent.may_reach = Some(self.selectors(word)?),
                "max_collateral" => intent.max_collateral = Some(self.share(word)?),
                "max_target_loss" => intent.max_target_loss = Some(self.share(word)?),
                _ => intent.must_stop = Some(self.share(word)?),
            }
        }
        if let Some(opens) = opens {
            remark.intent = Some(intent.finish(self.at(opens))?);
        }
        Ok(remark)
    }

    fn waiver(&self, opens: &Word<'t>, words: &[Word<'t>]) -> Result<Waiver, Diagnostic> {
        for (number, word) in words.iter().enumerate() {
            if let Some(first) = words[..number].iter().find(|other| other.key == word.key) {
                let message = format!("`{}` is stated twice", word.key.escape_debug());
                let problem = Diagnostic::error(self.at(word), message).label("stated again");
                return Err(problem.also(self.at(first), "first here").help("keep one of them"));
            }
            if !OF_WAIVER.contains(&word.key) && !std::ptr::eq(word, opens) {
                let message = format!("unknown key `{}` in a waiver", word.key.escape_debug());
                let problem = Diagnostic::error(self.at(word), message).label("not known");
                let help = match nearest(word.key, OF_WAIVER.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "known here: {}; quote a value with spaces, and put what is no waiver into a \
                         comment of its own",
                        OF_WAIVER.join(", ")
                    ),
                };
                return Err(problem.help(help));
            }
        }
        let needed = |key: &str| {
            words.iter().find(|word| word.key == key).ok_or_else(|| {
                Diagnostic::error(self.at(opens), format!("the waiver has no `{key}`"))
                    .label(format!("`{key}` is missing"))
                    .help(
                        "write `blastgate: waive guardrail=ID until=DATE owner=WHO reason=\"WHY\"`",
                    )
            })
        };
        let customers = words.iter().find(|word| word.key == "customers");
        let location = self.at(opens);
        Ok(Waiver {
            guardrail: self.line(needed("guardrail")?)?,
            // Whoever reads the comment knows at which rule it stands.
            rule: Spanned::new(String::new(), location),
            customers: customers.map(|word| self.selectors(word)).transpose()?.unwrap_or_default(),
            reason: self.line(needed("reason")?)?.value,
            until: self.value(needed("until")?, words::time)?,
            owner: self.line(needed("owner")?)?.value,
            location,
        })
    }

    fn unknown(&self, word: &Word<'_>) -> Diagnostic {
        let key = word.key;
        let shown = key.escape_debug();
        let problem =
            Diagnostic::error(self.at(word), format!("unknown key `{shown}` in a remark"))
                .label("not known");
        if key == "attack_match" {
            return problem.help("write the intent under `intents:` of `blastgate.yaml` instead");
        }
        if key == INTENT {
            return problem.help("write `intent` as a word, then what it says: `intent target=…`");
        }
        let known = OF_RULE.iter().chain(OF_INTENT).chain([&INTENT]).copied();
        match nearest(&key.replace('-', "_"), known.clone()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => {
                let known: Vec<&str> = known.collect();
                problem.help(format!("known here: {}; quote a value with spaces", known.join(", ")))
            }
        }
    }

    //-------- Values

    fn text(&self, word: &Word<'t>) -> Result<Spanned<&'t str>, Diagnostic> {
        match word.value {
            Some((at, value)) if !value.trim().is_empty() => {
                Ok(Spanned::new(value, self.place(at, value.len())))
            }
            _ => {
                let problem = Diagnostic::error(self.at(word), format!("`{}` is empty", word.key));
                Err(problem.label("no value").help(format!("write `{}=…`", word.key)))
            }
        }
    }

    fn line(&self, word: &Word<'t>) -> Result<Spanned<String>, Diagnostic> {
        let text = self.text(word)?;
        Ok(Spanned::new(text.value.trim().to_owned(), text.location))
    }

    fn value<T>(
        &self,
        word: &Word<'t>,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Result<Spanned<T>, Diagnostic> {
        let text = self.text(word)?;
        match read(text.value) {
            Ok(value) => Ok(Spanned::new(value, text.location)),
            Err(wrong) => Err(wrong.at(text.location)),
        }
    }

    fn share(&self, word: &Word<'t>) -> Result<Spanned<Share>, Diagnostic> {
        self.value(word, words::share)
    }

    fn id(&self, word: &Word<'t>) -> Result<Spanned<String>, Diagnostic> {
        let text = self.text(word)?;
        let problem = |message: String| Diagnostic::error(text.location, message);
        if text.value == "default" {
            return Err(problem("`default` cannot be the id of a rule".to_owned())
                .label("reserved")
                .help("choose another id; `default` names what no rule decides"));
        }
        if !words::is_id(text.value) {
            return Err(problem(format!("`{}` is no id", text.value.escape_debug()))
                .label("not an id")
                .help("write lower-case letters, digits, `.`, `_` and `-`, such as `acme-udp`"));
        }
        Ok(Spanned::new(text.value.to_owned(), text.location))
    }

    fn selectors(&self, word: &Word<'t>) -> Result<Vec<Spanned<String>>, Diagnostic> {
        let text = self.text(word)?;
        let begin = word.value.map_or(0, |(at, _)| at);
        let mut selectors = Vec::new();
        let mut at = begin;
        for part in text.value.split(',') {
            let shown = part.trim();
            let place = self.place(at + (part.len() - part.trim_start().len()), shown.len());
            if shown.is_empty() || shown.contains(char::is_whitespace) {
                let message = format!(
                    "`{}` names {}",
                    word.key,
                    if shown.is_empty() {
                        "nobody between two commas".to_owned()
                    } else {
                        format!("`{}`, which is no selector", shown.escape_debug())
                    }
                );
                let problem = Diagnostic::error(
                    if shown.is_empty() { text.location } else { place },
                    message,
                );
                return Err(problem
                    .label("not a selector")
                    .help(format!("write `{}=acme,tag:web`", word.key)));
            }
            selectors.push(Spanned::new(shown.to_owned(), place));
            at += part.len() + 1;
        }
        Ok(selectors)
    }
}

/// What was stated of an intent.
#[derive(Default)]
struct Stated {
    summary: Option<String>,
    target: Option<Vec<Spanned<String>>>,
    may_affect: Option<Vec<Spanned<String>>>,
    may_reach: Option<Vec<Spanned<String>>>,
    max_collateral: Option<Spanned<Share>>,
    max_target_loss: Option<Spanned<Share>>,
    must_stop: Option<Spanned<Share>>,
}

impl Stated {
    fn finish(self, location: Location) -> Result<Intent, Diagnostic> {
        let Some(target) = self.target else {
            let problem = Diagnostic::error(location, "the intent has no `target`");
            return Err(problem
                .label("`target` is missing")
                .help("name whom the rule defends: `intent target=acme`"));
        };
        Ok(Intent {
            summary: self.summary,
            target,
            may_affect: self.may_affect,
            may_reach: self.may_reach,
            max_collateral: self.max_collateral.map_or(Share(0), |share| share.value),
            max_target_loss: self.max_target_loss.map(|share| share.value),
            must_stop: self.must_stop,
            attack_match: None,
            location,
        })
    }
}

#[cfg(test)]
mod tests;
