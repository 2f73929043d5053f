//! To come.
use super::Form;
use crate::model::Diagnostic;
pub(super) const FORM: Form =
    Form { name: "pcap", detect: |_| false, open: |_, _| Err(vec![Diagnostic::bare("to come")]) };
