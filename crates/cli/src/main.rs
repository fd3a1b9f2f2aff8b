//! `parlance`: the command line of Parlance.

mod check;
mod commands;
mod follow;
mod groups;
mod keep;
mod output;
mod place;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ids::FileId;

use crate::commands::NotSignedIn;
use crate::place::Place;

/// Chat from a terminal or a script.
#[derive(Parser)]
#[command(name = "parlance", version, about, after_help = EXIT_CODES)]
struct Cli {
    /// The server. Where credentials are kept, the one that they are for is the default.
    #[arg(long, global = true, env = "PARLANCE_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Print one JSON document a line instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something on this machine failed
  2  wrong usage
  3  sign in first
  4  the server refused
  5  no answer from the server";

#[derive(Subcommand)]
enum Command {
    /// Make an account and sign in.
    Register(Register),
    /// Sign in. Where the server allows it, an unknown address signs up.
    SignIn(SignIn),
    /// End the session of this device and forget its credentials.
    LogOut,
    /// Who is signed in here.
    Whoami,
    /// Your conversations, newest activity first.
    #[command(visible_alias = "ls")]
    List,
    /// Send a message. Returns when it is numbered and stored.
    Send(Send),
    /// Show a conversation as it goes on, until Ctrl-C.
    Follow(Follow),
    /// Print what was said.
    History(History),
    /// Make a group.
    NewGroup(NewGroup),
    /// Public groups, by the beginning of their names.
    Groups {
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Join a group by its name, or by an invitation.
    Join(Join),
    /// Make an invitation to a group, and print its token: whoever has it can join.
    Invite(Invite),
    /// Put people into a group.
    Add {
        #[arg(value_name = PLACE)]
        place: Place,
        #[arg(value_name = "@HANDLE", required = true)]
        people: Vec<String>,
    },
    /// Take somebody out of a group.
    Remove {
        #[arg(value_name = PLACE)]
        place: Place,
        #[arg(value_name = "@HANDLE")]
        person: String,
    },
    /// Make a member of a group an owner, an admin, or a plain member.
    Role {
        #[arg(value_name = PLACE)]
        place: Place,
        #[arg(value_name = "@HANDLE")]
        person: String,
        role: Role,
    },
    /// Change what a group is called and what it says of itself.
    ChangeGroup(ChangeGroup),
    /// Delete a group. There is no way back.
    DeleteGroup {
        #[arg(value_name = PLACE)]
        place: Place,
    },
    /// The ten groups where most is going on.
    Top(Top),
    /// Leave a group.
    Leave {
        #[arg(value_name = PLACE)]
        place: Place,
    },
    /// Upload a file into a conversation and send it.
    Upload(Upload),
    /// Download a file.
    Download(Download),
    /// Try the server: two new people, a message between them. Signs nobody in here.
    Check,
    /// Check that a deployment keeps its promise. Makes people and conversations of its own there, and
    /// breaks only its own network. Exits with 0 if the promise was kept, 1 if not, 2 if nothing can be
    /// said.
    Verify(verify::command::Arguments),
}

const PLACE: &str = "@HANDLE|GROUP|ID";

#[derive(Args)]
struct Register {
    #[arg(long)]
    email: String,
    /// What others read; made from the e-mail address if absent.
    #[arg(long, default_value = "")]
    name: String,
    /// How others find you; made from the e-mail address if absent.
    #[arg(long)]
    handle: Option<String>,
    #[command(flatten)]
    password: Password,
}

#[derive(Args)]
struct SignIn {
    #[arg(long)]
    email: String,
    #[command(flatten)]
    password: Password,
}

/// Never an argument: other users of the machine could read it.
#[derive(Args)]
struct Password {
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Args)]
struct Send {
    #[arg(value_name = PLACE)]
    place: Place,
    /// The text; `-` reads it from standard input.
    text: String,
    /// Number of the entry that this answers.
    #[arg(long, value_name = "NUMBER")]
    reply_to: Option<u64>,
}

#[derive(Args)]
struct Follow {
    #[arg(value_name = PLACE)]
    place: Place,
    /// How much of what was said to show first.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100))]
    last: u32,
    /// Don't mark what is shown as read.
    #[arg(long)]
    keep_unread: bool,
}

#[derive(Args)]
struct History {
    #[arg(value_name = PLACE)]
    place: Place,
    /// Entries with smaller numbers.
    #[arg(long, value_name = "NUMBER", conflicts_with = "after")]
    before: Option<u64>,
    /// Entries with greater numbers.
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
}

#[derive(Args)]
struct NewGroup {
    /// 3 to 64 characters: a-z, 0-9, `-`, `_`, `.`.
    name: String,
    /// Handles of its first members.
    #[arg(value_name = "@HANDLE")]
    members: Vec<String>,
}

#[derive(Args)]
struct Join {
    #[arg(required_unless_present = "invitation_stdin")]
    name: Option<String>,
    /// Read the token of an invitation from the first line of standard input.
    #[arg(long, conflicts_with = "name")]
    invitation_stdin: bool,
}

#[derive(Args)]
struct Invite {
    #[arg(value_name = PLACE)]
    place: Place,
    /// How long it is good: 60 to 7776000.
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u32>,
    /// How many people it lets in: 1 to 10000.
    #[arg(long, value_name = "PEOPLE")]
    max_uses: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Owner,
    Admin,
    Member,
}

#[derive(Args)]
struct ChangeGroup {
    #[arg(value_name = PLACE)]
    place: Place,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    #[arg(long)]
    visibility: Option<Visibility>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Visibility {
    Public,
    Private,
}

#[derive(Args)]
struct Top {
    by: By,
    /// First day, YYYY-MM-DD in UTC.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Last day.
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Members,
    ActiveUsers,
    Messages,
}

#[derive(Args)]
struct Upload {
    #[arg(value_name = PLACE)]
    place: Place,
    path: PathBuf,
    /// Text to send with it.
    #[arg(long, default_value = "")]
    text: String,
    /// Its media type; guessed from the name if absent.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
}

#[derive(Args)]
struct Download {
    #[arg(value_name = "FILE_ID")]
    file: FileId,
    /// Where to; its own name in the current folder if absent. Never overwrites.
    path: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Verify(arguments) = &cli.command {
        return verify(arguments, cli.server.as_deref()).await;
    }
    match Box::pin(commands::run(cli)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parlance: {}", explain(&error));
            exit_code(&error)
        }
    }
}

/// Its exit codes are those of a check, not of a command.
async fn verify(arguments: &verify::command::Arguments, server: Option<&str>) -> ExitCode {
    use verify::check::Verdict;

    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("verify=info"))
        .with_writer(std::io::stderr)
        .without_time()
        .with_level(false)
        .with_target(false)
        .init();
    let server = server.unwrap_or(commands::DEFAULT_SERVER);
    match Box::pin(verify::command::run(arguments, server)).await {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Violated) => ExitCode::from(1),
        Ok(Verdict::Unknown) => ExitCode::from(2),
        Err(error) => {
            eprintln!("parlance: {}", explain(&error));
            ExitCode::from(2)
        }
    }
}

