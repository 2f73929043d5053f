//! To come.
use super::Form;
pub(super) const FORM: Form = Form { name: "json", write: |_, _, _| Ok(()) };
