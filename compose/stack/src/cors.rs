//! The origins whose pages may use the API, as the services and NGINX are told them: `CORS_ORIGINS`.

use anyhow::{Result, bail};

/// Read by the services too.
pub(crate) const NAME: &str = "CORS_ORIGINS";

/// `*`, or the origins separated by commas and nothing else.
pub(crate) fn read(text: &str) -> Result<String> {
    if text.trim().is_empty() || text.trim() == "*" {
        return Ok("*".to_owned());
    }
    let origins: Vec<&str> = text.split(',').map(str::trim).collect();
    if let Some(bad) = origins.iter().find(|origin| !is_origin(origin)) {
        bail!(
            "{NAME}: {bad:?} is no origin: give `*`, or origins as https://shop.example.com separated by commas, \
             in lower case and without a path or a slash at the end"
        );
    }
    Ok(origins.join(","))
}

/// `http` or `https`, a host, and perhaps a port: nothing that means something in NGINX's file or in a regular
/// expression of it.
fn is_origin(origin: &str) -> bool {
    let Some(rest) = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")) else {
        return false;
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    is_host(host)
        && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    host.bytes().any(|b| b.is_ascii_alphanumeric()) && host.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_means_every_origin() {
        for every in ["", " ", "*", " * "] {
            assert_eq!(read(every).unwrap(), "*");
        }
    }

    #[test]
    fn a_list_is_taken_as_it_is_but_for_blanks() {
        for (text, taken) in [
            ("https://shop.example.com", "https://shop.example.com"),
            (" https://a.example , http://localhost:3000", "https://a.example,http://localhost:3000"),
            (
                "http://127.0.0.1:8080,http://[::1]:8080,http://[::1]",
                "http://127.0.0.1:8080,http://[::1]:8080,http://[::1]",
            ),
        ] {
            assert_eq!(read(text).unwrap(), taken);
        }
    }

    #[test]
    fn what_is_no_origin_is_named_in_one_line() {
        for bad in [
            "*,https://a.example",
            "https://a.example,",
            "null",
            "shop.example.com",
            "ftp://a.example",
            "https://",
            "https://a.example/",
            "https://a.example/shop",
            "https://A.example",
            "https://a b",
            "https://a.example:",
            "https://a.example:port",
            "https://a.example:99999",
            "https://a.example:+1",
            "https://[::1",
            "https://[x]",
            "https://ada@a.example",
            "https://a.example?x",
            "https://a\".example",
            "https://$host",
            "https://a;}",
            "https://a|b",
            "https://a\nb",
            "https://é.example",
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.starts_with("CORS_ORIGINS: ") && error.lines().count() == 1, "{bad}: {error}");
        }
    }
}
