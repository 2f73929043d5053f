//! Matches into terms: both sides of a comparison, sets, concatenations, verdict maps.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::facts::{Facts, hash, set_name};
use super::fields::{Field, Needs};
use super::names::Kind;
use super::ranges::{Ranges, complement, greatest, holds, joined};
use super::ruleset::{Set, Table, absent};
use super::terms::{Answer, Condition, all_of, needs, unmasked, unrecorded};
use super::tree::{Expr, Op};
use super::values::{self, NoValue, is_constant};
use super::view::View;
use crate::languages::Way;
use crate::model::{Diagnostic, Family, Location, Term, Unmodelled, UnmodelledKind};

/// How long the text of an unknown may get before a hash takes its place.
const LONGEST_TEXT: usize = 120;

/// The values of named sets that were looked up.
pub(super) type Cache = RefCell<HashMap<(String, Kind), Rc<Ranges>>>;

/// What matches of a chain hang on.
pub(super) struct Matcher<'a> {
    pub(super) table: &'a Table,
    pub(super) view: &'a View,
    pub(super) way: &'a Way,
    pub(super) facts: &'a Facts,
    pub(super) cache: &'a Cache,
    /// Whether the rule asks for a protocol that has ports.
    pub(super) has_ports: bool,
    pub(super) location: Location,
}

/// A field with what is calculated of it.
pub(super) struct Part<'e> {
    pub(super) field: Field,
    /// The words of the field, or of the constant.
    pub(super) words: String,
    /// The calculations, the first one first.
    pub(super) steps: Vec<(&'static str, &'e Expr)>,
    pub(super) constant: bool,
}

pub(super) type Told<T> = Result<T, Box<Diagnostic>>;

impl<'a> Matcher<'a> {
    /// Returns the terms of a match.
    pub(super) fn matched(&self, left: &Expr, op: Op, right: &Expr) -> Told<Answer> {
        if let Expr::Concat(parts) = left {
            return self.concatenated(parts, op, right);
        }
        let Some(part) = self.part(left) else {
            return Ok(Some(vec![self.not_understood(left, op, right)]));
        };
        if matches!(part.field, Field::Iif | Field::Oif) && part.steps.is_empty() {
            return self.interface(&part, op, right);
        }
        if let Expr::Named(name) = right {
            let set = self.set(name)?;
            if let Some(unknown) = self.dynamic(name, set) {
                return self.in_dynamic(&part, op, name, set, unknown);
            }
        }
        if matches!(part.field, Field::Opaque { .. })
            || !part.steps.iter().all(|(_, by)| is_constant(by))
        {
            return self.opaque(&part, left, op, right);
        }
        let Some(values) = self.values(right, part.field.kind())? else {
            return Ok(Some(vec![self.not_understood(left, op, right)]));
        };
        self.compared(&part, left, op, right, &values)
    }

    /// Returns the terms of a comparison of numbers.
    fn compared(
        &self,
        part: &Part<'_>,
        left: &Expr,
        op: Op,
        right: &Expr,
        values: &Ranges,
    ) -> Told<Answer> {
        let bits = part.field.bits();
        let max = greatest(bits);
        let single = values.first().map_or(0, |(first, _)| *first);
        let of_bits = |any: bool| {
            let held = (0..=max).filter(|value| (value & single != 0) == any);
            joined(held.map(|value| (value, value)).collect())
        };
        let is_flags = part.field == Field::TcpFlags;
        let in_set = matches!(right, Expr::Set(_) | Expr::Named(_));
        let (allowed, turned) = match op {
            Op::Implicit if is_flags && part.steps.is_empty() && !in_set => (of_bits(true), false),
            Op::NoneOf if is_flags => (of_bits(false), false),
            Op::Implicit | Op::Equal => (values.clone(), false),
            Op::Unequal | Op::NoneOf => (values.clone(), true),
            Op::Less => {
                (joined(single.checked_sub(1).map(|last| (0, last)).into_iter().collect()), false)
            }
            Op::LessOrEqual => (vec![(0, single)], false),
            Op::Greater => (complement(&[(0, single)], max), false),
            Op::GreaterOrEqual => (joined(vec![(single, max)]), false),
        };
        let text = self.text_of(left, op, right)?;
        let condition = self.condition(&part.field, &text);
        if part.steps.is_empty() {
            return Ok(match turned {
                true => condition.others(&allowed),
                false => condition.terms(&allowed),
            });
        }
        let allowed = if turned { complement(&allowed, max) } else { allowed };
        match self.whole(part, &allowed)? {
            Some(whole) => Ok(condition.terms(&whole)),
            None => Ok(Some(vec![self.not_understood(left, op, right)])),
        }
    }

