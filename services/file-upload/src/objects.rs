//! The bucket. Bytes never pass through this service: it signs what a client may do with S3.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{BucketLocationConstraint, ChecksumMode, CreateBucketConfiguration};
use serde::Deserialize;
use settings::Secret;

use crate::domain::disposition;
use crate::domain::file::Object;

/// The `[aws]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsSettings {
    pub region: String,
    /// Where this service reaches S3; none: AWS itself. With an endpoint, buckets are part of the path.
    #[serde(default)]
    pub s3_endpoint: Option<String>,
    /// Where clients reach S3, if that is elsewhere: it is part of what is signed.
    #[serde(default)]
    pub s3_public_endpoint: Option<String>,
    /// Of a store outside AWS. Empty: credentials come from where the AWS SDKs look for them.
    pub access_key_id: String,
    pub secret_access_key: Secret,
}

/// How long what was signed may be used.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    pub upload: Duration,
    pub download: Duration,
}

#[derive(Clone)]
pub struct Objects {
    /// For this service's own calls.
    near: Client,
    /// Signs for clients; sends nothing.
    public: Client,
    bucket: String,
    lifetimes: Lifetimes,
}

/// S3 refused or didn't answer.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {reason}")]
pub struct ObjectsError {
    doing: &'static str,
    reason: String,
}

impl ObjectsError {
    fn new<E: std::error::Error>(doing: &'static str, error: &E) -> Self {
        // The SDK's own text stops at the outermost error.
        Self {
            doing,
            reason: DisplayErrorContext(error).to_string(),
        }
    }
}

/// A request that a client may make.
#[derive(Debug, Clone)]
pub struct Signed {
    pub url: String,
    /// Headers that it must carry, beside those that every HTTP client sets by itself.
    pub headers: Vec<(String, String)>,
    pub lifetime: Duration,
}

/// What the bucket has under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub size_bytes: u64,
    pub sha256_base64: Option<String>,
}

