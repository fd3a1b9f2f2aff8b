//! A deployment that loses messages: what lies before a good one, and leaves some out of its history.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes everything on, but for every 20th message of the history.
pub struct Liar {
    address: SocketAddr,
    withheld: Arc<AtomicU64>,
    acceptor: JoinHandle<()>,
}

impl Liar {
    pub async fn before(origin: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let withheld = Arc::new(AtomicU64::new(0));
        let upstream = origin.trim_start_matches("http://").to_owned();
        let counter = Arc::clone(&withheld);
        let acceptor = tokio::spawn(async move {
            let http = reqwest::Client::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (http, upstream, counter) =
                    (http.clone(), upstream.clone(), Arc::clone(&counter));
                // A client that is gone is no failure of the test.
                tokio::spawn(async move { serve(stream, &http, &upstream, &counter).await.ok() });
            }
        });
        Ok(Self {
            address,
            withheld,
            acceptor,
        })
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn withheld(&self) -> u64 {
        self.withheld.load(Ordering::Relaxed)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// One request of a connection; the answer ends it, so that each request is met here.
async fn serve(
    mut near: TcpStream,
    http: &reqwest::Client,
    upstream: &str,
    withheld: &AtomicU64,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if near.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec())?;
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted)
                .then(|| value.trim().to_owned())
        })
    };
    if head.starts_with("GET ") && target.contains("/entries") {
        let answer = http
            .get(format!("http://{upstream}{target}"))
            .header("authorization", header("authorization").unwrap_or_default())
            .send()
            .await?;
        let status = answer.status();
        let mut body = answer.bytes().await?.to_vec();
        if status.is_success() {
            body = without_some(&body, withheld)?;
        }
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        near.write_all(answer.as_bytes()).await?;
        near.write_all(&body).await?;
        return Ok(near.shutdown().await?);
    }
    let mut far = TcpStream::connect(upstream.replace("localhost", "127.0.0.1")).await?;
    if header("upgrade").is_none() {
        far.write_all(format!("{head}\r\nconnection: close").as_bytes())
            .await?;
    } else {
        far.write_all(head.as_bytes()).await?;
    }
    far.write_all(&bytes[end..]).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

fn without_some(page: &[u8], withheld: &AtomicU64) -> serde_json::Result<Vec<u8>> {
    let mut page: serde_json::Value = serde_json::from_slice(page)?;
    if let Some(entries) = page["entries"].as_array_mut() {
        let before = entries.len();
        entries.retain(|entry| {
            entry["message"].is_null() || entry["number"].as_u64().unwrap_or(0) % 20 != 0
        });
        withheld.fetch_add((before - entries.len()) as u64, Ordering::Relaxed);
    }
    serde_json::to_vec(&page)
}
