//! Mails by a real client.

use clock::Clock;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use lifecycle::Lifecycle;
use mail_catcher::Listeners;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

struct Catcher {
    smtp: std::net::SocketAddr,
    page: String,
    _lifecycle: Lifecycle,
}

async fn start() -> Catcher {
    let any = "127.0.0.1:0".parse().unwrap();
    let listeners = Listeners::bind(any, any).await.unwrap();
    let smtp = listeners.smtp.local_addr().unwrap();
    let page = format!("http://{}", listeners.http.local_addr().unwrap());
    let lifecycle = Lifecycle::new();
    mail_catcher::run(listeners, &lifecycle, Clock::system());
    Catcher {
        smtp,
        page,
        _lifecycle: lifecycle,
    }
}

async fn get(url: String) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_mail_is_caught_as_its_reader_sees_it() {
    let catcher = start().await;
    let transport =
        AsyncSmtpTransport::<Tokio1Executor>::from_url(&format!("smtp://{}", catcher.smtp))
            .unwrap()
            .build();
    let text = "Grüße!\n.a line with a dot\n..\nhttps://example.org/#abc <b>\n";
    for to in ["ada@example.org", "ben@example.org"] {
        let mail = Message::builder()
            .from("Parlance <no-reply@example.org>".parse().unwrap())
            .to(to.parse().unwrap())
            .subject("Schönen Tag")
            .header(ContentType::TEXT_PLAIN)
            .body(text.to_owned())
            .unwrap();
        transport.send(mail).await.unwrap();
    }
    let mails: serde_json::Value =
        serde_json::from_str(&get(format!("{}/mails?to=ADA@example.org", catcher.page)).await)
            .unwrap();
    assert_eq!(mails.as_array().unwrap().len(), 1);
    assert_eq!(mails[0]["subject"], "Schönen Tag");
    assert_eq!(mails[0]["from"], "no-reply@example.org");
    assert_eq!(
        mails[0]["text"]
            .as_str()
            .unwrap()
            .replace("\r\n", "\n")
            .trim_end(),
        text.trim_end()
    );
    let page = get(catcher.page.clone()).await;
    assert!(
        page.contains("<a href=\"https://example.org/#abc\">"),
        "{page}"
    );
    assert!(!page.contains("<b>"), "{page}");
}

#[tokio::test]
async fn what_is_out_of_order_or_too_long_is_refused() {
    let catcher = start().await;
    let mut stream = BufReader::new(TcpStream::connect(catcher.smtp).await.unwrap());
    let mut answer = String::new();
    stream.read_line(&mut answer).await.unwrap();
    assert!(answer.starts_with("220"));
    for (command, wanted) in [
        ("RCPT TO:<a@example.org>", "503"),
        ("DATA", "503"),
        ("MAIL FROM: nobody", "501"),
        ("MAIL FROM:<a@example.org>", "250"),
        ("DATA", "503"),
        ("VRFY a", "502"),
        ("QUIT", "221"),
    ] {
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .await
            .unwrap();
        answer.clear();
        stream.read_line(&mut answer).await.unwrap();
        assert!(answer.starts_with(wanted), "{command}: {answer}");
    }
    let mut stream = BufReader::new(TcpStream::connect(catcher.smtp).await.unwrap());
    stream.write_all(&vec![b'a'; 10_000]).await.unwrap();
    let mut rest = String::new();
    // The greeting, then the end; or a reset, because not all was read.
    let _ = stream.read_line(&mut rest).await;
    rest.clear();
    assert!(
        matches!(stream.read_line(&mut rest).await, Ok(0) | Err(_)),
        "{rest}"
    );
}
