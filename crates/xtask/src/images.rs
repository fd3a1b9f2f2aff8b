//! `cargo xtask images`: an image of each service, without a container engine.
//!
//! An image holds a program, what the program's loader loads with it, root certificates and one
//! user; there is no shell, and nothing that the program could write to but what is mounted. Each
//! archive is an OCI image layout that also has Docker's `manifest.json`, so that `docker load`,
//! `podman load`, `ctr images import`, `minikube image load` and `skopeo` take it.
//!
//! The same inputs give the same bytes: names are sorted, times are 0, nothing of this machine but
//! the copied files comes in. Formats: OCI image-spec 1.1 (layout, manifest, config) and the
//! archive of `docker save`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use flate2::{Compression, GzBuilder};
use local_stack::install;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::web;

/// What everything runs as: user and group.
const USER: u32 = 10_001;

/// Root certificates as Debian's package has them; what an administrator added to this machine is
/// elsewhere and must not get into an image.
const CERTIFICATES: &str = "/usr/share/ca-certificates/mozilla";

#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the archives; by default `images` in the target folder.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Only this image; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// What comes before the names.
    #[arg(long, default_value = "docker.io/parlance")]
    registry: String,
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// Fail if one is larger, compressed, in units of 1,000,000 bytes.
    #[arg(long, default_value_t = 20.0)]
    limit_mb: f64,
}

/// What is particular to an image.
struct Image {
    name: &'static str,
    program: &'static str,
    description: &'static str,
    /// Arguments unless others are given.
    command: &'static [&'static str],
    environment: &'static [&'static str],
    /// Asked by Docker whether it works.
    healthcheck: Option<&'static str>,
    /// A folder that the user owns, for a volume.
    data: Option<&'static str>,
    /// Where the built web client is.
    client: Option<&'static str>,
}

impl Image {
    const fn service(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            program: name,
            description,
            command: &["serve"],
            environment: &[],
            healthcheck: Some("healthcheck"),
            data: None,
            client: None,
        }
    }
}

const IMAGES: [Image; 8] = [
    Image {
        // Its signing keys, where they aren't mounted from a Secret.
        data: Some("data"),
        ..Image::service("account", "People, their credentials and login sessions")
    },
    Image::service("conversation", "Conversations, members and groups"),
    Image::service(
        "message",
        "The log of every conversation, history and marks",
    ),
    Image::service("chat-gateway", "Sockets"),
    Image::service("file-upload", "Attachments"),
    Image {
        environment: &["WEB__CLIENT=/client", "WEB__LISTEN=0.0.0.0:8080"],
        client: Some("client"),
        ..Image::service("web", "The web client")
    },
    Image {
        program: "parlance",
        command: &["--help"],
        healthcheck: None,
        ..Image::service("cli", "The command line")
    },
    Image {
        command: &[
            "--data=/data",
            "--listen=0.0.0.0",
            "--dynamodb-port=7181",
            "--s3-port=7182",
        ],
        healthcheck: None,
        data: Some("data"),
        ..Image::service("local-aws", "DynamoDB and S3 for a try, not for production")
    },
];

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let wanted: Vec<&Image> = IMAGES
        .iter()
        .filter(|image| arguments.only.is_empty() || arguments.only.iter().any(|n| n == image.name))
        .collect();
    ensure!(
        arguments.only.len() <= wanted.len() && !wanted.is_empty(),
        "images are: {}",
        IMAGES.map(|image| image.name).join(", ")
    );
    let programs: Vec<&str> = wanted.iter().map(|image| image.program).collect();
    let release = install::build_release(&programs)?;
    if wanted.iter().any(|image| image.client.is_some()) {
        web::ensure_built()?;
    }
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => release.with_file_name("images"),
    };
    std::fs::create_dir_all(&out).with_context(|| format!("create {}", out.display()))?;
    let revision = revision();

    println!("{:<14} {:>12} {:>12}", "image", "compressed", "unpacked");
    let mut too_large = Vec::new();
    for image in wanted {
        let root = root(image, &release.join(image.program))?;
        let reference = format!("{}/{}:{}", arguments.registry, image.name, arguments.tag);
        let archive = Archive::new(image, &root, &reference, revision.as_deref())?;
        let path = out.join(format!("{}.tar", image.name));
        std::fs::write(&path, archive.bytes()?)
            .with_context(|| format!("write {}", path.display()))?;
        let (compressed, unpacked) = (megabytes(archive.layer.len()), megabytes(archive.unpacked));
        println!("{:<14} {compressed:>9.1} MB {unpacked:>9.1} MB", image.name);
        if compressed > arguments.limit_mb {
            too_large.push(image.name);
        }
    }
    println!("in {}", out.display());
    ensure!(
        too_large.is_empty(),
        "larger than {} MB: {}",
        arguments.limit_mb,
        too_large.join(", ")
    );
    Ok(())
}

