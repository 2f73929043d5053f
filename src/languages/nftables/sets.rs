//! Declarations of sets and maps in ruleset text.

use super::cursor::{Cursor, Parsed, seconds};
use super::names;
use super::text::{Reader, elements};
use crate::model::{Diagnostic, Spanned};

impl Reader<'_> {
    /// Reads the block of a set or a map.
    pub(super) fn set(
        &mut self,
        cursor: &mut Cursor<'_>,
        table: usize,
        name: Spanned<String>,
        is_map: bool,
    ) -> Parsed<()> {
        self.ruleset.tables[table].add_set(&name.value);
        cursor.expect("{")?;
        loop {
            cursor.skip_ends();
            if cursor.take("}") {
                let set = &self.ruleset.tables[table].sets[&name.value];
                if !set.is_typed {
                    let problem = Diagnostic::error(name.location, "this set has no type");
                    return Err(Box::new(
                        problem
                            .label("nft refuses this")
                            .help("write `type ipv4_addr`, or `typeof …`"),
                    ));
                }
                return Ok(());
            }
            let is_typed = cursor.word().is_some_and(|word| ["type", "typeof"].contains(&word));
            let (mut varies, mut timeout_s, mut size, mut found) = (false, None, None, Vec::new());
            let first = cursor.at;
            let found_elements = cursor.word() == Some("elements");
            let (mut kinds, mut intervals, mut merges) = (Vec::new(), false, false);
            let mut constant = false;
            match cursor.word().unwrap_or_default() {
                "type" => {
                    cursor.at += 1;
                    kinds = types(cursor, is_map)?;
                }
                "typeof" => {
                    while !cursor.at_end() {
                        cursor.at += 1;
                    }
                }
                "flags" => {
                    cursor.at += 1;
                    loop {
                        let here = cursor.at;
                        let flag = cursor.name("a flag of a set")?.value;
                        if !["constant", "interval", "timeout", "dynamic"].contains(&flag.as_str())
                        {
                            cursor.at = here;
                            let flags = "`constant`, `interval`, `timeout` or `dynamic`";
                            return Err(cursor.unexpected(flags));
                        }
                        varies |= flag == "dynamic";
                        intervals |= flag == "interval";
                        constant |= flag == "constant";
                        if !cursor.take(",") {
                            break;
                        }
                    }
                }
                "timeout" => {
                    cursor.at += 1;
                    let here = cursor.at;
                    let time = cursor.name("a time, such as `1h`")?;
                    let Some(time) = seconds(&time.value) else {
                        cursor.at = here;
                        return Err(cursor.unexpected("a time, such as `1h`"));
                    };
                    timeout_s = Some(time).filter(|time| *time > 0);
                }
                "elements" => {
                    cursor.at += 1;
                    cursor.expect("=")?;
                    found = elements(cursor.table_of("elements: `{ … }`")?);
                }
                "size" => {
                    cursor.at += 1;
                    size = Some(cursor.number("how many elements it holds")?);
                }
                "gc-interval" | "policy" | "comment" => {
                    cursor.at += 1;
                    cursor.name("a value")?;
                }
                "auto-merge" => {
                    cursor.at += 1;
                    merges = true;
                }
                "counter" | "limit" | "quota" | "ct" | "last" => {
                    while !cursor.at_end() {
                        let statement = cursor.statement()?;
                        varies |= statement != super::tree::Statement::Counter;
                    }
                }
                _ => {
                    let what = if is_map { "map" } else { "set" };
                    let expected = format!("a part of a {what}, such as `type` or `elements`");
                    return Err(cursor.unexpected(&expected));
                }
            }
            let location = cursor.since(first);
            // Behind elements, a brace may follow at once.
            if !(found_elements && cursor.is("}")) {
                cursor.end()?;
            }
            let set = self.ruleset.tables[table].add_set(&name.value);
            if !kinds.is_empty() && !set.kinds.is_empty() && set.kinds != kinds {
                return Err(Box::new(
                    Diagnostic::error(location, "this set is of another type already")
                        .label("nft refuses this")
                        .help("give one of them another name"),
                ));
            }
            if !kinds.is_empty() {
                set.kinds = kinds;
            }
            set.intervals |= intervals;
            set.merges |= merges;
            set.constant |= constant;
            set.is_typed |= is_typed;
            set.location.get_or_insert(location);
            set.varies |= varies;
            set.timeout_s = timeout_s.or(set.timeout_s);
            set.size = size.or(set.size);
            set.elements.extend(found);
        }
    }
}

/// Reads the types of a set, `ipv4_addr . inet_service`, and for a map what it gives. Returns what
/// the parts of its values are.
fn types(cursor: &mut Cursor<'_>, is_map: bool) -> Parsed<Vec<Option<names::Kind>>> {
    let one = |cursor: &mut Cursor<'_>| -> Parsed<Option<names::Kind>> {
        match names::TYPES.iter().find(|(name, _)| cursor.word() == Some(*name)) {
            Some((_, kind)) => {
                cursor.at += 1;
                Ok(*kind)
            }
            None => Err(cursor.unexpected("a type, such as `ipv4_addr` or `inet_service`")),
        }
    };
    let mut kinds = vec![one(cursor)?];
    while cursor.take(".") {
        kinds.push(one(cursor)?);
    }
    if is_map {
        cursor.expect(":")?;
        cursor.take_word("interval");
        match cursor.word() {
            Some("verdict" | "counter" | "quota" | "limit" | "secmark" | "synproxy") => {
                cursor.at += 1;
            }
            Some("ct") => cursor.at += 2,
            _ => {
                one(cursor)?;
                while cursor.take(".") {
                    one(cursor)?;
                }
            }
        }
    }
    Ok(kinds)
}
