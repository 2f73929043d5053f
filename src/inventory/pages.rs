//! Exports that come in pages: whether all of them are there.

use std::collections::BTreeMap;

use crate::model::{Diagnostic, Location, Sources};

/// All pages that were read.
#[derive(Default)]
pub(super) struct Pages(Vec<Page>);

/// One page of an export.
pub(super) struct Page {
    /// How many entries the whole export has, and where that stands.
    pub(super) count: (u64, Location),
    /// How many of them are on this page.
    pub(super) results: u64,
    /// The numbers of those, where they have any, and where they stand.
    pub(super) ids: Vec<(u64, Location)>,
    /// The address of the page after this one, and where it stands.
    pub(super) next: Option<(String, Location)>,
    /// The address of the page before this one.
    pub(super) previous: Option<String>,
}

impl Page {
    fn is_whole(&self) -> bool {
        self.next.is_none() && self.previous.is_none()
    }

    /// Returns what is listed: the address without what says which page.
    fn endpoint(&self) -> &str {
        let link = self.next.as_ref().map(|(link, _)| link.as_str()).or(self.previous.as_deref());
        link.and_then(|link| link.split('?').next()).unwrap_or_default()
    }
}

impl Pages {
    pub(super) fn add(&mut self, page: Page) {
        self.0.push(page);
    }

    /// Reports exports of which pages or entries are missing.
    pub(super) fn check(&self, sources: &Sources, problems: &mut Vec<Diagnostic>) {
        let mut parts: BTreeMap<&str, Vec<&Page>> = BTreeMap::new();
        for page in &self.0 {
            if page.is_whole() {
                whole(page, problems);
                twice(&[page], problems);
            } else {
                parts.entry(page.endpoint()).or_default().push(page);
            }
        }
        for pages in parts.values() {
            several(pages, sources, problems);
            twice(pages, problems);
        }
    }
}

/// An entry that an export has twice stands where another one is missing.
fn twice(pages: &[&Page], problems: &mut Vec<Diagnostic>) {
    let mut known: BTreeMap<u64, Location> = BTreeMap::new();
    for (id, place) in pages.iter().flat_map(|page| &page.ids) {
        if let Some(first) = known.insert(*id, *place) {
            problems.push(
                Diagnostic::error(
                    *place,
                    format!("this export has entry {id} twice, and so lacks another one"),
                )
                .label("again here")
                .also(first, "first here")
                .help(HELP),
            );
            return;
        }
    }
}

const HELP: &str = "fetch all pages (`?limit=0`, or follow `next` to its end) and name all of them";

/// An export of one page has all entries that it counts.
fn whole(page: &Page, problems: &mut Vec<Diagnostic>) {
    let (count, place) = page.count;
    if count != page.results {
        problems.push(
            Diagnostic::error(
                place,
                format!("this export is incomplete: it has {} of {count} entries", page.results),
            )
            .label("so many there are")
            .help(HELP),
        );
    }
}

/// Several pages are one export if none is missing and none is there twice.
fn several(pages: &[&Page], sources: &Sources, problems: &mut Vec<Diagnostic>) {
    let (count, place) = pages[0].count;
    if let Some(other) = pages.iter().find(|page| page.count.0 != count) {
        problems.push(
            Diagnostic::error(
                other.count.1,
                format!(
                    "these pages are not of one export: {} entries, and {count}",
                    other.count.0
                ),
            )
            .label("so many here")
            .also(place, format!("{count} here"))
            .help("something changed while they were fetched; fetch them again"),
        );
        return;
    }
    let found: u64 = pages.iter().map(|page| page.results).sum();
    let firsts = pages.iter().filter(|page| page.previous.is_none()).count();
    let lasts = pages.iter().filter(|page| page.next.is_none()).count();
    if found == count && firsts == 1 && lasts == 1 {
        return;
    }
    let open = pages.iter().rev().find_map(|page| page.next.as_ref());
    let place = open.map_or(place, |(_, place)| *place);
    let name = &sources.get(place.source).name;
    problems.push(
        Diagnostic::error(
            place,
            format!("the export that {name} is of is incomplete: {found} of {count} entries"),
        )
        .label(if open.is_some() { "there are more pages" } else { "there are pages before" })
        .help(HELP),
    );
}