fn megabytes(bytes: usize) -> f64 {
    // Exact far beyond the size of any image.
    bytes as f64 / 1e6
}

/// The commit that is built, where git can tell.
fn revision() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(install::workspace_root())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// 0755
    Program,
    /// 0644
    File,
    /// 0755, of root
    Folder,
    /// 0750, of the user
    Data,
}

/// What the file system of an image holds, by path without a leading `/`.
type Root = BTreeMap<String, (Mode, Vec<u8>)>;

fn root(image: &Image, program: &Path) -> anyhow::Result<Root> {
    let mut root = Root::new();
    put(&mut root, image.program, Mode::Program, read(program)?);
    for library in libraries(program)? {
        let content = read(&library)?;
        let inside = library
            .to_str()
            .context("a library's path is not UTF-8")?
            .trim_start_matches('/');
        // The loader is a program too: the kernel starts it.
        put(&mut root, inside, Mode::Program, content);
    }
    let certificates = certificates(Path::new(CERTIFICATES))?;
    for (path, content) in [
        ("etc/ssl/certs/ca-certificates.crt", certificates),
        (
            "etc/passwd",
            format!("root:x:0:0::/:/nologin\nparlance:x:{USER}:{USER}::/:/nologin\n").into_bytes(),
        ),
        (
            "etc/group",
            format!("root:x:0:\nparlance:x:{USER}:\n").into_bytes(),
        ),
        // Without it glibc asks DNS before /etc/hosts.
        ("etc/nsswitch.conf", b"hosts: files dns\n".to_vec()),
    ] {
        put(&mut root, path, Mode::File, content);
    }
    if let Some(data) = image.data {
        put(&mut root, data, Mode::Data, Vec::new());
    }
    if let Some(client) = image.client {
        put_folder(&mut root, client, &web::dist())?;
    }
    Ok(root)
}

/// With the folders that it is in.
fn put(root: &mut Root, path: &str, mode: Mode, content: Vec<u8>) {
    for (end, _) in path.match_indices('/') {
        root.entry(path[..end].to_owned())
            .or_insert((Mode::Folder, Vec::new()));
    }
    root.insert(path.to_owned(), (mode, content));
}

fn put_folder(root: &mut Root, inside: &str, folder: &Path) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().context("a file's name is not UTF-8")?;
        let inside = format!("{inside}/{name}");
        if entry.file_type()?.is_dir() {
            put_folder(root, &inside, &entry.path())?;
        } else {
            put(root, &inside, Mode::File, read(&entry.path())?);
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// The loader of a program and the shared libraries that it loads, as the loader itself finds them.
/// glibc's name service (files and DNS) is part of its libc since 2.34.
fn libraries(program: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C")
        .output()
        .context("run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && !text.contains("not found"),
        "ldd {} failed: {text}{}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(loaded(&text))
}

/// The paths in `libc.so.6 => /lib/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`. The
/// kernel's own page has none.
fn loaded(ldd: &str) -> Vec<PathBuf> {
    ldd.lines()
        .filter_map(|line| {
            let path = line.rsplit("=> ").next()?.trim();
            let path = path.split(" (0x").next()?;
            path.starts_with('/').then(|| PathBuf::from(path))
        })
        .collect()
}

/// All certificates of a folder as one file.
fn certificates(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| {
            format!(
                "list {}; Debian's package ca-certificates brings it",
                folder.display()
            )
        })?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let mut all = Vec::new();
    for file in files {
        all.extend(read(&file)?);
    }
    ensure!(
        !all.is_empty(),
        "no certificates are in {}",
        folder.display()
    );
    Ok(all)
}

/// An image that is ready to be written.
struct Archive {
    reference: String,
    /// gzip of the one layer.
    layer: Vec<u8>,
    /// Bytes of that layer.
    unpacked: usize,
    config: Vec<u8>,
}

impl Archive {
    fn new(
        image: &Image,
        root: &Root,
        reference: &str,
        revision: Option<&str>,
    ) -> anyhow::Result<Self> {
        let layer = layer(root)?;
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
        gzip.write_all(&layer)?;
        let config = config(image, reference, revision, &digest(&layer));
        Ok(Self {
            reference: reference.to_owned(),
            layer: gzip.finish()?,
            unpacked: layer.len(),
            config: serde_json::to_vec(&config)?,
        })
    }

    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &self.config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &self.layer)],
        }))?;
        let mut described = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        described["annotations"] = json!({
            "io.containerd.image.name": self.reference,
            "org.opencontainers.image.ref.name": self.reference,
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [described],
        });
        let for_docker = json!([{
            "Config": blob(&self.config),
            "RepoTags": [self.reference],
            "Layers": [blob(&self.layer)],
        }]);
        let mut files = Root::new();
        for content in [&self.config, &self.layer, &manifest] {
            put(&mut files, &blob(content), Mode::File, content.clone());
        }
        for (name, content) in [
            ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
            ("index.json", index),
            ("manifest.json", for_docker),
        ] {
            put(&mut files, name, Mode::File, serde_json::to_vec(&content)?);
        }
        layer(&files)
    }
}

