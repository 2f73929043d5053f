//! The sets that `ipset save` prints (ipset(8)).

use std::collections::{HashMap, HashSet};

use super::lex::Word;
use crate::model::{Address, AddressRange, Diagnostic, Family, Location, Prefix, Span};
use crate::words;
use crate::yaml::nearest;

/// All sets of a rule set, by name.
#[derive(Debug, Default)]
pub(super) struct Sets {
    sets: HashMap<String, Set>,
    /// Whether any file holds sets.
    pub(super) are_given: bool,
}

/// One set.
#[derive(Debug)]
pub(super) struct Set {
    /// Its family; none for sets that know no addresses.
    pub(super) family: Option<Family>,
    /// What each dimension holds.
    pub(super) dimensions: Vec<Dimension>,
    /// How it is stored, which decides how it is searched.
    pub(super) storage: Storage,
    /// `netmask` of `hash:ip` and `bitmap:ip`: addresses are cut to it before they are looked up.
    pub(super) netmask: Option<u8>,
    /// `timeout`: whether members may have one, and whether those without their own expire.
    expire: Option<bool>,
    /// How many members have room; none where there is no such bound, or old ones make way.
    room: Option<u64>,
    /// How many members it has for certain: networks may be stored as several.
    count: u64,
    /// Whether each address and port is a member of its own.
    is_of_single: bool,
    /// Members that were added.
    added: HashSet<Vec<Part>>,
    /// Its members.
    pub(super) members: Vec<Member>,
    /// Where it is made.
    pub(super) location: Location,
}

/// How a set is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// `hash:…`
    Hash,
    /// `bitmap:…`
    Bitmap,
    /// `list:set`
    List,
}

/// What one dimension holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dimension {
    /// An address or a network.
    Address,
    /// A protocol and a port, or an ICMP type.
    Port,
    /// The name of an interface.
    Interface,
    /// What no record has: a hardware address, a mark.
    Other(&'static str),
    /// The name of another set.
    Set,
}

/// One member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// A part for each dimension.
    pub(super) parts: Vec<Part>,
    /// `nomatch`: what it holds is not in the set.
    pub(super) is_exception: bool,
    /// Whether it has a timeout, after which it is gone.
    pub(super) expires: bool,
}

/// One part of a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Addresses, and the prefix length if it is a prefix.
    Addresses(AddressRange, Option<u8>),
    /// A protocol and ports; for ICMP its type and code as one number, type first.
    Port {
        /// The protocol; none for `bitmap:port`, which looks at TCP and UDP.
        protocol: Option<u8>,
        /// Ports, inclusive.
        ports: (u16, u16),
    },
    /// A name, or text that nothing is made of.
    Text(String),
}

impl Sets {
    /// Returns the set of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Set> {
        self.sets.get(name)
    }

    /// Returns what a set holds, as one text: its members, and those of the sets that it lists.
    pub(super) fn text(&self, name: &str) -> String {
        let Some(set) = self.get(name) else { return format!("{name}: none") };
        let members: Vec<_> =
            set.members.iter().map(|one| (&one.parts, one.is_exception)).collect();
        let mut text = format!(
            "{name}: {:?} {:?} {:?} {:?} {:?} {members:?}",
            set.storage, set.dimensions, set.family, set.netmask, set.expire
        );
        for member in &set.members {
            if let (Storage::List, [Part::Text(inner)]) = (set.storage, member.parts.as_slice()) {
                // A list of lists is refused, so that this ends.
                let is_list = self.get(inner).is_some_and(|set| set.storage == Storage::List);
                text.push_str(&if is_list { inner.clone() } else { self.text(inner) });
            }
        }
        text
    }

    /// Takes in one line, without `ipset` before it.
    pub(super) fn line(&mut self, words: &[Word<'_>]) -> Result<(), Diagnostic> {
        self.are_given = true;
        // These only say what to do about what is there already.
        let is_exist = |word: &&Word<'_>| matches!(&*word.text, "-!" | "-exist" | "--exist");
        let is_forgiving = words.iter().any(|word| is_exist(&word));
        let words: Vec<&Word<'_>> = words.iter().filter(|word| !is_exist(word)).collect();
        let (Some(command), Some(name)) = (words.first(), words.get(1)) else {
            let place = words.first().map_or_else(nowhere, |word| word.location);
            return Err(Diagnostic::error(place, "this line of sets is not complete")
                .label("lacks the name of a set")
                .help("write `create NAME hash:net` or `add NAME 192.0.2.0/24`"));
        };
        match &*command.text {
            "create" | "-N" | "--create" | "n" => {
                let set = create(&words)?;
                if let Some(first) = self.sets.get(&*name.text) {
                    return Err(twice(name, first.location));
                }
                self.sets.insert(name.text.to_string(), set);
                Ok(())
            }
            "add" | "-A" | "--add" => {
                let Some(set) = self.sets.get_mut(&*name.text) else {
                    return Err(Diagnostic::error(
                        name.location,
                        format!("no set is called `{}`", name.text.escape_debug()),
                    )
                    .label("not made before this line")
                    .help("write `create` before `add`, as `ipset save` does"));
                };
                let member = member(set, &words)?;
                set.add(member, &words, is_forgiving)
            }
            other => Err(Diagnostic::error(
                command.location,
                format!("`{}` is not read", other.escape_debug()),
            )
            .label("only `create` and `add` are")
            .help("hand over what `ipset save` prints")),
        }
    }
}

