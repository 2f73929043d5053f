//! Prefixes (or addresses) of NetBox, as its REST API lists them: pages of
//! `{count, next, previous, results: […]}`, one or several in a file. A tenant is a customer, its
//! slug the id. An export of which a page is missing is an error.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::pages::Page;
use super::{Attribute, Collector, Form, Listed, Owners, names};
use crate::model::{Diagnostic, Location, SourceId, Sources, Span, Spanned};
use crate::words;

pub(super) const FORM: Form = Form { name: "netbox-json", owners: Owners::Column, detect, read };

fn detect(_name: &str, start: &str) -> bool {
    let start = start.trim_start_matches('\u{feff}').trim_start();
    let has = |key: &str| start.contains(&format!("\"{key}\""));
    start.starts_with(['{', '['])
        && (has("results") || has("prefix") || has("count") && has("next"))
}

/// A page, as it is written.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow, default, deserialize_with = "said")]
    count: Option<Option<&'a RawValue>>,
    #[serde(borrow, default, deserialize_with = "said")]
    next: Option<Option<&'a RawValue>>,
    #[serde(borrow, default)]
    previous: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    results: Option<Vec<&'a RawValue>>,
}

/// A prefix, as it is written.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prefix: Option<&'a RawValue>,
    #[serde(borrow, default)]
    address: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "said")]
    tenant: Option<Option<&'a RawValue>>,
    #[serde(borrow, default, deserialize_with = "said")]
    vrf: Option<Option<Vrf<'a>>>,
}

#[derive(Deserialize)]
struct Vrf<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    rd: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Tenant<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    slug: Cow<'a, str>,
}

/// Keeps what is `null` apart from what is not there.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

fn read(sources: &Sources, listed: &Listed, into: &mut Collector) -> Vec<Diagnostic> {
    let source = sources.get(listed.file);
    let text: &str = &source.text;
    let mut export = Export {
        file: listed.file,
        text,
        column: listed.customer_column.as_deref(),
        prefixes: 0,
        owned: 0,
        elsewhere: 0,
        problems: Vec::new(),
    };
    for page in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        match page {
            Ok(page) => export.page(page.get(), into),
            Err(error) => {
                export.is_no_json(&error);
                break;
            }
        }
    }
    let Export { prefixes, owned, elsewhere, mut problems, .. } = export;
    if problems.is_empty() && owned == 0 && elsewhere == 0 {
        let what = match prefixes {
            0 => "lists no prefix".to_owned(),
            _ => format!("names no owner of any of its {prefixes} prefixes"),
        };
        problems.push(
            Diagnostic::bare(format!("{} {what}", source.name))
                .help("assign tenants, or say `customer_column:` in the config"),
        );
    } else if problems.is_empty() && owned + elsewhere < prefixes {
        let without = prefixes - owned - elsewhere;
        problems.push(Diagnostic {
            severity: crate::model::Severity::Warning,
            ..Diagnostic::bare(format!(
                "{}: {without} of {prefixes} prefixes have no owner; their traffic is that of the \
                 prefix around them, or `(unowned)`",
                source.name
            ))
        });
    }
    problems
}

/// An export while it is read.
struct Export<'s> {
    file: SourceId,
    text: &'s str,
    /// The key that says whose a prefix is, with dots for keys inside of others.
    column: Option<&'s str>,
    prefixes: u64,
    owned: u64,
    elsewhere: u64,
    problems: Vec<Diagnostic>,
}

