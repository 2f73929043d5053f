//! Rule languages: text in, [`RuleSet`] and diagnostics out. One file (or folder) a language,
//! and its two adjacent lines here.

use std::collections::BTreeMap;

use crate::model::{Diagnostic, Location, RuleSet, SourceId, Sources};

mod detect;
mod flowspec;
mod iptables;
mod junos;
pub mod native;
mod nftables;

pub use detect::{certain, detect};

/// Every language, in the order in which they are named.
pub const LANGUAGES: &[&Language] = &[
    &native::LANGUAGE,
    &flowspec::LANGUAGE,
    &nftables::LANGUAGE,
    &iptables::EITHER,
    &iptables::LEGACY,
    &iptables::NFT,
    &junos::LANGUAGE,
];

/// One rule language.
pub struct Language {
    /// What `--language` calls it.
    pub name: &'static str,
    /// Ends of file names that may hold it, without the dot.
    pub extensions: &'static [&'static str],
    /// How surely a text is of this language. Two that are equally sure are a tie, and the user is
    /// asked.
    pub detect: fn(text: &str) -> Sure,
    /// What a text includes, with where it says so. It is asked of the files of a set and of all
    /// that they include in turn.
    pub includes: fn(sources: &Sources, file: SourceId) -> Vec<Include>,
    /// Parses all files of a rule set, in order. What could be read is returned together with
    /// what could not; a set with an error among its diagnostics must not be judged.
    pub parse: fn(files: &Files<'_>) -> (RuleSet, Vec<Diagnostic>),
    /// What it understands, as examples; the documentation is made of them, and a test holds the
    /// parser to each.
    pub constructs: &'static [Construct],
    /// Makes a whole file of the example of a construct.
    pub frame: fn(example: &str) -> String,
}

impl Language {
    /// Parses texts that include nothing, on the way of [`Way::default`].
    pub fn parse_texts(&self, sources: &Sources, files: &[SourceId]) -> (RuleSet, Vec<Diagnostic>) {
        let (included, way) = (BTreeMap::new(), Way::default());
        (self.parse)(&Files { sources, files, included: &included, way: &way })
    }
}

/// What a language without includes says to [`Language::includes`].
pub fn no_includes(_: &Sources, _: SourceId) -> Vec<Include> {
    Vec::new()
}

//------------ What is parsed --------------------------------------------------

/// The texts of a rule set, and how its packets come by.
pub struct Files<'a> {
    /// All texts.
    pub sources: &'a Sources,
    /// The files of the set, in order.
    pub files: &'a [SourceId],
    /// By the place of an include: the texts that it stands for, in order. An include that is not
    /// here could not be read, which was reported.
    pub included: &'a BTreeMap<Location, Vec<SourceId>>,
    /// How the packets come by.
    pub way: &'a Way,
}

/// An include as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// What is included: a path relative to the folder of the file that says so, or absolute;
    /// `*`, `?` and `[…]` stand for any names, as a shell has them.
    pub path: String,
    /// The place of the path.
    pub location: Location,
}

/// How packets come by: `--path`, `--iif`, `--oif`. Languages without hooks and interfaces pass it
/// over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The hooks that they pass.
    pub path: Path,
    /// The name of the interface by which they come in, if it is known.
    pub iif: Option<String>,
    /// The name of the interface by which they go out, if it is known.
    pub oif: Option<String>,
}

/// The hooks that packets pass, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// Ingress, prerouting, forward, postrouting: through the router.
    #[default]
    Forward,
    /// Ingress, prerouting, input: to the router itself.
    Input,
    /// Ingress and prerouting.
    Prerouting,
    /// Ingress alone.
    Ingress,
}

impl Path {
    /// Every path and its name, as `--path` takes it.
    pub const NAMES: &[(&str, Path)] = &[
        ("forward", Path::Forward),
        ("input", Path::Input),
        ("prerouting", Path::Prerouting),
        ("ingress", Path::Ingress),
    ];
}

//------------ What is understood ----------------------------------------------

/// One construct of a language and how well it is understood.
#[derive(Clone, Copy, Debug)]
pub struct Construct {
    /// What it is called in the documentation, such as `tcp flags`; Markdown.
    pub name: &'static str,
    /// A text that holds it, which [`Language::frame`] makes a file of.
    pub example: &'static str,
    /// How well it is understood.
    pub class: Class,
    /// What there is to know about it, in a few words; may be empty. Markdown.
    pub note: &'static str,
}

/// How well a construct is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// As its own system has it.
    Exact,
    /// It may be either way: the verdict holds for both, or is CANNOT JUDGE.
    Bounded,
    /// A file with it is not judged, and the error says so.
    Refused,
}

//------------ Telling languages apart -----------------------------------------

/// How surely a text is of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// Nothing speaks for it.
    No,
    /// It could be.
    Maybe,
    /// No other language is written so.
    Certain,
}

#[cfg(test)]
mod tests;
