//! The front door: NGINX from the template that the containers use too.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::place;
use crate::process::{self, Launch};
use crate::role::Role;
use crate::settings;
use crate::stack::Stack;

/// One worker a core of a small machine; NGINX is never what is slow here.
const WORKERS: u16 = 2;

pub(crate) fn launch(stack: &Stack) -> Result<Launch> {
    let template = stack.repository.join("compose/nginx/nginx.conf.template");
    let text =
        fs::read_to_string(&template).with_context(|| format!("cannot read {}", template.display()))?;
    let dir = stack.servers.join("nginx");
    let meta_cache = settings::meta_cache_dir(&stack.state.settings);
    let readers: Vec<Role> = (1..=stack.state.reads).map(Role::Read).collect();
    let variables = [
        ("NGINX_LISTEN", format!("127.0.0.1:{}", stack.state.port)),
        ("NGINX_WRITE_SERVERS", servers(stack, &[Role::Write])),
        ("NGINX_READ_SERVERS", servers(stack, &readers)),
        ("NGINX_RUN_DIR", dir.display().to_string()),
        ("NGINX_ERROR_LOG", "stderr".to_owned()),
        ("NGINX_ACCESS_LOG", "off".to_owned()),
        ("NGINX_WORKERS", WORKERS.to_string()),
        ("NGINX_CORS_ORIGINS", settings::origins(&stack.state.settings)),
        ("NGINX_META_CACHE", if meta_cache.is_some() { "metas" } else { "off" }.to_owned()),
        ("NGINX_META_CACHE_PATH", meta_cache.map(cache_path).unwrap_or_default()),
    ];
    let text = render(&text, &variables).with_context(|| format!("in {}", template.display()))?;
    let conf = dir.join("nginx.conf");
    // Only a master that is root may choose its workers' user, and must: they write below the run directory.
    let user = stack.run_as.as_ref().map(|user| format!(" user {};", user.name)).unwrap_or_default();
    Ok(Launch {
        program: stack.programs.nginx.clone().context("nginx is not installed")?,
        args: vec![
            "-p".to_owned(),
            format!("{}/", dir.display()),
            "-c".to_owned(),
            conf.display().to_string(),
            "-e".to_owned(),
            "stderr".to_owned(),
            "-g".to_owned(),
            format!("daemon off;{user}"),
        ],
        env: Vec::new(),
        inherit_env: false,
        dir,
        run_as: None,
        files: vec![(conf, text, 0o644)],
    })
}

/// A meta takes a page or two of memory, and is kept for a second without a request: some thousand of them. Room for
/// 256,000 keys, since each that was asked for is counted until it is forgotten, which may be ten seconds after a rest,
/// and many of them forgotten at a time: where there is no room left, NGINX answers 500.
fn cache_path(dir: &str) -> String {
    format!(
        "proxy_cache_path {dir} keys_zone=metas:32m inactive=1s manager_files=5000 manager_sleep=50ms max_size=16m \
         use_temp_path=off;"
    )
}

fn servers(stack: &Stack, roles: &[Role]) -> String {
    let server = |role: &Role| format!("server 127.0.0.1:{} max_fails=1 fail_timeout=1s;", stack.port(*role));
    roles.iter().map(server).collect::<Vec<_>>().join(" ")
}

/// Replaces `${NAME}` where NAME is upper case; NGINX's own `$name` stays. An unknown NAME is an error.
fn render(template: &str, variables: &[(&str, String)]) -> Result<String> {
    let mut pieces = template.split("${");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let upper = |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        match piece.split_once('}') {
            Some((name, rest)) if !name.is_empty() && upper(name) => {
                match variables.iter().find(|(known, _)| *known == name) {
                    Some((_, value)) => text.push_str(value),
                    None => bail!("unknown variable ${{{name}}}"),
                }
                text.push_str(rest);
            }
            _ => {
                text.push_str("${");
                text.push_str(piece);
            }
        }
    }
    Ok(text)
}

/// Writes the configuration and lets NGINX check it.
pub(crate) fn prepare(stack: &Stack) -> Result<()> {
    let launch = launch(stack)?;
    place::make_dir(&launch.dir, 0o700, stack.run_as.as_ref())?;
    for (path, text, mode) in &launch.files {
        place::write_file(path, text.as_bytes(), *mode, None)?;
    }
    let mut command = Command::new(&launch.program);
    command.arg("-t").args(&launch.args).current_dir(&launch.dir);
    process::run_logged(&mut command, "nginx -t", &stack.log("nginx"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_upper_case_variables_are_replaced() {
        let variables = [("NGINX_LISTEN", "127.0.0.1:8080".to_owned())];
        let text = render("listen ${NGINX_LISTEN}; set $x ${uri}a$arg_b; log ${", &variables).unwrap();
        assert_eq!(text, "listen 127.0.0.1:8080; set $x ${uri}a$arg_b; log ${");
    }

    #[test]
    fn an_unknown_variable_is_named() {
        let error = render("a ${NGINX_OTHER} b", &[]).unwrap_err().to_string();
        assert_eq!(error, "unknown variable ${NGINX_OTHER}");
    }
}
