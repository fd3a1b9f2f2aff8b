//! axum's extractors with our refusals.

use axum::extract::rejection::{
    BytesRejection, FailedToBufferBody, JsonRejection, PathRejection, QueryRejection,
};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use problem::{Kind, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON body. Refused with `body_malformed` (not JSON), `body_invalid` (not this shape),
/// `content_type_unsupported`, `too_large` or `body_unreadable`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match <axum::Json<T> as FromRequest<S>>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(body_problem(rejection)),
        }
    }
}

/// `Option<Json<T>>`: `None` for a request without a content type.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        match <axum::Json<T> as OptionalFromRequest<S>>::from_request(request, state).await {
            Ok(value) => Ok(value.map(|axum::Json(value)| Self(value))),
            Err(rejection) => Err(body_problem(rejection)),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn body_problem(rejection: JsonRejection) -> Problem {
    match rejection {
        // The text is about the caller's own input and names the field.
        JsonRejection::JsonDataError(e) => {
            Problem::new(Kind::InvalidInput, "body_invalid", e.body_text())
        }
        JsonRejection::JsonSyntaxError(_) => Problem::new(
            Kind::InvalidInput,
            "body_malformed",
            "The body is not JSON.",
        ),
        JsonRejection::MissingJsonContentType(_) => Problem::new(
            Kind::InvalidInput,
            "content_type_unsupported",
            "The body must be sent as application/json.",
        ),
        JsonRejection::BytesRejection(BytesRejection::FailedToBufferBody(
            FailedToBufferBody::LengthLimitError(_),
        )) => too_large(),
        _ => Problem::new(
            Kind::InvalidInput,
            "body_unreadable",
            "The body could not be read to its end.",
        ),
    }
}

pub(crate) fn too_large() -> Problem {
    Problem::new(Kind::TooLarge, "too_large", "The body is too large.")
}

/// Parameters of the path. Refused with `path_invalid`.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection @ PathRejection::FailedToDeserializePathParams(_)) => Err(Problem::new(
                Kind::InvalidInput,
                "path_invalid",
                rejection.body_text(),
            )),
            Err(rejection) => Err(Problem::internal(&rejection)),
        }
    }
}

/// Parameters of the query. Refused with `query_invalid`.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection: QueryRejection| {
                Problem::new(Kind::InvalidInput, "query_invalid", rejection.body_text())
            })
    }
}
