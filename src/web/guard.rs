//! What every request must look like, whoever sends it: pages of other sites, and names that others let point at this machine,
//! reach it through the person's own browser.

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The hosts under which a browser on this machine reaches it, with any port: one may be forwarded by `ssh -L`.
const HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// What the page may do: load its own files and speak to its own origin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Answers a request that keeps the rules, and refuses others.
pub async fn guard(request: Request, next: Next) -> Response {
    let checked = check(&request);
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err((status, why)) => (status, why).into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn check<B>(request: &axum::http::Request<B>) -> Result<(), (StatusCode, &'static str)> {
    let headers = request.headers();
    let host = host(headers).filter(|_| request.uri().authority().is_none());
    let Some(host) = host else { return Err((StatusCode::FORBIDDEN, "the page is at 127.0.0.1 only\n")) };
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_page = is_read && !is_api(request.uri().path());
    if !is_own_origin(headers, host) || !is_own_site(headers, is_page) {
        return Err((StatusCode::FORBIDDEN, "other sites may not speak to this node\n"));
    }
    if request.method() == Method::POST && !is_json(headers) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "only application/json is taken\n"));
    }
    Ok(())
}

/// Whether a path is one of the local API, and not a file.
fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// The value of a header that is there once; `Err` if there are several, or it is not text.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => one.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// The host with its port, if it is one of [`HOSTS`].
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = single(headers, HOST.as_str()).ok().flatten()?;
    let is_port = |rest: &str| {
        rest.strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
    };
    let is_ours = |name: &&str| host.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || is_port(rest));
    HOSTS.iter().any(is_ours).then_some(host)
}

fn is_own_origin(headers: &HeaderMap, host: &str) -> bool {
    match single(headers, ORIGIN.as_str()) {
        Ok(origin) => origin.is_none_or(|origin| origin.strip_prefix("http://") == Some(host)),
        Err(()) => false,
    }
}

/// Browsers say who has caused a request. What a person typed or opened was caused by no site, and may be a page only.
fn is_own_site(headers: &HeaderMap, is_page: bool) -> bool {
    match single(headers, "sec-fetch-site") {
        Ok(site) => site.is_none_or(|site| site == "same-origin" || (is_page && site == "none")),
        Err(()) => false,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = single(headers, CONTENT_TYPE.as_str()).ok().flatten();
    kind.is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).expect("a request")).err().map_or(200, |(status, _)| status.as_u16())
    }

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        let get = |headers: &[(&str, &str)]| status(Method::GET, "/", headers);
        for host in ["127.0.0.1", "127.0.0.1:27280", "localhost:1", "[::1]:65535", "localhost"] {
            assert_eq!(get(&[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.2",
            "192.168.1.7:27280",
            "::1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "127.0.0.1:+1",
            "LOCALHOST@evil.example",
            "",
        ] {
            assert_eq!(get(&[("host", host)]), 403, "{host}");
        }
        assert_eq!((get(&[]), get(&[("host", "localhost"), ("host", "localhost")])), (403, 403));
        assert_eq!(status(Method::GET, "http://evil.example/", &[("host", "localhost")]), 403);
    }

    #[test]
    fn an_origin_is_that_of_the_host_or_missing() {
        let get = |origin: &str| status(Method::GET, "/api/events", &[("host", "localhost:1"), ("origin", origin)]);
        assert_eq!(get("http://localhost:1"), 200);
        for origin in
            ["http://localhost:2", "http://localhost", "https://localhost:1", "http://evil.example", "null", ""]
        {
            assert_eq!(get(origin), 403, "{origin}");
        }
    }

    #[test]
    fn requests_of_other_sites_are_refused_and_what_a_person_opens_is_a_page() {
        let of = |path: &str, site: &str| status(Method::GET, path, &[("host", "localhost"), ("sec-fetch-site", site)]);
        assert_eq!((of("/", "none"), of("/app.js", "same-origin"), of("/api/events", "same-origin")), (200, 200, 200));
        assert_eq!((of("/", "cross-site"), of("/", "same-site"), of("/api/events", "none")), (403, 403, 403));
        let post = [("host", "localhost"), ("sec-fetch-site", "none"), ("content-type", "application/json")];
        assert_eq!((status(Method::POST, "/login", &post), status(Method::POST, "/api", &post)), (403, 403));
    }

    #[test]
    fn only_json_is_posted() {
        let post = |kind: &str| status(Method::POST, "/api", &[("host", "localhost"), ("content-type", kind)]);
        assert_eq!((post("application/json"), post("application/json; charset=utf-8")), (200, 200));
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""]
        {
            assert_eq!(post(kind), 415, "{kind}");
        }
        assert_eq!(status(Method::POST, "/api", &[("host", "localhost")]), 415);
    }
}