fn config(image: &Image, reference: &str, revision: Option<&str>, diff_id: &str) -> Value {
    let program = format!("/{}", image.program);
    let version = reference.rsplit(':').next();
    let mut labels = json!({
        "org.opencontainers.image.title": format!("parlance {}", image.name),
        "org.opencontainers.image.description": image.description,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": version,
    });
    let mut environment: Vec<String> = image.environment.iter().map(ToString::to_string).collect();
    if let Some(revision) = revision {
        labels["org.opencontainers.image.revision"] = revision.into();
        // For the metric `parlance_build_info`.
        environment.push(format!("PARLANCE_COMMIT={revision}"));
    }
    let mut config = json!({
        "User": format!("{USER}:{USER}"),
        "Entrypoint": [program],
        "Cmd": image.command,
        "Env": environment,
        "WorkingDir": "/",
        "Labels": labels,
    });
    if let Some(healthcheck) = image.healthcheck {
        // Nanoseconds. Docker's own; others ignore it.
        config["Healthcheck"] = json!({
            "Test": ["CMD", program, healthcheck],
            "Interval": 5_000_000_000_u64,
            "Timeout": 3_000_000_000_u64,
            "StartPeriod": 60_000_000_000_u64,
            "Retries": 3,
        });
    }
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture(),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "cargo xtask images"}],
    })
}

/// By the names of Go, which the specification uses.
const fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}

fn layer(root: &Root) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, (mode, content)) in root {
        let mut header = tar::Header::new_ustar();
        let (kind, bits, owner) = match mode {
            Mode::Program => (tar::EntryType::Regular, 0o755, 0),
            Mode::File => (tar::EntryType::Regular, 0o644, 0),
            Mode::Folder => (tar::EntryType::Directory, 0o755, 0),
            Mode::Data => (tar::EntryType::Directory, 0o750, USER),
        };
        header.set_entry_type(kind);
        header.set_mode(bits);
        header.set_uid(owner.into());
        header.set_gid(owner.into());
        header.set_mtime(0);
        header.set_size(u64::try_from(content.len())?);
        // A folder's name ends with `/`, as Docker writes it.
        let name = match kind {
            tar::EntryType::Directory => format!("{path}/"),
            _ => path.clone(),
        };
        tar.append_data(&mut header, name, content.as_slice())?;
    }
    Ok(tar.into_inner()?)
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex(content))
}

