//! `columns` of a recording: what its rows call what.

use crate::model::Diagnostic;
use crate::model::columns::{ByteLayer, Column, Columns, TimeUnit};
use crate::words;
use crate::yaml::{Decoder, Node, Value};

/// Reads the columns; a value is the name of the column, or a map with `field` and more.
pub(super) fn columns(decoder: &mut Decoder, node: &Node) -> Option<Columns> {
    let mut keys: Vec<&str> = Column::ALL.iter().map(|(name, _)| *name).collect();
    keys.push("header");
    let fields = decoder.map(node, "`columns`", &keys)?;
    let mut columns = Columns::default();
    for (key, column) in Column::ALL {
        let Some(value) = fields.get(key) else { continue };
        if !matches!(value.value, Value::Map(_)) {
            let name = decoder.text(value, "the name of the column");
            columns.names.extend(name.map(|name| (*column, name.to_owned())));
            continue;
        }
        let more: &[&str] = match column {
            Column::Time => &["field", "unit", "within"],
            Column::End | Column::Duration => &["field", "unit"],
            Column::Sampling => &["field", "applied"],
            Column::Bytes => &["field", "layer"],
            Column::Packets => &["field", "value"],
            _ => &["field"],
        };
        let Some(map) = decoder.map(value, &format!("`{key}`"), more) else { continue };
        if let Some(name) = map.get("field").and_then(|name| decoder.text(name, "`field`")) {
            columns.names.push((*column, name.to_owned()));
        }
        if let Some(unit) = map.get("unit").and_then(|unit| one_of(decoder, unit, TimeUnit::ALL)) {
            columns.units.push((*column, unit));
        }
        if let Some(within) = map.get("within") {
            columns.within_ns = duration(decoder, within).or(columns.within_ns);
        }
        if let Some(applied) = map.get("applied") {
            columns.applied = decoder.boolean(applied, "`applied`");
        }
        if let Some(layer) = map.get("layer") {
            columns.layer = one_of(decoder, layer, &[("l2", ByteLayer::L2), ("l3", ByteLayer::L3)]);
        }
        if let Some(value) = map.get("value") {
            columns.packets = decoder.number(value, "`value`").filter(|packets| *packets > 0);
            if columns.packets.is_none() {
                decoder.report(
                    Diagnostic::error(value.location, "a row is of one packet at least")
                        .label("should be 1 or more"),
                );
            }
        }
    }
    if let Some(header) = fields.get("header") {
        columns.header = names(decoder, header);
    }
    Some(columns)
}

/// Reads the names of all columns: a list, or a text with spaces or commas between them, in which
/// `${name}` is `name`.
fn names(decoder: &mut Decoder, node: &Node) -> Option<Vec<String>> {
    let plain = |name: &str| {
        let name = name.trim();
        let inner = name.strip_prefix("${").and_then(|name| name.strip_suffix('}'));
        inner.unwrap_or(name).to_owned()
    };
    if let Value::List(_) = node.value {
        let mut names = Vec::new();
        for item in decoder.list(node, "`header`")? {
            names.push(plain(decoder.text(item, "the name of a column")?));
        }
        return Some(names);
    }
    let text = decoder.text(node, "`header`")?;
    let parts = text.split([' ', ',', '\t']).filter(|name| !name.is_empty());
    Some(parts.map(plain).collect())
}

fn one_of<T: Copy>(decoder: &mut Decoder, node: &Node, known: &[(&str, T)]) -> Option<T> {
    let text = decoder.text(node, "the value")?;
    let found = known.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        decoder.report(
            Diagnostic::error(node.location, format!("unknown value `{text}`"))
                .label("not known here")
                .help(format!("known here: {}", names.join(", "))),
        );
    }
    found.map(|(_, value)| *value)
}

fn duration(decoder: &mut Decoder, node: &Node) -> Option<u64> {
    let text = decoder.text(node, "`within`")?;
    match words::duration(text) {
        Ok(duration) => Some(duration),
        Err(wrong) => {
            decoder.report(wrong.at(node.location));
            None
        }
    }
}