    /// Returns the values of a field whose calculation gives these.
    pub(super) fn whole(&self, part: &Part<'_>, allowed: &Ranges) -> Told<Option<Ranges>> {
        let (kind, bits) = (part.field.kind(), part.field.bits());
        let steps: Vec<(&str, u128)> = part
            .steps
            .iter()
            .map(|(sign, by)| {
                let kind = if ["<<", ">>"].contains(sign) { Kind::Number } else { kind };
                Ok((*sign, values::number(by, kind).map_err(|no| self.no_value(no))?))
            })
            .collect::<Told<_>>()?;
        if let [("&", mask)] = steps[..] {
            return Ok(unmasked(allowed, mask, bits));
        }
        if bits > 16 {
            return Ok(None);
        }
        let result = |value: u128| {
            steps.iter().fold(value, |value, (sign, by)| match *sign {
                "&" => value & by,
                "|" => value | by,
                "^" => value ^ by,
                "<<" => value.checked_shl(u32::try_from(*by).unwrap_or(128)).unwrap_or(0),
                _ => value.checked_shr(u32::try_from(*by).unwrap_or(128)).unwrap_or(0),
            })
        };
        let held = (0..=greatest(bits)).filter(|value| holds(allowed, result(*value)));
        Ok(Some(joined(held.map(|value| (value, value)).collect())))
    }

    //------------ Parts ------------------------------------------------------