fn nowhere() -> Location {
    Location { source: crate::model::SourceId(0), span: Span::new(0, 0) }
}

fn twice(name: &Word<'_>, first: Location) -> Diagnostic {
    Diagnostic::error(name.location, format!("set `{}` is made twice", name.text.escape_debug()))
        .label("made again")
        .also(first, "first here")
        .help("hand over what `ipset save` prints, once")
}

//------------ Sets ---------------------------------------------------------------

/// Options of `create` that take a value, and those that take none. None of the others changes what
/// is matched.
const VALUED: &[&str] = &[
    "family",
    "hashsize",
    "maxelem",
    "timeout",
    "netmask",
    "range",
    "bucketsize",
    "initval",
    "size",
    "markmask",
    "probes",
    "resize",
    "bitmask",
];
/// `maxelem` and `size` where they are not written (ipset(8)).
const DEFAULT_MAXELEM: u64 = 65_536;
const DEFAULT_SIZE: u64 = 8;
const PLAIN: &[&str] = &["counters", "comment", "skbinfo", "forceadd", "wildcard"];

fn create(words: &[&Word<'_>]) -> Result<Set, Diagnostic> {
    let name = words[1];
    let Some(kind) = words.get(2) else {
        return Err(Diagnostic::error(name.location, "this set has no type")
            .label("its type is missing")
            .help("write `create NAME hash:net`"));
    };
    let unknown = || {
        Diagnostic::error(
            kind.location,
            format!("`{}` is no type of set", kind.text.escape_debug()),
        )
        .label("not known")
        .help("known are hash:…, bitmap:… and list:set, as ipset(8) lists them")
    };
    let (storage, rest) = kind.text.split_once(':').ok_or_else(unknown)?;
    let storage = match storage {
        "hash" => Storage::Hash,
        "bitmap" => Storage::Bitmap,
        "list" => Storage::List,
        _ => return Err(unknown()),
    };
    let dimensions: Option<Vec<Dimension>> = rest
        .split(',')
        .map(|part| {
            Some(match part {
                "ip" | "net" => Dimension::Address,
                "port" => Dimension::Port,
                "iface" => Dimension::Interface,
                "mac" => Dimension::Other("hardware address"),
                "mark" => Dimension::Other("mark"),
                "set" => Dimension::Set,
                _ => return None,
            })
        })
        .collect();
    let dimensions = dimensions.ok_or_else(unknown)?;
    let mut set = Set {
        family: None,
        dimensions,
        storage,
        netmask: None,
        expire: None,
        room: match storage {
            Storage::Hash => Some(DEFAULT_MAXELEM),
            Storage::List => Some(DEFAULT_SIZE),
            Storage::Bitmap => None,
        },
        count: 0,
        is_of_single: !rest.contains("net"),
        added: HashSet::new(),
        members: Vec::new(),
        location: name.location,
    };
    let mut family = Family::V4;
    let mut makes_way = false;
    let mut at = 3;
    while let Some(word) = words.get(at) {
        at += 1;
        if PLAIN.contains(&&*word.text) {
            makes_way |= word.text == "forceadd";
            continue;
        }
        if !VALUED.contains(&&*word.text) {
            let known = VALUED.iter().chain(PLAIN).copied();
            let help = match nearest(&word.text, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "see ipset(8) for the options of `create`".to_owned(),
            };
            return Err(Diagnostic::error(
                word.location,
                format!("`{}` is no option of a set", word.text.escape_debug()),
            )
            .label("not known")
            .help(help));
        }
        let Some(value) = words.get(at) else {
            return Err(Diagnostic::error(
                word.location,
                format!("`{}` lacks its value", word.text),
            )
            .label("cut off")
            .help("give the value, or remove the option"));
        };
        at += 1;
        match &*word.text {
            "family" => {
                family = match &*value.text {
                    "inet" | "ipv4" | "-4" => Family::V4,
                    "inet6" | "ipv6" | "-6" => Family::V6,
                    _ => {
                        return Err(Diagnostic::error(value.location, "this is no family of sets")
                            .label("not `inet` or `inet6`")
                            .help("write `family inet` or `family inet6`"));
                    }
                }
            }
            "netmask" => {
                let length = value.text.parse().ok().filter(|length| *length <= 128);
                set.netmask = Some(length.ok_or_else(|| {
                    Diagnostic::error(value.location, "this is no prefix length")
                        .label("not a number up to 128")
                        .help("write `netmask 24`")
                })?);
            }
            "timeout" => set.expire = Some(amount(value, "seconds")? > 0),
            "maxelem" if storage == Storage::Hash => set.room = Some(amount(value, "members")?),
            "size" if storage == Storage::List => set.room = Some(amount(value, "members")?),
            "bitmask" => {
                return Err(Diagnostic::error(word.location, "`bitmask` of a set is not read")
                    .label("changes what the set matches")
                    .help("write the networks out, or use `netmask`"));
            }
            _ => {}
        }
    }
    if set.dimensions.contains(&Dimension::Address) {
        set.family = Some(family);
    }
    if makes_way {
        set.room = None;
    }
    Ok(set)
}

/// Reads a number of seconds or of members.
fn amount(word: &Word<'_>, of: &str) -> Result<u64, Diagnostic> {
    word.text.parse::<u32>().map(u64::from).map_err(|_| {
        Diagnostic::error(word.location, format!("this is no number of {of}"))
            .label("not a whole number")
            .help("write digits only, such as `300`")
    })
}

impl Set {
    /// Adds a member, as far as the kernel would.
    fn add(
        &mut self,
        member: Member,
        words: &[&Word<'_>],
        is_forgiving: bool,
    ) -> Result<(), Diagnostic> {
        let place = words.get(2).map_or(self.location, |word| word.location);
        if !self.added.insert(member.parts.clone()) {
            if is_forgiving {
                self.members.push(member);
                return Ok(());
            }
            return Err(Diagnostic::error(place, "this member is added twice")
                .label("it is there already: ipset refuses the file")
                .help("remove one of them, or write `-exist`"));
        }
        self.count = self.count.saturating_add(match self.is_of_single {
            true if self.netmask.is_none() => {
                member.parts.iter().map(Part::width).fold(1, u64::saturating_mul)
            }
            _ => 1,
        });
        if let Some(room) = self.room.filter(|room| self.count > *room) {
            let option = if self.storage == Storage::List { "size" } else { "maxelem" };
            return Err(Diagnostic::error(place, "the set is full")
                .label(format!("it has room for {room} members; ipset refuses this one"))
                .also(self.location, "the set is made here")
                .help(format!("give it a greater `{option}`, or fewer members")));
        }
        self.members.push(member);
        Ok(())
    }
}

impl Part {
    /// Returns how many addresses or ports it is.
    fn width(&self) -> u64 {
        match self {
            Part::Addresses(range, _) => {
                let width = (range.last - range.first).saturating_add(1);
                u64::try_from(width).unwrap_or(u64::MAX)
            }
            Part::Port { ports, .. } => u64::from(ports.1 - ports.0) + 1,
            Part::Text(_) => 1,
        }
    }
}

//------------ Members --------------------------------------------------------------

fn member(set: &Set, words: &[&Word<'_>]) -> Result<Member, Diagnostic> {
    let Some(word) = words.get(2) else {
        return Err(Diagnostic::error(words[1].location, "nothing is added")
            .label("the member is missing")
            .help("write `add NAME 192.0.2.0/24`"));
    };
    let mut parts = Vec::with_capacity(set.dimensions.len());
    let mut rest = &*word.text;
    for (at, dimension) in set.dimensions.iter().enumerate() {
        let part = match (at + 1 < set.dimensions.len(), rest.split_once(',')) {
            (true, Some((part, after))) => {
                rest = after;
                part
            }
            // `bitmap:ip,mac` may lack the second part.
            (true, None) => std::mem::take(&mut rest),
            (false, _) => rest,
        };
        parts.push(read_part(set, *dimension, part, word)?);
    }
    let expires = set.expire == Some(true);
    let mut member = Member { parts, is_exception: false, expires };
    let mut at = 3;
    while let Some(option) = words.get(at) {
        at += 1;
        match &*option.text {
            "nomatch" => member.is_exception = true,
            "timeout" => {
                if set.expire.is_none() {
                    return Err(Diagnostic::error(option.location, "members of this set stay")
                        .label("the set is made without `timeout`: ipset refuses this")
                        .also(set.location, "the set is made here")
                        .help("write `timeout 0` where the set is made, or remove this one"));
                }
                let Some(value) = words.get(at) else {
                    return Err(Diagnostic::error(option.location, "`timeout` lacks its value")
                        .label("cut off")
                        .help("write the seconds, or remove the option"));
                };
                member.expires = amount(value, "seconds")? > 0;
                at += 1;
            }
            "comment" | "packets" | "bytes" | "skbmark" | "skbprio" | "skbqueue" | "before"
            | "after" => at += 1,
            other => {
                return Err(Diagnostic::error(
                    option.location,
                    format!("`{}` is no option of a member", other.escape_debug()),
                )
                .label("not known")
                .help("hand over what `ipset save` prints"));
            }
        }
    }
    Ok(member)
}

fn read_part(
    set: &Set,
    dimension: Dimension,
    text: &str,
    word: &Word<'_>,
) -> Result<Part, Diagnostic> {
    match dimension {
        Dimension::Interface | Dimension::Other(_) | Dimension::Set => {
            Ok(Part::Text(text.to_owned()))
        }
        Dimension::Address => {
            let family = set.family.unwrap_or(Family::V4);
            let (range, length) = addresses(text, family).ok_or_else(|| {
                let version = if family == Family::V4 { 4 } else { 6 };
                Diagnostic::error(
                    word.location,
                    format!("`{}` is no IPv{version} address", text.escape_debug()),
                )
                .label("cannot be in this set")
                .also(set.location, "the set is made here")
                .help("write an address, a prefix, or `FIRST-LAST`; names are not looked up")
            })?;
            let range = match set.netmask {
                Some(mask) => {
                    let of = |bits| Prefix::new(Address { family, bits }, mask).range();
                    AddressRange { family, first: of(range.first).first, last: of(range.last).last }
                }
                None => range,
            };
            Ok(Part::Addresses(range, length))
        }
        Dimension::Port => port(set, text).ok_or_else(|| {
            Diagnostic::error(
                word.location,
                format!("`{}` is no port of a set", text.escape_debug()),
            )
            .label("not understood")
            .help("write `tcp:80`, `udp:1000-2000` or `icmp:8/0`; without a protocol it is TCP")
        }),
    }
}

fn addresses(text: &str, family: Family) -> Option<(AddressRange, Option<u8>)> {
    let address = |text: &str| -> Option<Address> {
        let address: Address = text.parse::<std::net::IpAddr>().ok()?.into();
        (address.family == family).then_some(address)
    };
    if let Some((start, length)) = text.split_once('/') {
        let is_octal = length.len() > 1 && length.starts_with('0');
        let length: u8 =
            length.parse().ok().filter(|length| *length <= family.bits() && !is_octal)?;
        let prefix = Prefix::new(address(start)?, length);
        return Some((prefix.range(), Some(length)));
    }
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (address(first)?, address(last)?);
        let (first, last) = (first.bits.min(last.bits), first.bits.max(last.bits));
        return Some((AddressRange { family, first, last }, None));
    }
    let one = address(text)?;
    let range = AddressRange { family, first: one.bits, last: one.bits };
    Some((range, Some(family.bits())))
}

fn port(set: &Set, text: &str) -> Option<Part> {
    let (protocol, text) = match text.split_once(':') {
        Some((protocol, rest)) => (Some(self::protocol(protocol)?), rest),
        None if set.storage == Storage::Bitmap => (None, text),
        None => (Some(6), text),
    };
    if matches!(protocol, Some(1 | 58)) {
        if let Some((kind, code)) = text.split_once('/') {
            let number =
                u16::from(kind.parse::<u8>().ok()?) << 8 | u16::from(code.parse::<u8>().ok()?);
            return Some(Part::Port { protocol, ports: (number, number) });
        }
        let name = super::names::icmp(text, protocol == Some(58))?;
        let first = u16::from(name.0) << 8 | u16::from(name.1.0);
        let last = u16::from(name.0) << 8 | u16::from(name.1.1);
        return Some(Part::Port { protocol, ports: (first, last) });
    }
    let one = |text: &str| match text.parse::<u16>() {
        Ok(number) => Some(number),
        Err(_) if text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            u16::try_from(words::port(text).ok()?.0).ok()
        }
        Err(_) => None,
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) if one(text).is_none() => (one(first)?, one(last)?),
        _ => (one(text)?, one(text)?),
    };
    Some(Part::Port { protocol, ports: (first.min(last), first.max(last)) })
}

fn protocol(text: &str) -> Option<u8> {
    super::names::protocol(text)
}
