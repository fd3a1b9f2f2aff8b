//! Browsers keep the refresh token in a cookie that scripts can't read.

use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderValue};
use problem::{Kind, Problem};
use serving::Json;

use super::{AppState, SignInResponse};
use crate::accounts::SignedIn;

/// With `Secure` the name begins with `__Host-`: then browsers take the cookie from this host alone,
/// not from one beside it (RFC 6265bis, section 4.1.3).
const REFRESH: &str = "parlance_session";
/// Binds a way to another provider to the browser that set out.
const OIDC: &str = "parlance_oidc";

/// Whether the caller asked for the cookie: `X-Parlance-Session: cookie`.
pub fn wants_cookie(headers: &HeaderMap) -> bool {
    headers
        .get("x-parlance-session")
        .is_some_and(|value| value == "cookie")
}

/// The answer to whoever has signed in, with the refresh token in the body or in the cookie.
pub fn answer(state: &AppState, signed_in: SignedIn, as_cookie: bool) -> Response {
    if !as_cookie {
        return Json(SignInResponse::from(signed_in)).into_response();
    }
    let cookie = cookie(
        state,
        &signed_in.refresh_token.expose(),
        state.0.accounts.session_idle_seconds,
    );
    let mut body = SignInResponse::from(signed_in);
    body.refresh_token = None;
    ([(header::SET_COOKIE, cookie)], Json(body)).into_response()
}

/// Takes the cookie away.
pub fn forget(state: &AppState) -> HeaderValue {
    cookie(state, "", 0)
}

/// The cookie of a refresh token.
pub fn cookie(state: &AppState, value: &str, max_age_s: u64) -> HeaderValue {
    set_cookie(state, REFRESH, value, max_age_s, "Strict")
}

/// The cookie of a way to another provider. `Lax`, because the provider sends the browser back.
pub fn oidc_cookie(state: &AppState, browser: &str) -> HeaderValue {
    set_cookie(state, OIDC, browser, 600, "Lax")
}

/// What [`oidc_cookie`] set.
pub fn oidc_browser<'a>(state: &AppState, headers: &'a HeaderMap) -> Option<&'a str> {
    read_cookie(headers, &cookie_name(state, OIDC))
}

fn cookie_name(state: &AppState, name: &str) -> String {
    let prefix = if state.0.accounts.secure_cookies {
        "__Host-"
    } else {
        ""
    };
    format!("{prefix}{name}")
}

fn set_cookie(
    state: &AppState,
    name: &str,
    value: &str,
    max_age_s: u64,
    same_site: &str,
) -> HeaderValue {
    let name = cookie_name(state, name);
    let secure = if state.0.accounts.secure_cookies {
        "; Secure"
    } else {
        ""
    };
    HeaderValue::from_str(&format!(
        "{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite={same_site}{secure}"
    ))
    .expect("a token in base64url is good in a cookie")
}

fn read_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(named, value)| *named == name && !value.is_empty())
        .map(|(_, value)| value)
}

/// The refresh token of the cookie. `SameSite=Strict` keeps other sites from sending it; that the
/// request comes from our own pages is checked all the same.
///
/// # Errors
/// `cross_site` for a request that another origin made.
pub fn refresh_token(state: &AppState, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    refresh_token_in(headers, &cookie_name(state, REFRESH))
}

fn refresh_token_in(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let token = read_cookie(headers, name).map(str::to_owned);
    if token.is_some() && !is_same_origin(headers) {
        return Err(Problem::new(
            Kind::PermissionDenied,
            "cross_site",
            "This is only for pages of the same origin.",
        ));
    }
    Ok(token)
}

/// By `Sec-Fetch-Site`, which browsers send to trustworthy origins, else by `Origin`.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(headers: &[(&'static str, &str)]) -> Result<Option<String>, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        refresh_token_in(&map, REFRESH).map_err(|problem| problem.code.into_owned())
    }

    #[test]
    fn the_cookie_is_taken_from_our_own_pages_only() {
        let cookie = ("cookie", "a=b; parlance_session=xyz; c=d");
        let good = Ok(Some("xyz".to_owned()));
        let bad = Err("cross_site".to_owned());
        assert_eq!(token(&[cookie, ("sec-fetch-site", "same-origin")]), good);
        assert_eq!(token(&[cookie, ("sec-fetch-site", "same-site")]), bad);
        assert_eq!(token(&[cookie, ("sec-fetch-site", "none")]), bad);
        assert_eq!(
            token(&[
                cookie,
                ("origin", "http://chat.lan:8080"),
                ("host", "chat.lan:8080")
            ]),
            good
        );
        assert_eq!(
            token(&[
                cookie,
                ("origin", "http://evil.lan"),
                ("host", "chat.lan:8080")
            ]),
            bad
        );
        assert_eq!(token(&[cookie]), bad);
        assert_eq!(token(&[("cookie", "a=b")]), Ok(None));
        assert_eq!(token(&[]), Ok(None));
    }
}
