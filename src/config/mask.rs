//! Secrets made unreadable.

/// What stands for a secret.
const MASK: &str = "***";

/// A value that is secret: texts become `***`; an empty one stays, it says that nothing is set.
pub(crate) fn mask(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::String(text) if text.is_empty() => toml::Value::String(text),
        toml::Value::Array(items) => toml::Value::Array(items.into_iter().map(mask).collect()),
        _ => toml::Value::String(MASK.into()),
    }
}

/// A URL that may be shown: its password and query parameters with `pass` in their name are `***`.
///
/// A password that is not percent-encoded as it should be can hold `/`, `?` and `@`; so everything up to
/// the last `@` counts as part of it: rather too much is masked than too little.
pub fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        if url.to_ascii_lowercase().contains("pass") {
            return MASK.to_owned(); // libpq's other form, `host=h password=p`
        }
        return url.rsplit_once('@').map_or(url.to_owned(), |(_, after)| format!("{MASK}@{after}"));
    };
    let rest = match rest.rsplit_once('@') {
        Some((user_info, after)) => match user_info.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{after}"),
            // with Redis what looks like a user is often meant as the password
            None if scheme.starts_with("redis") => format!("{MASK}@{after}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    match rest.split_once('?') {
        Some((before, query)) => {
            let query: Vec<String> = query.split('&').map(mask_parameter).collect();
            format!("{scheme}://{before}?{}", query.join("&"))
        }
        None => format!("{scheme}://{rest}"),
    }
}

fn mask_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_and_speaks_of_a_password_is_not_shown_at_all() {
        assert_eq!(mask_url("host=h password=hunter6"), MASK);
        assert_eq!(mask_url("nonsense"), "nonsense");
    }

    #[test]
    fn passwords_inside_urls_are_masked_and_the_rest_stays() {
        for (url, shown) in [
            ("redis://:hunter2@h:6379/0", "redis://:***@h:6379/0"),
            ("redis://bob:hunter2@h", "redis://bob:***@h"),
            ("postgres://bob:hun/ter?2@x@h/db?sslmode=require", "postgres://bob:***@h/db?sslmode=require"),
            ("postgresql://h/db?user=bob&password=hunter2", "postgresql://h/db?user=bob&password=***"),
            ("unix:///run/redis.sock?pass=hunter2&db=1", "unix:///run/redis.sock?pass=***&db=1"),
            ("redis://hunter2@h", "redis://***@h"),
            ("redis:/:hunter2@h", "***@h"),
            ("postgres://bob@h/db", "postgres://bob@h/db"),
            ("redis://h:6379", "redis://h:6379"),
            ("sqlite://roomcast.db", "sqlite://roomcast.db"),
            ("", ""),
        ] {
            assert_eq!(mask_url(url), shown);
        }
    }

    #[test]
    fn an_empty_secret_shows_that_it_is_empty() {
        assert_eq!(mask("".into()), "".into());
        assert_eq!(mask(vec!["hunter2"].into()), vec!["***"].into());
    }
}
