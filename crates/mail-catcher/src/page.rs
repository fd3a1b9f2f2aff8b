//! What people see: all mails on one page. Programs read `/mails`.

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use serde::Deserialize;

use crate::mailbox::{Mail, Mailbox};

pub(crate) fn router(mailbox: Mailbox) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/mails", get(mails))
        .with_state(mailbox)
}

#[derive(Deserialize)]
struct MailsQuery {
    /// Only mails to this address.
    to: Option<String>,
}

async fn mails(
    State(mailbox): State<Mailbox>,
    Query(query): Query<MailsQuery>,
) -> axum::Json<Vec<Mail>> {
    axum::Json(mailbox.mails(query.to.as_deref()))
}

async fn page(State(mailbox): State<Mailbox>) -> impl IntoResponse {
    let mails = mailbox.mails(None);
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Mails</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{font:16px/1.5 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem;\
         color-scheme:light dark}article{border-top:1px solid #8888;padding:1rem 0}\
         pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit}h2{margin:0;font-size:1.1rem}\
         p{margin:0;opacity:.7}</style><h1>Mails</h1>",
    );
    if mails.is_empty() {
        html.push_str("<p>None yet.");
    }
    for mail in mails {
        html.push_str(&format!(
            "<article><h2>{}</h2><p>To {} · {}</p><pre>{}</pre></article>",
            escape(&mail.subject),
            escape(&mail.to.join(", ")),
            mail.received_at,
            linked(&mail.text),
        ));
    }
    (
        [
            // Whatever a mail holds, it is text.
            (
                "content-security-policy",
                "default-src 'none'; style-src 'unsafe-inline'",
            ),
            ("referrer-policy", "no-referrer"),
        ],
        Html(html),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Escaped, with words that are addresses of the web made links.
fn linked(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|word| {
            let address = word.trim_end();
            let safe = escape(address);
            if address.starts_with("http://") || address.starts_with("https://") {
                format!("<a href=\"{safe}\">{safe}</a>{}", &word[address.len()..])
            } else {
                escape(word)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_text_and_its_links_can_be_followed() {
        assert_eq!(
            linked("see\nhttps://x.org/#a&b\n<b>"),
            "see\n<a href=\"https://x.org/#a&amp;b\">https://x.org/#a&amp;b</a>\n&lt;b&gt;"
        );
        assert_eq!(linked("javascript:alert(1)"), "javascript:alert(1)");
        assert!(!linked("http://x\"onload=1").contains("\"onload"));
    }
}
