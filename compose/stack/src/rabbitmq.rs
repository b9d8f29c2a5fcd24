//! A private RabbitMQ node: its own name, cookie, directories, epmd and distribution port, all on loopback.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::place;
use crate::process::Launch;
use crate::role::Role;
use crate::stack::Stack;
use crate::state::Kind;

pub(crate) const USER: &str = "reviews";

/// Virtual hosts made for tests, `test-0` upwards: a test takes one for itself. Booting with 100 takes two
/// seconds longer than with none, with 200 ten seconds longer.
pub(crate) const TEST_VHOSTS: u16 = 100;

/// Erlang's own settings, for the node and for the helpers it starts: listen on loopback only.
const LOOPBACK: &str = "-kernel inet_dist_use_interface {127,0,0,1}";

/// epmd, which knows the ports of Erlang nodes. A node without one starts it on every address.
pub(crate) fn epmd(stack: &Stack) -> Result<Launch> {
    let port = stack.port(Role::Epmd).to_string();
    Ok(Launch {
        program: stack.programs.epmd.clone().context("epmd is not installed")?,
        args: ["-port", &port, "-address", "127.0.0.1"].map(str::to_owned).to_vec(),
        env: vec![("HOME".to_owned(), home(stack).display().to_string())],
        inherit_env: false,
        dir: stack.servers.clone(),
        run_as: stack.run_as.clone(),
        files: Vec::new(),
    })
}

fn root(stack: &Stack) -> PathBuf {
    stack.servers.join("rabbitmq")
}

fn home(stack: &Stack) -> PathBuf {
    root(stack).join("home")
}

/// The directories, which somebody may have deleted, and the cookie.
pub(crate) fn prepare(stack: &Stack) -> Result<()> {
    let owner = stack.run_as.as_ref();
    let root = root(stack);
    for dir in [root.clone(), home(stack), root.join("mnesia"), root.join("log"), root.join("config")] {
        place::make_dir(&dir, 0o700, owner)?;
    }
    let cookie = stack.secrets.get("erlang_cookie")?;
    place::write_file(&home(stack).join(".erlang.cookie"), cookie.as_bytes(), 0o400, owner)
}

pub(crate) fn launch(stack: &Stack) -> Result<Launch> {
    let root = root(stack);
    let path = |name: &str| root.join(name).display().to_string();
    let node = place::short_hash(stack.data.to_string_lossy().as_bytes());
    let env = [
        ("HOME", home(stack).display().to_string()),
        // The script then becomes the node instead of staying beside it, so that signals reach the node itself.
        ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ("RABBITMQ_NODENAME", format!("reviews-{node}@localhost")),
        ("RABBITMQ_DIST_PORT", stack.state.port_of("distribution").to_string()),
        ("RABBITMQ_CONF_ENV_FILE", path("config/env.conf")),
        ("RABBITMQ_CONFIG_FILE", path("config/rabbitmq.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("config/advanced.config")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", path("config/generated")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("config/enabled_plugins")),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_PID_FILE", path("node.pid")),
        ("RABBITMQ_LOG", "-color".to_owned()),
        ("ERL_EPMD_PORT", stack.port(Role::Epmd).to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_FLAGS", LOOPBACK.to_owned()),
        // Two schedulers, and none of them spins when there is nothing to do.
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none".to_owned()),
    ];
    let mut files = vec![
        (root.join("config/rabbitmq.conf"), settings(stack)?, 0o600),
        (root.join("config/env.conf"), String::new(), 0o600),
        (root.join("config/advanced.config"), "[].\n".to_owned(), 0o600),
        (root.join("config/enabled_plugins"), "[].\n".to_owned(), 0o600),
    ];
    if stack.state.kind == Kind::Test {
        files.push((root.join("config/definitions.json"), definitions(stack)?, 0o600));
    }
    Ok(Launch {
        program: stack.programs.rabbitmq.clone().context("rabbitmq-server is not installed")?,
        args: Vec::new(),
        env: env.map(|(key, value)| (key.to_owned(), value)).to_vec(),
        inherit_env: false,
        dir: stack.servers.clone(),
        run_as: stack.run_as.clone(),
        files,
    })
}

fn settings(stack: &Stack) -> Result<String> {
    let mut text = format!(
        "listeners.tcp.local = 127.0.0.1:{}\n\
         default_user = {USER}\ndefault_pass = {}\ndefault_vhost = /\n\
         default_permissions.configure = .*\ndefault_permissions.read = .*\ndefault_permissions.write = .*\n\
         loopback_users.{USER} = true\n\
         log.console = true\nlog.console.level = info\nlog.file = false\n\
         disk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 512MB\n\
         raft.wal_max_size_bytes = 33554432\n",
        stack.port(Role::Rabbitmq),
        stack.secrets.get(USER)?
    );
    if stack.state.kind == Kind::Test {
        let file = root(stack).join("config/definitions.json");
        text.push_str(&format!("load_definitions = {}\n", file.display()));
    }
    Ok(text)
}

/// User, virtual hosts and permissions of the test servers, made by the node while it boots.
fn definitions(stack: &Stack) -> Result<String> {
    let mut names = vec!["/".to_owned()];
    names.extend((0..TEST_VHOSTS).map(|number| format!("test-{number}")));
    let vhosts: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
    let permissions: Vec<_> = names
        .iter()
        .map(|name| json!({ "user": USER, "vhost": name, "configure": ".*", "write": ".*", "read": ".*" }))
        .collect();
    let user = json!({ "name": USER, "password": stack.secrets.get(USER)?, "tags": "administrator" });
    let all = json!({ "users": [user], "vhosts": vhosts, "permissions": permissions });
    serde_json::to_string(&all).context("cannot write the definitions as JSON")
}
