//! The result as JSON, `blastgate/result/v1`, as [`crate::result`] freezes it.

use std::io;

use super::{Form, Style, json_text};
use crate::result::RunResult;

pub(super) const FORM: Form = Form {
    name: "json",
    about: "the whole result; `blastgate schema result` describes it",
    write,
    appends: None,
};

fn write(result: &RunResult, _: Style, out: &mut dyn io::Write) -> io::Result<()> {
    json_text(result, out)
}
