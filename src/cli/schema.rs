//! `blastgate schema`: the JSON schemas of what this program writes.

use anyhow::{Result, anyhow};
use clap::Args;

use super::print;
use crate::reports::schema::SCHEMAS;
use crate::yaml::nearest;

/// What `schema` takes.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct SchemaArguments {
    /// Which: result, trace, trace-record, doctor; without one all are listed.
    name: Option<String>,
}

const AFTER: &str = "\
JSON Schema draft-07. Within a version keys may be added, and none is taken away or changes its
meaning.";

pub(super) fn run(arguments: &SchemaArguments) -> Result<u8> {
    let Some(name) = &arguments.name else {
        let rows: Vec<String> =
            SCHEMAS.iter().map(|one| format!("{:13} {}\n", one.name, one.about)).collect();
        print(rows.concat().as_bytes())?;
        return Ok(0);
    };
    let known = || SCHEMAS.iter().map(|one| one.name);
    let schema = SCHEMAS.iter().find(|one| one.name == name).ok_or_else(|| {
        match nearest(name, known()) {
            Some(near) => anyhow!("unknown schema `{name}`; did you mean `{near}`?"),
            None => {
                anyhow!(
                    "unknown schema `{name}`; known: {}",
                    known().collect::<Vec<_>>().join(", ")
                )
            }
        }
    })?;
    print(schema.text()?.as_bytes())?;
    Ok(0)
}
