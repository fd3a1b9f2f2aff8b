//! One function a command.

use std::io::BufRead as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use client::{Api, Client, Draft, Position, Registration};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::keep::{Keeper, Kept};
use crate::output::{Names, Output, line, people_in};
use crate::{Cli, Command, check, follow, groups};

pub const DEFAULT_SERVER: &str = "http://localhost:8080";

/// There are no credentials for this server.
#[derive(Debug)]
pub struct NotSignedIn;

impl std::fmt::Display for NotSignedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody is signed in here; `parlance sign-in --email …` does it")
    }
}

impl std::error::Error for NotSignedIn {}

pub async fn run(cli: Cli) -> Result<()> {
    let keeper = Keeper::of_user()?;
    let out = Output { json: cli.json };
    let server = cli
        .server
        .as_deref()
        .map(|server| server.trim_end_matches('/'));
    let client = || signed_in(&keeper, server);
    match cli.command {
        Command::Register(args) => {
            let api = Api::new(server.unwrap_or(DEFAULT_SERVER))?;
            let registration = Registration {
                email: args.email,
                password: password(args.password.password_stdin).await?,
                display_name: args.name,
                handle: args.handle,
                device_name: device_name(),
            };
            welcome(&keeper, out, &api.register(&registration).await?)
        }
        Command::SignIn(args) => {
            let api = Api::new(server.unwrap_or(DEFAULT_SERVER))?;
            let password = password(args.password.password_stdin).await?;
            welcome(
                &keeper,
                out,
                &api.sign_in(&args.email, &password, &device_name()).await?,
            )
        }
        Command::LogOut => {
            let ended = client()?.log_out().await;
            // Forgotten in any case: who logs out wants nothing left here.
            keeper.forget()?;
            ended?;
            out.print(&json!({ "logged_out": true }), || "Logged out.".to_owned());
            Ok(())
        }
        Command::Whoami => {
            let me = client()?.me().await?;
            out.print(&me, || {
                format!(
                    "@{} ({}, {})",
                    me.user.handle, me.user.display_name, me.email
                )
            });
            Ok(())
        }
        Command::List => list(out, &client()?).await,
        Command::Send(args) => {
            let text = match args.text.as_str() {
                "-" => {
                    let mut text = String::new();
                    tokio::io::stdin().read_to_string(&mut text).await?;
                    text.trim_end_matches('\n').to_owned()
                }
                _ => args.text,
            };
            let client = client()?;
            let conversation = args.place.find(&client).await?;
            let draft = Draft {
                reply_to: args.reply_to,
                ..Draft::text(text)
            };
            send(out, &client, conversation, &draft).await
        }
        Command::Follow(args) => {
            let client = client()?;
            let conversation = args.place.find(&client).await?;
            follow::follow(out, &client, conversation, args.last, !args.keep_unread).await
        }
        Command::History(args) => {
            let client = client()?;
            let conversation = args.place.find(&client).await?;
            let position = match (args.after, args.before) {
                (Some(after), _) => Position::After(after),
                (None, Some(before)) => Position::Before(before),
                (None, None) => Position::Latest,
            };
            let page = client.entries(conversation, position, args.limit).await?;
            let mut names = Names::default();
            if !out.json {
                names
                    .learn(&client, page.entries.iter().flat_map(people_in))
                    .await;
            }
            for entry in &page.entries {
                out.print(entry, || line(entry, &names));
            }
            Ok(())
        }
        Command::NewGroup(args) => {
            let client = client()?;
            let mut members = Vec::with_capacity(args.members.len());
            for handle in &args.members {
                members.push(client.find_user(handle).await?.user_id);
            }
            let group = client.create_group(&args.name, &members).await?;
            out.print(&group, || format!("Group `{}` is yours.", args.name));
            Ok(())
        }
        Command::Groups { prefix } => groups::list(out, &client()?, &prefix).await,
        Command::Join(args) => {
            let client = client()?;
            let group = match args.name {
                Some(name) => client.join_group(&name).await?,
                None => client.join_by_invitation(&first_line().await?).await?,
            };
            out.print(&group, || {
                format!(
                    "You are in `{}`.",
                    group.name.as_deref().unwrap_or_default()
                )
            });
            Ok(())
        }
        Command::Invite(args) => groups::invite(out, &client()?, &args).await,
        Command::Add { place, people } => groups::add(out, &client()?, &place, &people).await,
        Command::Remove { place, person } => groups::remove(out, &client()?, &place, &person).await,
        Command::Role {
            place,
            person,
            role,
        } => groups::set_role(out, &client()?, &place, &person, role).await,
        Command::ChangeGroup(args) => groups::change(out, &client()?, args).await,
        Command::DeleteGroup { place } => groups::delete(out, &client()?, &place).await,
        Command::Top(args) => groups::top(out, &client()?, &args).await,
        // Dealt with before, because its exit codes are others.
        Command::Verify(_) => Ok(()),
        Command::Leave { place } => {
            let client = client()?;
            let conversation = place.find(&client).await?;
            client.leave(conversation).await?;
            out.print(&json!({ "left": conversation }), || "You left.".to_owned());
            Ok(())
        }
        Command::Upload(args) => {
            let client = client()?;
            let conversation = args.place.find(&client).await?;
            let content_type = args
                .content_type
                .as_deref()
                .unwrap_or_else(|| content_type_of(&args.path));
            let file = client
                .upload(conversation, &args.path, content_type)
                .await?;
            out.print(&file, || {
                format!("Uploaded `{}` as {}.", file.file_name, file.file_id)
            });
            let draft = Draft {
                attachments: vec![file.file_id],
                ..Draft::text(args.text)
            };
            send(out, &client, conversation, &draft).await
        }
        Command::Check => check::check(out, server.unwrap_or(DEFAULT_SERVER)).await,
        Command::Download(args) => {
            let client = client()?;
            let path = match args.path {
                Some(path) => path,
                None => {
                    let name = client.download_url(args.file).await?.file.file_name;
                    // The sender chose the name; it must not choose the folder.
                    Path::new(&name)
                        .file_name()
                        .context("the file has no name")?
                        .into()
                }
            };
            let file = client.download(args.file, &path).await?;
            out.print(&json!({ "file": file, "path": path }), || {
                format!(
                    "Downloaded {} bytes to `{}`.",
                    file.size_bytes,
                    path.display()
                )
            });
            Ok(())
        }
    }
}

