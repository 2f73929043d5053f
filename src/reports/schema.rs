//! JSON schemas (draft-07) of what is written for machines, made from the structs that write it.

use std::io;

use schemars::Schema;
use schemars::generate::SchemaSettings;

use super::trace::{TraceLine, TraceWay};
use crate::result::RunResult;
use crate::result::doctor::Doctor;

/// Every schema, in the order of help.
pub const SCHEMAS: &[FormSchema] = &[
    FormSchema {
        name: "result",
        about: "what `-o json` and `--save` of check and lint write",
        id: "blastgate/result/v1",
        of: schema::<RunResult>,
    },
    FormSchema {
        name: "trace",
        about: "what `trace -o json` writes of one packet or record",
        id: "blastgate/trace/v1",
        of: schema::<TraceWay<'_>>,
    },
    FormSchema {
        name: "trace-record",
        about: "each line that `trace --traffic FILE -o json` writes",
        id: "blastgate/trace-record/v1",
        of: schema::<TraceLine<'_>>,
    },
    FormSchema {
        name: "doctor",
        about: "what `doctor -o json` writes",
        id: "blastgate/doctor/v1",
        of: schema::<Doctor>,
    },
];

/// The schema of one form.
pub struct FormSchema {
    /// What `schema` calls it.
    pub name: &'static str,
    /// What it describes.
    pub about: &'static str,
    /// Its version: the `schema` key of what it describes, where there is one.
    pub id: &'static str,
    of: fn() -> Schema,
}

fn schema<T: schemars::JsonSchema>() -> Schema {
    SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>()
}

impl FormSchema {
    /// Returns it as text.
    pub fn text(&self) -> io::Result<String> {
        let mut schema = (self.of)();
        schema.insert("$id".to_owned(), format!("urn:{}", self.id.replace('/', ":")).into());
        let mut text = serde_json::to_string_pretty(&schema).map_err(io::Error::other)?;
        text.push('\n');
        Ok(text)
    }
}