/// What went wrong, and where it helps, what to do.
fn explain(error: &anyhow::Error) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{error}");
    for cause in error.chain().skip(1) {
        let _ = write!(text, ": {cause}");
    }
    if let Some(client::Error::Refused(refusal)) = error.downcast_ref() {
        for field in &refusal.fields {
            let _ = write!(text, "\n  {}: {}", field.field, field.detail);
        }
        if refusal.status == 401 && refusal.code != "credentials_wrong" {
            text.push_str("\nSign in again with `parlance sign-in`.");
        }
        if let Some(after) = refusal.retry_after {
            let _ = write!(text, "\nTry again in {} s.", after.as_secs());
        }
    }
    text
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<NotSignedIn>() {
        return ExitCode::from(3);
    }
    ExitCode::from(match error.downcast_ref() {
        Some(client::Error::Refused(refusal)) => match refusal.status {
            401 => 3,
            500.. => 5,
            _ => 4,
        },
        Some(client::Error::NoAnswer(_)) => 5,
        _ => 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn an_exit_code_says_whose_fault_it_is() {
        let refused = |status| {
            anyhow::Error::new(client::Error::Refused(Box::new(client::Refusal {
                status,
                code: "code".into(),
                detail: "Detail.".into(),
                trace_id: None,
                fields: vec![],
                retry_after: None,
            })))
        };
        for (status, code) in [(401, 3), (403, 4), (404, 4), (429, 4), (503, 5)] {
            assert_eq!(
                exit_code(&refused(status)),
                ExitCode::from(code),
                "{status}"
            );
        }
        assert_eq!(exit_code(&NotSignedIn.into()), ExitCode::from(3));
        assert_eq!(exit_code(&anyhow::anyhow!("disk full")), ExitCode::from(1));
    }
}
