//! Configurations out of the templates in `loadtest/configs`.

/// Puts values into a template's places, `@NAME@` each. A value that has lines of its own brings its line end.
///
/// # Errors
/// A place has no value, or a value no place: the two have grown apart.
pub(crate) fn render(template: &str, values: &[(&str, &str)]) -> Result<String, String> {
    let mut text = template.to_owned();
    for (name, value) in values {
        let place = format!("@{name}@");
        if !text.contains(&place) {
            return Err(format!(
                "the template of a configuration has no place {place}"
            ));
        }
        text = text.replace(&place, value);
    }
    let left = text.split('@').skip(1).step_by(2).find(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    });
    match left {
        Some(name) => Err(format!(
            "the template of a configuration has the place @{name}@ and no value for it"
        )),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_values_have_to_fit() {
        assert_eq!(
            render("a @B@ c @B@", &[("B", "x")]),
            Ok("a x c x".to_owned())
        );
        assert!(render("a @B@ c", &[]).unwrap_err().contains("@B@"));
        assert!(render("a", &[("B", "x")]).unwrap_err().contains("@B@"));
    }
}
