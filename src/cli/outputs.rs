//! Where results go: several outputs of one run, opened before the work and written after it. None
//! of them changes the exit code; one that cannot be written is an error. And where a saved one
//! comes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::{here, print};
use crate::input::{self, Output};
use crate::reports::{FORMS, Form, Style};
use crate::result::{self, RunResult};
use crate::yaml::nearest;

/// The outputs of a run.
pub(super) struct Outputs(Vec<Target>);

/// Where one output goes; no file is standard output.
struct Target {
    form: &'static Form,
    file: Option<Output>,
}

fn form(name: &str) -> Result<&'static Form> {
    let known = || FORMS.iter().copied();
    known().find(|form| form.name == name).ok_or_else(|| {
        let names: Vec<&str> = known().map(|form| form.name).collect();
        match nearest(name, names.iter().copied()) {
            Some(near) => anyhow!("unknown output form `{name}`; did you mean `{near}`?"),
            None => anyhow!("unknown output form `{name}`; known: {}", names.join(", ")),
        }
    })
}

impl Outputs {
    /// Opens the outputs, so that one that cannot be written is found before the work starts.
    pub(super) fn open(
        wanted: &[String],
        save: Option<&PathBuf>,
        inputs: &[&PathBuf],
    ) -> Result<Outputs> {
        let mut opened: Vec<PathBuf> = Vec::new();
        let mut open = |path: &str| {
            let file = PathBuf::from(path);
            if inputs.iter().any(|input| input::is_same_file(input, &file)) {
                bail!("cannot write {path}: it is read as well, and would be lost");
            }
            if opened.iter().any(|other| input::is_same_file(other, &file)) {
                bail!("cannot write {path}: two outputs go there");
            }
            let output = Output::open(&file).with_context(|| format!("cannot write {path}"))?;
            opened.push(file);
            Ok(output)
        };
        let mut targets = Vec::new();
        for one in wanted {
            let (name, path) = match one.split_once('=') {
                Some((name, "-")) => (name, None),
                Some((name, path)) => (name, Some(path)),
                None => (one.as_str(), None),
            };
            let form = form(name)?;
            targets.push(Target { form, file: path.map(&mut open).transpose()? });
        }
        if targets.is_empty() {
            targets.push(Target { form: form("text")?, file: None });
        }
        if targets.iter().filter(|target| target.file.is_none()).count() > 1 {
            bail!(
                "only one output can go to standard output; give the others a file: `-o json=FILE`"
            );
        }
        if let Some(path) = save {
            let file = Some(open(&path.display().to_string())?);
            targets.push(Target { form: form("json")?, file });
        }
        let mut appended = Vec::new();
        for appendix in targets.iter().filter_map(|target| target.form.appends.as_ref()) {
            let Some(path) = std::env::var_os(appendix.variable).filter(|path| !path.is_empty())
            else {
                continue;
            };
            let file = Output::append(Path::new(&path)).with_context(|| {
                format!(
                    "cannot write {}, as {} says",
                    Path::new(&path).display(),
                    appendix.variable
                )
            })?;
            appended.push(Target { form: form(appendix.form)?, file: Some(file) });
        }
        targets.extend(appended);
        Ok(Outputs(targets))
    }

    /// Writes a result to all of them.
    pub(super) fn write(self, result: &RunResult, style: Style) -> Result<()> {
        for Target { form, file } in self.0 {
            let mut content = Vec::new();
            match file {
                Some(file) => {
                    let plain = Style { color: false, ..style };
                    (form.write)(result, plain, &mut content)?;
                    let path = file.path().display().to_string();
                    file.finish(&content).with_context(|| format!("cannot write {path}"))?;
                }
                None => {
                    (form.write)(result, style, &mut content)?;
                    print(&content)?;
                }
            }
        }
        Ok(())
    }
}

/// Finds out where the files of a result lie in the repository, for forms that are read there.
pub(super) fn place_files(result: &mut RunResult) -> Result<()> {
    let here = here()?;
    let Some(root) = input::repository(&here) else { return Ok(()) };
    let short = result.change.running.as_deref().and_then(|running| running.strip_prefix("git:"));
    let mut files = BTreeMap::new();
    for name in result.named_files() {
        if name.starts_with('<') {
            continue;
        }
        // `REV:path` of git begins at the root.
        let of_git = short.and_then(|short| name.strip_prefix(short)?.strip_prefix(':'));
        let path = match of_git {
            Some(path) => path.to_owned(),
            None => match within(&root, &here.join(name)) {
                Some(path) => path,
                None => continue,
            },
        };
        if path != name {
            files.insert(name.to_owned(), path);
        }
    }
    result.files = files;
    Ok(())
}

/// Returns the path from a folder to a file in it, with `/` between its parts.
fn within(root: &Path, file: &Path) -> Option<String> {
    let plain = input::plain(file);
    let path = match plain.strip_prefix(root) {
        Ok(path) => path.to_owned(),
        Err(_) => input::identity(file).strip_prefix(input::identity(root)).ok()?.to_owned(),
    };
    let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    Some(parts.join("/"))
}

/// Reads a saved result.
pub(super) fn load(path: &Path) -> Result<RunResult> {
    let name = input::shown(path);
    let text = input::text(path).map_err(|error| anyhow!("{error}"))?;
    result::read(&text).with_context(|| format!("{name} cannot be used"))
}
