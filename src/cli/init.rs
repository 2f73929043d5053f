//! `blastgate init`: the files that a repository of rules begins with.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use super::{here, print};
use crate::config;
use crate::input::{self, Made, Mode, git};

/// What `init` takes.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct InitArguments {
    /// The folder to begin in [default: this one].
    #[arg(value_name = "FOLDER", env = "BLASTGATE_FOLDER")]
    folder: Option<PathBuf>,

    /// Whose workflow to write.
    #[arg(long, value_enum, default_value_t, env = "BLASTGATE_CI")]
    ci: Ci,
}

/// The CI systems of which there is a workflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Ci {
    /// `.github/workflows/blastgate.yml`.
    #[default]
    Github,
    /// `.gitlab-ci.yml`.
    Gitlab,
    /// `Jenkinsfile`.
    Jenkins,
    /// None.
    None,
}

const AFTER: &str = "\
Writes a config, a rule, an inventory and traffic to begin with, a pre-commit hook and a workflow.
What is there already is kept as it is.

Exit codes: 0 written or kept, 2 not.";

const FILES: &[(&str, &str)] = &[
    (config::FILE_NAME, include_str!("init/blastgate.yaml")),
    ("rules/10-example.yaml", include_str!("init/rules.yaml")),
    ("inventory.yaml", include_str!("init/inventory.yaml")),
    ("traffic/example.yaml", include_str!("init/traffic.yaml")),
];

const HOOK: (&str, &str) = (".git/hooks/pre-commit", include_str!("init/pre-commit"));

pub(super) fn run(arguments: &InitArguments) -> Result<u8> {
    let workflow = match arguments.ci {
        Ci::Github => Some((".github/workflows/blastgate.yml", include_str!("init/github.yml"))),
        Ci::Gitlab => Some((".gitlab-ci.yml", include_str!("init/gitlab-ci.yml"))),
        Ci::Jenkins => Some(("Jenkinsfile", include_str!("init/Jenkinsfile"))),
        Ci::None => None,
    };
    let folder = arguments.folder.clone().unwrap_or_default();
    // All or nothing: no folder can be made where a file lies.
    for (name, _) in FILES.iter().copied().chain(workflow) {
        let mut above = Path::new(name).ancestors().skip(1).map(|one| folder.join(one));
        if let Some(one) = above.find(|one| one.exists() && !one.is_dir()) {
            bail!("{} is a file, and must be a folder for {name}", one.display());
        }
    }
    let mut said = String::new();
    let mut kept_any = false;
    let mut write = |name: &str, text: &str, mode: Mode| -> Result<Made> {
        let path = folder.join(name);
        let made = input::create(&path, text.as_bytes(), mode)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let word = match made {
            Made::Written => "wrote",
            Made::Kept => "kept ",
        };
        kept_any |= made == Made::Kept;
        said.push_str(&format!("{word} {}\n", path.display()));
        Ok(made)
    };
    for (name, text) in FILES.iter().copied().chain(workflow) {
        write(name, text, Mode::Plain)?;
    }
    // Hooks are of the repository that begins here; where they lie elsewhere, whoever shares them
    // decides.
    let own = input::identity(&here()?.join(&folder));
    let why = match input::repository(&own) {
        Some(top) if input::identity(&top) == own => {
            if !top.join(".git").is_dir() {
                Some("the hooks of a worktree or submodule lie elsewhere")
            } else if git::has_hooks_elsewhere(&own) {
                Some("`core.hooksPath` says that hooks lie elsewhere")
            } else {
                None
            }
        }
        _ => Some("this is not the top of a git repository"),
    };
    let hook = match why {
        None => write(HOOK.0, HOOK.1, Mode::Executable)?,
        Some(_) => Made::Kept,
    };
    if let Some(why) = why {
        said.push_str(&format!("no hook: {why}\n"));
    }
    if hook == Made::Kept {
        said.push_str("for a hook of your own: `blastgate lint --staged`\n");
    }
    if kept_any {
        said.push_str("What was kept was there already.\n");
    }
    said.push_str("next: `blastgate check`, and put your own rules, inventory and recordings in\n");
    print(said.as_bytes())?;
    Ok(0)
}
