use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// Every route of a service, by its own OpenAPI document: so a route that is added is tried too.
#[derive(Debug)]
pub struct Surface {
    http: Client,
    /// Where the service is, such as `http://127.0.0.1:7110`.
    base: String,
    operations: Vec<Operation>,
}

/// A route with a method.
#[derive(Debug, Clone)]
pub struct Operation {
    pub method: Method,
    /// As in the document: `/api/account/sessions/{session_id}`.
    pub path: String,
    /// Names of what stands in braces.
    pub parameters: Vec<String>,
    pub access: Access,
}

/// Who may call an operation, as the document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Anybody,
    /// With a token or without; a bad token is refused.
    MaybeToken,
    Token,
}

impl Operation {
    /// `GET /api/account/me`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn url(&self, base: &str, fill: impl Fn(&str) -> String) -> String {
        let mut path = self.path.clone();
        for parameter in &self.parameters {
            path = path.replace(&format!("{{{parameter}}}"), &fill(parameter));
        }
        format!("{base}{path}")
    }
}

impl Surface {
    /// Reads the operations of a document.
    ///
    /// # Panics
    /// When it is no OpenAPI document, or has no operation.
    #[must_use]
    pub fn new(base: impl Into<String>, document: &Value) -> Self {
        let paths = document["paths"].as_object().expect("a document has paths");
        let mut operations = Vec::new();
        for (path, methods) in paths {
            let parameters: Vec<String> = path
                .split('{')
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
                .collect();
            for (method, operation) in methods.as_object().expect("a path has methods") {
                let Ok(method) = method.to_uppercase().parse::<Method>() else {
                    continue;
                };
                // An operation without its own has that of the document.
                let own = operation["security"].as_array();
                let security = own.or_else(|| document["security"].as_array());
                let without = security.is_some_and(|all| all.contains(&json!({})));
                let only_without = security.is_some_and(|all| *all == [json!({})]);
                operations.push(Operation {
                    method,
                    path: path.clone(),
                    parameters: parameters.clone(),
                    access: match (security, without) {
                        (None, _) => Access::Anybody,
                        (Some(_), true) if only_without => Access::Anybody,
                        (Some(_), true) => Access::MaybeToken,
                        (Some(_), false) => Access::Token,
                    },
                });
            }
        }
        assert!(!operations.is_empty(), "a document without operations");
        Self {
            http: Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client without certificates of its own can be built"),
            base: base.into(),
            operations,
        }
    }

    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Calls everything as somebody who isn't signed in, with a token that is none, and with each of
    /// `foreign`, tokens that are not of this deployment: all is refused with 401 but what is in
    /// `public`, such as `POST /api/account/sign-in`. A route that is open and not in `public` fails
    /// the test, and so does one in `public` that isn't open.
    ///
    /// # Panics
    /// When something is not as it should be; the message lists all of that.
    pub async fn refuses_strangers(&self, public: &[&str], foreign: &[(&str, String)]) {
        let mut faults = Vec::new();
        let open: Vec<String> = self
            .operations
            .iter()
            .filter(|operation| operation.access == Access::Anybody)
            .map(Operation::name)
            .collect();
        for name in open.iter().filter(|name| !public.contains(&name.as_str())) {
            faults.push(format!("{name} is open to anybody"));
        }
        for name in public {
            if !open.iter().any(|open| open == name) {
                faults.push(format!("{name} should be open to anybody"));
            }
        }
        for operation in &self.operations {
            let mut tries: Vec<(&str, Option<&str>)> = vec![("no token", Some("no.such.token"))];
            tries.extend(foreign.iter().map(|(what, token)| (*what, Some(&**token))));
            match operation.access {
                Access::Anybody => continue,
                Access::MaybeToken => {}
                Access::Token => tries.push(("nothing", None)),
            }
            for (what, token) in tries {
                let url = operation.url(&self.base, |_| "x".to_owned());
                let status = self.call(operation, &url, token, &json!({})).await;
                if status != StatusCode::UNAUTHORIZED {
                    faults.push(format!("{} with {what}: {status}", operation.name()));
                }
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Calls every operation on the objects of somebody else, as a stranger with a good `token`: all
    /// is refused with 403 or 404. `objects` are ids by the name of the parameter; an operation with
    /// other parameters is left out if it is in `shared`. `body` gives the body of an operation.
    ///
    /// # Panics
    /// When something is not as it should be; the message lists all of that.
    pub async fn refuses_others_objects(
        &self,
        token: &str,
        objects: &[(&str, &str)],
        shared: &[&str],
        body: impl Fn(&str) -> Value,
    ) {
        let mut faults = Vec::new();
        for operation in &self.operations {
            let name = operation.name();
            if operation.parameters.is_empty() || shared.contains(&name.as_str()) {
                continue;
            }
            let object = |parameter: &str| {
                let known = objects.iter().find(|(name, _)| *name == parameter);
                known.map(|(_, id)| (*id).to_owned())
            };
            if let Some(unknown) = operation.parameters.iter().find(|p| object(p).is_none()) {
                faults.push(format!("{name}: the test has no `{unknown}`"));
                continue;
            }
            let url = operation.url(&self.base, |parameter| {
                object(parameter).unwrap_or_default()
            });
            let status = self.call(operation, &url, Some(token), &body(&name)).await;
            if !matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
                faults.push(format!("{name}: {status}"));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    async fn call(
        &self,
        operation: &Operation,
        url: &str,
        token: Option<&str>,
        body: &Value,
    ) -> StatusCode {
        let mut request = self.http.request(operation.method.clone(), url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if operation.method != Method::GET && operation.method != Method::DELETE {
            request = request.json(body);
        }
        request.send().await.expect("the service answers").status()
    }
}