impl Objects {
    pub async fn connect(settings: &AwsSettings, bucket: &str, lifetimes: Lifetimes) -> Self {
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(1))
                    .operation_attempt_timeout(Duration::from_secs(2))
                    .operation_timeout(Duration::from_secs(5))
                    .build(),
            )
            .load()
            .await;
        let credentials = (!settings.access_key_id.is_empty()).then(|| {
            Credentials::new(
                &settings.access_key_id,
                settings.secret_access_key.expose(),
                None,
                None,
                "settings",
            )
        });
        let given = |endpoint: &Option<String>| endpoint.clone().filter(|url| !url.is_empty());
        // The SDK reads these by itself, but asks for buckets as host names then.
        let from_environment = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
            .into_iter()
            .find_map(|name| given(&std::env::var(name).ok()));
        let client = |endpoint: Option<String>| {
            let mut config =
                aws_sdk_s3::config::Builder::from(&shared).force_path_style(endpoint.is_some());
            config.set_endpoint_url(endpoint);
            if let Some(credentials) = credentials.clone() {
                config = config.credentials_provider(credentials);
            }
            Client::from_conf(config.build())
        };
        let near = given(&settings.s3_endpoint).or(from_environment);
        let public = given(&settings.s3_public_endpoint).or_else(|| near.clone());
        Self {
            near: client(near),
            public: client(public),
            bucket: bucket.to_owned(),
            lifetimes,
        }
    }

    /// Makes the bucket where it is missing. Idempotent.
    ///
    /// # Errors
    /// When S3 refuses or doesn't answer.
    pub async fn create_bucket(&self, region: &str) -> Result<(), ObjectsError> {
        // us-east-1 is where a bucket is without a word, and S3 refuses the word.
        let place = (region != "us-east-1").then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
        let created = self
            .near
            .create_bucket()
            .bucket(&self.bucket)
            .set_create_bucket_configuration(place)
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            // Ours from before; another account's has another code.
            Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) => {
                // Who may use a bucket but not make one is told so although it is there.
                let there = self.near.head_bucket().bucket(&self.bucket).send().await;
                there
                    .map(|_| ())
                    .map_err(|_| ObjectsError::new("make the bucket", &error))
            }
        }
    }

    /// A PUT of exactly these bytes: type, length and SHA-256 are signed, so that S3 refuses others.
    ///
    /// # Errors
    /// When there are no credentials to sign with.
    pub async fn sign_upload(&self, object: &Object) -> Result<Signed, ObjectsError> {
        let lifetime = self.lifetimes.upload;
        let signed = self
            .public
            .put_object()
            .bucket(&self.bucket)
            .key(&object.key)
            .content_type(object.content_type.as_str())
            .content_length(object.size.bytes() as i64)
            .checksum_sha256(object.sha256.to_base64())
            .presigned(presigning(lifetime))
            .await
            .map_err(|error| ObjectsError::new("sign an upload", &error))?;
        Ok(Signed {
            url: signed.uri().to_owned(),
            headers: signed
                .headers()
                // Set by the client itself; scripts in a browser may not even name them.
                .filter(|(name, _)| !matches!(*name, "content-length" | "host"))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            lifetime,
        })
    }

    /// A GET that saves it under its name, or shows it where that is safe.
    ///
    /// # Errors
    /// When there are no credentials to sign with.
    pub async fn sign_download(&self, object: &Object) -> Result<Signed, ObjectsError> {
        let lifetime = self.lifetimes.download;
        let signed = self
            .public
            .get_object()
            .bucket(&self.bucket)
            .key(&object.key)
            .response_content_type(object.content_type.as_str())
            .response_content_disposition(disposition::of(&object.name, &object.content_type))
            .response_cache_control("private, max-age=300")
            .presigned(presigning(lifetime))
            .await
            .map_err(|error| ObjectsError::new("sign a download", &error))?;
        Ok(Signed {
            url: signed.uri().to_owned(),
            headers: Vec::new(),
            lifetime,
        })
    }

    /// What the bucket has under its key; `None` before its bytes came.
    ///
    /// # Errors
    /// When S3 refuses or doesn't answer.
    pub async fn stored(&self, object: &Object) -> Result<Option<Stored>, ObjectsError> {
        let head = self
            .near
            .head_object()
            .bucket(&self.bucket)
            .key(&object.key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        match head {
            Ok(head) => Ok(Some(Stored {
                size_bytes: head.content_length().unwrap_or_default() as u64,
                sha256_base64: head.checksum_sha256,
            })),
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(None),
            Err(error) => Err(ObjectsError::new("look at an object", &error)),
        }
    }

    /// The first bytes that the bucket has, at most `count` of them.
    ///
    /// # Errors
    /// When S3 refuses or doesn't answer.
    pub async fn beginning(&self, object: &Object, count: usize) -> Result<Vec<u8>, ObjectsError> {
        let doing = "read the beginning of an object";
        let answer = self
            .near
            .get_object()
            .bucket(&self.bucket)
            .key(&object.key)
            .range(format!("bytes=0-{}", count.saturating_sub(1)))
            .send()
            .await
            .map_err(|error| ObjectsError::new(doing, &error))?;
        let bytes = answer
            .body
            .collect()
            .await
            .map_err(|error| ObjectsError::new(doing, &error))?;
        Ok(bytes.into_bytes().into())
    }

    /// Deletes what the bucket has under its key, if anything.
    ///
    /// # Errors
    /// When S3 refuses or doesn't answer.
    pub async fn delete(&self, object: &Object) -> Result<(), ObjectsError> {
        self.near
            .delete_object()
            .bucket(&self.bucket)
            .key(&object.key)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| ObjectsError::new("delete an object", &error))
    }
}

fn presigning(lifetime: Duration) -> PresigningConfig {
    PresigningConfig::expires_in(lifetime)
        .expect("lifetimes are at most a week: the configuration was checked at the start")
}
