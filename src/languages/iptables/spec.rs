//! What stands in one rule: its own conditions, its matches in order, and its target.

use super::extensions::{self, Extension};
use super::lex::Word;
use crate::model::{Diagnostic, Location, Span};
use crate::yaml::nearest;

/// One rule as written.
#[derive(Clone, Debug)]
pub(super) struct Spec<'a> {
    /// All its words.
    pub(super) location: Location,
    /// `-s`, `-d`, `-p`, `-i`, `-o`, `-f`, in order.
    pub(super) basics: Vec<Setting<'a>>,
    /// `-m …`, and what a protocol brings along, in order.
    pub(super) uses: Vec<Use<'a>>,
    /// `-j …` or `-g …`.
    pub(super) target: Option<Target<'a>>,
    /// Its words without counters, joined by single spaces.
    pub(super) text: String,
    /// `-4` or `-6`: it is for one family only.
    pub(super) only: Option<Word<'a>>,
}

/// One option with its values.
#[derive(Clone, Debug)]
pub(super) struct Setting<'a> {
    /// Canonical, without dashes.
    pub(super) name: &'static str,
    /// Whether a `!` stands before it, or before its value.
    pub(super) negated: bool,
    /// From the `!` to the last value.
    pub(super) location: Location,
    /// Its values.
    pub(super) values: Vec<Word<'a>>,
}

impl Setting<'_> {
    /// Returns a value; the reader has made sure that there are as many as the option takes.
    pub(super) fn value(&self, at: usize) -> &str {
        self.values.get(at).map_or("", |word| &word.text)
    }

    /// Returns the place of a value.
    pub(super) fn place(&self, at: usize) -> Location {
        self.values.get(at).map_or(self.location, |word| word.location)
    }
}

/// One match.
#[derive(Clone, Debug)]
pub(super) struct Use<'a> {
    /// Its name as written.
    pub(super) name: String,
    /// What is known of it; none if it is not known.
    pub(super) extension: Option<&'static Extension>,
    /// From `-m` to its last word.
    pub(super) location: Location,
    /// Its options.
    pub(super) settings: Vec<Setting<'a>>,
    /// The words after the name of a match that is not known.
    pub(super) words: Vec<String>,
}

impl<'a> Use<'a> {
    /// Returns its canonical name, or what is written.
    pub(super) fn name(&self) -> &str {
        match self.extension {
            Some(extension) => extension.name(),
            None => &self.name,
        }
    }

    /// Returns the option of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Setting<'a>> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// Returns it in one spelling: what names an unknown.
    pub(super) fn text(&self) -> String {
        let mut text = self.name().to_owned();
        for setting in &self.settings {
            push(&mut text, setting);
        }
        for word in &self.words {
            text.push(' ');
            text.push_str(word);
        }
        text
    }
}

/// Adds an option in one spelling.
pub(super) fn push(text: &mut String, setting: &Setting<'_>) {
    if setting.negated {
        text.push_str(" !");
    }
    text.push_str(" --");
    text.push_str(setting.name);
    for value in &setting.values {
        text.push(' ');
        text.push_str(&value.text);
    }
}

/// Where packets go that the rule takes.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    /// Whether by `-g`.
    pub(super) is_goto: bool,
    /// The target or chain.
    pub(super) name: Word<'a>,
    /// Its options.
    pub(super) settings: Vec<Setting<'a>>,
    /// The words after the name of a target that is not known.
    pub(super) words: Vec<String>,
}

impl<'a> Target<'a> {
    /// Returns the option of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Setting<'a>> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// Returns it in one spelling.
    pub(super) fn text(&self) -> String {
        let mut text = format!("-j {}", self.name.text);
        for setting in &self.settings {
            push(&mut text, setting);
        }
        for word in &self.words {
            text.push(' ');
            text.push_str(word);
        }
        text
    }
}

/// The options that every rule has: letter, long names, canonical name, values.
const BASICS: &[(&str, &[&str], &str, usize)] = &[
    ("s", &["source", "src"], "source", 1),
    ("d", &["destination", "dst"], "destination", 1),
    ("p", &["protocol", "proto"], "protocol", 1),
    ("i", &["in-interface"], "in-interface", 1),
    ("o", &["out-interface"], "out-interface", 1),
    ("f", &["fragment", "fragments"], "fragment", 0),
    ("j", &["jump"], "jump", 1),
    ("g", &["goto"], "goto", 1),
    ("m", &["match"], "match", 1),
    ("c", &["set-counters"], "set-counters", 2),
    ("4", &["ipv4"], "ipv4", 0),
    ("6", &["ipv6"], "ipv6", 0),
    ("n", &["numeric"], "", 0),
    ("v", &["verbose"], "", 0),
    ("x", &["exact"], "", 0),
];

