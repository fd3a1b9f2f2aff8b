//! The server's side of SMTP (RFC 5321): what a client needs to hand a mail over, and no more.
//! Everything is bounded: connections, lines, recipients, the mail, and every wait.

use std::sync::Arc;
use std::time::Duration;

use lifecycle::Lifecycle;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::mailbox::{Envelope, Mailbox};

const CONNECTIONS: usize = 64;
/// RFC 5321, section 4.5.3.1.6: 1,000 bytes for a line of text; commands are shorter.
const MAX_LINE_BYTES: u64 = 1_000;
const MAX_RECIPIENTS: usize = 100;
const MAX_MAIL_BYTES: usize = 1_048_576;
/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to leave a listener alone that can't accept.
const AFTER_A_FAILURE: Duration = Duration::from_millis(100);

pub(crate) fn serve(lifecycle: &Lifecycle, listener: TcpListener, mailbox: Mailbox) {
    let stopping = lifecycle.stopping();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    lifecycle.spawn("smtp", async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                // What clients are at is not finished: they try again, as mail servers do.
                () = stopping.cancelled() => return Ok(()),
                // Ends those that are done.
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "accept failed");
                    tokio::time::sleep(AFTER_A_FAILURE).await;
                    continue;
                }
            };
            // Without a place the connection is closed at once.
            if let Ok(place) = places.clone().try_acquire_owned() {
                let mailbox = mailbox.clone();
                connections.spawn(async move {
                    // A client that fails or falls silent is its own concern.
                    let _ = converse(stream, &mailbox).await;
                    drop(place);
                });
            }
        }
    });
}

async fn converse(stream: TcpStream, mailbox: &Mailbox) -> std::io::Result<()> {
    let mut client = Client {
        stream: BufReader::new(stream),
    };
    client.say("220 mail-catcher").await?;
    let mut envelope: Option<Envelope> = None;
    while let Some(line) = client.line().await? {
        let line = String::from_utf8_lossy(&line).into_owned();
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                envelope = None;
                client
                    .say(&format!(
                        "250-mail-catcher\r\n250-8BITMIME\r\n250 SIZE {MAX_MAIL_BYTES}"
                    ))
                    .await?;
            }
            "HELO" => {
                envelope = None;
                client.say("250 mail-catcher").await?;
            }
            "MAIL" => match path(rest, "FROM:") {
                Some(from) => {
                    envelope = Some(Envelope {
                        from,
                        to: Vec::new(),
                    });
                    client.say("250 go on").await?;
                }
                None => client.say("501 MAIL FROM:<address>").await?,
            },
            "RCPT" => match (&mut envelope, path(rest, "TO:")) {
                (None, _) => client.say("503 MAIL first").await?,
                (Some(_), None) => client.say("501 RCPT TO:<address>").await?,
                (Some(envelope), _) if envelope.to.len() == MAX_RECIPIENTS => {
                    client.say("452 too many recipients").await?;
                }
                (Some(envelope), Some(to)) => {
                    envelope.to.push(to);
                    client.say("250 go on").await?;
                }
            },
            "DATA" => match envelope.take() {
                Some(envelope) if !envelope.to.is_empty() => {
                    client.say("354 end with a line of one dot").await?;
                    match client.content().await? {
                        Some(content) => {
                            mailbox.put(envelope, &content);
                            client.say("250 caught").await?;
                        }
                        None => client.say("552 too large").await?,
                    }
                }
                _ => client.say("503 MAIL and RCPT first").await?,
            },
            "RSET" => {
                envelope = None;
                client.say("250 forgotten").await?;
            }
            "NOOP" => client.say("250 yes").await?,
            "QUIT" => return client.say("221 bye").await,
            _ => client.say("502 not here").await?,
        }
    }
    Ok(())
}

/// The address in `FROM:<ada@example.org> SIZE=100`.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let start = rest.get(..keyword.len())?;
    if !start.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (address, _) = rest[keyword.len()..]
        .trim_start()
        .strip_prefix('<')?
        .split_once('>')?;
    Some(address.to_owned())
}

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        let line = format!("{text}\r\n");
        timeout(PATIENCE, self.stream.write_all(line.as_bytes())).await?
    }

    /// The next line without its end; `None` at the end, or for a line that is too long.
    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(MAX_LINE_BYTES);
        timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
        if line.pop() != Some(b'\n') {
            return Ok(None);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    /// The mail up to the line of one dot; `None` for one that is too large.
    async fn content(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        let mut too_large = false;
        loop {
            let Some(line) = self.line().await? else {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            };
            if line == b"." {
                return Ok((!too_large).then_some(content));
            }
            // A dot at the start of a line was doubled (section 4.5.2).
            let line = line.strip_prefix(b".").unwrap_or(&line);
            too_large |= content.len() + line.len() + 2 > MAX_MAIL_BYTES;
            if !too_large {
                content.extend_from_slice(line);
                content.extend_from_slice(b"\r\n");
            }
        }
    }
}
