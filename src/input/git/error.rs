//! Why git could not give what was asked for, and what to do about it.

use thiserror::Error;

use crate::input::InputError;

/// Why git could not give what was asked for.
#[derive(Debug, Error)]
pub enum GitError {
    /// The command did not run.
    #[error("cannot run git: {reason}")]
    NotStarted {
        /// Why not.
        reason: String,
    },
    /// Git said no.
    #[error("git: {text}")]
    Refused {
        /// What it said.
        text: String,
        /// What it said to do, if it did.
        advice: Option<String>,
    },
    /// Standard input has no history.
    #[error("standard input is in no git repository")]
    Stdin,
    /// A path leads out of the repository.
    #[error("{name} is outside of the git repository {top}")]
    Outside {
        /// The path.
        name: String,
        /// The top of the repository.
        top: String,
    },
    /// A path leads into another repository.
    #[error("{name} is in another git repository, {inner}")]
    Another {
        /// The path.
        name: String,
        /// The top of that repository.
        inner: String,
    },
    /// A path leads through a symbolic link in the working tree.
    #[error("{name} leads through a symbolic link, to {real}; git has only the link")]
    ThroughLink {
        /// The path.
        name: String,
        /// Where it ends.
        real: String,
    },
    /// `GIT_DIR` is set, and says nothing of where the working tree begins.
    #[error(
        "GIT_DIR names another repository than this folder is in, and GIT_WORK_TREE is not set"
    )]
    ElsewhereByVariable,
    /// A revision that is not here.
    #[error("there is no revision `{revision}` in this git repository")]
    NoRevision {
        /// As typed.
        revision: String,
        /// Whether older commits were left out when it was cloned.
        is_shallow: bool,
    },
    /// A branch and a tag of one name, say.
    #[error("`{revision}` means several revisions")]
    Ambiguous {
        /// As typed.
        revision: String,
    },
    /// Nothing was committed yet.
    #[error("HEAD has no commit yet: there is no merge base")]
    Unborn,
    /// No common ancestor, in a whole history.
    #[error("`{revision}` and HEAD have no merge base: their histories are unrelated")]
    Unrelated {
        /// As typed.
        revision: String,
    },
    /// The merge base may lie in what was left out.
    #[error("the merge base of `{revision}` and HEAD cannot be told: this clone is shallow")]
    Shallow {
        /// As typed.
        revision: String,
    },
    /// Branches that were merged into each other.
    #[error("`{revision}` and HEAD have {count} merge bases: {bases}")]
    Several {
        /// As typed.
        revision: String,
        /// How many.
        count: usize,
        /// Which, in short.
        bases: String,
    },
    /// A symbolic link where rules are looked for.
    #[error("{name} is a symbolic link in git; it is not followed")]
    Link {
        /// What it is called.
        name: String,
    },
    /// A submodule where rules are looked for.
    #[error("{name} is a submodule; what it holds is in another git repository")]
    Submodule {
        /// What it is called.
        name: String,
    },
    /// A merge that is not finished.
    #[error("{name} is unmerged in the git index")]
    Unmerged {
        /// What it is called.
        name: String,
    },
    /// A candidate that was never added.
    #[error("{name} is not in the git index, and was not committed before either")]
    NotAdded {
        /// As typed.
        name: String,
    },
    /// A rule file that the working tree does not show.
    #[error("{name} is left out of the working tree by a sparse checkout")]
    Sparse {
        /// What it is called.
        name: String,
    },
    /// An object that is not here.
    #[error("{name} is not in this clone: {reason}")]
    NoObject {
        /// What it is called.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// Too large to be held.
    #[error("a rule file in git is larger than is read as text")]
    TooLarge,
    /// No text.
    #[error(transparent)]
    Text(#[from] InputError),
}

impl GitError {
    /// Takes what git complained about; the first line of it says what is wrong.
    pub(super) fn refused(errors: &str) -> GitError {
        let is_error = |line: &&str| line.starts_with("fatal: ") || line.starts_with("error: ");
        let first = errors.lines().find(is_error).or_else(|| errors.lines().next());
        let first = first.unwrap_or("it ended without an answer");
        let text = first.trim_start_matches("fatal: ").trim_start_matches("error: ");
        let advice = errors.lines().find_map(|line| {
            let found = line.find("git config --global --add safe.directory")?;
            Some(format!("if you trust it: `{}`", &line[found..]))
        });
        GitError::Refused { text: text.to_owned(), advice }
    }

    /// Returns what to do.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            GitError::NotStarted { .. } => {
                "install git, or name the rules in force with `--running PATH`"
            }
            GitError::Refused { advice: Some(advice), .. } => advice,
            GitError::Refused { text, .. } if text.starts_with("not a git repository") => {
                "run it inside of the repository, or name the rules in force with `--running PATH`"
            }
            GitError::Stdin => "name files or folders",
            GitError::Outside { .. } | GitError::Another { .. } => {
                "run it inside of the repository that holds these rules, or name the rules in \
                 force with `--running PATH`"
            }
            GitError::ThroughLink { .. } => "name what the link leads to",
            GitError::ElsewhereByVariable => {
                "run it at the top of the working tree, or set GIT_WORK_TREE as well"
            }
            GitError::NoRevision { is_shallow: true, .. } | GitError::Shallow { .. } => {
                "fetch the history: `git fetch --unshallow`, `git fetch --deepen=N`, or \
                 `fetch-depth: 0` where CI checks out"
            }
            GitError::NoRevision { .. } => {
                "name a commit, branch or tag that is here; `git fetch` may bring it"
            }
            GitError::Ambiguous { .. } => {
                "write it out: `refs/heads/NAME`, `refs/tags/NAME`, or the whole id"
            }
            GitError::Unborn => "commit first, or name the rules in force with `--running PATH`",
            GitError::Unrelated { .. } => "name the revision that is in force with `--base REV`",
            GitError::Several { .. } => {
                "none of them is better than the others; name the one in force with `--base REV`"
            }
            GitError::Link { .. } => "put the file itself there",
            GitError::Submodule { .. } => {
                "run it inside of the submodule, or name the rules in force with `--running PATH`"
            }
            GitError::Unmerged { .. } => "finish the merge, and `git add` the result",
            GitError::NotAdded { .. } => {
                "`git add` it, or judge the working tree without `--staged`"
            }
            GitError::Sparse { .. } => {
                "`git sparse-checkout add` its folder, or judge the index with `--staged`"
            }
            GitError::NoObject { .. } => {
                "fetch what a partial clone left out (`git fetch --refetch --no-filter`), or clone \
                 without `--filter`"
            }
            GitError::Refused { .. } | GitError::TooLarge | GitError::Text(_) => return None,
        };
        Some(help.to_owned())
    }
}