fn welcome(keeper: &Keeper, out: Output, client: &Client) -> Result<()> {
    let credentials = client.credentials();
    let user = credentials.user.clone();
    keeper.keep(&Kept {
        server: client.api().origin().to_owned(),
        credentials,
    })?;
    out.print(&user, || {
        format!(
            "Signed in as @{} ({}) on {}.",
            user.handle,
            user.display_name,
            client.api().origin()
        )
    });
    Ok(())
}

fn signed_in(keeper: &Keeper, server: Option<&str>) -> Result<Client> {
    let kept = keeper.read()?.ok_or(NotSignedIn)?;
    // A token is for its own server, and no other is to see it.
    if server.is_some_and(|server| server != kept.server) {
        return Err(NotSignedIn.into());
    }
    Ok(Api::new(&kept.server)?.with_vault(kept.credentials, Arc::new(keeper.clone())))
}

async fn list(out: Output, client: &Client) -> Result<()> {
    let all = client.all_conversations().await?;
    if out.json {
        for item in &all {
            out.print(item, String::new);
        }
        return Ok(());
    }
    let mut names = Names::default();
    let people = all.iter().flat_map(|item| {
        item.conversation
            .peer_id
            .into_iter()
            .chain(item.last_entry.iter().flat_map(people_in))
    });
    names.learn(client, people).await;
    if all.is_empty() {
        out.print(&(), || {
            "No conversations yet: `parlance send @somebody Hello` begins one.".into()
        });
    }
    for item in &all {
        let unread = match item.state.unread_count {
            0 => String::new(),
            count => format!("({count}) "),
        };
        let last = item
            .last_entry
            .as_ref()
            .map_or_else(String::new, |entry| line(entry, &names));
        let last = last.lines().next().unwrap_or_default().to_owned();
        out.print(&(), || {
            format!(
                "{unread}{}  {last}",
                names.of_conversation(&item.conversation)
            )
        });
    }
    Ok(())
}

/// Sends, and asks again with the same id for as long as the answer may still come.
async fn send(
    out: Output,
    client: &Client,
    conversation: ids::ConversationId,
    draft: &Draft,
) -> Result<()> {
    let id = client.new_client_message_id();
    let mut tries = 0;
    let accepted = loop {
        match client.send_message(conversation, id, draft).await {
            Err(error) if error.is_retryable() && tries < 5 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(200 << tries)).await;
            }
            outcome => break outcome?,
        }
    };
    out.print(&accepted, || format!("Sent as #{}.", accepted.number));
    Ok(())
}

/// Asks for the password, or reads the first line of standard input.
async fn password(from_stdin: bool) -> Result<String> {
    if from_stdin {
        return first_line().await;
    }
    tokio::task::spawn_blocking(|| {
        rpassword::prompt_password("Password: ")
            .context("there is no terminal to ask on; use --password-stdin")
    })
    .await?
}

/// The first line of standard input, for what must not be an argument.
async fn first_line() -> Result<String> {
    tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    })
    .await?
}

fn device_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => "parlance".to_owned(),
        host => format!("parlance on {host}"),
    }
}

/// Media types of what people send most; the server checks the true one.
fn content_type_of(path: &Path) -> &'static str {
    let extension = path
        .extension()
        .map(|it| it.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("pdf") => "application/pdf",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("svg") => "image/svg+xml",
        Some("mp4") => "video/mp4",
        Some("mp3") => "audio/mpeg",
        Some("zip") => "application/zip",
        Some("json") => "application/json",
        Some("csv") => "text/csv",
        Some("txt" | "log" | "md") => "text/plain",
        _ => "application/octet-stream",
    }
}
