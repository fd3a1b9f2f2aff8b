//! A mail server (SMTP, RFC 5321) that keeps what it gets, and a page that shows it.
//!
//! For the local suite and tests: it takes mails for everybody, from everybody, delivers none, and
//! forgets all but the last ones. It listens on loopback unless told otherwise.

mod mailbox;
mod page;
mod smtp;

use std::net::SocketAddr;

use anyhow::Context as _;
use lifecycle::Lifecycle;
use tokio::net::TcpListener;

pub use mailbox::{Mail, Mailbox};

/// Where it listens.
#[derive(Debug)]
pub struct Listeners {
    pub smtp: TcpListener,
    /// The page, and `/mails` for programs.
    pub http: TcpListener,
}

impl Listeners {
    /// # Errors
    /// When an address can't be listened on.
    pub async fn bind(smtp: SocketAddr, http: SocketAddr) -> anyhow::Result<Self> {
        let bind = async |address| {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("listen on {address}"))
        };
        Ok(Self {
            smtp: bind(smtp).await?,
            http: bind(http).await?,
        })
    }
}

/// Takes and shows mails for as long as `lifecycle` goes on.
pub fn run(listeners: Listeners, lifecycle: &Lifecycle, clock: clock::Clock) -> Mailbox {
    let mailbox = Mailbox::new(clock);
    smtp::serve(lifecycle, listeners.smtp, mailbox.clone());
    serving::serve_http(
        lifecycle,
        "mails",
        listeners.http,
        page::router(mailbox.clone()),
    );
    mailbox
}
