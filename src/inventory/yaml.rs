//! To come.
use super::Form;
pub(super) const FORM: Form =
    Form { name: "yaml", detect: |_, _| false, read: |_, _, _| Vec::new() };