    /// Reads a field with its calculations; none if it is something else, such as a map.
    pub(super) fn part<'e>(&self, left: &'e Expr) -> Option<Part<'e>> {
        let mut steps = Vec::new();
        let mut at = left;
        loop {
            match at {
                Expr::Field(words) => {
                    steps.reverse();
                    let field = self.seen_field(words);
                    return Some(Part { field, words: words.clone(), steps, constant: false });
                }
                Expr::Word(words) if steps.is_empty() => {
                    let field = Field::Opaque {
                        needs: Needs::Nothing,
                        kind: UnmodelledKind::NotUnderstood,
                    };
                    return Some(Part { field, words: words.clone(), steps, constant: true });
                }
                Expr::Binary(sign, inner, by) => {
                    steps.push((*sign, &**by));
                    at = inner;
                }
                _ => return None,
            }
        }
    }

    /// Returns the field that words mean here: one that was written since the packet came in is
    /// none that a record tells.
    pub(super) fn seen_field(&self, words: &str) -> Field {
        let field = Field::of(words);
        let [destinations, sources] = self.view.translated;
        let hidden = match &field {
            Field::Dst(_) | Field::DstPort(_) => destinations,
            Field::Src(_) | Field::SrcPort(_) => sources,
            _ => false,
        };
        if !hidden && !self.view.rewritten.contains(words) {
            return field;
        }
        let needs = match field {
            Field::Dst(family) | Field::Src(family) => Needs::Family(family),
            Field::Ttl(family) | Field::Dscp(family) | Field::Version(family) => {
                Needs::Family(family)
            }
            Field::DstPort(Some(number)) | Field::SrcPort(Some(number)) => Needs::Protocol(number),
            Field::TotalLength | Field::FragmentOffset | Field::HeaderProtocol => {
                Needs::Family(Family::V4)
            }
            Field::PayloadLength | Field::NextHeader => Needs::Family(Family::V6),
            Field::Opaque { needs, .. } => needs,
            _ => Needs::Nothing,
        };
        Field::Opaque { needs, kind: UnmodelledKind::NotRecorded }
    }

    pub(super) fn condition<'c>(&'c self, field: &'c Field, text: &'c str) -> Condition<'c> {
        Condition {
            field,
            text,
            view: self.view,
            has_ports: self.has_ports,
            location: self.location,
        }
    }

    pub(super) fn not_understood(&self, left: &Expr, op: Op, right: &Expr) -> Term {
        let text = shortened(format!("{left} {op}{right}")) + &self.facts.mark;
        Term::Unmodelled(Unmodelled { text, kind: UnmodelledKind::NotUnderstood })
    }

    fn no_value(&self, no: NoValue) -> Box<Diagnostic> {
        let problem = Diagnostic::error(self.location, no.message);
        Box::new(problem.label("in this").help(no.help))
    }

    //------------ Sets -------------------------------------------------------

    pub(super) fn set(&self, name: &str) -> Told<&'a Set> {
        self.table.sets.get(name).ok_or_else(|| absent(self.location, "set", name))
    }

    /// Returns all values on the right; none if they are no constants.
    pub(super) fn values(&self, right: &Expr, kind: Kind) -> Told<Option<Rc<Ranges>>> {
        let read = |expr: &Expr| values::ranges(expr, kind).map_err(|no| self.no_value(no));
        match right {
            Expr::Named(name) => {
                let key = (name.clone(), kind);
                if let Some(found) = self.cache.borrow().get(&key) {
                    return Ok(Some(Rc::clone(found)));
                }
                let mut all = Vec::new();
                for element in &self.set(name)?.elements {
                    all.extend(read(&element.key)?);
                }
                let all = Rc::new(joined(all));
                self.cache.borrow_mut().insert(key, Rc::clone(&all));
                Ok(Some(all))
            }
            Expr::List(_) if kind == Kind::TcpFlags => {
                let bits = values::number(right, kind).map_err(|no| self.no_value(no))?;
                Ok(Some(Rc::new(vec![(bits, bits)])))
            }
            Expr::Field(_) | Expr::Map(..) | Expr::Concat(_) => Ok(None),
            Expr::Binary(..) if !is_constant(right) => Ok(None),
            _ => Ok(Some(Rc::new(read(right)?))),
        }
    }

    /// Returns what is unknown of a set whose elements come and go.
    pub(super) fn dynamic(&self, name: &str, set: &Set) -> Option<String> {
        let own = set_name(self.table.family.word(), &self.table.name, name);
        let writers = self.facts.writers.contains_key(&own);
        let varies = set.varies || set.elements.iter().any(|element| element.varies);
        (writers || varies || set.timeout_s.is_some())
            .then(|| format!("@{name} at the time{}", self.facts.mark))
    }

    /// A packet may be in such a set whatever is listed; elements that stay certainly are.
    fn in_dynamic(
        &self,
        part: &Part<'_>,
        op: Op,
        name: &str,
        set: &Set,
        unknown: String,
    ) -> Told<Answer> {
        let own = set_name(self.table.family.word(), &self.table.name, name);
        let deleted = self.facts.writers.get(&own);
        let deleted = deleted.is_some_and(|all| all.iter().any(|writer| writer.op == "delete"));
        let stays =
            !deleted && set.timeout_s.is_none() && !set.elements.iter().any(|one| one.varies);
        let plain = part.steps.is_empty() && !matches!(part.field, Field::Opaque { .. });
        let text = format!("{} {unknown}", part.words);
        let mut branches = vec![vec![unrecorded(&*text)]];
        let mut all = Vec::new();
        if plain {
            let condition = self.condition(&part.field, &text);
            all = condition.terms(&vec![(0, greatest(part.field.bits()))]).unwrap_or_default();
            if stays {
                let listed = Expr::Named(name.to_owned());
                if let Some(values) = self.values(&listed, part.field.kind())? {
                    branches.extend(condition.terms(&values));
                }
            }
        } else if let Field::Opaque { needs: of, .. } = part.field {
            all = needs(of);
        }
        let found =
            Term::AnyOf(branches.into_iter().map(|one| all_of(one, self.location)).collect());
        all.push(match op {
            Op::Unequal | Op::NoneOf => Term::Not(all_of(vec![found], self.location)),
            _ => found,
        });
        Ok(Some(all))
    }

    //------------ What nobody records ----------------------------------------

    /// Returns what a comparison reads as, in one spelling, with the contents of sets.
    pub(super) fn text_of(&self, left: &Expr, op: Op, right: &Expr) -> Told<String> {
        let op = match op {
            Op::Equal | Op::Implicit | Op::Unequal => String::new(),
            other => other.to_string(),
        };
        let values = self.spelled(right)?;
        Ok(shortened(format!("{left} {op}{values}")))
    }

    fn spelled(&self, right: &Expr) -> Told<String> {
        let mut words: Vec<String> = match right {
            Expr::Named(name) => {
                self.set(name)?.elements.iter().map(|one| one.key.to_string()).collect()
            }
            Expr::Set(elements) => elements.iter().map(|one| one.key.to_string()).collect(),
            Expr::List(parts) => parts.iter().map(Expr::to_string).collect(),
            other => vec![other.to_string()],
        };
        words.sort_unstable();
        words.dedup();
        Ok(words.join(","))
    }

    fn opaque(&self, part: &Part<'_>, left: &Expr, op: Op, right: &Expr) -> Told<Answer> {
        let text = self.text_of(left, op, right)? + &self.hangs_on(&part.words);
        let condition = self.condition(&part.field, &text);
        let anything = vec![(0, 1)];
        match &part.field {
            Field::Opaque { .. } => Ok(match op {
                Op::Unequal => condition.others(&anything),
                _ => condition.terms(&anything),
            }),
            _ => Ok(Some(vec![self.not_understood(left, op, right)])),
        }
    }

    /// Returns what the value of a field hangs on besides the packet: what rules write.
    pub(super) fn hangs_on(&self, words: &str) -> String {
        let written =
            ["meta mark", "ct mark", "ct label", "meta priority", "meta secmark", "ct secmark"];
        let moved = self.view.translated.iter().any(|moved| *moved);
        let header = ["ip", "ip6", "tcp", "udp", "th"]
            .iter()
            .any(|own| words.split(' ').next() == Some(own));
        let rewritten = self.view.rewritten.contains(words) || (moved && header);
        if written.contains(&words) || rewritten || words.starts_with("ct helper") {
            return format!("{} at {:?}", self.facts.mark, self.view.hook);
        }
        if words.starts_with("ct ") {
            let early = if self.view.tracked { "" } else { " before tracking" };
            return format!("{early}{}", self.facts.untracked);
        }
        String::new()
    }

    //------------ Interfaces -------------------------------------------------

    pub(super) fn interface(&self, part: &Part<'_>, op: Op, right: &Expr) -> Told<Answer> {
        let is_oif = part.field == Field::Oif;
        let known = match is_oif {
            true if !self.view.has_oif() => Some(""),
            true => self.way.oif.as_deref(),
            false => self.way.iif.as_deref(),
        };
        let words = if is_oif { "oifname" } else { "iifname" };
        let turned = matches!(op, Op::Unequal | Op::NoneOf);
        let text = shortened(format!("{words} {}", self.spelled(right)?));
        let unknown = |turned: bool| {
            let term = unrecorded(&*text);
            if turned { Term::Not(all_of(vec![term], self.location)) } else { term }
        };
        let Some(known) = known else { return Ok(Some(vec![unknown(turned)])) };
        let Some(names) = self.names(right)? else { return Ok(Some(vec![unknown(turned)])) };
        // A number is that of an interface, whose name only the router knows.
        if !known.is_empty() && names.iter().any(|name| name.bytes().all(|b| b.is_ascii_digit())) {
            return Ok(Some(vec![unknown(turned)]));
        }
        let found = names.iter().any(|name| match name.strip_suffix('*') {
            // An escaped one is part of the name.
            Some(start) => match start.strip_suffix('\\') {
                Some(start) => known.strip_prefix(start) == Some("*"),
                None => known.starts_with(start) && !known.is_empty(),
            },
            None => name == known,
        });
        Ok((found != turned).then(Vec::new))
    }

    fn names(&self, right: &Expr) -> Told<Option<Vec<String>>> {
        let one = |expr: &Expr| match expr {
            Expr::Word(word) => Some(word.clone()),
            _ => None,
        };
        Ok(match right {
            Expr::Word(_) => one(right).map(|name| vec![name]),
            Expr::Set(elements) => elements.iter().map(|element| one(&element.key)).collect(),
            Expr::List(parts) => parts.iter().map(one).collect(),
            Expr::Named(name) => {
                self.set(name)?.elements.iter().map(|element| one(&element.key)).collect()
            }
            _ => None,
        })
    }
}

/// Puts a hash in the place of the end of a long text.
pub(super) fn shortened(text: String) -> String {
    if text.len() <= LONGEST_TEXT {
        return text;
    }
    let mut end = LONGEST_TEXT - 20;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}… #{:016x}", &text[..end], hash(&text))
}
