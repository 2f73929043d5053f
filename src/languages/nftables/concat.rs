//! Concatenations, `ip saddr . tcp dport`: rows of values that hold together.

use std::collections::BTreeMap;

use super::fields::{Field, Needs};
use super::matches::{Matcher, Part, Told};
use super::ranges::{Ranges, greatest, joined};
use super::terms::{Answer, Condition, all_of, later_fragment, needs, unrecorded};
use super::tree::{Element, Expr, Op};
use crate::model::{Diagnostic, Family, Term};

/// What one part of a concatenation may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Values(Ranges),
    Text(String),
}

impl Matcher<'_> {
    pub(super) fn concatenated(&self, parts: &[Expr], op: Op, right: &Expr) -> Told<Answer> {
        let whole = Expr::Concat(parts.to_vec());
        let read: Option<Vec<Part<'_>>> = parts.iter().map(|part| self.part(part)).collect();
        let Some(read) = read else {
            return Ok(Some(vec![self.not_understood(&whole, op, right)]));
        };
        let own;
        let elements: &[Element] = match right {
            Expr::Named(name) => {
                let set = self.set(name)?;
                if let Some(unknown) = self.dynamic(name, set) {
                    let text = format!("{whole} {unknown}");
                    let mut terms = self.present(&read);
                    let found = unrecorded(text);
                    terms.push(match op {
                        Op::Unequal => Term::Not(all_of(vec![found], self.location)),
                        _ => found,
                    });
                    return Ok(Some(terms));
                }
                &set.elements
            }
            Expr::Set(elements) => elements,
            other => {
                own = [Element { key: other.clone(), data: None, varies: false, location: None }];
                &own
            }
        };
        let mut rows = Vec::with_capacity(elements.len());
        for element in elements {
            match self.row(&read, &element.key)? {
                Row::Never => {}
                Row::Cells(cells) => rows.push(cells),
                Row::Unknown => return Ok(Some(vec![self.not_understood(&whole, op, right)])),
            }
        }
        let text = self.text_of(&whole, op, right)?;
        let mut branches: Vec<Vec<Term>> = Vec::new();
        for cells in merged(rows, read.len()) {
            if let Some(branch) = self.branch(&read, &cells) {
                branches.push(branch);
            }
        }
        let turned = op == Op::Unequal;
        let transport = read.iter().any(|part| part.field.is_transport());
        if turned {
            let mut terms = self.present(&read);
            if transport {
                branches.push(later_fragment(&text, self.view.reassembled));
            }
            if !branches.is_empty() {
                let all = branches.into_iter().map(|one| all_of(one, self.location)).collect();
                terms.push(Term::Not(all_of(vec![Term::AnyOf(all)], self.location)));
            }
            return Ok(Some(terms));
        }
        if branches.len() <= 1 {
            return Ok(branches.pop());
        }
        if transport {
            branches.push(later_fragment(&text, self.view.reassembled));
        }
        let all = branches.into_iter().map(|one| all_of(one, self.location)).collect();
        Ok(Some(vec![Term::AnyOf(all)]))
    }

    /// Returns what a packet must be to have all parts at all.
    fn present(&self, parts: &[Part<'_>]) -> Vec<Term> {
        let mut terms = Vec::new();
        for part in parts.iter().filter(|part| part.steps.is_empty()) {
            let found = match part.field {
                Field::Opaque { needs: of, .. } => needs(of),
                // Of these the ports must be there, which of later fragments nobody knows.
                Field::SrcPort(Some(number)) | Field::DstPort(Some(number)) => {
                    needs(Needs::Protocol(number))
                }
                Field::Iif | Field::Oif | Field::SrcPort(None) | Field::DstPort(None) => Vec::new(),
                Field::FragmentHeaderMore | Field::FragmentHeaderOffset => {
                    vec![Term::Family(Family::V6), unrecorded(format!("{} is there", part.words))]
                }
                ref field => {
                    let all = vec![(0, greatest(field.bits()))];
                    self.condition(field, &part.words).terms(&all).unwrap_or_default()
                }
            };
            terms.extend(found.into_iter().filter(|term| !is_all(term)));
        }
        terms
    }

    fn row(&self, parts: &[Part<'_>], key: &Expr) -> Told<Row> {
        let cells = match key {
            Expr::Concat(cells) if cells.len() == parts.len() => cells,
            Expr::All => return Ok(Row::Unknown),
            _ => {
                let message =
                    format!("`{key}` has not the {} parts that are looked up", parts.len());
                let problem = Diagnostic::error(self.location, message);
                return Err(Box::new(
                    problem.label("here").help("write `a . b` with a value for each"),
                ));
            }
        };
        let mut row = Vec::with_capacity(parts.len());
        for (part, cell) in parts.iter().zip(cells) {
            if part.constant {
                if Expr::Word(part.words.clone()) != *cell {
                    return Ok(Row::Never);
                }
                row.push(Cell::Values(Vec::new()));
                continue;
            }
            match &part.field {
                Field::Iif | Field::Oif if part.steps.is_empty() => {
                    match self.interface(part, Op::Equal, cell)? {
                        None => return Ok(Row::Never),
                        Some(terms) if terms.is_empty() => row.push(Cell::Values(Vec::new())),
                        Some(_) => row.push(Cell::Text(cell.to_string())),
                    }
                }
                Field::Opaque { .. } => row.push(Cell::Text(cell.to_string())),
                field => {
                    let Some(values) = self.values(cell, field.kind())? else {
                        return Ok(Row::Unknown);
                    };
                    if part.steps.is_empty() {
                        row.push(Cell::Values((*values).clone()));
                    } else {
                        match self.whole(part, &values)? {
                            Some(whole) => row.push(Cell::Values(whole)),
                            None => return Ok(Row::Unknown),
                        }
                    }
                }
            }
        }
        Ok(Row::Cells(row))
    }

    fn branch(&self, parts: &[Part<'_>], cells: &[Cell]) -> Answer {
        let mut terms: Vec<Term> = Vec::new();
        let is_l4 = |part: &Part<'_>| matches!(part.field, Field::Protocol | Field::HeaderProtocol);
        let says = |(part, cell): (&Part<'_>, &Cell)| match cell {
            Cell::Values(ranges) if is_l4(part) => {
                let condition = self.condition(&part.field, "");
                let told = condition.terms(ranges).unwrap_or_default();
                told.iter().any(super::terms::says_ports)
            }
            _ => matches!(part.field, Field::SrcPort(Some(_)) | Field::DstPort(Some(_))),
        };
        let has_ports = self.has_ports || parts.iter().zip(cells).any(says);
        for (part, cell) in parts.iter().zip(cells) {
            let found = match cell {
                Cell::Values(ranges) if ranges.is_empty() => Vec::new(),
                Cell::Values(ranges) => {
                    let text = format!("{} {ranges:?}", part.words);
                    Condition { has_ports, ..self.condition(&part.field, &text) }.terms(ranges)?
                }
                Cell::Text(word) => {
                    let text = match part.field {
                        Field::Iif => format!("iifname {word}"),
                        Field::Oif => format!("oifname {word}"),
                        _ => format!("{} {word}{}", part.words, self.hangs_on(&part.words)),
                    };
                    self.condition(&part.field, &text).terms(&vec![(0, 1)])?
                }
            };
            for term in found {
                if !terms.contains(&term) {
                    terms.push(term);
                }
            }
        }
        Some(terms)
    }
}

/// One element of a concatenation.
enum Row {
    /// Whatever the packet, it is not this one.
    Never,
    Cells(Vec<Cell>),
    /// It cannot be told what it holds.
    Unknown,
}

/// Joins rows that differ in one part only.
fn merged(mut rows: Vec<Vec<Cell>>, parts: usize) -> Vec<Vec<Cell>> {
    for part in 0..parts {
        let mut groups: BTreeMap<Vec<Cell>, Vec<Cell>> = BTreeMap::new();
        for mut row in rows {
            let own = row.remove(part);
            groups.entry(row).or_default().push(own);
        }
        rows = Vec::new();
        for (rest, cells) in groups {
            let mut values = Vec::new();
            let mut others = Vec::new();
            for cell in cells {
                match cell {
                    Cell::Values(ranges) if !ranges.is_empty() => values.extend(ranges),
                    other => others.push(other),
                }
            }
            if !values.is_empty() {
                others.push(Cell::Values(joined(values)));
            }
            others.dedup();
            for own in others {
                let mut row = rest.clone();
                row.insert(part, own);
                rows.push(row);
            }
        }
    }
    rows
}

/// Returns whether a term holds for all packets that have ports.
fn is_all(term: &Term) -> bool {
    matches!(term, Term::AnyOf(branches) if branches.is_empty())
}
