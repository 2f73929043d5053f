//! `blastgate init`: the files that a repository of rules begins with.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::{here, print};
use crate::config;
use crate::input::{self, Made, Mode};

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
    let mut said = String::new();
    let mut kept_any = false;
    let mut write = |name: &str, text: &str, mode: Mode| -> Result<()> {
        let path = folder.join(name);
        let made = input::create(&path, text.as_bytes(), mode)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let word = match made {
            Made::Written => "wrote",
            Made::Kept => "kept ",
        };
        kept_any |= made == Made::Kept;
        said.push_str(&format!("{word} {}\n", path.display()));
        Ok(())
    };
    for (name, text) in FILES.iter().copied().chain(workflow) {
        write(name, text, Mode::Plain)?;
    }
    // Hooks are of the repository that begins here; in a folder below, or in a worktree whose
    // `.git` is a file, they lie elsewhere, and whoever shares them decides.
    let is_top = input::repository(&here()?.join(&folder)).is_some_and(|top| {
        input::identity(&top) == input::identity(&here().unwrap_or_default().join(&folder))
            && top.join(".git/hooks").parent().is_some_and(Path::is_dir)
    });
    if is_top {
        write(HOOK.0, HOOK.1, Mode::Executable)?;
    } else {
        said.push_str("no hook: this is not the top of a git repository\n");
    }
    if kept_any {
        said.push_str("What was kept was there already.\n");
    }
    said.push_str("next: `blastgate check`, and put your own rules, inventory and recordings in\n");
    print(said.as_bytes())?;
    Ok(0)
}