fn blob(content: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(content))
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String can't fail");
            text
        })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const REFERENCE: &str = "docker.io/parlance/account:1.2.3";

    fn account() -> &'static Image {
        &IMAGES[0]
    }

    /// A small program that every Linux has.
    fn program() -> PathBuf {
        install::on_path("true").unwrap()
    }

    fn entries(tar: &[u8]) -> Vec<(String, u32, u64, u64, Vec<u8>)> {
        tar::Archive::new(tar)
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let header = entry.header();
                assert_eq!(header.mtime().unwrap(), 0);
                (
                    entry.path().unwrap().display().to_string(),
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.gid().unwrap(),
                    content,
                )
            })
            .collect()
    }

    fn json_of(files: &[(String, u32, u64, u64, Vec<u8>)], name: &str) -> Value {
        let (.., content) = files.iter().find(|file| file.0 == name).unwrap();
        serde_json::from_slice(content).unwrap()
    }

    #[test]
    fn an_image_holds_exactly_what_its_program_needs() {
        let root = root(account(), &program()).unwrap();
        let found = entries(&layer(&root).unwrap());
        let libraries = libraries(&program()).unwrap();
        let file_names: Vec<&str> = libraries
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert!(file_names.contains(&"libc.so.6"), "{file_names:?}");
        assert!(
            file_names.iter().any(|name| name.starts_with("ld-linux")),
            "{file_names:?}"
        );
        let mut expected: Vec<String> = [
            "account",
            "etc/group",
            "etc/nsswitch.conf",
            "etc/passwd",
            "etc/ssl/certs/ca-certificates.crt",
        ]
        .map(str::to_owned)
        .to_vec();
        expected.extend(
            libraries
                .iter()
                .map(|path| path.to_str().unwrap().trim_start_matches('/').to_owned()),
        );
        expected.sort();
        let files: Vec<&String> = found
            .iter()
            .map(|(path, ..)| path)
            .filter(|path| !path.ends_with('/'))
            .collect();
        assert_eq!(files, expected.iter().collect::<Vec<_>>());
        for (path, mode, user, group, _) in &found {
            let (expected_mode, owner) = match path.as_str() {
                "data/" => (0o750, 10_001),
                path if path.starts_with("etc/") && !path.ends_with('/') => (0o644, 0),
                _ => (0o755, 0),
            };
            assert_eq!(
                (*mode, *user, *group),
                (expected_mode, owner, owner),
                "{path}"
            );
        }
    }

    #[test]
    fn the_archive_names_its_blobs_and_says_how_to_run_it() {
        let root = root(account(), &program()).unwrap();
        let archive = Archive::new(account(), &root, REFERENCE, Some("abc")).unwrap();
        let files = entries(&archive.bytes().unwrap());
        for (path, .., content) in &files {
            if let Some(name) = path.strip_prefix("blobs/sha256/")
                && !name.is_empty()
            {
                assert_eq!(name, hex(content));
            }
        }
        let blob_of = |digest: &Value| {
            let digest = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
            format!("blobs/sha256/{digest}")
        };
        let index = json_of(&files, "index.json");
        let described = &index["manifests"][0];
        assert_eq!(
            described["annotations"]["io.containerd.image.name"],
            REFERENCE
        );
        let manifest = json_of(&files, &blob_of(&described["digest"]));
        let docker = json_of(&files, "manifest.json");
        assert_eq!(docker[0]["RepoTags"][0], REFERENCE);
        assert_eq!(
            docker[0]["Config"],
            blob_of(&manifest["config"]["digest"]).as_str()
        );
        assert_eq!(
            docker[0]["Layers"][0],
            blob_of(&manifest["layers"][0]["digest"]).as_str()
        );

        let config = json_of(&files, &blob_of(&manifest["config"]["digest"]));
        assert_eq!(config["config"]["User"], "10001:10001");
        assert_eq!(config["config"]["Entrypoint"], json!(["/account"]));
        assert_eq!(config["config"]["Cmd"], json!(["serve"]));
        let labels = &config["config"]["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], "1.2.3");
        assert_eq!(labels["org.opencontainers.image.revision"], "abc");

        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(archive.layer.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&unpacked).as_str());
        assert_eq!(unpacked.len(), archive.unpacked);
    }

    #[test]
    fn the_same_inputs_give_the_same_bytes() {
        let bytes = || {
            let root = root(account(), &program()).unwrap();
            let archive = Archive::new(account(), &root, REFERENCE, None).unwrap();
            archive.bytes().unwrap()
        };
        assert_eq!(digest(&bytes()), digest(&bytes()));
    }

    #[test]
    fn what_the_loader_says_is_read() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                   \tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f12)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007f13)\n";
        assert_eq!(
            loaded(ldd),
            [
                Path::new("/lib/x86_64-linux-gnu/libm.so.6"),
                Path::new("/lib64/ld-linux-x86-64.so.2")
            ]
        );
        assert!(loaded("\tstatically linked\n").is_empty());
    }

    #[test]
    fn what_is_no_program_gets_no_image() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(libraries(file.path()).is_err());
    }
}
