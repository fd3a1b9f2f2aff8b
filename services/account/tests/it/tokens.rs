//! Forged and confused access tokens, from outside.

use auth::KeyPair;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::service::{PASSWORD, Service};

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn read(part: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The deployment's own key: what nobody else can sign with, to try what it must not sign.
fn own_key(service: &Service) -> KeyPair {
    let folder = std::fs::read_dir(&service.config.signing.key_dir).unwrap();
    let path = folder
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().ends_with(".key.pem"))
        .unwrap();
    KeyPair::from_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn no_forged_or_confused_token_is_taken() {
    let service = Service::start().await;
    let good = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let parts: Vec<&str> = good.split('.').collect();
    let (header, claims) = (read(parts[0]), read(parts[1]));
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(header["typ"], "at+jwt");
    let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert!(lifetime <= 900, "{lifetime}");

    let key = own_key(&service);
    // Where a header leads to must never be asked.
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap_url = format!("http://{}/jwks.json", trap.local_addr().unwrap());
    let stranger = KeyPair::generate().unwrap();
    let with = |changes: &[(&str, Value)]| {
        let mut claims = claims.clone();
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        claims
    };
    let signed = |change: &dyn Fn(&mut Header), claims: &Value| {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".into());
        header.kid = Some(key.kid());
        change(&mut header);
        jsonwebtoken::encode(&header, claims, &key.encoding_key()).unwrap()
    };
    let same = |_: &mut Header| {};
    let now = claims["iat"].as_u64().unwrap();
    // That the key and these claims are right otherwise: else the rest would show nothing.
    let control = signed(&same, &claims);
    assert_eq!(service.get("me", &control).await.status, StatusCode::OK);

    let hmac = |secret: &[u8]| {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".into());
        header.kid = Some(key.kid());
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let unsigned = |alg: &str| {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": key.kid()});
        format!("{}.{}.", part(&header), parts[1])
    };
    let renamed = |alg: &str| {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": key.kid()});
        format!("{}.{}.{}", part(&header), parts[1], parts[2])
    };
    let led = |name: &str| {
        let mut header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "elsewhere"});
        header[name] = match name {
            "jwk" => json!(stranger.jwk()),
            _ => json!(trap_url),
        };
        let input = format!("{}.{}", part(&header), parts[1]);
        let signature = jsonwebtoken::crypto::sign(
            input.as_bytes(),
            &stranger.encoding_key(),
            Algorithm::EdDSA,
        )
        .unwrap();
        format!("{input}.{signature}")
    };
    let forged = {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".into());
        header.kid = Some(key.kid());
        jsonwebtoken::encode(&header, &claims, &stranger.encoding_key()).unwrap()
    };
    let other_user = format!(
        "{}.{}.{}",
        parts[0],
        part(&with(&[(
            "sub",
            json!("01926c5e-7f00-7000-8000-000000000001")
        )])),
        parts[2]
    );
    let tokens = [
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("alg empty", unsigned("")),
        (
            "HS256 with the public key in PEM",
            hmac(key.public_pem().as_bytes()),
        ),
        (
            "HS256 with the public key",
            hmac(key.jwk().x.unwrap().as_bytes()),
        ),
        ("alg ES256", renamed("ES256")),
        ("alg RS256", renamed("RS256")),
        ("jku", led("jku")),
        ("x5u", led("x5u")),
        ("jwk", led("jwk")),
        ("another key", forged),
        ("another's claims", other_user),
        (
            "crit",
            signed(&|h| h.crit = Some(vec!["exp".into()]), &claims),
        ),
        ("typ JWT", signed(&|h| h.typ = Some("JWT".into()), &claims)),
        (
            "typ of an identity",
            signed(&|h| h.typ = Some("parlance-identity+jwt".into()), &claims),
        ),
        ("no typ", signed(&|h| h.typ = None, &claims)),
        ("no kid", signed(&|h| h.kid = None, &claims)),
        (
            "kid of a path",
            signed(&|h| h.kid = Some("../../dev/null".into()), &claims),
        ),
        (
            "kid of a query",
            signed(&|h| h.kid = Some("' OR 1=1 --".into()), &claims),
        ),
        ("iss", signed(&same, &with(&[("iss", json!("evil"))]))),
        ("aud", signed(&same, &with(&[("aud", json!("evil"))]))),
        (
            "aud of several",
            signed(&same, &with(&[("aud", json!(["evil", "parlance"]))])),
        ),
        ("expired", signed(&same, &with(&[("exp", json!(now - 60))]))),
        (
            "from the future",
            signed(&same, &with(&[("iat", json!(now + 600))])),
        ),
        (
            "not yet",
            signed(&same, &with(&[("nbf", json!(now + 600))])),
        ),
        ("no subject", signed(&same, &with(&[("sub", Value::Null)]))),
        ("no session", signed(&same, &with(&[("sid", Value::Null)]))),
        ("huge", format!("{good}{}", "A".repeat(8_000))),
        ("no token", "garbage".to_owned()),
    ];
    for (name, token) in tokens {
        let answer = service.get("me", &token).await;
        assert_eq!(
            answer.status,
            StatusCode::UNAUTHORIZED,
            "{name}: {}",
            answer.body
        );
    }
    // A session that there never was, by our own key.
    let nobody = signed(
        &same,
        &with(&[("sid", json!("01926c5e-7f00-7000-8000-000000000001"))]),
    );
    assert_eq!(service.get("me", &nobody).await.code(), "session_ended");
    let asked = tokio::time::timeout(std::time::Duration::from_millis(200), trap.accept()).await;
    assert!(asked.is_err(), "somebody's address was asked for keys");
}

