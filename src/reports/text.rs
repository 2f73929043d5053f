//! To come.
use super::Form;
pub(super) const FORM: Form = Form { name: "text", write: |_, _, _| Ok(()) };