/// What an option belongs to.
enum Owner {
    Basic(&'static str),
    Target(&'static str),
    Use(usize, &'static str),
}

struct Reader<'a, 'w> {
    words: &'w [Word<'a>],
    at: usize,
    spec: Spec<'a>,
    protocol: Option<String>,
    /// Whether the words of an unknown match (or target) are being read.
    unknown: Option<Unknown>,
}

#[derive(Clone, Copy)]
enum Unknown {
    Use,
    Target,
}

/// Reads the words of a rule after its chain.
pub(super) fn read<'a>(words: &[Word<'a>], location: Location) -> Result<Spec<'a>, Diagnostic> {
    let spec = Spec {
        location,
        basics: Vec::new(),
        uses: Vec::new(),
        target: None,
        text: String::new(),
        only: None,
    };
    let mut reader = Reader { words, at: 0, spec, protocol: None, unknown: None };
    while reader.at < words.len() {
        reader.option()?;
    }
    Ok(reader.spec)
}

impl<'a, 'w> Reader<'a, 'w> {
    fn is_not(&self) -> bool {
        self.words.get(self.at).is_some_and(|word| !word.is_quoted && word.text == "!")
    }

    fn option(&mut self) -> Result<(), Diagnostic> {
        let words: &'w [Word<'a>] = self.words;
        let from = self.at;
        let mut negated = self.is_not();
        self.at += usize::from(negated);
        let Some(word) = words.get(self.at) else {
            return Err(Diagnostic::error(words[from].location, "nothing follows this `!`")
                .label("negates nothing")
                .help("write `! -s 192.0.2.0/24`"));
        };
        self.at += 1;
        if word.is_quoted || !word.text.starts_with('-') || word.text.len() < 2 {
            return self.stray(from, word);
        }
        let (name, attached) = split(word);
        let Some((owner, count)) = self.find(&name) else {
            return self.not_found(from, word, &name);
        };
        let mut values: Vec<Word<'a>> = attached.into_iter().collect();
        if count == 0 && !values.is_empty() {
            return Err(Diagnostic::error(word.location, format!("`--{name}` takes no value"))
                .label("has a value")
                .help("remove what is joined to it"));
        }
        if values.is_empty() && count > 0 && !negated && self.is_not() {
            negated = true;
            self.at += 1;
        }
        while values.len() < count {
            let Some(value) = words.get(self.at) else {
                return Err(Diagnostic::error(
                    word.location,
                    format!("`{}` lacks its value", word.text),
                )
                .label(format!("takes {count} value{}", if count == 1 { "" } else { "s" }))
                .help("give the value, or remove the option"));
            };
            self.at += 1;
            values.push(value.clone());
        }
        let place = words[from].location;
        let end = words[self.at - 1].location.span.end;
        let location =
            Location { span: Span { start: place.span.start, end }, source: place.source };
        let is_counter = matches!(owner, Owner::Basic("set-counters" | ""));
        if !is_counter {
            for word in &words[from..self.at] {
                if !self.spec.text.is_empty() {
                    self.spec.text.push(' ');
                }
                self.spec.text.push_str(&word.text);
            }
        }
        self.apply(owner, Setting { name: "", negated, location, values })
    }

    /// Takes in an option.
    fn apply(&mut self, owner: Owner, mut setting: Setting<'a>) -> Result<(), Diagnostic> {
        match owner {
            Owner::Use(at, name) => {
                setting.name = name;
                let one = &mut self.spec.uses[at];
                if let Some(first) = one.settings.iter().find(|own| own.name == name) {
                    return Err(Diagnostic::error(
                        setting.location,
                        format!("`--{name}` is there twice"),
                    )
                    .label("again")
                    .also(first.location, "first here")
                    .help("iptables refuses this: write it once, or two rules"));
                }
                one.location.span.end = one.location.span.end.max(setting.location.span.end);
                one.settings.push(setting);
            }
            Owner::Target(name) => {
                setting.name = name;
                if let Some(target) = &mut self.spec.target {
                    target.settings.push(setting);
                }
            }
            Owner::Basic(name) => {
                setting.name = name;
                return self.basic(name, setting);
            }
        }
        Ok(())
    }

    fn basic(&mut self, name: &'static str, setting: Setting<'a>) -> Result<(), Diagnostic> {
        let location = setting.location;
        let is_match = matches!(
            name,
            "source" | "destination" | "protocol" | "in-interface" | "out-interface" | "fragment"
        );
        if setting.negated && !is_match {
            return Err(Diagnostic::error(location, format!("`--{name}` cannot be negated"))
                .label("a `!` before it")
                .help("remove the `!`"));
        }
        if is_match {
            self.unknown = None;
            if let Some(first) = self.spec.basics.iter().find(|basic| basic.name == name) {
                return Err(Diagnostic::error(location, format!("`--{name}` is there twice"))
                    .label("again")
                    .also(first.location, "first here")
                    .help("a rule has one of each; iptables refuses this one too"));
            }
            if name == "protocol" && !setting.negated {
                self.protocol = Some(setting.value(0).to_ascii_lowercase());
            }
            self.spec.basics.push(setting);
            return Ok(());
        }
        let mut values = setting.values.into_iter();
        match name {
            "match" => {
                let Some(value) = values.next() else { return Ok(()) };
                self.load(&value.text, location);
            }
            "jump" | "goto" => {
                if let Some(first) = &self.spec.target {
                    return Err(Diagnostic::error(location, "a rule has one target")
                        .label("another one")
                        .also(first.name.location, "the first one")
                        .help("write two rules with the same conditions"));
                }
                let Some(target) = values.next() else { return Ok(()) };
                let is_goto = name == "goto";
                let is_known = extensions::find_target(&target.text).is_some();
                self.unknown = (!is_known).then_some(Unknown::Target);
                let (settings, words) = (Vec::new(), Vec::new());
                self.spec.target = Some(Target { is_goto, name: target, settings, words });
            }
            "ipv4" | "ipv6" => {
                let text = if name == "ipv4" { "4" } else { "6" };
                self.spec.only = Some(Word { text: text.into(), location, is_quoted: false });
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds a match.
    fn load(&mut self, name: &str, location: Location) {
        let extension = extensions::find_match(name);
        self.unknown = extension.is_none().then_some(Unknown::Use);
        self.spec.uses.push(Use {
            name: name.to_owned(),
            extension,
            location,
            settings: Vec::new(),
            words: Vec::new(),
        });
    }

    /// Finds whose an option is: every rule's, the target's, that of a match (the last one first),
    /// or that of the match which the protocol brings along.
    fn find(&mut self, name: &str) -> Option<(Owner, usize)> {
        let basic =
            BASICS.iter().find(|(letter, long, _, _)| *letter == name || long.contains(&name));
        // What stands behind an unknown match is its own, unless every rule has it.
        if let Some((_, _, canonical, values)) = basic {
            return Some((Owner::Basic(canonical), *values));
        }
        if self.unknown.is_some() {
            return None;
        }
        let target = self.spec.target.as_ref();
        if let Some((canonical, values)) = target
            .and_then(|target| extensions::find_target(&target.name.text))
            .and_then(|target| target.option(name))
        {
            return Some((Owner::Target(canonical), values));
        }
        for (at, one) in self.spec.uses.iter().enumerate().rev() {
            if let Some((canonical, values)) =
                one.extension.and_then(|extension| extension.option(name))
            {
                return Some((Owner::Use(at, canonical), values));
            }
        }
        let brings = self.protocol.as_deref().map(|protocol| match protocol {
            "6" => "tcp",
            "17" => "udp",
            "1" => "icmp",
            "58" => "icmp6",
            "132" => "sctp",
            "33" => "dccp",
            "51" => "ah",
            "50" => "esp",
            other => other,
        });
        let brings = brings.and_then(extensions::find_match)?;
        let (canonical, values) = brings.option(name)?;
        let place = self.words[self.at - 1].location;
        self.load(brings.name(), place);
        Some((Owner::Use(self.spec.uses.len() - 1, canonical), values))
    }

    /// Gives the words from here to those of an unknown match or target, if one is open.
    fn stray(&mut self, from: usize, word: &Word<'a>) -> Result<(), Diagnostic> {
        let words: &'w [Word<'a>] = self.words;
        let taken = &words[from..self.at];
        let texts = taken.iter().map(|word| word.text.to_string());
        match (self.unknown, &mut self.spec.target) {
            (Some(Unknown::Use), _) => {
                if let Some(one) = self.spec.uses.last_mut() {
                    one.location.span.end = word.location.span.end;
                    one.words.extend(texts);
                }
            }
            (Some(Unknown::Target), Some(target)) => target.words.extend(texts),
            _ => {
                return Err(Diagnostic::error(
                    word.location,
                    format!("`{}` belongs to no option", word.text.escape_debug()),
                )
                .label("stands alone")
                .help("write an option before it, or remove it"));
            }
        }
        for word in taken {
            if !self.spec.text.is_empty() {
                self.spec.text.push(' ');
            }
            self.spec.text.push_str(&word.text);
        }
        Ok(())
    }

    fn not_found(&mut self, from: usize, word: &Word<'a>, name: &str) -> Result<(), Diagnostic> {
        if self.unknown.is_some() {
            return self.stray(from, word);
        }
        let loaded = self.spec.uses.iter().filter_map(|one| one.extension);
        let target = self.spec.target.as_ref();
        let target = target.and_then(|target| extensions::find_target(&target.name.text));
        let mut known: Vec<&str> = loaded
            .chain(target)
            .flat_map(|one| one.options.iter().flat_map(|(names, _)| names.split('|')))
            .collect();
        let brings = self.protocol.as_deref().and_then(extensions::find_match);
        known.extend(
            brings
                .iter()
                .flat_map(|one| one.options.iter().flat_map(|(names, _)| names.split('|'))),
        );
        known.extend(BASICS.iter().flat_map(|(_, long, _, _)| *long));
        let owner = extensions::MATCHES.iter().find(|one| one.option(name).is_some());
        let help = match (nearest(name, known.iter().copied()), owner) {
            (_, Some(owner)) => {
                let is_protocol =
                    matches!(owner.name(), "tcp" | "udp" | "sctp" | "dccp" | "icmp" | "icmp6");
                let before = if is_protocol { "-p" } else { "-m" };
                format!("write `{before} {}` before it", owner.name())
            }
            (Some(near), None) => format!("did you mean `--{near}`?"),
            (None, None) => "an option of a match stands behind its `-m NAME`; see \
                             iptables-extensions(8)"
                .to_owned(),
        };
        Err(Diagnostic::error(
            word.location,
            format!("`{}` is an option of nothing in this rule", word.text.escape_debug()),
        )
        .label("not known here")
        .help(help))
    }
}

/// Splits `--name=value` and `-jDROP`.
fn split<'a>(word: &Word<'a>) -> (String, Option<Word<'a>>) {
    let cut = |name: &str, at: usize| {
        let value = &word.text[at..];
        let value = (at < word.text.len() || word.text.ends_with('=')).then(|| Word {
            text: value.to_owned().into(),
            location: word.part(at, word.text.len()),
            is_quoted: false,
        });
        (name.to_owned(), value)
    };
    if let Some(long) = word.text.strip_prefix("--") {
        return match long.find('=') {
            Some(at) => cut(&long[..at], at + 3),
            None => (long.to_owned(), None),
        };
    }
    let letter = word.text.chars().nth(1).unwrap_or('-');
    cut(&letter.to_string(), 1 + letter.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::super::lex::{Quoting, words};
    use super::*;
    use crate::model::SourceId;

    fn spec(line: &str) -> Result<Spec<'_>, Diagnostic> {
        let words = words(line, 0, SourceId(0), Quoting::Restore).expect("words");
        let place = Location { source: SourceId(0), span: Span::new(0, line.len()) };
        read(&words, place)
    }

    fn shape(line: &str) -> String {
        let spec = spec(line).unwrap_or_else(|problem| panic!("{line}: {problem:?}"));
        let mut text = String::new();
        spec.basics.iter().for_each(|basic| push(&mut text, basic));
        for one in &spec.uses {
            text.push_str(&format!(" [{}]", one.text()));
        }
        if let Some(target) = &spec.target {
            text.push_str(&format!(
                " {}{}",
                if target.is_goto { "-g " } else { "" },
                target.text()
            ));
        }
        text.trim().to_owned()
    }

    #[test]
    fn spellings_of_one_rule_read_alike() {
        let expected = "! --source 10.0.0.0/8 --protocol tcp [tcp ! --dport 80] -j DROP";
        for line in [
            "! -s 10.0.0.0/8 -p tcp -m tcp ! --dport 80 -j DROP",
            "-s ! 10.0.0.0/8 -p tcp --dport ! 80 -j DROP",
            "! --source=10.0.0.0/8 -ptcp ! --destination-port=80 -jDROP",
            "! --src 10.0.0.0/8 --proto 6 ! --dport 80 -j DROP",
        ] {
            assert_eq!(shape(line).replace("--protocol 6", "--protocol tcp"), expected, "{line}");
        }
    }

    #[test]
    fn the_words_of_an_unknown_match_are_kept_up_to_the_next_option_of_every_rule() {
        assert_eq!(
            shape("-m geoip ! --source-country CN,RU -p udp --dport 53 -j DROP"),
            "--protocol udp [geoip ! --source-country CN,RU] [udp --dport 53] -j DROP"
        );
        assert_eq!(shape("-j WHAT --ever 3 -s 1.2.3.4"), "--source 1.2.3.4 -j WHAT --ever 3");
    }

    #[test]
    fn what_no_rule_says_is_an_error_that_helps() {
        for (line, says) in [
            ("-p tcp --dprt 80 -j DROP", "did you mean"),
            ("--dport 80 -j DROP", "-p tcp"),
            ("-m tcp --dport", "give the value"),
            ("-j DROP -j ACCEPT", "two rules"),
            ("-s 1.2.3.4 -s 1.2.3.5", "one of each"),
            ("-j DROP !", "! -s"),
            ("-j ACCEPT word", "before it"),
            ("! -j DROP", "remove the `!`"),
        ] {
            let problem = spec(line).expect_err(line);
            assert!(problem.help.as_deref().unwrap_or("").contains(says), "{problem:?}");
        }
    }
}
