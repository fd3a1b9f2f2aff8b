use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

struct Program {
    child: Child,
    dynamodb: u16,
    s3: u16,
}

impl Program {
    fn start(data: &std::path::Path) -> Self {
        let (dynamodb, s3) = (free_port(), free_port());
        let child = Command::new(env!("CARGO_BIN_EXE_local-aws"))
            .arg("--data")
            .arg(data)
            .args(["--dynamodb-port", &dynamodb.to_string()])
            .args(["--s3-port", &s3.to_string(), "--no-fsync"])
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while [dynamodb, s3]
            .iter()
            .any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err())
        {
            assert!(Instant::now() < deadline, "it doesn't listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self {
            child,
            dynamodb,
            s3,
        }
    }

    fn dynamodb(&self, action: &str, body: &str) -> String {
        // DynamoDB checks the form of the credentials, the emulator not their signature.
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.{action}\r\n\
             X-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, \
             Signature=0\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        exchange(self.dynamodb, &format!("{head}{body}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_item_outlives_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path());
    let table = r#"{"TableName":"things","BillingMode":"PAY_PER_REQUEST",
        "AttributeDefinitions":[{"AttributeName":"k","AttributeType":"S"}],
        "KeySchema":[{"AttributeName":"k","KeyType":"HASH"}]}"#;
    let answer = program.dynamodb("CreateTable", table);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let item = r#"{"TableName":"things","Item":{"k":{"S":"a"},"v":{"S":"kept"}}}"#;
    let answer = program.dynamodb("PutItem", item);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(program);

    let program = Program::start(data.path());
    let key = r#"{"TableName":"things","Key":{"k":{"S":"a"}}}"#;
    let answer = program.dynamodb("GetItem", key);
    assert!(answer.contains("kept"), "{answer}");
}

#[test]
fn a_browser_may_upload_from_any_origin() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path());
    let answer = exchange(
        program.s3,
        "OPTIONS /files/key HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Origin: http://localhost:8080\r\nAccess-Control-Request-Method: PUT\r\n\
         Access-Control-Request-Headers: content-type\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("access-control-allow-origin: http://localhost:8080"),
        "{answer}"
    );
}

#[test]
fn a_request_without_signature_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path());
    let answer = exchange(
        program.s3,
        "PUT /bucket HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn it_ends_cleanly_when_asked() {
    let data = tempfile::tempdir().unwrap();
    let mut program = Program::start(data.path());
    let asked = Command::new("kill")
        .arg(program.child.id().to_string())
        .status()
        .unwrap();
    assert!(asked.success());
    assert!(program.child.wait().unwrap().success());
}
