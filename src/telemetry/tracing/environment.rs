//! The variables of the environment that OpenTelemetry has for every program.

/// The first of these variables that says something.
pub(super) fn variable(names: &[&str]) -> Option<String> {
    let values = names.iter().filter_map(|name| std::env::var(name).ok());
    values.map(|value| value.trim().to_owned()).find(|value| !value.is_empty())
}

/// Whether the environment says that there are to be no traces.
pub(super) fn is_off() -> bool {
    let is = |name, word: &str| variable(&[name]).is_some_and(|value| value.eq_ignore_ascii_case(word));
    is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none")
}
