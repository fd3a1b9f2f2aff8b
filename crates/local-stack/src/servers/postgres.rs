//! Postgres on a data folder of its own.

use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use sqlx::{Connection, Executor, PgConnection};

use super::{Durability, READY_WITHIN, Tls, probe};
use crate::install;
use crate::process::{self, Process, RunAs, Spec};

/// A Postgres server.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    /// What follows the name of a database in a URL.
    parameters: String,
}

impl Postgres {
    pub(super) fn prepare(
        data: &Path,
        port: u16,
        durability: Durability,
        tls: Option<&Tls>,
    ) -> anyhow::Result<Self> {
        let bin = install::postgres_bin().context("Postgres is not installed")?;
        let folder = data.join("postgres");
        let run_as = unprivileged(data)?;
        if !folder.join("PG_VERSION").exists() {
            copy_template(&bin, &folder, run_as.as_ref())?;
        }
        let mut settings = vec![
            format!("port={port}"),
            "listen_addresses=127.0.0.1".into(),
            // A socket file's path may be at most 107 bytes, and nobody needs it.
            "unix_socket_directories=".into(),
            "max_connections=200".into(),
            "shared_buffers=64MB".into(),
        ];
        if durability == Durability::Kill {
            // Commits still reach the kernel, so a kill of the server loses none.
            settings.extend(["fsync=off".into(), "full_page_writes=off".into()]);
        }
        let mut parameters = String::new();
        if let Some(tls) = tls {
            settings.extend(only_by_tls(tls, &folder, run_as.as_ref())?);
            parameters = format!("?sslmode=verify-full&sslrootcert={}", tls.ca.display());
        }
        let mut arguments: Vec<OsString> = vec!["-D".into(), folder.into_os_string()];
        for setting in settings {
            arguments.extend(["-c".into(), setting.into()]);
        }
        let url = url(port, "postgres", &parameters);
        let process = Process::new(Spec {
            name: "Postgres".into(),
            program: bin.join("postgres"),
            arguments,
            environment: Vec::new(),
            log: data.join("logs/postgres.log"),
            run_as,
            ports: vec![port],
            // Its "fast" shutdown: ends open sessions instead of waiting for them.
            stop_signal: Signal::INT,
            stop_grace: Duration::from_secs(20),
            ready: probe(move || {
                let url = url.clone();
                async move {
                    PgConnection::connect(&url).await?.ping().await?;
                    Ok(())
                }
            }),
            ready_within: READY_WITHIN,
        });
        Ok(Self {
            process,
            port,
            parameters,
        })
    }

    /// `postgres://postgres@127.0.0.1:port/database`, with what TLS needs.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url(self.port, database, &self.parameters)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a database if it isn't there and returns its URL. A test that wants one of its
    /// own uses [`Postgres::create_own_database`].
    ///
    /// # Errors
    /// When the server can't be reached or the name isn't lower case letters, digits and `_`.
    pub async fn create_database(&self, name: &str) -> anyhow::Result<String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            bail!("`{name}` is not a plain database name");
        }
        let mut connection = PgConnection::connect(&self.url("postgres")).await?;
        let found: Option<i32> = sqlx::query_scalar("select 1 from pg_database where datname = $1")
            .bind(name)
            .fetch_optional(&mut connection)
            .await?;
        if found.is_none() {
            connection
                .execute(sqlx::AssertSqlSafe(format!("create database {name}")))
                .await
                .with_context(|| format!("create the database {name}"))?;
        }
        Ok(self.url(name))
    }

    /// Makes an empty database that nobody else has, and returns its URL.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub async fn create_own_database(&self) -> anyhow::Result<String> {
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        self.create_database(&name).await
    }
}

impl Deref for Postgres {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}

fn url(port: u16, database: &str, parameters: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}{parameters}")
}

/// Settings with which it takes connections by TLS alone. It wants its key for itself.
fn only_by_tls(tls: &Tls, folder: &Path, run_as: Option<&RunAs>) -> anyhow::Result<[String; 4]> {
    let key = folder.join("server.key");
    std::fs::copy(&tls.key, &key).context("copy the key of TLS")?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let rules = folder.join("only-by-tls.conf");
    std::fs::write(&rules, "hostssl all all 127.0.0.1/32 trust\n")?;
    let certificate = folder.join("server.pem");
    std::fs::copy(&tls.certificate, &certificate).context("copy the certificate of TLS")?;
    if let Some(run_as) = run_as {
        for path in [&key, &rules, &certificate] {
            std::os::unix::fs::chown(path, Some(run_as.user), Some(run_as.group))
                .with_context(|| format!("give {} away", path.display()))?;
        }
    }
    Ok([
        "ssl=on".into(),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
        format!("hba_file={}", rules.display()),
    ])
}

/// Postgres refuses to run as root: then it runs as the user of the Debian package, or as
/// nobody. That user may not be able to reach the data, say below `/root`.
fn unprivileged(data: &Path) -> anyhow::Result<Option<RunAs>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let find = |name: &str| {
        let line = passwd
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    let (user, group) = find("postgres")
        .or_else(|| find("nobody"))
        .context("neither the user postgres nor nobody exists, and Postgres refuses root")?;
    let data = std::path::absolute(data).context("make the data folder's path absolute")?;
    let others_may_pass = data
        .ancestors()
        .filter_map(|folder| folder.metadata().ok())
        .all(|metadata| metadata.mode() & 0o001 != 0);
    Ok(Some(RunAs {
        user,
        group,
        pass_folders: !others_may_pass,
    }))
}

/// `initdb` takes a second or more of work; its result is the same each time.
fn copy_template(bin: &Path, folder: &Path, run_as: Option<&RunAs>) -> anyhow::Result<()> {
    let version = process::run(&bin.join("postgres"), &[OsStr::new("--version")], None)?;
    let version = version.split_whitespace().nth(2).unwrap_or("unknown");
    let user = run_as.map_or_else(|| rustix::process::geteuid().as_raw(), |run_as| run_as.user);
    let template = install::cache_dir()?.join(format!("postgres-{version}-{user}"));
    // The cache is below the home folder, which the other user can't pass.
    let run_as = run_as.map(|run_as| RunAs {
        pass_folders: true,
        ..run_as.clone()
    });
    install::once_in_cache(&template, |unfinished| {
        if let Some(run_as) = &run_as {
            std::os::unix::fs::chown(unfinished, Some(run_as.user), Some(run_as.group))
                .with_context(|| format!("give {} away", unfinished.display()))?;
        }
        let arguments = [
            OsStr::new("-D"),
            unfinished.as_os_str(),
            OsStr::new("--username=postgres"),
            OsStr::new("--auth=trust"),
            OsStr::new("--encoding=UTF8"),
            OsStr::new("--locale=C.UTF-8"),
            OsStr::new("--no-sync"),
        ];
        process::run(&bin.join("initdb"), &arguments, run_as.as_ref()).map(drop)
    })?;
    let copy = folder.with_extension("unfinished");
    if copy.exists() {
        std::fs::remove_dir_all(&copy).with_context(|| format!("remove {}", copy.display()))?;
    }
    let arguments = [
        OsStr::new("--archive"),
        OsStr::new("--reflink=auto"),
        template.as_os_str(),
        copy.as_os_str(),
    ];
    process::run(Path::new("cp"), &arguments, None)?;
    std::fs::rename(&copy, folder)
        .with_context(|| format!("rename {} to {}", copy.display(), folder.display()))
}