impl<'s> Export<'s> {
    /// Returns the place of a piece of the text.
    fn place(&self, piece: &str) -> Location {
        let start = (piece.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let start = start.min(self.text.len());
        let end = (start + piece.len()).min(self.text.len());
        Location { source: self.file, span: Span::new(start, end) }
    }

    /// Returns the place of the first line of something long.
    fn head(&self, piece: &str) -> Location {
        self.place(piece.lines().next().unwrap_or(piece))
    }

    fn report(&mut self, location: Location, message: impl Into<String>, label: &str, help: &str) {
        self.problems.push(Diagnostic::error(location, message).label(label).help(help));
    }

    fn is_no_json(&mut self, error: &serde_json::Error) {
        let lines = self.text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let location = Location { source: self.file, span: Span::new(at, at) };
        let message = match error.is_eof() {
            true => "this export is incomplete: the text ends in the middle".to_owned(),
            false => format!("this is no JSON: {error}"),
        };
        self.report(location, message, "from here on", "export it again");
    }

    fn page(&mut self, page: &'s str, into: &mut Collector) {
        if page.starts_with('[') {
            self.report(
                self.head(page),
                "nothing says whether this list is the whole export",
                "a list without `count` and `next`",
                "keep the pages as the API gives them: `{\"count\": …, \"next\": …, \"results\": […]}`",
            );
            return;
        }
        let written: Written<'s> = match serde_json::from_str(page) {
            Ok(written) => written,
            Err(error) => {
                let message = format!("this is no page of NetBox: {error}");
                self.report(self.head(page), message, "here", "export it again from `/api/ipam/`");
                return;
            }
        };
        let count = written.count.flatten().and_then(|raw| Some((raw, raw.get().parse().ok()?)));
        let (Some((raw, count)), Some(next), Some(results)) =
            (count, written.next, written.results)
        else {
            self.report(
                self.head(page),
                "nothing says whether this export is complete",
                "lacks `count`, `next` or `results`",
                "keep the pages as the API gives them",
            );
            return;
        };
        let next = next.map(|raw| {
            let link: String = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.to_string());
            (link, self.place(raw.get()))
        });
        let ids = results.iter().filter_map(|raw| {
            let id = serde_json::from_str::<Entry<'s>>(raw.get()).ok()?.id?.get();
            Some((id.parse().ok()?, self.place(id)))
        });
        into.pages.add(Page {
            count: (count, self.place(raw.get())),
            results: results.len() as u64,
            ids: ids.collect(),
            next,
            previous: written.previous.map(Cow::into_owned),
        });
        for entry in results {
            self.entry(entry.get(), into);
        }
    }

    fn entry(&mut self, raw: &'s str, into: &mut Collector) {
        self.prefixes += 1;
        let entry: Entry<'s> = match serde_json::from_str(raw) {
            Ok(entry) => entry,
            Err(error) => {
                let message = format!("this is no prefix of NetBox: {error}");
                self.report(self.head(raw), message, "here", "export it again from `/api/ipam/`");
                return;
            }
        };
        let Some(text) = entry.prefix.or(entry.address) else {
            self.report(
                self.head(raw),
                "this entry is no prefix",
                "neither `prefix` nor `address`",
                "export `/api/ipam/prefixes/`",
            );
            return;
        };
        let place = self.place(text.get().trim_matches('"'));
        let words: String = serde_json::from_str(text.get()).unwrap_or_default();
        // An address has the length of the network that it is in.
        let words = match entry.prefix {
            None => words.split('/').next().unwrap_or_default(),
            Some(_) => words.as_str(),
        };
        let prefix = match words::prefix(words) {
            Ok(prefix) => Spanned::new(prefix, place),
            Err(wrong) => {
                self.problems.push(wrong.at(place));
                return;
            }
        };
        let Some(vrf) = &entry.vrf else {
            self.report(
                place,
                "nothing says in which VRF this prefix is",
                "lacks `vrf`",
                "export it with all of its fields",
            );
            return;
        };
        let owner = match self.column {
            Some(column) => self.owner_by(raw, column, place),
            None => self.tenant(&entry, place),
        };
        let Ok(Some((id, name, told))) = owner else { return };
        let names: Vec<&str> =
            vrf.iter().flat_map(|vrf| [Some(&*vrf.name), vrf.rd.as_deref()]).flatten().collect();
        if !into.is_in_table(&names, place) {
            self.elsewhere += 1;
            return;
        }
        self.owned += 1;
        let customer = into.number(&id, told);
        if let Some(name) = name {
            into.tell(customer, Attribute::Name, &name, told, &mut self.problems);
        }
        into.prefix(customer, prefix, None);
    }

    /// Returns id, name and place of the tenant, if there is any.
    fn tenant(&mut self, entry: &Entry<'s>, place: Location) -> Owner {
        let Some(tenant) = entry.tenant else {
            self.report(
                place,
                "nothing says whose this prefix is",
                "lacks `tenant`",
                "export it with all of its fields (without `brief`), or say `customer_column:`",
            );
            return Err(());
        };
        let Some(raw) = tenant else { return Ok(None) };
        let told = self.place(raw.get());
        let Ok(Tenant { name, slug }) = serde_json::from_str::<Tenant<'s>>(raw.get()) else {
            let message = "this is no tenant of NetBox";
            self.report(told, message, "lacks `slug`", "export it again from `/api/ipam/`");
            return Err(());
        };
        match names::id_of(&slug) {
            Some(id) => Ok(Some((id, name.map(Cow::into_owned), told))),
            None => {
                self.report(told, names::no_id(&slug), "the slug", "rename the tenant");
                Err(())
            }
        }
    }

    /// Returns the same of what stands under a key.
    fn owner_by(&mut self, raw: &str, column: &str, place: Location) -> Owner {
        let entry: Value = serde_json::from_str(raw).unwrap_or_default();
        let found = column.split('.').try_fold(&entry, |value, key| value.get(key));
        let text = match found {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Null) => String::new(),
            Some(_) | None => {
                let message = format!("this prefix has no `{column}`");
                let help = "name a key that every entry has: `tenant.slug`, `custom_fields.id`";
                // Of an entry that nobody owns, what is around the key is null.
                let around = column.rsplit_once('.').map(|(around, _)| around);
                let is_null = around.is_some_and(|around| {
                    let found = around.split('.').try_fold(&entry, |value, key| value.get(key));
                    found.is_some_and(Value::is_null)
                });
                if is_null {
                    return Ok(None);
                }
                self.report(place, message, "here", help);
                return Err(());
            }
        };
        if text.is_empty() {
            return Ok(None);
        }
        match names::id_of(&text) {
            Some(id) => Ok(Some((id, Some(text), place))),
            None => {
                let help = "name another key with `customer_column:`";
                self.report(place, names::no_id(&text), "of this prefix", help);
                Err(())
            }
        }
    }
}

/// Id, name and place of an owner; nothing if there is none. An error was reported.
type Owner = Result<Option<(String, Option<String>, Location)>, ()>;
