//! Settings of the services: given in the environment of a command, remembered by the stack, so that
//! whatever is started later by another command has the same.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::cors;
use crate::role::Role;

/// What each service reads. Addresses and passwords are the tool's own business, and what is logged is
/// passed on as it is: it may differ for a while.
const OF_WRITE: &[&str] =
    &[cors::NAME, "PRIMARY_CONNECTIONS", "REPORT_THRESHOLD", "REQUESTS_MAX", "VISIBLE_TIMEOUT_MS"];
const OF_READ: &[&str] =
    &[cors::NAME, "CACHE_MIB", "FAMILY2_TYPES", "META_CONNECTIONS", "PRIMARY_CONNECTIONS", "REQUESTS_MAX"];
const OF_NGINX: &[&str] = &[META_CACHE_DIR];
/// Where NGINX keeps hot metas; it keeps none without.
const META_CACHE_DIR: &str = "META_CACHE_DIR";
const OF_PROJECTOR: &[&str] = &["META_CONNECTIONS", "PRIMARY_CONNECTIONS"];

/// Settings by name.
pub(crate) type Settings = BTreeMap<String, String>;

/// Takes over what the environment of this command has. An empty one is the default again.
pub(crate) fn take_over(settings: &mut Settings) -> Result<()> {
    take(settings, |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

fn take(settings: &mut Settings, given: impl Fn(&str) -> Option<String>) -> Result<()> {
    for name in [OF_WRITE, OF_READ, OF_PROJECTOR, OF_NGINX].concat() {
        match given(name).as_deref().map(str::trim) {
            None => {}
            Some("") => drop(settings.remove(name)),
            Some(value) if value.contains(['\n', '\0']) => bail!("{name}: {value:?} is more than one line"),
            Some(value) if name == META_CACHE_DIR && !is_plain_dir(value) => bail!(
                "{name}: {value:?} must be the absolute path of a directory, of letters, digits and -._/ only, as \
                 /dev/shm/metas"
            ),
            Some(value) if name == cors::NAME => {
                settings.insert(name.to_owned(), cors::read(value)?);
            }
            Some(value) => {
                settings.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    Ok(())
}

/// Those of a service.
pub(crate) fn of(settings: &Settings, role: Role) -> Vec<(String, String)> {
    let names = match role {
        Role::Write => OF_WRITE,
        Role::Projector => OF_PROJECTOR,
        Role::Admin => &[],
        _ => OF_READ,
    };
    let set = |name: &&str| settings.get_key_value(*name).map(|(name, value)| (name.clone(), value.clone()));
    names.iter().filter_map(set).collect()
}

/// A path that means in NGINX's configuration what it says.
fn is_plain_dir(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    path.len() > 1 && path.starts_with('/') && path.bytes().all(plain)
}

/// Where NGINX keeps hot metas, if it is to.
pub(crate) fn meta_cache_dir(settings: &Settings) -> Option<&str> {
    settings.get(META_CACHE_DIR).map(String::as_str)
}

/// The origins for NGINX's own answers.
pub(crate) fn origins(settings: &Settings) -> String {
    settings.get(cors::NAME).cloned().unwrap_or_else(|| "*".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn what_was_given_is_kept_until_it_is_given_again() {
        let mut settings = Settings::new();
        let list = "https://a.example, https://b.example";
        take(&mut settings, given(&[("REPORT_THRESHOLD", "3"), (cors::NAME, list), ("LOG", "debug")]))
            .unwrap();
        take(&mut settings, given(&[("FAMILY2_TYPES", "transition")])).unwrap();
        let threshold = ("REPORT_THRESHOLD".to_owned(), "3".to_owned());
        assert!(of(&settings, Role::Write).contains(&threshold));
        assert!(!of(&settings, Role::Read(1)).contains(&threshold));
        assert_eq!(origins(&settings), "https://a.example,https://b.example");
        assert_eq!(of(&settings, Role::Projector), []);
        assert_eq!(of(&settings, Role::Admin), []);
        take(&mut settings, given(&[("REPORT_THRESHOLD", ""), (cors::NAME, " ")])).unwrap();
        assert_eq!(origins(&settings), "*");
        assert_eq!(settings.keys().collect::<Vec<_>>(), ["FAMILY2_TYPES"]);
    }

    #[test]
    fn hot_metas_are_kept_where_it_is_said_and_nowhere_without() {
        let mut settings = Settings::new();
        assert_eq!(meta_cache_dir(&settings), None);
        for odd in ["metas", "/", "/dev/shm/a b", "/dev/shm/a;", "/dev/$shm"] {
            let error = take(&mut settings, given(&[(META_CACHE_DIR, odd)])).unwrap_err().to_string();
            assert!(error.contains("META_CACHE_DIR") && error.contains("absolute path"), "{error}");
        }
        take(&mut settings, given(&[(META_CACHE_DIR, "/dev/shm/metas-1")])).unwrap();
        assert_eq!(meta_cache_dir(&settings), Some("/dev/shm/metas-1"));
        take(&mut settings, given(&[(META_CACHE_DIR, "")])).unwrap();
        assert_eq!(meta_cache_dir(&settings), None);
    }

    #[test]
    fn a_bad_list_changes_nothing_and_is_named() {
        let error =
            take(&mut Settings::new(), given(&[(cors::NAME, "shop.example.com")])).unwrap_err().to_string();
        assert!(error.contains("CORS_ORIGINS") && error.contains("shop.example.com"), "{error}");
    }
}
