//! One line a finding, for `grep` and editors: `file:line:column: level[guardrail] message`.

use std::io;

use super::entries::{NAME, entries};
use super::escape::plain;
use super::{Form, Style};
use crate::result::RunResult;

pub(super) const FORM: Form = Form {
    name: "concise",
    about: "one line a finding: `file:line:column: level[guardrail] message`",
    write,
    appends: None,
};

fn write(result: &RunResult, _: Style, out: &mut dyn io::Write) -> io::Result<()> {
    for entry in entries(result) {
        // What has no place has no line to go to, but is one line all the same.
        let place = match entry.place {
            Some(place) => {
                let file = plain(&place.file, NAME);
                format!("{file}:{}:{}", place.line, place.column)
            }
            None => "blastgate".to_owned(),
        };
        let waived = if entry.waived { "waived " } else { "" };
        writeln!(
            out,
            "{place}: {waived}{}[{}] {}",
            entry.word(),
            plain(entry.id, NAME),
            entry.message()
        )?;
    }
    Ok(())
}