#[tokio::test]
async fn a_token_in_an_address_opens_nothing() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    for query in ["Authorization", "access_token", "token"] {
        for value in [token.clone(), format!("Bearer%20{token}")] {
            let url = service.url(&format!("me?{query}={value}"));
            let answer = service.send(service.http.get(url)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn other_sites_can_not_use_the_cookie() {
    let service = Service::start().await;
    service.register("ada@example.org").await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    let answer = service
        .send(
            service
                .http
                .post(service.url("sign-in"))
                .header("x-parlance-session", "cookie")
                .json(&body),
        )
        .await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    let pair = cookie.split(';').next().unwrap().to_owned();
    for path in ["refresh", "log-out"] {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("x-nothing", "1"),
        ] {
            for content in ["application/x-www-form-urlencoded", "text/plain"] {
                let forged = service
                    .send(
                        service
                            .http
                            .post(service.url(path))
                            .header("cookie", &pair)
                            .header(name, value)
                            .header("content-type", content)
                            .body("a=b"),
                    )
                    .await;
                assert!(
                    matches!(forged.status.as_u16(), 400 | 403),
                    "{path} {name} {value}: {}",
                    forged.status
                );
            }
            let forged = service
                .send(
                    service
                        .http
                        .post(service.url(path))
                        .header("cookie", &pair)
                        .header(name, value),
                )
                .await;
            assert_eq!(
                (forged.status, forged.code()),
                (StatusCode::FORBIDDEN, "cross_site"),
                "{path} {name} {value}"
            );
        }
    }
    // The cookie alone is no access token, wherever it is sent.
    for path in ["me", "sessions", "export", "security-events"] {
        let answer = service
            .send(
                service
                    .http
                    .get(service.url(path))
                    .header("cookie", &pair)
                    .header("sec-fetch-site", "same-origin"),
            )
            .await;
        assert_eq!(answer.code(), "token_missing", "{path}");
    }
    // No origin but those of the settings is told that it may read answers.
    for origin in ["https://evil.example", "null"] {
        let answer = service
            .http
            .get(service.url("me"))
            .header("origin", origin)
            .send()
            .await
            .unwrap();
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
}
