use std::borrow::Cow;
use std::fmt::Display;

use crate::{FieldProblem, Kind, Problem};

/// Collects what is wrong with a request, so that its sender learns all of it at once.
///
/// ```
/// # use problem::Fields;
/// # fn handle(name: &str, size: &str) -> problem::Result<(char, u8)> {
/// let mut fields = Fields::default();
/// let name = fields.parse("name", "name_invalid", name.parse::<char>());
/// let size = fields.parse("size", "size_invalid", size.parse::<u8>());
/// let (Some(name), Some(size)) = (name, size) else {
///     return Err(fields.into_problem());
/// };
/// # Ok((name, size))
/// # }
/// # assert_eq!(handle("no", "300").unwrap_err().fields.len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldProblem>);

impl Fields {
    /// The value, or `None` with a note of what is wrong with it.
    pub fn parse<T, E: Display>(
        &mut self,
        field: impl Into<String>,
        code: &'static str,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(field, code, error.to_string());
                None
            }
        }
    }

    /// Notes a faulty field.
    pub fn refuse(
        &mut self,
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) {
        self.0.push(FieldProblem {
            field: field.into(),
            code: code.into(),
            detail: detail.into(),
        });
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `input_invalid`, with everything noted so far.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        let mut problem = Problem::new(
            Kind::InvalidInput,
            "input_invalid",
            "Some fields of the request are not valid; `errors` names them.",
        );
        problem.fields = self.0;
        problem
    }
}
